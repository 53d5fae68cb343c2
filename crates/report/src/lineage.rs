//! Lineage: how each signal was handled, step by step.

use midwatch_model::Timestamp;
use midwatch_model::journal::{Entry, Line};
use serde::{Deserialize, Serialize};

/// One step of a signal's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineageStep {
    pub at: Timestamp,
    /// The signal that it is about; `None` for what concerns the whole incident.
    pub signal: Option<String>,
    pub step: String,
    pub detail: String,
}

/// The lineage of an incident from its journal, or of one signal within it. `intake` are the handling steps of signals
/// that the intake log recorded (received, deduplicated, suppressed).
#[must_use]
pub fn why(lines: &[Line], intake: &[(String, Vec<LineageStep>)], only: Option<&str>) -> Vec<LineageStep> {
    let mut steps: Vec<LineageStep> = intake
        .iter()
        .filter(|(id, _)| only.is_none_or(|o| o == id))
        .flat_map(|(_, steps)| steps.iter().cloned())
        .collect();
    for line in lines {
        let signal = line.entry.signal_id().map(|id| id.as_str().to_owned());
        if let (Some(only), Some(signal)) = (only, &signal)
            && signal != only
        {
            continue;
        }
        // Readings and repeated verdicts are the incident's business, not the signal's.
        if matches!(line.entry, Entry::Observed { .. }) {
            continue;
        }
        steps.push(LineageStep {
            at: line.at,
            signal,
            step: line.entry.type_name().to_owned(),
            detail: crate::timeline::sentence(&line.entry),
        });
    }
    steps.sort_by_key(|step| step.at);
    steps
}
