//! The configuration file: one small struct per concern, unknown fields denied, every field also by environment.
//!
//! `MIDWATCH_MODE=auto` sets `mode`, `MIDWATCH_SERVER__LISTEN=…` sets `listen` of `[server]`: two underscores step into
//! a table.

mod access;
mod alerts;
mod check;
mod secrets;
mod sections;
mod slack;
mod sources;
mod text;

use crate::exit::Usage;
use access::{ApiKeyConfig, UserConfig};
pub use alerts::{AlertsConfig, InhibitRuleConfig};
use anyhow::{Context as _, Result};
use midwatch_api::Senders;
use midwatch_connectors::{
    ActuatorConfig, AwsConfig, ConnectorsConfig, ControlPlaneConfig, KubernetesConfig, LlmConfig, LogsConfig,
    NotificationsConfig, PullRequestsConfig, ReceiverConfig, TelemetryConfig, wrong_templates,
};
use midwatch_decision::{AutonomyConfig, DecisionConfig, Policy};
use midwatch_engine::{EngineConfig, KnowledgeConfig, ReportConfig, Retention};
use midwatch_incident::{DedupConfig, FlapConfig, IncidentConfig, InhibitRule};
use midwatch_model::decision::Mode;
use midwatch_model::journal::Registration;
use midwatch_oncall::{
    Integration, NamedIntervals, Receiver, RouteConfig, RoutingConfig, RoutingError, RoutingTree,
};
use midwatch_prediction::serving::ForesightConfig;
use midwatch_signal::DetectionConfig;
use midwatch_verification::VerificationConfig;
pub use sections::RunbooksConfig;
use sections::{LabConfig, LoopConfig, PolicyConfig, RoutingSection, ServerConfig, StoreConfig};
use serde::{Deserialize, Serialize};
use slack::SlackAppConfig;
use sources::SourceConfig;
use std::path::Path;
use std::sync::Arc;
use text::{describe, fits, line_of, set, strings, unreadable};

