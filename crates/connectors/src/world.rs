//! The real outside world, put together from its connectors.

use crate::actuators::Platforms;
use crate::config::ConnectorsConfig;
use crate::logs::Logs;
use crate::notifiers::Notifiers;
use crate::telemetry::Telemetry;
use crate::{
    ConnectorError, Described, Http, LogDigest, LoggedLine, NotifyError, Outside, Poll, Probe, Tell, Told,
    document, health,
};
use futures::future::BoxFuture;
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Registration};
use midwatch_model::{Change, Check, Sample, ServiceName, Timestamp};

/// Says whether a log line is critical; the signal stage's patterns.
pub type CriticalMatcher = Box<dyn Fn(&str) -> bool + Send + Sync>;

const NO_AWS: ConnectorError =
    ConnectorError::NotConfigured { what: "CloudWatch", fix: "set [aws] to let midwatch look at alarms" };

/// The real world.
pub struct World {
    http: Http,
    telemetry: Telemetry,
    logs: Logs,
    platforms: Platforms,
    notifiers: Notifiers,
    #[cfg(feature = "aws")]
    aws: Option<std::sync::Arc<crate::aws::Aws>>,
}

impl World {
    /// Connectors for what is configured. Nothing is asked yet.
    ///
    /// # Errors
    /// When the configuration is unusable; the error names field and fix.
    pub fn new(config: &ConnectorsConfig, services: &[Registration]) -> Result<Self, ConnectorError> {
        config.validate()?;
        // What is watched and asked may be on this machine or in its networks, but never where a cloud keeps its metadata.
        let http = Http::within_networks()?;
        #[cfg(feature = "aws")]
        let aws = config.aws.as_ref().map(|aws| {
            let timeout = std::time::Duration::from_secs_f64(config.control_plane.call_timeout_s);
            // Credentials may come from the machine's metadata; what is asked with them never goes there.
            let http = Http::within_networks()?;
            Ok::<_, ConnectorError>(std::sync::Arc::new(crate::aws::Aws::new(aws, http, timeout / 2)))
        });
        #[cfg(feature = "aws")]
        let aws = aws.transpose()?;
        #[cfg(not(feature = "aws"))]
        if config.aws.is_some() {
            return Err(ConnectorError::Config {
                field: "[aws]".to_owned(),
                problem: "is set, but this midwatch was built without it: build it with `--features aws`"
                    .to_owned(),
            });
        }
        let platforms = Platforms::new(config, &http)?;
        #[cfg(feature = "aws")]
        let platforms = match &aws {
            Some(aws) => platforms.with_aws(aws),
            None => platforms,
        };
        let world = Self {
            telemetry: Telemetry::new(&config.telemetry, http.clone())?,
            logs: Logs::new(&config.logs, config.telemetry.rate_window_s),
            platforms,
            #[cfg(feature = "aws")]
            aws,
            notifiers: Notifiers::new(&config.receivers, &config.notifications)?,
            http,
        };
        world.set_services(services);
        Ok(world)
    }

    /// Lets polls yield critical log lines per second, by this matcher.
    #[must_use]
    pub fn with_critical_matcher(mut self, matcher: CriticalMatcher) -> Self {
        self.logs.set_matcher(matcher);
        self
    }

    /// CloudWatch alarms as they are now; none where AWS is not configured.
    ///
    /// # Errors
    /// Why they cannot be read.
    #[cfg(feature = "aws")]
    pub async fn alarms(&self) -> Result<Vec<crate::aws::Alarm>, ConnectorError> {
        match &self.aws {
            Some(aws) => aws.alarms().await,
            None => Ok(Vec::new()),
        }
    }

    /// What a declared look shows.
    async fn look(
        &self,
        service: &ServiceName,
        check: &Check,
        now: Timestamp,
    ) -> Result<(Option<bool>, String), ConnectorError> {
        match check {
            Check::Promql { query, .. } => self.telemetry.look(query, check, now).await,
            Check::CloudwatchAlarm { alarm } => self.alarm(alarm).await,
            Check::Rollout {} => self.platforms.rollout(service).await,
            Check::Alias {} => self.platforms.alias(service).await,
        }
    }

    #[cfg(feature = "aws")]
    async fn alarm(&self, name: &str) -> Result<(Option<bool>, String), ConnectorError> {
        let Some(aws) = &self.aws else { return Err(NO_AWS) };
        let state = aws.alarm_state(name).await?;
        let well = match state.as_deref() {
            Some("OK") => Some(true),
            Some("ALARM") => Some(false),
            _ => None,
        };
        let says = state.unwrap_or_else(|| "not there".to_owned());
        Ok((well, format!("the CloudWatch alarm {name} is {says}")))
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "the build with the feature asks")]
    async fn alarm(&self, _: &str) -> Result<(Option<bool>, String), ConnectorError> {
        Err(NO_AWS)
    }

    /// Where telemetry comes from, for questions beyond the poll.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }
}

