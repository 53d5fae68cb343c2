//! What the desk knows again from the rows of alerts, after a restart or a write that failed.

use crate::desk::{Desk, Held, NOT_TOLD, PUT_OFF};
use midwatch_model::{SignalId, Timestamp};
use midwatch_report::{LineageStep, duplicate_of, flapping_since, quiet_for, tells_of_incident};
use midwatch_store::IntakeRow;

impl Desk {
    /// Takes in a row as it is on record; rows come in the order in which they were received.
    pub(crate) fn put_back(&mut self, row: IntakeRow, now: Timestamp) {
        let suppressed = row.done && row.incident.is_none();
        let Some(alert) = row.alert else { return };
        self.inhibitor.note(&alert);
        let suppressed = suppressed && !tells_of_incident(&alert);
        let (fingerprint, received_at) = (alert.fingerprint(), row.received_at);
        let telling = row.handling.into_iter().filter(is_telling);
        let steps: Vec<LineageStep> = telling.filter_map(|step| serde_json::from_value(step).ok()).collect();
        self.flaps.begins(fingerprint, received_at);
        if alert.is_resolved(now) {
            self.flaps.ends(fingerprint, alert.ends_at);
        }
        if let Some(since) = flapping_since(&steps) {
            self.flaps.remember(fingerprint, since);
        }
        let duplicate = duplicate_of(&steps).cloned();
        let (known, quiet) = (duplicate.is_some(), quiet_for(&steps).map(str::to_owned));
        let mut held = Held::new(SignalId::new(row.id), alert);
        (held.suppressed, held.told, held.ended) = (suppressed, row.told, row.ended_at.is_some());
        (held.duplicate, held.quiet) = (duplicate, quiet);
        self.hold(held);
        if !known {
            self.recognise(fingerprint, now);
        }
    }
}

/// Whether a step of a row's handling says something that the desk has to know again. Most do not, and there are many.
fn is_telling(step: &serde_json::Value) -> bool {
    let name = step["step"].as_str().unwrap_or_default();
    step.get("duplicate").is_some() || matches!(name, "flapping" | "stable" | "released" | NOT_TOLD | PUT_OFF)
}
