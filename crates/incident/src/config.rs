use serde::{Deserialize, Serialize};

/// How signals become incidents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentConfig {
    /// Seconds between the onsets of two signals that may still share a cause.
    pub window_s: f64,
    /// Most edges between two services whose signals may share a cause.
    pub max_hops: usize,
    /// Seconds after recovery in which a signal on the same services is a recurrence and not a new incident.
    pub recurrence_window_s: f64,
    /// Seconds since the last signal after which an incident whose series are all normal again has resolved by itself.
    pub self_resolve_s: f64,
    /// Seconds after which an incident without a conclusive verdict is handed to a person.
    pub inconclusive_after_s: f64,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        Self {
            window_s: 900.0,
            max_hops: 3,
            recurrence_window_s: 1800.0,
            self_resolve_s: 120.0,
            inconclusive_after_s: 300.0,
        }
    }
}
