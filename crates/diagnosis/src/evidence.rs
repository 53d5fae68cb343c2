//! Writing down what speaks for and against a hypothesis, as references that can be asked again.

use crate::inherit::{Symptoms, TRAVELS_UP};
use crate::rank::Candidate;
use crate::{DiagnosisInput, SeriesView};
use midwatch_model::{Evidence, EvidenceId, EvidenceSource, Hypothesis, after};

/// Seconds of history that a series' evidence refers to.
const WINDOW_S: f64 = 120.0;

/// Neighbours' series that are cited at most: one witness is enough, ten are noise.
const NEIGHBOURS_MAX: usize = 3;

/// The evidence of one verdict, each piece once.
#[derive(Default)]
pub(crate) struct Book {
    pieces: Vec<Evidence>,
}

impl Book {
    /// Files a piece and gives it its id; a piece that is known already keeps its own.
    fn file(&mut self, mut piece: Evidence) -> EvidenceId {
        let known = self.pieces.iter().find(|p| {
            p.source == piece.source
                && p.service == piece.service
                && p.query == piece.query
                && p.excerpt == piece.excerpt
        });
        if let Some(known) = known {
            return known.id.clone();
        }
        piece.id = EvidenceId::new(format!("ev-{}", self.pieces.len() + 1));
        let id = piece.id.clone();
        self.pieces.push(piece);
        id
    }

    pub(crate) fn into_evidence(self) -> Vec<Evidence> {
        self.pieces
    }
}

/// Turns a candidate into a hypothesis with its evidence.
pub(crate) fn argue(
    input: &DiagnosisInput<'_>,
    symptoms: &Symptoms,
    candidate: Candidate,
    freshness: f64,
    book: &mut Book,
) -> Hypothesis {
    let service = &candidate.component;
    let mut supports = Vec::new();
    let mut against = Vec::new();
    for series in input.series.iter().filter(|s| s.service == *service && !s.stale) {
        if candidate.metrics.contains(&series.metric) && series.abnormal {
            supports.push(book.file(of_series(series, own_source(series))));
        }
    }
    let upstream = input.graph.upstream(service);
    let neighbours = input.series.iter().filter(|s| {
        s.service != *service
            && s.abnormal
            && !s.stale
            && upstream.contains_key(&s.service)
            && TRAVELS_UP.contains(&s.metric)
    });
    for series in neighbours.take(NEIGHBOURS_MAX) {
        supports.push(book.file(of_series(series, EvidenceSource::NeighbourMetrics)));
    }
    for probe in input.probes.iter().filter(|p| p.service == *service) {
        match probe.healthy {
            Some(false) => supports.push(book.file(probe.evidence.clone())),
            Some(true) => against.push(book.file(probe.evidence.clone())),
            None => {}
        }
    }
    for log in input.logs.iter().filter(|l| l.service == *service && l.errors + l.warnings > 0) {
        supports.push(book.file(log.evidence.clone()));
    }
    // That nothing was changed is no witness of a fault; a change is.
    for piece in input.control_plane.iter().filter(|e| e.service == *service && candidate.change.is_some()) {
        supports.push(book.file(piece.clone()));
    }
    if let Some(callee) = symptoms.failing_callee(service, input.graph) {
        for series in input.series.iter().filter(|s| s.service == *callee && s.abnormal).take(1) {
            against.push(book.file(of_series(series, EvidenceSource::NeighbourMetrics)));
        }
    }
    Hypothesis {
        cause: candidate.cause,
        component: candidate.component,
        confidence: (candidate.confidence * freshness * 1000.0).round() / 1000.0,
        reasons: candidate.reasons,
        supports,
        against,
        change: candidate.change,
    }
}

/// Restarts are counted by the control plane, log lines come from the log; all else the service reports itself.
fn own_source(series: &SeriesView) -> EvidenceSource {
    match series.metric {
        midwatch_model::Metric::Restarts => EvidenceSource::ControlPlane,
        midwatch_model::Metric::CriticalLogs => EvidenceSource::Logs,
        _ => EvidenceSource::ServiceMetrics,
    }
}

fn of_series(series: &SeriesView, source: EvidenceSource) -> Evidence {
    let metric = series.metric;
    let normal = series.baseline.map_or(String::new(), |b| {
        format!("; normal is {}, at most {}", metric.show(b.mean), metric.show(b.bound))
    });
    Evidence {
        id: "ev-0".into(),
        source,
        service: series.service.clone(),
        query: series.query.clone(),
        from: after(series.at, -WINDOW_S),
        to: series.at,
        digest: series.digest.clone(),
        excerpt: format!(
            "{} {} {} {}{normal}",
            series.service,
            metric.title(),
            metric.verb(),
            metric.show(series.value)
        ),
    }
}