/// The names that are fit to be part of a path.
fn names(services: &[Registration]) -> Vec<ServiceName> {
    services.iter().map(|service| ServiceName::new(&*service.name)).filter(ServiceName::is_valid).collect()
}

impl Outside for World {
    fn set_services(&self, services: &[Registration]) {
        let names = names(services);
        self.telemetry.set_services(&names);
        self.logs.set_services(names);
        self.platforms.set_services(services);
    }

    fn poll<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Poll> {
        Box::pin(async move {
            let (mut poll, logs) = tokio::join!(self.telemetry.poll(now), self.logs.poll(now));
            poll.samples.extend(logs.samples);
            poll.failures.extend(logs.failures);
            poll
        })
    }

    fn probe<'a>(&'a self, service: &'a ServiceName, url: &'a str, now: Timestamp) -> BoxFuture<'a, Probe> {
        Box::pin(health::probe(&self.http, service, url, now))
    }

    fn check<'a>(
        &'a self,
        service: &'a ServiceName,
        check: &'a Check,
        now: Timestamp,
    ) -> BoxFuture<'a, Probe> {
        Box::pin(async move {
            // An answer that cannot be had says nothing about the service.
            let (healthy, detail) = self
                .look(service, check, now)
                .await
                .unwrap_or_else(|error| (None, format!("{} could not be asked: {error}", check.query())));
            Probe::of_check(service, check, healthy, detail, now)
        })
    }

    fn changes<'a>(&'a self, since: Timestamp) -> BoxFuture<'a, Result<Vec<Change>, ConnectorError>> {
        Box::pin(self.platforms.changes(since))
    }

    fn target<'a>(&'a self, service: &'a ServiceName) -> BoxFuture<'a, Result<TargetState, ConnectorError>> {
        Box::pin(self.platforms.target(service))
    }

    fn describe<'a>(
        &'a self,
        service: &'a ServiceName,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Described>, ConnectorError>> {
        Box::pin(self.platforms.describe(service, now))
    }

    fn takes_proposals(&self, service: &ServiceName) -> bool {
        self.platforms.takes_proposals(service)
    }

    fn logs<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<LogDigest, ConnectorError>> {
        #[cfg(feature = "aws")]
        if let Some((aws, group)) = self.aws.as_ref().zip(self.platforms.log_group(service)) {
            return Box::pin(aws.digest(service, group, from, to));
        }
        #[cfg(feature = "kubernetes")]
        if !self.logs.has_folder() && self.platforms.has_pod_logs(service) {
            return Box::pin(async move {
                let lines = self.platforms.pod_logs(service, (from, to)).await?;
                let query = format!("kubectl logs of the pods of {service} from {from} to {to}");
                Ok(crate::logs::summed::digest(service.clone(), &lines, (from, to), query))
            });
        }
        Box::pin(self.logs.digest(service, from, to))
    }

    fn log_lines<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<LoggedLine>, ConnectorError>> {
        #[cfg(feature = "aws")]
        if let Some((aws, group)) = self.aws.as_ref().zip(self.platforms.log_group(service)) {
            return Box::pin(aws.logged(group, from, to));
        }
        #[cfg(feature = "kubernetes")]
        if !self.logs.has_folder() && self.platforms.has_pod_logs(service) {
            return Box::pin(async move {
                let lines = self.platforms.pod_logs(service, (from, to)).await?;
                Ok(crate::logs::summed::lines(&lines))
            });
        }
        Box::pin(self.logs.lines(service, from, to))
    }

    fn past_samples<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Sample>, ConnectorError>> {
        Box::pin(self.telemetry.past(service, from, to))
    }

    fn apply<'a>(&'a self, effect: &'a Effect, now: Timestamp) -> BoxFuture<'a, EffectOutcome> {
        Box::pin(self.platforms.apply(effect, now))
    }

    fn reconcile<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<EffectOutcome, ConnectorError>> {
        Box::pin(self.platforms.reconcile(intent))
    }

    fn notify<'a>(&'a self, tell: Tell<'a>) -> BoxFuture<'a, Result<Told, NotifyError>> {
        Box::pin(self.notifiers.notify(tell))
    }

    fn respond<'a>(
        &'a self,
        url: &'a str,
        body: &'a serde_json::Value,
    ) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(self.notifiers.respond(url, body))
    }

    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, ConnectorError>> {
        Box::pin(document::fetch(&self.http, url))
    }
}
