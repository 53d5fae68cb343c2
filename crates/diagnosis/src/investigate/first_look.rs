//! The first look at a bundle that a running midwatch wrote: what its detectors told, walked over the graph as it was then.
//!
//! Whoever is handed an incident is to come to what was said of it while it went on, and detectors that watched it happen
//! know more of when each series left its normal than a folder of samples.

use super::deviation::Deviation;
use super::scene::Scene;
use crate::bundle::{Bundle, BundleAlert, ChangeRecord, Ms, RecordKind, timestamp};
use crate::{DiagnosisConfig, DiagnosisInput, SeriesView, diagnose, hindsight};
use midwatch_model::graph::EdgeKind;
use midwatch_model::{
    Cause, Change, ChangeContent, ChangeKind, FrozenBaseline, Hypothesis, Metric, ServiceGraph, ServiceName,
    Signal, SignalId, SignalKind,
};

/// What the symptoms alone say, where that is conclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstLook {
    /// Number in the scene.
    pub component: usize,
    pub cause: Cause,
    /// 0–1.
    pub confidence: f64,
}

/// `None` where no alert is of a series that detectors watch, or where symptoms are not enough.
pub fn first_look(bundle: &Bundle, scene: &Scene<'_>, deviations: &[Deviation]) -> Option<FirstLook> {
    let signals: Vec<Signal> =
        bundle.incident.alerts.iter().filter_map(|alert| signal(bundle, deviations, alert)).collect();
    let until = bundle.metrics.series.iter().filter_map(|series| series.at.last()).max().copied()?;
    let begun: Vec<Signal> =
        signals.iter().filter(|s| s.onset_at.as_millisecond() <= until).cloned().collect();
    if begun.is_empty() {
        return None;
    }
    let series: Vec<SeriesView> = deviations.iter().filter_map(|d| view(bundle, &begun, d)).collect();
    let changes: Vec<Change> = bundle.changes.iter().filter_map(change).collect();
    let verdict = diagnose(&DiagnosisInput {
        now: timestamp(until),
        config: &DiagnosisConfig::default(),
        graph: &graph(scene),
        signals: &begun,
        series: &series,
        changes: &changes,
        // What was asked and what was logged is weighed by the investigation itself.
        probes: &[],
        logs: &[],
        control_plane: &[],
        past: &[],
        stale: false,
    });
    let verdict = hindsight(&verdict, &signals).unwrap_or(verdict);
    verdict.root().filter(|_| verdict.is_conclusive()).and_then(|root| found(scene, root))
}

fn found(scene: &Scene<'_>, root: &Hypothesis) -> Option<FirstLook> {
    let component = scene.number(root.component.as_str())?;
    Some(FirstLook { component, cause: root.cause, confidence: root.confidence })
}

fn graph(scene: &Scene<'_>) -> ServiceGraph {
    let mut graph = ServiceGraph::default();
    for (caller, callees) in scene.callees.iter().enumerate() {
        graph.add_service(scene.names[caller].into());
        for callee in callees {
            graph.add_edge(scene.names[caller].into(), scene.names[*callee].into(), EdgeKind::Calls);
        }
    }
    graph
}

/// The metric that a series or an alert is of, if detectors watch it.
fn watched(name: &str) -> Option<Metric> {
    name.parse().ok()
}

/// The signal that an alert was made of. Its numbers are those of the series.
fn signal(bundle: &Bundle, deviations: &[Deviation], alert: &BundleAlert) -> Option<Signal> {
    let metric = watched(alert.label("metric")?)?;
    let onset_at = alert.starts_at?;
    let of = |d: &&Deviation| is_of(bundle, d, &alert.service, metric);
    let seen = deviations.iter().find(of);
    Some(Signal {
        id: SignalId::new(alert.id.clone().unwrap_or_default()),
        kind: SignalKind::Anomaly,
        origin: "midwatch".into(),
        service: ServiceName::new(&alert.service),
        metric: Some(metric),
        class: alert.class?,
        onset_at,
        detected_at: timestamp(bundle.incident.detected_at),
        value: seen.map_or(f64::NAN, |d| d.worst),
        sigma: seen.map_or(0.0, |d| (d.worst - d.centre) / d.spread),
        baseline: seen.map(|d| baseline(d, onset_at.as_millisecond())),
        summary: alert.title.clone(),
        evidence: None,
        entity: None,
        alert_name: None,
        severity: alert.severity,
        ahead: None,
    })
}

fn is_of(bundle: &Bundle, deviation: &Deviation, service: &str, metric: Metric) -> bool {
    let series = &bundle.metrics.series[deviation.series];
    series.component == service && watched(&series.metric) == Some(metric)
}

fn baseline(deviation: &Deviation, at: Ms) -> FrozenBaseline {
    let Deviation { centre, spread, .. } = *deviation;
    FrozenBaseline { mean: centre, std: spread, samples: 0, bound: centre + spread, frozen_at: timestamp(at) }
}

/// A watched series as it stood when something was first done.
fn view(bundle: &Bundle, signals: &[Signal], deviation: &Deviation) -> Option<SeriesView> {
    let series = &bundle.metrics.series[deviation.series];
    let (metric, service) = (watched(&series.metric)?, ServiceName::new(&series.component));
    let (at, value) = (*series.at.last()?, *series.values.last()?);
    let signal = signals.iter().find(|s| s.service == service && s.metric == Some(metric));
    Some(SeriesView {
        metric,
        value,
        at: timestamp(at),
        baseline: Some(baseline(deviation, at)),
        sigma: (value - deviation.centre) / deviation.spread,
        abnormal: signal.is_some(),
        since: signal.map(|signal| signal.onset_at),
        stale: false,
        query: String::new(),
        digest: String::new(),
        service,
    })
}

fn change(record: &ChangeRecord) -> Option<Change> {
    let kind = match record.kind {
        RecordKind::Deploy => ChangeKind::Deploy,
        RecordKind::Scale => ChangeKind::Scale,
        RecordKind::Config | RecordKind::Flag => ChangeKind::Config,
        // It changes nothing until it is deployed.
        RecordKind::Commit => return None,
    };
    let content = record.diff.clone().map(|diff| ChangeContent { files: record.files.clone(), diff });
    Some(Change {
        id: record.id.clone(),
        at: timestamp(record.at),
        service: ServiceName::new(record.component.as_deref()?),
        kind,
        from: String::new(),
        to: if record.title.is_empty() { record.id.clone() } else { record.title.clone() },
        by: String::new(),
        title: String::new(),
        url: String::new(),
        content,
    })
}
