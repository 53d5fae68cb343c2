//! What is watched, as far as people say so while the server runs: registered and taken off again, through restarts.

use crate::append::append_last;
use crate::{Engine, EngineConfig, EngineError};
use midwatch_model::ServiceName;
use midwatch_model::journal::{Entry, Registration, StreamId};

impl EngineConfig {
    /// Whether the configuration file names the service.
    pub(crate) fn names(&self, service: &ServiceName) -> bool {
        self.services.iter().any(|configured| configured.name == service.as_str())
    }
}

impl Engine {
    /// Registers a service and its edges, for good.
    ///
    /// # Errors
    /// When a name or URL cannot be used, or the store takes nothing now.
    pub async fn register(&self, mut registration: Registration) -> Result<(), EngineError> {
        let _one_at_a_time = self.registering.lock().await;
        // What is left out stays as it is known.
        let name = ServiceName::new(&registration.name);
        if let Some(known) = self.watch.lock().await.registration(&name).cloned() {
            let keep = |given: Vec<String>, known: Vec<String>| if given.is_empty() { known } else { given };
            registration.health = registration.health.or(known.health);
            registration.depends_on = keep(registration.depends_on, known.depends_on);
            registration.consumes_from = keep(registration.consumes_from, known.consumes_from);
            registration.owner = registration.owner.or(known.owner);
            registration.namespace = registration.namespace.or(known.namespace);
        }
        let names = std::iter::once(&registration.name)
            .chain(&registration.depends_on)
            .chain(&registration.consumes_from);
        for name in names {
            if !ServiceName::new(name).is_valid() {
                return Err(EngineError::BadServiceName(name.clone()));
            }
        }
        if registration.depends_on.contains(&registration.name) {
            return Err(EngineError::Refused(format!("{} cannot depend on itself", registration.name)));
        }
        if let Some(url) = &registration.health
            && !midwatch_connectors::may_be_probed(url)
        {
            return Err(EngineError::BadHealthUrl(url.clone()));
        }
        self.configure(Entry::ServiceRegistered { registration: registration.clone() }).await?;
        let mut watch = self.watch.lock().await;
        watch.register(registration);
        self.outside.set_services(&watch.registrations());
        Ok(())
    }

    /// Takes a service off the list of what is watched, for good. What was recorded of it stays.
    ///
    /// # Errors
    /// When it is not registered or is named by the configuration file, or the store takes nothing now.
    pub async fn unregister(&self, name: &str) -> Result<(), EngineError> {
        let service = ServiceName::new(name);
        let _one_at_a_time = self.registering.lock().await;
        self.check_watched(&service).await?;
        if self.config.names(&service) {
            return Err(EngineError::Refused(format!(
                "{name} is named by the configuration file: take it out there, it would be back at the next start"
            )));
        }
        self.configure(Entry::ServiceUnregistered { service: service.clone() }).await?;
        let mut watch = self.watch.lock().await;
        watch.unregister(&service);
        self.foresight.forget(&service);
        self.outside.set_services(&watch.registrations());
        Ok(())
    }

    /// Appends an entry to the stream of what is configured at run time.
    pub(crate) async fn configure(&self, entry: Entry) -> Result<(), EngineError> {
        append_last(self, StreamId::Config, entry).await
    }
}
