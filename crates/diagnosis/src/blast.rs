//! How far the fault reaches and how many requests it spoils.

use crate::DiagnosisInput;
use crate::inherit::Symptoms;
use midwatch_model::verdict::{BlastRadius, Spread};
use midwatch_model::{Metric, ServiceName};
use std::collections::BTreeSet;

/// Share of requests that count as spoilt when the 99th percentile is beyond its bound: at least the slowest hundredth,
/// at most all. The share grows with how far the percentile is off, since a percentile alone does not tell more.
fn slow_share(ratio: f64) -> f64 {
    (0.01 * ratio * ratio).clamp(0.01, 1.0)
}

pub(crate) fn radius(
    input: &DiagnosisInput<'_>,
    symptoms: &Symptoms,
    component: Option<&ServiceName>,
) -> BlastRadius {
    let mut affected: BTreeSet<ServiceName> = symptoms.services().cloned().collect();
    affected.extend(component.cloned());
    let at_risk: BTreeSet<ServiceName> = affected
        .iter()
        .flat_map(|s| input.graph.upstream(s).into_keys())
        .filter(|s| !affected.contains(s))
        .collect();
    // Users meet the services that nobody calls; if none of those is affected, the affected ones stand in.
    let entries: Vec<&ServiceName> =
        affected.iter().filter(|s| input.graph.callers(s).next().is_none()).collect();
    let met = if entries.is_empty() { affected.iter().collect() } else { entries };
    let (mut requests, mut impacted) = (0.0, 0.0);
    for service in met {
        let value = |metric| {
            let series = input.series.iter().find(|s| s.service == *service && s.metric == metric);
            series.map_or(0.0, |s| s.value)
        };
        let rate = value(Metric::RequestRate);
        let slow = symptoms
            .get(service, Metric::LatencyP99)
            .map_or(0.0, |s| slow_share(s.value / s.normal.unwrap_or(s.value).max(1.0)));
        requests += rate;
        impacted += rate * value(Metric::ErrorRate).max(slow).min(1.0);
    }
    BlastRadius {
        affected: affected.into_iter().collect(),
        at_risk: at_risk.into_iter().collect(),
        impacted_requests_per_s: (impacted * 10.0).round() / 10.0,
        impacted_share: if requests > 0.0 { (impacted / requests * 1000.0).round() / 1000.0 } else { 0.0 },
    }
}

pub(crate) fn spread(
    input: &DiagnosisInput<'_>,
    symptoms: &Symptoms,
    component: Option<&ServiceName>,
) -> Spread {
    let Some(component) = component else { return Spread::Contained };
    let upstream = input.graph.upstream(component);
    let callers = || upstream.keys().filter(|s| *s != component);
    let failing = |service: &ServiceName| {
        input.series.iter().any(|s| {
            s.service == *service
                && s.metric == Metric::ErrorRate
                && s.value > input.config.cascade_error_rate
        })
    };
    if callers().any(failing) {
        return Spread::Cascade;
    }
    if callers().any(|s| symptoms.services().any(|other| other == s)) {
        return Spread::UpstreamDegradation;
    }
    Spread::Contained
}