/// Everything that `midwatch serve` is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How far midwatch may go by itself: `shadow` (only watches), `propose` (asks), `auto` (acts within guards and
    /// policy).
    pub mode: Mode,
    /// With dry run nothing is touched, whatever mode and approvals say.
    pub dry_run: bool,
    pub server: ServerConfig,
    pub store: StoreConfig,
    pub report: ReportConfig,
    pub telemetry: TelemetryConfig,
    pub logs: LogsConfig,
    pub control_plane: ControlPlaneConfig,
    /// A cluster that services run in.
    pub kubernetes: Option<KubernetesConfig>,
    /// AWS, where services run or alarms are.
    pub aws: Option<AwsConfig>,
    /// Commands and webhooks that act on services.
    #[serde(rename = "actuator")]
    pub actuators: Vec<ActuatorConfig>,
    /// Where lasting changes are proposed.
    pub pull_requests: Option<PullRequestsConfig>,
    pub engine: LoopConfig,
    pub detection: DetectionConfig,
    pub incident: IncidentConfig,
    /// Runbooks, service docs and past incidents.
    pub knowledge: KnowledgeConfig,
    /// Forecasts of failures.
    pub foresight: ForesightConfig,
    /// How alerts are recognised that tell the same.
    pub dedup: DedupConfig,
    /// How alerts are damped that begin and end again and again.
    pub flap: FlapConfig,
    pub decision: DecisionConfig,
    /// How autonomy is earned.
    pub autonomy: AutonomyConfig,
    pub policy: PolicyConfig,
    /// Runbooks whose steps run, and workflows.
    pub runbooks: RunbooksConfig,
    pub verification: VerificationConfig,
    pub llm: LlmConfig,
    pub alerts: AlertsConfig,
    pub lab: LabConfig,
    /// Slack's app, whose buttons approve and deny.
    pub slack: SlackAppConfig,
    /// Keys with names and scopes, for whoever calls.
    #[serde(rename = "api_key")]
    pub api_keys: Vec<ApiKeyConfig>,
    /// People who sign in to the dashboard with a password.
    #[serde(rename = "user")]
    pub users: Vec<UserConfig>,
    /// Who brings alerts and changes, where that needs to be said.
    #[serde(rename = "source")]
    pub sources: Vec<SourceConfig>,
    /// What is told beside alerts from outside.
    pub routing: RoutingSection,
    /// Who is told of which alerts; without it nobody is.
    pub route: Option<RouteConfig>,
    /// Who can be told.
    #[serde(rename = "receiver")]
    pub receivers: Vec<ReceiverConfig>,
    /// What holds for everybody who is told.
    pub notifications: NotificationsConfig,
    /// Stretches of time that come back, for routes.
    #[serde(rename = "time_interval")]
    pub time_intervals: Vec<NamedIntervals>,
    /// Alerts that explain others.
    #[serde(rename = "inhibit_rule")]
    pub inhibit_rules: Vec<InhibitRuleConfig>,
    /// The watched services.
    #[serde(rename = "service")]
    pub services: Vec<Registration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Propose,
            dry_run: true,
            server: ServerConfig::default(),
            store: StoreConfig::default(),
            report: ReportConfig::default(),
            telemetry: TelemetryConfig::default(),
            logs: LogsConfig::default(),
            control_plane: ControlPlaneConfig::default(),
            kubernetes: None,
            aws: None,
            actuators: Vec::new(),
            pull_requests: None,
            engine: LoopConfig::default(),
            detection: DetectionConfig::default(),
            incident: IncidentConfig::default(),
            knowledge: KnowledgeConfig::default(),
            foresight: ForesightConfig::default(),
            dedup: DedupConfig::default(),
            flap: FlapConfig::default(),
            decision: DecisionConfig::default(),
            autonomy: AutonomyConfig::default(),
            policy: PolicyConfig::default(),
            runbooks: RunbooksConfig::default(),
            verification: VerificationConfig::default(),
            llm: LlmConfig::default(),
            alerts: AlertsConfig::default(),
            lab: LabConfig::default(),
            slack: SlackAppConfig::default(),
            api_keys: Vec::new(),
            users: Vec::new(),
            sources: Vec::new(),
            routing: RoutingSection::default(),
            route: None,
            receivers: Vec::new(),
            notifications: NotificationsConfig::default(),
            time_intervals: Vec::new(),
            inhibit_rules: Vec::new(),
            services: Vec::new(),
        }
    }
}

/// Prefix of the environment variables that set fields.
const ENV_PREFIX: &str = "MIDWATCH_";

/// Variables with the prefix that are not fields: the client's address and key, and the log filter.
const ENV_RESERVED: [&str; 3] = ["MIDWATCH_URL", "MIDWATCH_API_KEY", "MIDWATCH_LOG"];

/// Prefixes of variables that belong to the lab's processes and to the project's own tests.
const ENV_RESERVED_PREFIXES: [&str; 2] = ["MIDWATCH_LAB_", "MIDWATCH_TEST_"];

