//! From symptoms to a verdict, deterministically; and with a language model, whose answers `agent` checks.
//!
//! Owns: the walk from symptoms towards causes, change correlation, blast radius and the confidence of each
//! hypothesis. Must never: do I/O, read a clock or take a target from telemetry text. Components come from the service
//! graph and the identity of series.

pub mod agent;
mod blast;
pub mod bundle;
mod evidence;
mod hindsight;
mod inherit;
mod input;
pub mod investigate;
mod rank;
mod second;
mod suspect;

pub use hindsight::hindsight;
pub use input::{DiagnosisConfig, DiagnosisInput, LogView, PastIncident, ProbeView, SeriesView};

pub use second::second_look;

use midwatch_model::Verdict;

/// Hypotheses that a verdict carries at most: more than three is a list, not an answer.
const HYPOTHESES_MAX: usize = 3;

/// Diagnoses one incident.
#[must_use]
pub fn diagnose(input: &DiagnosisInput<'_>) -> Verdict {
    let symptoms = inherit::Symptoms::of(input);
    let freshness = if input.stale { 0.5 } else { 1.0 };
    let mut book = evidence::Book::default();
    let mut ranked = rank::rank(input, &symptoms);
    ranked.truncate(HYPOTHESES_MAX);
    let ranked: Vec<_> =
        ranked.into_iter().map(|c| evidence::argue(input, &symptoms, c, freshness, &mut book)).collect();
    let component = ranked.first().map(|h| h.component.clone());
    let next_query =
        ranked.first().is_none_or(|h| h.confidence < input.config.conclusive).then(|| next_query(input));
    Verdict {
        blast_radius: blast::radius(input, &symptoms, component.as_ref()),
        spread: blast::spread(input, &symptoms, component.as_ref()),
        past: past(input, component.as_ref()),
        evidence: book.into_evidence(),
        ranked,
        next_query,
        freshness,
        foreseen: false,
    }
}

fn past(input: &DiagnosisInput<'_>, component: Option<&midwatch_model::ServiceName>) -> Vec<String> {
    let Some(component) = component else { return Vec::new() };
    let of = input.past.iter().filter(|p| p.component == *component);
    of.take(3).map(|p| format!("{}: {}, {}", p.id, p.cause, p.ended)).collect()
}

fn next_query(input: &DiagnosisInput<'_>) -> String {
    match input.signals.last() {
        Some(signal) => format!(
            "logs and recent changes of {} since {}, and the metrics of what it calls",
            signal.service,
            signal.onset_at.strftime("%H:%M:%S UTC")
        ),
        None => "the metrics of the service that was reported".into(),
    }
}
