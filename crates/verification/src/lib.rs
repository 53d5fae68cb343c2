//! Did it help? Readings of the triggering signals against their frozen baselines, and what they add up to.
//!
//! Owns: the rule that only present, normal readings count as recovery. Must never: take a missing sample for a good
//! one, or measure against a baseline that moved.

use midwatch_model::journal::{Reading, VerificationOutcome};
use midwatch_model::{FrozenBaseline, Metric, ServiceName, Timestamp, seconds_between};
use serde::{Deserialize, Serialize};

/// When an action counts as successful.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerificationConfig {
    /// Consecutive normal readings that prove recovery.
    pub normal_readings: usize,
    /// Seconds after which an action that has not proven itself is taken back.
    pub timeout_s: f64,
    /// Seconds after the action in which readings are taken but a bad one proves nothing: windows still hold samples
    /// from before.
    pub grace_s: f64,
    /// Seconds for which the original signals must stay normal after recovery.
    pub soak_s: f64,
}

impl Default for VerificationConfig {
    fn default() -> Self {
        Self { normal_readings: 3, timeout_s: 120.0, grace_s: 30.0, soak_s: 300.0 }
    }
}

/// A triggering series as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    pub service: ServiceName,
    pub metric: Metric,
    pub baseline: FrozenBaseline,
    /// The value when the action started, to tell worse from not better.
    pub value_before: f64,
    /// The newest sample since the action; `None` when there is none or it is stale.
    pub now: Option<(Timestamp, f64)>,
}

impl Watched {
    fn normal(&self) -> Option<bool> {
        self.now.map(|(_, value)| self.baseline.is_normal(self.metric, value))
    }

    /// Clearly worse than before the action: a quarter further away from the bound, and abnormal.
    fn worse(&self) -> bool {
        self.now.is_some_and(|(_, value)| {
            let away = |v: f64| if self.metric == Metric::Up { 1.0 - v } else { v };
            !self.baseline.is_normal(self.metric, value) && away(value) > away(self.value_before) * 1.25
        })
    }
}

/// A declared look at the service.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// `None` where it could not be had: unknown is never well.
    pub well: Option<bool>,
    /// Whether it shows how the service does; otherwise it can only speak against a recovery.
    pub shows_service: bool,
    /// One line.
    pub detail: String,
}

/// Takes one reading. `healthy` is the probe's answer; `Some(None)` is a probe that could not be made, `None` means that
/// the service has no health endpoint.
#[must_use]
pub fn read(watched: &[Watched], healthy: Option<Option<bool>>, looks: &[Look], now: Timestamp) -> Reading {
    let worse = watched.iter().filter(|w| w.worse()).count();
    let worse_share = if watched.is_empty() { 0.0 } else { worse as f64 / watched.len() as f64 };
    let bad: Vec<String> = watched
        .iter()
        .filter(|w| w.normal() == Some(false))
        .map(|w| {
            let value = w.now.map_or(f64::NAN, |(_, v)| v);
            let (value, bound) = (w.metric.show(value), w.metric.show(w.baseline.bound));
            let limit = if w.metric == Metric::Up { "at least" } else { "up to" };
            let (title, verb) = (w.metric.title(), w.metric.verb());
            format!("{} {title} {verb} {value}, normal is {limit} {bound}", w.service)
        })
        .collect();
    let missing: Vec<String> = watched
        .iter()
        .filter(|w| w.now.is_none())
        .map(|w| format!("{} {} has no fresh sample", w.service, w.metric.title()))
        .collect();
    let probe_bad = healthy == Some(Some(false));
    let probe_missing = healthy == Some(None);
    let look_bad = looks.iter().any(|look| look.well == Some(false));
    let look_missing = looks.iter().any(|look| look.well.is_none());
    let nothing_shows =
        watched.is_empty() && healthy.is_none() && !looks.iter().any(|look| look.shows_service);
    let normal = if !bad.is_empty() || probe_bad || look_bad {
        Some(false)
    } else if !missing.is_empty() || probe_missing || look_missing || nothing_shows {
        None
    } else {
        Some(true)
    };
    let mut parts = first_few(bad);
    if probe_bad {
        parts.push("the health endpoint fails".into());
    }
    parts.extend(first_few(missing));
    if probe_missing {
        parts.push("the health endpoint could not be asked".into());
    }
    parts.extend(first_few(
        looks.iter().filter(|look| look.well != Some(true)).map(|look| look.detail.clone()).collect(),
    ));
    let detail = if parts.is_empty() {
        let mut well = Vec::new();
        if !watched.is_empty() {
            well.push(format!("all {} triggering series are normal", watched.len()));
        }
        if healthy == Some(Some(true)) {
            well.push("the health endpoint answers".into());
        }
        well.extend(looks.iter().map(|look| look.detail.clone()));
        if well.is_empty() { "there is nothing that could be read".into() } else { well.join(" and ") }
    } else {
        parts.join("; ")
    };
    Reading { at: now, normal, worse_share, detail }
}

/// Enough for a person to see what is wrong; a cascade would otherwise fill the screen with every reading.
const PARTS_MAX: usize = 3;

