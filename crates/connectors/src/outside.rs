//! What the engine sees of the outside: one trait and the words it speaks.

use crate::{ConnectorError, NotifyError, Tell, Told};
use futures::future::BoxFuture;
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Registration};
use midwatch_model::{Change, Check, Sample, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};

/// One round of telemetry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    pub samples: Vec<Sample>,
    /// What could not be asked or read. The rest of the poll is good nonetheless.
    pub failures: Vec<SourceFailure>,
    pub polled_at: Timestamp,
}

/// One source that failed in one poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFailure {
    /// The service that it would have told about, where that is known.
    pub service: Option<ServiceName>,
    /// URL, file or query.
    pub source: String,
    pub reason: String,
}

/// One look at a health endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    pub service: ServiceName,
    pub url: String,
    /// `None` where the failure is ours (bad URL, unknown host, wrong path): unknown is never unhealthy.
    pub healthy: Option<bool>,
    pub status: Option<u16>,
    /// One line: failing checks, or why there was no answer.
    pub detail: String,
    pub elapsed_ms: f64,
    pub at: Timestamp,
}

impl Probe {
    /// The answer of a declared look.
    #[must_use]
    pub fn of_check(
        service: &ServiceName,
        check: &Check,
        healthy: Option<bool>,
        detail: String,
        at: Timestamp,
    ) -> Self {
        let (service, url) = (service.clone(), check.query());
        Self { service, url, healthy, status: None, detail, elapsed_ms: 0.0, at }
    }
}

/// What a service logged within a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDigest {
    pub service: ServiceName,
    pub from: Timestamp,
    pub to: Timestamp,
    pub errors: u64,
    pub warnings: u64,
    pub lines: u64,
    /// Error and warning messages with numbers masked and secrets redacted, most frequent first, at most 10.
    pub top: Vec<(String, u64)>,
    /// How to ask again.
    pub query: String,
}

/// One line of a log, redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedLine {
    pub at: Timestamp,
    /// `ERROR`, `WARN` or `INFO`.
    pub severity: &'static str,
    pub message: String,
}

/// What a platform tells of a service when it is asked to describe it: an answer of a tool, as bundles of incidents hold
/// them. Texts in it are redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    pub tool: String,
    pub arguments: serde_json::Value,
    pub answer: serde_json::Value,
}

/// The outside world as the engine uses it; a test world implements it, too.
pub trait Outside: Send + Sync {
    /// Takes over a changed list of services.
    fn set_services(&self, services: &[Registration]);

    /// Asks every telemetry source once. Never fails as a whole.
    fn poll<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Poll>;

    /// Looks at a health endpoint.
    fn probe<'a>(&'a self, service: &'a ServiceName, url: &'a str, now: Timestamp) -> BoxFuture<'a, Probe>;

    /// Takes a declared look at a service. Where there is no way to take it, its answer is unknown.
    fn check<'a>(
        &'a self,
        service: &'a ServiceName,
        check: &'a Check,
        now: Timestamp,
    ) -> BoxFuture<'a, Probe> {
        let detail = "there is no way to look".to_owned();
        Box::pin(std::future::ready(Probe::of_check(service, check, None, detail, now)))
    }

    /// What the control plane did or saw since then; empty without a control plane.
    fn changes<'a>(&'a self, since: Timestamp) -> BoxFuture<'a, Result<Vec<Change>, ConnectorError>>;

    /// What a service looks like to the control plane.
    fn target<'a>(&'a self, service: &'a ServiceName) -> BoxFuture<'a, Result<TargetState, ConnectorError>>;

    /// What the platform of a service tells of it beyond its target: pods, events, history. Read only; nothing where there
    /// is no more to tell.
    fn describe<'a>(
        &'a self,
        service: &'a ServiceName,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Described>, ConnectorError>>;

    /// Whether a lasting change can be proposed in the service's repository.
    fn takes_proposals(&self, _service: &ServiceName) -> bool {
        false
    }

    /// Reads and sums up a service's log.
    fn logs<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<LogDigest, ConnectorError>>;

    /// The lines of a service's log within a window, in order: the last of them where there are too many.
    fn log_lines<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<LoggedLine>, ConnectorError>>;

    /// What the source of metrics still has of a service and a window, some hundred samples of each metric, oldest first;
    /// empty where it keeps nothing.
    fn past_samples<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Sample>, ConnectorError>>;

    /// Asks the control plane to act, once. Starts no call after the effect's deadline.
    fn apply<'a>(&'a self, effect: &'a Effect, now: Timestamp) -> BoxFuture<'a, EffectOutcome>;

    /// Looks at the target: was this intent's key applied? An error means that nobody knows yet; ask again later.
    fn reconcile<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<EffectOutcome, ConnectorError>>;

    /// Tells a receiver's integration once.
    fn notify<'a>(&'a self, tell: Tell<'a>) -> BoxFuture<'a, Result<Told, NotifyError>>;

    /// Says something back at the address that a press in Slack came with. Nobody but Slack is asked.
    fn respond<'a>(
        &'a self,
        url: &'a str,
        body: &'a serde_json::Value,
    ) -> BoxFuture<'a, Result<(), ConnectorError>>;

    /// Reads a small document over HTTPS, such as a vendor's certificate, or visits the address that confirms a
    /// subscription. Whoever calls has made sure that the address is the vendor's own.
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, ConnectorError>>;
}
