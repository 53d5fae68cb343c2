//! Taking back what an earlier authorisation did, possibly before a crash.

use crate::Authorized;
use midwatch_model::decision::Decision;
use midwatch_model::journal::{Entry, VerifiedJournal};
use midwatch_model::{Timestamp, after};

/// Seconds within which a resumed undo must start.
const UNDO_DEADLINE_S: f64 = 30.0;

/// The authorisation that the last effect of this incident was given, for carrying out its declared undo. It exists
/// only if the verified journal shows that the gate let the step pass before it was intended.
#[must_use]
pub fn resume(journal: &VerifiedJournal, now: Timestamp) -> Option<Authorized> {
    let lines = journal.lines();
    let (index, intent) = lines.iter().enumerate().rev().find_map(|(index, line)| match &line.entry {
        Entry::Intended { intent } if intent.undoes.is_none() => Some((index, intent)),
        _ => None,
    })?;
    lines[..index].iter().rev().find(|line| {
        matches!(&line.entry, Entry::Gated { record }
            if record.decision == Decision::Auto && record.plan == intent.plan && record.step == intent.step)
    })?;
    Some(Authorized::grant(
        intent.incident.clone(),
        intent.plan.clone(),
        intent.step,
        intent.principal.clone(),
        intent.action.clone(),
        intent.before.clone(),
        after(now, UNDO_DEADLINE_S),
    ))
}