impl Config {
    /// Reads the file, lays the environment over it and checks the result.
    ///
    /// # Errors
    /// What is wrong, where (file, line, column) and how to fix it.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Usage(format!(
                "cannot read the configuration {}: {error}; `midwatch config sample` prints one to start from",
                path.display()
            ))
        })?;
        Self::parse(&text, &path.display().to_string(), std::env::vars())
    }

    fn parse(text: &str, name: &str, env: impl Iterator<Item = (String, String)>) -> Result<Self> {
        // Read once as it is, so that an error names its line; then once more with the environment laid over it.
        at_once(unreadable(text, name))?;
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| Usage(describe(text, name, &error)))?;
        let (mut wrong, named) = (Vec::new(), strings(&table));
        for (variable, value) in env {
            // What the file names as the place of a secret is no field.
            let reserved = named.contains(&variable)
                || ENV_RESERVED.contains(&variable.as_str())
                || ENV_RESERVED_PREFIXES.iter().any(|prefix| variable.starts_with(prefix));
            if let Some(field) = variable.strip_prefix(ENV_PREFIX).filter(|_| !reserved) {
                let mut with = table.clone();
                match set(&mut with, &field.to_lowercase(), &value).and_then(|()| fits(&with)) {
                    Ok(()) => table = with,
                    Err(error) => wrong.push(format!("{variable}: {error}")),
                }
            }
        }
        at_once(wrong)?;
        let config: Self = table.try_into().context("the configuration with its environment variables")?;
        let placed = |problem: String| {
            // A value that came from the environment has no line.
            let line = line_of(text, &problem).map_or_else(String::new, |line| format!(":{line}"));
            format!("{name}{line}: {problem}")
        };
        at_once(config.problems().into_iter().map(placed).collect())?;
        Ok(config)
    }

    /// The default with the environment laid over it, where there is no file.
    ///
    /// # Errors
    /// What is wrong, and how to fix it.
    pub fn of_environment() -> Result<Self> {
        Self::parse("", "the environment", std::env::vars())
    }

    /// A configuration that is not in a file, without the environment.
    ///
    /// # Errors
    /// What is wrong.
    pub fn of_text(text: &str) -> Result<Self> {
        Self::parse(text, "the configuration", std::iter::empty())
    }

    /// The sections that the connectors read.
    pub fn connectors(&self) -> ConnectorsConfig {
        ConnectorsConfig {
            telemetry: self.telemetry.clone(),
            logs: self.logs.clone(),
            control_plane: self.control_plane.clone(),
            kubernetes: self.kubernetes.clone(),
            aws: self.aws.clone(),
            actuators: self.actuators.clone(),
            pull_requests: self.pull_requests.clone(),
            receivers: self.receivers_with_buttons(),
            notifications: self.notifications.clone(),
        }
    }

    /// Messages have buttons where somebody takes their presses, if nothing else is said.
    fn receivers_with_buttons(&self) -> Vec<ReceiverConfig> {
        let mut receivers = self.receivers.clone();
        for slack in receivers.iter_mut().flat_map(|receiver| &mut receiver.slack) {
            slack.buttons.get_or_insert(self.slack.is_set());
        }
        receivers
    }

    /// How presses in Slack are believed, if they are taken.
    ///
    /// # Errors
    /// When the signing secret cannot be read or used.
    pub fn slack_door(&self) -> Result<Option<midwatch_api::SlackDoor>> {
        Ok(self.slack.door().map_err(Usage)?)
    }

    fn inhibit_rules(&self) -> Result<Vec<InhibitRule>, String> {
        self.inhibit_rules.iter().map(InhibitRuleConfig::rule).collect()
    }

    fn routing(&self) -> Result<RoutingTree, Vec<RoutingError>> {
        let receivers = self.receivers.iter().map(|receiver| receiver.name.clone()).collect();
        let (route, time_intervals) = (self.route.clone(), self.time_intervals.clone());
        RoutingTree::new(&RoutingConfig { route, time_intervals, receivers })
    }

    /// Receivers as routing knows them: by which ways they are told, but not where.
    fn receivers(&self) -> Vec<Receiver> {
        let of = |receiver: &ReceiverConfig| Receiver {
            name: receiver.name.clone(),
            integrations: receiver
                .ways()
                .into_iter()
                .map(|way| Integration {
                    target: way.target,
                    send_resolved: way.send_resolved,
                    max_alerts: way.max_alerts,
                    telling: way.telling,
                    moments: way.moments,
                })
                .collect(),
        };
        self.receivers.iter().map(of).collect()
    }

    /// The sections that the engine reads.
    pub fn engine(&self) -> EngineConfig {
        EngineConfig {
            mode: self.mode,
            dry_run: self.dry_run,
            tick_s: self.engine.tick_s,
            poll_interval_s: self.telemetry.poll_interval_s,
            rate_window_s: self.telemetry.rate_window_s,
            call_timeout_s: self.control_plane.call_timeout_s,
            detection: DetectionConfig {
                rate_window_s: self.telemetry.rate_window_s,
                ..self.detection.clone()
            },
            incident: self.incident.clone(),
            dedup: self.dedup.clone(),
            flap: self.flap.clone(),
            decision: DecisionConfig { autonomy_loop: self.autonomy.clone(), ..self.decision.clone() },
            verification: self.verification.clone(),
            // They were read once already, when the server began.
            workflows: Arc::new(crate::runbook::enabled(&self.runbooks).unwrap_or_default()),
            report: self.report.clone(),
            resolve_timeout_s: self.alerts.resolve_timeout_s,
            // They were read once already, when the configuration was checked.
            feeds: sources::feeds(&self.sources).unwrap_or_default(),
            inhibit_rules: self.inhibit_rules().unwrap_or_default(),
            routing: Arc::new(self.routing().unwrap_or_default()),
            receivers: self.receivers(),
            give_up_after_s: self.notifications.give_up_after_s,
            told_incidents: self.routing.incidents,
            knowledge: KnowledgeConfig {
                model_dir: crate::knowledge::model_dir(self.knowledge.model_dir.clone()),
                ..self.knowledge.clone()
            },
            foresight: self.foresight.clone(),
            retention: Retention {
                records_days: self.store.retention_days,
                requests_days: self.store.request_retention_days,
            },
            external_url: self.server.external_url(),
            services: self.services.clone(),
        }
    }

    /// The policy of the configured file, or the built-in one.
    ///
    /// # Errors
    /// When the file cannot be read or is not valid policy.
    pub fn load_policy(&self) -> Result<Policy> {
        self.policy.file.as_deref().map_or_else(|| Ok(Policy::built_in()), load_policy)
    }

    /// How each configured source proves who it is.
    ///
    /// # Errors
    /// When a secret cannot be read or used.
    pub fn senders(&self) -> Result<Senders> {
        Ok(sources::senders(&self.sources).map_err(Usage)?)
    }

    /// What is wrong beside what the file itself says: with other files that it names, and with secrets.
    ///
    /// # Errors
    /// Everything that cannot be used.
    pub fn check_surroundings(&self) -> Result<(), Usage> {
        let others = [self.load_policy().err(), self.keys().err(), self.slack_door().err()];
        let mut problems: Vec<String> =
            others.into_iter().flatten().map(|error| format!("{error:#}")).collect();
        problems
            .extend(self.sources.iter().filter_map(|one| sources::senders(std::slice::from_ref(one)).err()));
        problems.extend(midwatch_connectors::wrong_secrets(&self.receivers).iter().map(ToString::to_string));
        problems.extend(crate::runbook::enabled(&self.runbooks).err().into_iter().flatten());
        let samples = crate::notify::samples();
        problems.extend(wrong_templates(&self.notifications, &samples).iter().map(ToString::to_string));
        at_once(problems)
    }

    /// The configuration in force as JSON, without secrets.
    ///
    /// # Errors
    /// Never in practice: plain data.
    pub fn shown(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).context("the configuration is plain data")
    }
}

/// All problems as one error.
///
/// # Errors
/// If there is any.
pub fn at_once(problems: Vec<String>) -> Result<(), Usage> {
    match problems.as_slice() {
        [] => Ok(()),
        [problem] => Err(Usage(problem.clone())),
        many => Err(Usage(format!("{} problems:\n  {}", many.len(), many.join("\n  ")))),
    }
}

/// The policy of a file.
///
/// # Errors
/// When the file cannot be read or is not valid policy.
pub fn load_policy(path: &Path) -> Result<Policy> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Usage(format!("cannot read the policy {}: {e}", path.display())))?;
    Ok(Policy::parse(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?)
}

/// A commented sample.
pub const SAMPLE: &str = include_str!("sample.toml");

#[cfg(test)]
mod tests;