fn first_few(mut parts: Vec<String>) -> Vec<String> {
    let more = parts.len().saturating_sub(PARTS_MAX);
    if more > 0 {
        parts.truncate(PARTS_MAX);
        parts.push(format!("and {more} more series"));
    }
    parts
}

/// What the readings since the action add up to; `None` while it is open.
#[must_use]
pub fn verify(
    readings: &[Reading],
    started_at: Timestamp,
    now: Timestamp,
    config: &VerificationConfig,
) -> Option<(VerificationOutcome, String)> {
    let normal = readings.iter().rev().take_while(|r| r.normal == Some(true)).count();
    if normal >= config.normal_readings {
        let took = seconds_between(started_at, now);
        let reason = format!("{normal} consecutive normal readings, {took:.0} s after the action");
        return Some((VerificationOutcome::Recovered, reason));
    }
    let elapsed = seconds_between(started_at, now);
    let last = readings.last().map_or("no reading at all", |r| r.detail.as_str());
    // Half of the triggering series clearly worse, for as many readings as recovery would need, is no coincidence.
    let worse = readings
        .iter()
        .rev()
        .take_while(|r| r.worse_share >= 0.5 && seconds_between(started_at, r.at) > config.grace_s)
        .count();
    if worse >= config.normal_readings {
        return Some((VerificationOutcome::Regressed, format!("worse than before the action: {last}")));
    }
    if elapsed < config.timeout_s {
        return None;
    }
    let outcome = match readings.last().and_then(|r| r.normal) {
        Some(false) => VerificationOutcome::Regressed,
        _ => VerificationOutcome::Unclear,
    };
    Some((outcome, format!("not recovered {elapsed:.0} s after the action: {last}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::after;

    fn reading(second: f64, normal: Option<bool>) -> Reading {
        let at = after(Timestamp::UNIX_EPOCH, second);
        Reading { at, normal, worse_share: 0.0, detail: "as seen".into() }
    }

    fn check(normals: &[Option<bool>], elapsed: f64, expected: Option<VerificationOutcome>) {
        let readings: Vec<_> = normals.iter().enumerate().map(|(i, n)| reading(i as f64 * 2.0, *n)).collect();
        let config = VerificationConfig::default();
        let now = after(Timestamp::UNIX_EPOCH, elapsed);
        let outcome = verify(&readings, Timestamp::UNIX_EPOCH, now, &config).map(|(o, _)| o);
        assert_eq!(outcome, expected, "{normals:?} after {elapsed} s");
    }

    #[test]
    fn only_three_normal_readings_in_a_row_are_a_recovery() {
        let (good, bad, missing) = (Some(true), Some(false), None);
        check(&[good, good, good], 10.0, Some(VerificationOutcome::Recovered));
        check(&[good, good], 10.0, None);
        check(&[good, bad, good, good], 10.0, None);
        check(&[good, missing, good, good], 10.0, None);
        check(&[missing; 80], 121.0, Some(VerificationOutcome::Unclear));
        check(&[bad; 80], 121.0, Some(VerificationOutcome::Regressed));
        check(&[], 121.0, Some(VerificationOutcome::Unclear));
    }

    #[test]
    fn a_missing_sample_is_unknown_and_a_failing_probe_is_not_normal() {
        let baseline =
            FrozenBaseline { mean: 1.0, std: 0.1, samples: 50, bound: 2.0, frozen_at: Timestamp::UNIX_EPOCH };
        let watched = |now: Option<f64>| Watched {
            service: "payment-service".into(),
            metric: Metric::LatencyP99,
            baseline,
            value_before: 10.0,
            now: now.map(|v| (Timestamp::UNIX_EPOCH, v)),
        };
        let take = |now, healthy| read(&[watched(now)], healthy, &[], Timestamp::UNIX_EPOCH).normal;
        assert_eq!(take(Some(1.5), Some(Some(true))), Some(true));
        assert_eq!(take(Some(1.5), Some(Some(false))), Some(false));
        assert_eq!(take(Some(2.5), Some(Some(true))), Some(false));
        assert_eq!(take(None, Some(Some(true))), None);
        assert_eq!(take(Some(1.5), Some(None)), None);
        assert_eq!(read(&[], None, &[], Timestamp::UNIX_EPOCH).normal, None);
    }

    #[test]
    fn a_look_speaks_against_a_recovery_and_only_one_at_the_service_for_it() {
        let look = |well, shows_service| Look { well, shows_service, detail: "as seen".into() };
        let take = |looks: &[Look]| read(&[], None, looks, Timestamp::UNIX_EPOCH).normal;
        let beside = |looks: &[Look]| read(&[], Some(Some(true)), looks, Timestamp::UNIX_EPOCH).normal;
        for shows_service in [true, false] {
            assert_eq!(take(&[look(Some(false), shows_service)]), Some(false));
            assert_eq!(take(&[look(None, shows_service)]), None);
            assert_eq!(beside(&[look(None, shows_service)]), None);
            assert_eq!(beside(&[look(Some(true), shows_service)]), Some(true));
        }
        assert_eq!(take(&[look(Some(true), true)]), Some(true));
        assert_eq!(take(&[look(Some(true), false)]), None, "that a change has arrived shows no recovery");
        assert_eq!(take(&[look(Some(true), true), look(None, false)]), None);
    }
}
