//! What the outside is: one small struct per concern, as written in the configuration file.

use crate::{
    ActuatorConfig, AwsConfig, ConnectorError, KubernetesConfig, NotificationsConfig, PullRequestsConfig,
    ReceiverConfig,
};
use midwatch_model::{Metric, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Every connector's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectorsConfig {
    /// Where metrics come from.
    pub telemetry: TelemetryConfig,
    /// Where logs are.
    pub logs: LogsConfig,
    /// What carries out actions and knows versions and changes.
    pub control_plane: ControlPlaneConfig,
    /// A Kubernetes cluster that services run in.
    pub kubernetes: Option<KubernetesConfig>,
    /// AWS, where services run or alarms are.
    pub aws: Option<AwsConfig>,
    /// What acts on services by itself, or beside their platforms.
    #[serde(rename = "actuator")]
    pub actuators: Vec<ActuatorConfig>,
    /// Where lasting changes are proposed.
    pub pull_requests: Option<PullRequestsConfig>,
    /// Who can be told of alerts.
    #[serde(rename = "receiver")]
    pub receivers: Vec<ReceiverConfig>,
    /// What holds for all of them.
    pub notifications: NotificationsConfig,
}

/// How metrics are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TelemetryKind {
    /// From every instance's `/metrics` page.
    Scrape,
    /// From a Prometheus server (or one that speaks its API), with PromQL.
    Prometheus,
    /// Not at all: only alerts from outside make signals.
    #[default]
    None,
}

/// Where metrics come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// `scrape`, `prometheus` or `none`.
    pub kind: TelemetryKind,
    /// For `scrape`: a URL that lists targets in Prometheus' `http_sd` format; asked before every poll.
    pub service_discovery: Option<String>,
    /// For `scrape`: targets in addition to the discovered ones.
    pub targets: Vec<TargetConfig>,
    /// For `prometheus`: the server's base URL, such as `http://localhost:9090`.
    pub url: Option<String>,
    /// Seconds between polls, 0.1–3600.
    pub poll_interval_s: f64,
    /// Window over which rates are taken, seconds, at least two polls.
    pub rate_window_s: f64,
    /// Seconds after which one request is given up.
    pub timeout_s: f64,
    /// Name of the environment variable that holds a bearer token for telemetry requests.
    pub bearer_token_env: Option<String>,
    /// User of basic authentication for telemetry requests, in place of a bearer token.
    pub basic_auth_user: Option<String>,
    /// Name of the environment variable that holds that user's password.
    pub basic_auth_password_env: Option<String>,
    /// For `prometheus`: queries in place of the built-in ones; each must answer with one series per `service`.
    pub queries: BTreeMap<Metric, String>,
}

/// One target to scrape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// The service that the target is an instance of; none for a page that names services in its own labels.
    #[serde(default)]
    pub service: Option<ServiceName>,
    /// URL of the metrics page.
    pub url: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            kind: TelemetryKind::None,
            service_discovery: None,
            targets: Vec::new(),
            url: None,
            // Prometheus' common scrape interval; asking more often shows nothing new.
            poll_interval_s: 15.0,
            // Four polls, so that one missed scrape does not blank a rate.
            rate_window_s: 60.0,
            // A third of the poll interval: a hanging target cannot delay the next poll.
            timeout_s: 5.0,
            bearer_token_env: None,
            basic_auth_user: None,
            basic_auth_password_env: None,
            queries: BTreeMap::new(),
        }
    }
}

/// Where logs are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogsConfig {
    /// Folder with one file `<service>.ndjson` per service, one JSON object per line.
    pub dir: Option<PathBuf>,
}

/// Which control plane there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ControlPlaneKind {
    /// The lab's control plane.
    Lab,
    /// None: midwatch watches, explains and hands over to a person.
    #[default]
    None,
}

/// What carries out actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControlPlaneConfig {
    /// `lab` or `none`.
    pub kind: ControlPlaneKind,
    /// The control plane's base URL.
    pub url: Option<String>,
    /// Seconds after which a call to the control plane is given up; its outcome is then unknown until looked at.
    pub call_timeout_s: f64,
}

impl Default for ControlPlaneConfig {
    fn default() -> Self {
        // A rolling replacement of one service takes seconds; fifteen are enough for all of it.
        Self { kind: ControlPlaneKind::None, url: None, call_timeout_s: 15.0 }
    }
}

impl ConnectorsConfig {
    /// Checks ranges, and that what a kind needs is there. URLs are checked when the world is made of them.
    ///
    /// # Errors
    /// The first field that does not fit, with the fix.
    pub fn validate(&self) -> Result<(), ConnectorError> {
        let wrong = |field: &str, fix: &str| {
            Err(ConnectorError::Config { field: field.to_owned(), problem: fix.to_owned() })
        };
        let telemetry = &self.telemetry;
        if !(0.1..=3600.0).contains(&telemetry.poll_interval_s) {
            return wrong("telemetry.poll_interval_s", "must be 0.1 to 3600 seconds");
        }
        if !(telemetry.rate_window_s >= 2.0 * telemetry.poll_interval_s
            && telemetry.rate_window_s <= 86_400.0)
        {
            return wrong("telemetry.rate_window_s", "must be at least two poll intervals and at most a day");
        }
        if !(0.05..=300.0).contains(&telemetry.timeout_s) {
            return wrong("telemetry.timeout_s", "must be 0.05 to 300 seconds");
        }
        if telemetry.kind == TelemetryKind::Prometheus && telemetry.url.is_none() {
            return wrong(
                "telemetry.url",
                "is needed with kind = \"prometheus\", such as \"http://localhost:9090\"",
            );
        }
        let no_targets = telemetry.service_discovery.is_none() && telemetry.targets.is_empty();
        if telemetry.kind == TelemetryKind::Scrape && no_targets {
            return wrong(
                "telemetry.targets",
                "is empty; with kind = \"scrape\", name targets or a service_discovery URL",
            );
        }
        if !(0.05..=600.0).contains(&self.control_plane.call_timeout_s) {
            return wrong("control_plane.call_timeout_s", "must be 0.05 to 600 seconds");
        }
        if !(1.0..=604_800.0).contains(&self.notifications.give_up_after_s) {
            return wrong("notifications.give_up_after_s", "must be 1 to 604800 seconds (a week)");
        }
        if self.control_plane.kind == ControlPlaneKind::Lab && self.control_plane.url.is_none() {
            return wrong("control_plane.url", "is needed with kind = \"lab\"");
        }
        self.validate_actuators()?;
        self.pull_requests.as_ref().map_or(Ok(()), PullRequestsConfig::validate)?;
        self.kubernetes.as_ref().map_or(Ok(()), KubernetesConfig::validate)?;
        self.aws.as_ref().map_or(Ok(()), AwsConfig::validate)
    }

    /// An action of a service is done by one actuator, or it would not be clear by which.
    fn validate_actuators(&self) -> Result<(), ConnectorError> {
        let mut served = BTreeMap::new();
        for actuator in &self.actuators {
            actuator.validate(self.control_plane.call_timeout_s)?;
            for service in &actuator.services {
                if let Some(other) = served.insert(service, &actuator.name) {
                    return Err(ConnectorError::Config {
                        field: format!("[[actuator]] `{}` services", actuator.name),
                        problem: format!("has {service}, which `{other}` has, too; keep one of them"),
                    });
                }
            }
        }
        Ok(())
    }
}
