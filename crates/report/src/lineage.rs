//! Lineage: how each signal was handled, step by step.

use midwatch_model::journal::{Entry, Line};
use midwatch_model::{Duplicate, HandlingStep, Score, Timestamp};
use serde::{Deserialize, Serialize};

/// One step of a signal's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineageStep {
    pub at: Timestamp,
    /// The signal that it is about; `None` for what concerns the whole incident.
    pub signal: Option<String>,
    pub step: HandlingStep,
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
    pub fn new(at: Timestamp, signal: Option<String>, step: impl Into<HandlingStep>, detail: String) -> Self {
        Self { at, signal, step: step.into(), detail, score: None, duplicate: None }
    }
}

/// What an alert repeats, by the steps of its handling.
#[must_use]
pub fn duplicate_of(steps: &[LineageStep]) -> Option<&Duplicate> {
    let last =
        steps.iter().rev().find(|step| step.duplicate.is_some() || step.step == HandlingStep::Released);
    last?.duplicate.as_ref()
}

/// Why an alert was last not told of, or not yet, by the steps of its handling.
#[must_use]
pub fn quiet_for(steps: &[LineageStep]) -> Option<&str> {
    let last =
        steps.iter().rev().find(|step| matches!(step.step, HandlingStep::NotTold | HandlingStep::PutOff));
    last.map(|step| step.detail.as_str())
}

/// Since when an alert flaps, by the steps of its handling.
#[must_use]
pub fn flapping_since(steps: &[LineageStep]) -> Option<Timestamp> {
    let last =
        steps.iter().rev().find(|step| matches!(step.step, HandlingStep::Flapping | HandlingStep::Stable));
    last.filter(|step| step.step == HandlingStep::Flapping).map(|step| step.at)
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
