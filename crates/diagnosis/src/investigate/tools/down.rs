//! What does not answer whoever asks whether it is there: `up` of Prometheus and of its exporters, and probes.

use super::State;
use crate::bundle::{Bundle, Ms, Series, time_text};
use crate::investigate::class;
use midwatch_model::Cause;

/// Answers in a row that were missed: one scrape may be lost.
const MISSED_MIN: usize = 2;

/// What does not answer any more this long before the detection was not what was noticed.
const RECENT_MS: Ms = 30 * 60 * 1000;

/// As much as what stopped reporting: the way to it may be broken instead.
const WEIGHT: f64 = 0.8;

/// Finds what answered, and does not at the time of the detection.
pub fn read(bundle: &Bundle, state: &mut State) {
    for series in bundle.metrics.series.iter().filter(|series| tells_whether_it_answers(series)) {
        if let Some(since) = down_since(series, bundle.incident.detected_at) {
            let says = format!(
                "{} does not answer: {} is 0 since {}",
                series.component,
                series.metric,
                time_text(since)
            );
            state.found(&series.component, Cause::CrashLoop, WEIGHT, says, series.source);
        }
    }
}

fn tells_whether_it_answers(series: &Series) -> bool {
    let words = class::words(&series.metric);
    let named = words.last().is_some_and(|word| word == "up") || words == ["probe", "success"];
    named && series.values.iter().all(|value| *value == 0.0 || *value == 1.0)
}

/// Since when it has not answered up to the detection, if it did before.
fn down_since(series: &Series, detected_at: Ms) -> Option<Ms> {
    let mut samples = series.at.iter().zip(&series.values).rev().filter(|(at, _)| **at <= detected_at);
    let mut missed = Vec::new();
    let answered = samples.find_map(|(at, value)| {
        if *value == 0.0 {
            missed.push(*at);
        }
        (*value != 0.0).then_some(*at)
    });
    let since = *missed.last()?;
    answered.filter(|_| missed.len() >= MISSED_MIN && since >= detected_at - RECENT_MS).map(|_| since)
}
