//! What stopped reporting while everything around it went on: a thing that is gone has no series that could look bad.

use super::State;
use crate::bundle::{Bundle, ChangeRecord, Ms, RecordKind, Series, time_text};
use midwatch_model::Cause;
use std::collections::{BTreeMap, BTreeSet};

/// Steps without a sample after which a thing that was steady has stopped.
const STEPS_MISSED: Ms = 5;

/// Samples that show how steadily a thing reports, and how much longer than usual a gap may be.
const SAMPLES_MIN: usize = 10;
const GAP_STEPS: Ms = 2;

/// What stopped longer ago than this was not what was noticed.
const RECENT_MS: Ms = 30 * 60 * 1000;

/// Less than what a platform or a kernel says: the way to the numbers may be broken instead.
const WEIGHT: f64 = 0.8;

/// What nobody that was alerted calls is a hint, and no verdict by itself.
const WEIGHT_APART: f64 = 0.4;

/// What was scaled, deployed or replaced so long before it went was taken away on purpose.
const ON_PURPOSE_MS: Ms = 15 * 60 * 1000;

/// When a component last reported, and how steadily.
struct Reporter {
    last: Ms,
    step: Ms,
    series: usize,
}

/// Finds what stopped, if most others went on: where all stop, nobody measured any more.
pub fn read(bundle: &Bundle, state: &mut State) {
    let mut by_component: BTreeMap<&str, Vec<&Series>> = BTreeMap::new();
    for series in bundle.metrics.series.iter().filter(|series| series.source == "metrics.csv") {
        by_component.entry(&series.component).or_default().push(series);
    }
    let reporters: Vec<(&str, Reporter)> =
        by_component.iter().filter_map(|(name, series)| Some((*name, steady(series)?))).collect();
    let called = called_by_alerted(bundle);
    for (name, reporter) in reporters.iter().filter(|(name, one)| !is_on_purpose(bundle, name, one)) {
        let silent_by = reporter.last + STEPS_MISSED * reporter.step;
        let on = reporters.iter().filter(|(_, other)| other.last >= silent_by).count();
        if on * 2 > reporters.len() && is_of_incident(bundle, reporter) {
            let says = format!(
                "{name} stopped reporting at {}: nothing of its {} series since, which came every {} s; others went on",
                time_text(reporter.last),
                reporter.series,
                (reporter.step as f64 / 1000.0).round()
            );
            let weight = if called.contains(name) { WEIGHT } else { WEIGHT_APART };
            state.found(name, Cause::CrashLoop, weight, says, "metrics.csv");
        }
    }
}

/// What was alerted, and everything that it calls, directly or not.
fn called_by_alerted(bundle: &Bundle) -> BTreeSet<&str> {
    let callees = bundle.graph.callees();
    let mut called: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&str> = bundle.incident.alerts.iter().map(|alert| alert.service.as_str()).collect();
    while let Some(name) = next.pop() {
        if called.insert(name) {
            next.extend(callees.get(name).into_iter().flatten());
        }
    }
    called
}

/// Whether it was scaled or rolled out shortly before, or something of its name reports since about then: what goes in a
/// rollout is replaced. A service that is rolled out goes on reporting under its name; only its instances do not.
fn is_on_purpose(bundle: &Bundle, name: &str, reporter: &Reporter) -> bool {
    let window = reporter.last - ON_PURPOSE_MS..=reporter.last + STEPS_MISSED * reporter.step;
    let is_instance_of = |owner: &str| name.strip_prefix(owner).is_some_and(|rest| rest.starts_with('-'));
    let moves = |change: &ChangeRecord| match (change.kind, change.component.as_deref()) {
        (RecordKind::Deploy | RecordKind::Scale, None) => true,
        (RecordKind::Deploy, Some(changed)) => is_instance_of(changed),
        (RecordKind::Scale, Some(changed)) => changed == name || is_instance_of(changed),
        _ => false,
    };
    let begins = |series: &&Series| series.at.first().is_some_and(|first| window.contains(first));
    let known_before = |other: &str| {
        let mut own = bundle.metrics.series.iter().filter(|series| series.component == other);
        own.any(|series| series.at.first().is_some_and(|first| first < window.start()))
    };
    let replaces =
        |series: &Series| stem(&series.component) == stem(name) && !known_before(&series.component);
    bundle.changes.iter().any(|change| moves(change) && window.contains(&change.at))
        || bundle.metrics.series.iter().filter(begins).any(replaces)
}

/// What instances of one thing have in common: a pod's name ends with the hash of its template and one of its own.
fn stem(name: &str) -> &str {
    let parts = name.rsplitn(3, '-').collect::<Vec<_>>();
    match parts.as_slice() {
        [_, _, stem] | [_, stem] => stem,
        _ => name,
    }
}

fn is_of_incident(bundle: &Bundle, reporter: &Reporter) -> bool {
    let incident = &bundle.incident;
    let missed_at = reporter.last + reporter.step;
    missed_at >= incident.detected_at - RECENT_MS
        && reporter.last <= incident.detected_at
        && !incident.baseline.iter().any(|span| span.holds(missed_at))
}

/// `None` for what never reported steadily: its silence means nothing. A series that is written only when something
/// happens does not make a steady component unsteady.
fn steady(series: &[&Series]) -> Option<Reporter> {
    let last = series.iter().filter_map(|series| series.at.last()).max().copied()?;
    let step = series.iter().filter_map(|series| even_step(&series.at)).min()?;
    Some(Reporter { last, step, series: series.len() })
}

fn even_step(at: &[Ms]) -> Option<Ms> {
    let mut gaps: Vec<Ms> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if gaps.len() < SAMPLES_MIN {
        return None;
    }
    gaps.sort_unstable();
    let (median, longest) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    (longest <= GAP_STEPS * median).then_some(median)
}
