//! The shared parts of a running lab.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::Method;
use serde::Serialize;
use tokio::sync::watch;

use super::fleet::Fleet;
use super::load::Load;
use super::log_file::LogFile;
use super::{dashboard, faults, operations};
use crate::broker::Broker;
use crate::catalogue::ServiceName;
use crate::client::{Answer, CallError, HttpClient};
use crate::launch::{FleetFacts, TOKEN_HEADER};

pub(super) struct World {
    pub(super) dir: PathBuf,
    pub(super) seed: u64,
    /// How a service process is started: executable and leading arguments.
    pub(super) command: (PathBuf, Vec<String>),
    pub(super) token: String,
    pub(super) client: HttpClient,
    pub(super) url: String,
    pub(super) broker: Arc<Broker>,
    pub(super) broker_url: String,
    pub(super) fleets: BTreeMap<ServiceName, Arc<Fleet>>,
    pub(super) logs: BTreeMap<ServiceName, LogFile>,
    pub(super) operations: operations::Registry,
    pub(super) faults: faults::Register,
    pub(super) load: Load,
    pub(super) sessions: dashboard::Sessions,
    pub(super) stopping: AtomicBool,
    pub(super) stop: watch::Sender<bool>,
    pub(super) pids_lock: Mutex<()>,
}

/// How long an instance may take to answer on the private channel.
const PRIVATE_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(1500);

impl World {
    pub(super) fn fleet(&self, service: ServiceName) -> &Arc<Fleet> {
        // The map is built from `ServiceName::ALL` and never changes.
        &self.fleets[&service]
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Sends a word on the private channel of one instance.
    pub(super) async fn tell<T: Serialize>(
        &self,
        method: Method,
        address: &str,
        word: &str,
        body: &T,
    ) -> Result<Answer, CallError> {
        let url = format!("{address}/-/{word}");
        let headers = [(TOKEN_HEADER, self.token.as_str())];
        self.client.send_json(method, &url, &headers, body, PRIVATE_TIMEOUT).await
    }

    /// Sends a word to every live instance; how many took it, and how many there are.
    pub(super) async fn tell_all<T: Serialize>(
        &self,
        fleet: &Fleet,
        method: Method,
        word: &str,
        body: &T,
    ) -> (usize, usize) {
        let instances = fleet.live_instances();
        let calls = instances.iter().map(|instance| self.tell(method.clone(), &instance.address, word, body));
        let answers = futures::future::join_all(calls).await;
        let took =
            answers.iter().filter(|answer| answer.as_ref().is_ok_and(|a| a.status.is_success())).count();
        (took, instances.len())
    }

    /// Tells all instances how many they are, and writes `pids.json`.
    pub(super) fn fleet_changed(self: &Arc<Self>, fleet: &Arc<Fleet>) {
        super::files::write_pids(self);
        let (world, fleet) = (Arc::clone(self), Arc::clone(fleet));
        // Only metrics depend on it, and the next change repeats it.
        tokio::spawn(async move {
            let facts = FleetFacts { replicas: fleet.replicas(), restarts: fleet.restarts() };
            world.tell_all(&fleet, Method::POST, "fleet", &facts).await;
        });
    }
}
