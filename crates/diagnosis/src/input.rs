//! What a diagnosis is made from: one gathered input, so that it can be replayed.

use midwatch_model::{
    Change, Evidence, FrozenBaseline, IncidentId, Metric, ServiceGraph, ServiceName, Signal, Timestamp,
};
use serde::{Deserialize, Serialize};

/// Thresholds of the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiagnosisConfig {
    /// Minutes before the onset in which a change is a suspect; its weight falls linearly to 0 at the end.
    pub change_window_min: f64,
    /// Error rate of a calling service above which the fault counts as cascading, 0–1.
    pub cascade_error_rate: f64,
    /// Confidence below which a verdict also names the next query.
    pub conclusive: f64,
}

impl Default for DiagnosisConfig {
    fn default() -> Self {
        Self { change_window_min: 60.0, cascade_error_rate: 0.05, conclusive: 0.5 }
    }
}

/// A series as the detectors see it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesView {
    pub service: ServiceName,
    pub metric: Metric,
    pub value: f64,
    pub at: Timestamp,
    /// Frozen if the series is abnormal, else the present one.
    pub baseline: Option<FrozenBaseline>,
    pub sigma: f64,
    /// Whether the series is suspicious or has signalled in this incident and not come back.
    pub abnormal: bool,
    pub since: Option<Timestamp>,
    pub stale: bool,
    /// How to ask again.
    pub query: String,
    /// Digest and one line of the window that was looked at.
    pub digest: String,
}

/// A health endpoint's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeView {
    pub service: ServiceName,
    pub healthy: Option<bool>,
    pub evidence: Evidence,
}

/// A service's log in the window of the incident.
#[derive(Clone, Debug, PartialEq)]
pub struct LogView {
    pub service: ServiceName,
    pub errors: u64,
    pub warnings: u64,
    /// Most frequent message, redacted.
    pub top: Option<String>,
    pub evidence: Evidence,
}

/// An earlier incident.
#[derive(Clone, Debug, PartialEq)]
pub struct PastIncident {
    pub id: IncidentId,
    pub component: ServiceName,
    pub cause: String,
    pub ended: String,
}

/// Everything that a verdict depends on.
pub struct DiagnosisInput<'a> {
    pub now: Timestamp,
    pub config: &'a DiagnosisConfig,
    pub graph: &'a ServiceGraph,
    pub signals: &'a [Signal],
    pub series: &'a [SeriesView],
    pub probes: &'a [ProbeView],
    pub logs: &'a [LogView],
    /// Changes within the window, any order.
    pub changes: &'a [Change],
    /// What the control plane says of a service's state, as evidence, if it answered.
    pub control_plane: &'a [Evidence],
    pub past: &'a [PastIncident],
    /// Whether telemetry of the involved services is stale: every confidence is halved.
    pub stale: bool,
}
