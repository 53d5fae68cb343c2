//! Lineage: how each signal was handled, step by step.

use midwatch_model::journal::{Entry, Line};
use midwatch_model::{Duplicate, Score, Timestamp};
use serde::{Deserialize, Serialize};

/// Names of steps that others go by: whoever writes one and whoever reads it must mean the same.
pub mod named {
    pub const SUPPRESSED: &str = "suppressed";
    pub const RELEASED: &str = "released";
    pub const NOT_TOLD: &str = "not told";
    pub const PUT_OFF: &str = "put off";
    pub const FLAPPING: &str = "flapping";
    pub const STABLE: &str = "stable";
}

/// One step of a signal's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineageStep {
    pub at: Timestamp,
    /// The signal that it is about; `None` for what concerns the whole incident.
    pub signal: Option<String>,
    pub step: String,
    pub detail: String,
    /// How strongly it is related to what it was placed with, part by part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// The alert that tells the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<Duplicate>,
}

impl LineageStep {
    #[must_use]
    pub fn new(at: Timestamp, signal: Option<String>, step: &str, detail: String) -> Self {
        Self { at, signal, step: step.to_owned(), detail, score: None, duplicate: None }
    }
}

/// What an alert repeats, by the steps of its handling.
#[must_use]
pub fn duplicate_of(steps: &[LineageStep]) -> Option<&Duplicate> {
    let last = steps.iter().rev().find(|step| step.duplicate.is_some() || step.step == named::RELEASED);
    last?.duplicate.as_ref()
}

/// Why an alert was last not told of, or not yet, by the steps of its handling.
#[must_use]
pub fn quiet_for(steps: &[LineageStep]) -> Option<&str> {
    let last = steps.iter().rev().find(|step| matches!(step.step.as_str(), named::NOT_TOLD | named::PUT_OFF));
    last.map(|step| step.detail.as_str())
}

/// Since when an alert flaps, by the steps of its handling.
#[must_use]
pub fn flapping_since(steps: &[LineageStep]) -> Option<Timestamp> {
    let last = steps.iter().rev().find(|step| matches!(step.step.as_str(), named::FLAPPING | named::STABLE));
    last.filter(|step| step.step == named::FLAPPING).map(|step| step.at)
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
        let score = match &line.entry {
            Entry::SignalJoined { score, .. } => score.clone(),
            Entry::Linked { score, .. } => Some(score.clone()),
            _ => None,
        };
        let sentence = crate::timeline::sentence(&line.entry);
        let step = LineageStep::new(line.at, signal, line.entry.type_name(), sentence);
        steps.push(LineageStep { score, ..step });
    }
    steps.sort_by_key(|step| step.at);
    steps
}
