//! What plain methods make of a case: the figures that ours stand beside.

use midwatch_diagnosis::bundle::{Bundle, Series};
use std::collections::BTreeMap;

/// Components that could be named: those that the incident lists, or else all that telemetry and the graph name.
pub fn candidates(bundle: &Bundle) -> Vec<String> {
    if !bundle.incident.services.is_empty() {
        return bundle.incident.services.clone();
    }
    let mut all: Vec<String> = bundle.metrics.series.iter().map(|series| series.component.clone()).collect();
    all.extend(bundle.graph.edges().flat_map(|(caller, callee)| [caller.to_owned(), callee.to_owned()]));
    all.extend(bundle.incident.alerts.iter().map(|alert| alert.service.clone()));
    all.sort();
    all.dedup();
    all
}

/// n-sigma: components by how many standard deviations the alert's metric left its mean, any metric if the alert names
/// none that is there.
pub fn n_sigma(bundle: &Bundle) -> Vec<(&str, f64)> {
    let metric = alert_metric(bundle);
    let mut scores: BTreeMap<&str, f64> = BTreeMap::new();
    // Plain n-sigma knows no traces.
    for series in bundle.metrics.series.iter().filter(|series| series.source == "metrics.csv") {
        if metric.as_deref().is_none_or(|metric| series.metric == metric) {
            let score = scores.entry(&series.component).or_default();
            *score = score.max(sigma(bundle, series));
        }
    }
    let mut ranked: Vec<(&str, f64)> = scores.into_iter().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

/// The metric that the alert is about, if more than one component has it.
fn alert_metric(bundle: &Bundle) -> Option<String> {
    let label = bundle.incident.alerts.first()?.label("metric")?;
    let holders = bundle.metrics.series.iter().filter(|series| series.metric == label).count();
    (holders > 1).then(|| label.to_owned())
}

fn sigma(bundle: &Bundle, series: &Series) -> f64 {
    let normal = |at| bundle.incident.baseline.iter().any(|span| span.holds(at));
    let samples = || series.at.iter().zip(&series.values);
    let before: Vec<f64> = samples().filter(|(at, _)| normal(**at)).map(|(_, value)| *value).collect();
    if before.is_empty() {
        return 0.0;
    }
    let mean = before.iter().sum::<f64>() / before.len() as f64;
    let variance = before.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / before.len() as f64;
    let away = samples().filter(|(at, _)| !normal(**at)).map(|(_, value)| (value - mean).abs());
    let away = away.fold(0.0, f64::max);
    if away == 0.0 { 0.0 } else { away / variance.sqrt().max(1e-9) }
}
