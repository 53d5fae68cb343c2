//! The words of midwatch.
//!
//! Owns: the types that every stage speaks: ids, metrics, the service graph, signals, evidence, verdicts, actions,
//! plans, decisions, artifacts and journal entries, with the hash chain that makes the journal the truth.
//! Must never: do I/O, read a clock or invent an id. Times and ids are inputs.

pub mod action;
pub mod alert;
pub mod artifact;
pub mod bulletin;
pub mod cause;
pub mod change;
mod check;
pub mod decision;
pub mod duplicate;
pub mod entity;
pub mod evidence;
pub mod forecast;
pub mod graph;
pub mod handling;
pub mod ids;
pub mod journal;
pub mod label;
mod labels;
pub mod llm;
pub mod metric;
pub mod plan;
pub mod promql;
pub mod redact;
pub mod score;
pub mod signal;
pub mod silence;
pub mod verdict;
pub mod workflow;

pub use action::{Action, ActionKind, BlastRadius, SafetyClass};
pub use alert::{Acknowledged, Alert, Fingerprint, Original, Severity};
pub use bulletin::{Bulletin, Moment, Standing, Telling};
pub use cause::Cause;
pub use change::{Change, ChangeContent, ChangeKind};
pub use check::Check;
pub use duplicate::{Duplicate, Likeness};
pub use entity::{Entity, EntityKind, Owner, Place};
pub use evidence::{Evidence, EvidenceSource};
pub use forecast::{Alarm, AlarmEnd, Breach, ForecastEvent, Foretold, Tier};
pub use graph::ServiceGraph;
pub use handling::HandlingStep;
pub use ids::{ActionKey, EvidenceId, IncidentId, PlanHash, ServiceName, SignalId};
pub use jiff::Timestamp;
pub use label::Matcher;
pub use labels::{LabelText, Labels};
pub use metric::{Metric, Sample};
pub use plan::{Plan, PlanStep};
pub use score::{Part, PartKind, Score};
pub use signal::{Ahead, FrozenBaseline, Signal, SignalKind};
pub use verdict::{Hypothesis, Verdict};
pub use workflow::Workflow;

/// Seconds from `earlier` to `later`; negative when the order is the other way round.
#[must_use]
pub fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    later.duration_since(earlier).as_secs_f64()
}

/// The instant `seconds` after `at`, saturating at the ends of representable time.
#[must_use]
pub fn after(at: Timestamp, seconds: f64) -> Timestamp {
    let duration = jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or(jiff::SignedDuration::ZERO);
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// The member of a closed list that `text` names, or a sentence that says which there are.
///
/// # Errors
/// That sentence.
pub fn one_of<T>(all: &[T], what: &str, text: &str) -> Result<T, String>
where
    T: Copy + Into<&'static str>,
{
    let name = |member: &T| -> &'static str { (*member).into() };
    all.iter().copied().find(|member| name(member) == text).ok_or_else(|| {
        let known: Vec<_> = all.iter().map(name).collect();
        format!("`{text}` is not {what}; known: {}", known.join(", "))
    })
}
