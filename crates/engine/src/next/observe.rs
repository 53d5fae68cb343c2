//! After an action: readings, recovery, soak, recurrence, closing.

use super::{Step, is_calm};
use crate::EngineConfig;
use crate::gather::Facts;
use midwatch_diagnosis::hindsight;
use midwatch_incident::Incident;
use midwatch_model::journal::{Entry, Reading, VerificationOutcome};
use midwatch_model::{Metric, Signal, Timestamp, after, seconds_between};
use midwatch_verification::{Look, Watched, read, verify as judge};
use std::collections::BTreeSet;

/// Takes a reading if new samples may be in, and judges the action.
pub(super) fn verify(incident: &Incident, facts: &Facts, config: &EngineConfig) -> Step {
    if let Some(step) = in_hindsight(incident, facts) {
        return step;
    }
    // Time in which nobody watched says nothing about the remedy.
    let Some(acted_until) = incident.acted_until() else { return Step::Wait };
    let started_at = acted_until.max(facts.watching_since);
    let Some(reading) = reading(incident, facts, config, started_at) else { return Step::Wait };
    let mut readings = incident.readings.clone();
    readings.push(reading.clone());
    let mut entries = vec![Entry::Observed { reading }];
    if let Some((outcome, reason)) = judge(&readings, started_at, facts.now, &config.verification) {
        entries.push(Entry::Verified { outcome, reason });
        if outcome == VerificationOutcome::Recovered {
            entries.push(Entry::SoakStarted { until: after(facts.now, config.verification.soak_s) });
        }
    }
    Step::Record(entries)
}

/// What joined after the action may say more about the cause than was known before.
fn in_hindsight(incident: &Incident, facts: &Facts) -> Option<Step> {
    let verdict = hindsight(incident.verdict.as_ref()?, &incident.signals)?;
    Some(super::decide::diagnosed(verdict, facts, incident))
}

/// The original signals must stay normal. Missing samples prolong the soak; they never end it well.
pub(super) fn soak(incident: &Incident, facts: &Facts, config: &EngineConfig) -> Step {
    if let Some(step) = in_hindsight(incident, facts) {
        return step;
    }
    let (Some(until), Some(since)) = (incident.soak_until, incident.recovered_at()) else {
        return Step::Wait;
    };
    let Some(reading) = reading(incident, facts, config, since) else { return Step::Wait };
    let mut readings = incident.readings.clone();
    readings.push(reading.clone());
    let last = reading.normal;
    let detail = reading.detail.clone();
    let mut entries = vec![Entry::Observed { reading }];
    let bad = readings.iter().rev().take_while(|r| r.normal == Some(false)).count();
    if bad >= config.verification.normal_readings {
        entries.push(Entry::Recurred { reason: format!("the soak failed: {detail}") });
    } else if facts.now >= until && last == Some(true) {
        let millis = |from: Timestamp, to: Timestamp| (seconds_between(from, to).max(0.0) * 1000.0) as u64;
        entries.push(Entry::Resolved {
            mttr_ms: millis(incident.recurred.as_ref().map_or(incident.opened_at, |(at, _)| *at), since),
            soak_ms: millis(since, facts.now),
            by_itself: false,
        });
    } else if facts.now >= after(until, config.verification.timeout_s) {
        let reason = format!("it recovered, but the soak could not be finished: {detail}");
        entries.push(Entry::Escalated { reason });
    }
    Step::Record(entries)
}

/// Resolved: watch for a recurrence that the detectors' own dedup would swallow, then close.
pub(super) fn after_recovery(incident: &Incident, facts: &Facts, config: &EngineConfig) -> Step {
    let Some(resolved_at) = incident.resolved_at else { return Step::Wait };
    let suspicious = |signal: &Signal| {
        let status = facts.status(&signal.service, signal.metric?)?;
        status
            .suspicious_since
            .filter(|since| status.suspicious && *since > resolved_at)
            .map(|since| (since, status.at))
    };
    let is_old = facts.now >= after(resolved_at, config.incident.recurrence_window_s);
    // The detectors stay silent about a series that signalled lately; this incident knows that series and does not.
    let back = incident.signals.iter().find_map(|signal| {
        let (since, at) = suspicious(signal)?;
        let lasting = seconds_between(since, at) >= f64::from(config.detection.m) * config.poll_interval_s;
        lasting.then(|| signal.series_key())
    });
    if let Some(series) = back {
        let after_s = seconds_between(resolved_at, facts.now);
        return Step::Record(vec![Entry::Recurred {
            reason: format!("{series} is abnormal again {after_s:.0} s after the recovery"),
        }]);
    }
    // One that began before the recovery was taken for its echo; by now it is not.
    let lasting = incident.signals.iter().find(|s| s.metric.is_none() && facts.alerted.contains(&s.service));
    if let Some(signal) = lasting.filter(|_| is_old) {
        let after_s = seconds_between(resolved_at, facts.now);
        return Step::Record(vec![Entry::Recurred {
            reason: format!(
                "an alert about {} still fires {after_s:.0} s after the recovery",
                signal.service
            ),
        }]);
    }
    let stirring = incident.signals.iter().any(|signal| suspicious(signal).is_some());
    if !stirring && is_old {
        let reason = format!("no recurrence within {:.0} s", config.incident.recurrence_window_s);
        return Step::Record(vec![Entry::Closed { reason }]);
    }
    Step::Wait
}

