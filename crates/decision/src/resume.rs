//! Taking back what an earlier authorisation did, possibly before a crash.

use crate::Authorized;
use midwatch_model::decision::Decision;
use midwatch_model::journal::{Entry, Intent, Line, VerifiedJournal};
use midwatch_model::{ActionKey, ActionKind, Timestamp, after};

/// Seconds within which a resumed undo must start.
const UNDO_DEADLINE_S: f64 = 30.0;

/// The authorisation that the last effect of this incident was given, for carrying out its declared undo. It exists
/// only if the verified journal shows that the gate let the step pass before it was intended.
#[must_use]
pub fn resume(journal: &VerifiedJournal, now: Timestamp) -> Option<Authorized> {
    let lines = journal.lines();
    let intended = || {
        lines.iter().enumerate().rev().filter_map(|(index, line)| match &line.entry {
            Entry::Intended { intent } if intent.undoes.is_none() => Some((index, intent)),
            _ => None,
        })
    };
    // A pull request that was opened about the fix must not be taken for the fix.
    let (index, intent) = intended()
        .find(|(_, intent)| intent.action.kind() != ActionKind::PullRequest)
        .or_else(|| intended().next())?;
    granted(lines, index, intent, now)
}

/// The same for one of several effects: what a workflow did is taken back one by one.
#[must_use]
pub fn resume_effect(journal: &VerifiedJournal, key: &ActionKey, now: Timestamp) -> Option<Authorized> {
    let lines = journal.lines();
    let (index, intent) = lines.iter().enumerate().find_map(|(index, line)| match &line.entry {
        Entry::Intended { intent } if intent.key == *key && intent.undoes.is_none() => Some((index, intent)),
        _ => None,
    })?;
    granted(lines, index, intent, now)
}

/// Only what the gate let pass before it was intended.
fn granted(lines: &[Line], index: usize, intent: &Intent, now: Timestamp) -> Option<Authorized> {
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
