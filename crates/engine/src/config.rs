//! What the engine is told.

use crate::{Feed, KnowledgeConfig, Retention};
use midwatch_decision::DecisionConfig;
use midwatch_incident::{DedupConfig, FlapConfig, IncidentConfig, InhibitRule};
use midwatch_model::Workflow;
use midwatch_model::decision::Mode;
use midwatch_model::journal::Registration;
use midwatch_oncall::{Receiver, RoutingTree};
use midwatch_prediction::serving::ForesightConfig;
use midwatch_report::ToldIncidents;
use midwatch_signal::DetectionConfig;
use midwatch_verification::VerificationConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where reports go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportConfig {
    /// Folder for postmortems; created when missing.
    pub dir: PathBuf,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self { dir: "postmortems".into() }
    }
}

/// The engine's settings, gathered from the sections of the configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineConfig {
    pub mode: Mode,
    pub dry_run: bool,
    /// Seconds between ticks.
    pub tick_s: f64,
    /// Seconds between polls of telemetry; ticks between them work on cached values.
    pub poll_interval_s: f64,
    /// Seconds over which rates are taken; only named in queries.
    pub rate_window_s: f64,
    /// Seconds that a call to a target may take after it started.
    pub call_timeout_s: f64,
    pub detection: DetectionConfig,
    pub incident: IncidentConfig,
    /// Which alerts tell the same.
    pub dedup: DedupConfig,
    /// Which alerts are not steady.
    pub flap: FlapConfig,
    pub decision: DecisionConfig,
    pub verification: VerificationConfig,
    /// Workflows that are enabled.
    pub workflows: Arc<Vec<Workflow>>,
    pub report: ReportConfig,
    pub services: Vec<Registration>,
    /// Seconds after which an alert is over that its sender neither repeats nor ends.
    pub resolve_timeout_s: f64,
    /// Senders of alerts that are configured, by the name under which they send.
    pub feeds: BTreeMap<String, Feed>,
    /// Which alerts explain which others.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Which receivers are told of which alerts.
    pub routing: Arc<RoutingTree>,
    pub receivers: Vec<Receiver>,
    /// Seconds for which a notification is tried before it has failed.
    pub give_up_after_s: f64,
    /// Which incidents receivers are told of.
    pub told_incidents: ToldIncidents,
    pub retention: Retention,
    pub knowledge: KnowledgeConfig,
    pub foresight: ForesightConfig,
    /// Where people reach this server; part of what receivers are told.
    pub external_url: String,
}