/// Escalated: a person has it. When the signals come back, say so.
pub(super) fn with_a_person(incident: &Incident, facts: &Facts, config: &EngineConfig) -> Step {
    let since = incident.escalated.as_ref().map_or(incident.opened_at, |(at, _)| *at);
    let long_enough = seconds_between(since, facts.now) >= config.incident.self_resolve_s;
    if long_enough && is_calm(incident, facts, config.incident.self_resolve_s) {
        return Step::Record(vec![Entry::Resolved { mttr_ms: 0, soak_ms: 0, by_itself: true }]);
    }
    Step::Wait
}

/// Series of the component that did not signal in this incident and are out of order now: it has not recovered while
/// they are.
fn also_wrong<'a>(
    incident: &'a Incident,
    facts: &'a Facts,
    last: Timestamp,
) -> impl Iterator<Item = Watched> + 'a {
    let of_component = facts.series.iter().filter(|s| {
        s.service == *incident.component()
            && s.suspicious
            && !s.stale
            && s.metric != Metric::RequestRate
            && !incident.signals.iter().any(|i| i.service == s.service && i.metric == Some(s.metric))
    });
    of_component.filter_map(move |s| {
        let baseline = s.baseline?;
        Some(Watched {
            service: s.service.clone(),
            metric: s.metric,
            baseline,
            value_before: f64::INFINITY,
            now: (s.at > last).then_some((s.at, s.value)),
        })
    })
}

/// Where midwatch has no series and no health endpoint to look at, whoever told the alert says whether it is over, as a
/// CloudWatch alarm does.
fn by_alerts(told: &[&Signal], facts: &Facts) -> Reading {
    let services: BTreeSet<&str> = told
        .iter()
        .map(|signal| &signal.service)
        .filter(|service| facts.alerted.contains(*service))
        .map(midwatch_model::ServiceName::as_str)
        .collect();
    let detail = if services.is_empty() {
        "no alert fires any more".to_owned()
    } else {
        format!("the alert about {} still fires", services.iter().copied().collect::<Vec<_>>().join(", "))
    };
    Reading { at: facts.now, normal: Some(services.is_empty()), worse_share: 0.0, detail }
}

/// What was foreseen is averted when no alarm stands any more and nothing is in breach.
fn foreseen(incident: &Incident, facts: &Facts) -> Reading {
    let outlook = &facts.outlook;
    let still: Vec<String> = outlook
        .alarms
        .iter()
        .map(|(service, alarm)| format!("{service} {:.0} %", alarm.probability * 100.0))
        .chain(outlook.in_breach.iter().map(|service| format!("{service} is in breach")))
        .collect();
    let detail = if still.is_empty() { "no alarm stands any more".to_owned() } else { still.join(", ") };
    let broken = outlook.in_breach.len() as f64 / incident.services().len().max(1) as f64;
    Reading { at: facts.now, normal: Some(still.is_empty()), worse_share: broken, detail }
}

/// A reading of the triggering series, at most one per poll.
fn reading(incident: &Incident, facts: &Facts, config: &EngineConfig, since: Timestamp) -> Option<Reading> {
    let last = incident.readings.last().map_or(since, |r| r.at);
    // Slack of a tenth: ticks and polls do not beat in step.
    if seconds_between(last, facts.now) < 0.9 * config.poll_interval_s {
        return None;
    }
    if incident.is_predicted() {
        return Some(foreseen(incident, facts));
    }
    let acted_at = incident.last_effect().map_or(incident.opened_at, |e| e.intended_at);
    let watched: Vec<Watched> = incident
        .signals
        .iter()
        // Demand is not harm: more instances carry a surge, they do not end it.
        .filter(|signal| signal.metric != Some(Metric::RequestRate))
        .filter_map(|signal| {
            let (metric, baseline) = (signal.metric?, signal.baseline?);
            let status = facts.status(&signal.service, metric);
            let before = status.into_iter().flat_map(|s| &s.recent).filter(|(at, _)| *at <= acted_at);
            // Without history (after a restart) nothing can be called worse than before.
            let value_before = before.map(|(_, v)| *v).fold(f64::NAN, f64::max);
            Some(Watched {
                service: signal.service.clone(),
                metric,
                baseline,
                value_before: if value_before.is_nan() { f64::INFINITY } else { value_before },
                now: status.filter(|s| !s.stale && s.at > last).map(|s| (s.at, s.value)),
            })
        })
        .chain(also_wrong(incident, facts, last))
        .collect();
    let healthy = facts.healthy(incident.component());
    let looks: Vec<Look> = facts.looks(incident.component()).collect();
    let told: Vec<&Signal> = incident.signals.iter().filter(|signal| signal.metric.is_none()).collect();
    if watched.is_empty() && healthy.is_none() && !told.is_empty() {
        let passed = by_alerts(&told, facts);
        // While an alert fires, nothing else says that it is over; once it has passed, the looks must not say otherwise.
        let stands = passed.normal != Some(true) || looks.iter().all(|look| look.well == Some(true));
        return Some(if stands { passed } else { read(&watched, healthy, &looks, facts.now) });
    }
    Some(read(&watched, healthy, &looks, facts.now))
}
