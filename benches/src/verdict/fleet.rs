//! Made-up fleets with one broken service, as a diagnosis would be handed them.

use midwatch_diagnosis::{DiagnosisConfig, DiagnosisInput, LogView, ProbeView, SeriesView, diagnose};
use midwatch_model::graph::EdgeKind;
use midwatch_model::{
    Cause, Change, ChangeKind, Evidence, EvidenceSource, FrozenBaseline, Metric, ServiceGraph, ServiceName,
    Signal, SignalId, SignalKind, Timestamp, Verdict, after, promql,
};
use std::collections::BTreeSet;

const NOW_S: f64 = 10_000.0;
const ONSET_S: f64 = NOW_S - 20.0;

/// What a service that suffers shows.
const SYMPTOMS: [Metric; 2] = [Metric::LatencyP99, Metric::ErrorRate];

pub struct Fleet {
    graph: ServiceGraph,
    broken: ServiceName,
    signals: Vec<Signal>,
    series: Vec<SeriesView>,
    probes: Vec<ProbeView>,
    logs: Vec<LogView>,
    changes: Vec<Change>,
    control_plane: Vec<Evidence>,
    config: DiagnosisConfig,
}

impl Fleet {
    /// The lab's six services; payment's connection pool is held.
    pub fn shop() -> Self {
        let mut graph = ServiceGraph::default();
        for (from, to) in [
            ("api-gateway", "user-service"),
            ("api-gateway", "payment-service"),
            ("api-gateway", "order-service"),
            ("order-service", "payment-service"),
            ("order-service", "inventory-service"),
        ] {
            graph.add_edge(from.into(), to.into(), EdgeKind::Calls);
        }
        graph.add_edge("notification-service".into(), "order-service".into(), EdgeKind::Consumes);
        let suffering = ["order-service".into(), "api-gateway".into()].into();
        Self::new(graph, "payment-service".into(), &suffering)
    }

    /// Five hundred services in ten layers, each calling three of the layer below; one at the bottom is broken.
    pub fn large() -> Self {
        let name = |layer: usize, n: usize| ServiceName::new(format!("layer{layer}-service{:02}", n % 50));
        let mut graph = ServiceGraph::default();
        for layer in 0..9 {
            for n in 0..50 {
                for step in [0, 1, 7] {
                    graph.add_edge(name(layer, n), name(layer + 1, n + step), EdgeKind::Calls);
                }
            }
        }
        let broken = name(9, 25);
        let mut callers: Vec<_> = graph.upstream(&broken).into_iter().filter(|(_, hops)| *hops > 0).collect();
        callers.sort_by_key(|(_, hops)| *hops);
        // With four signals of the broken service itself this makes 60.
        let suffering: BTreeSet<ServiceName> =
            callers.into_iter().take(28).map(|(service, _)| service).collect();
        Self::new(graph, broken, &suffering)
    }

    fn new(graph: ServiceGraph, broken: ServiceName, suffering: &BTreeSet<ServiceName>) -> Self {
        let mut fleet = Self {
            graph,
            signals: Vec::new(),
            series: Vec::new(),
            probes: Vec::new(),
            logs: Vec::new(),
            changes: Vec::new(),
            control_plane: Vec::new(),
            config: DiagnosisConfig::default(),
            broken,
        };
        let services: Vec<ServiceName> = fleet.graph.services().cloned().collect();
        for (index, service) in services.iter().enumerate() {
            fleet.watch(service, index, suffering.contains(service));
        }
        fleet
    }

    /// Adds everything that is known of one service.
    fn watch(&mut self, service: &ServiceName, index: usize, suffers: bool) {
        let broken = *service == self.broken;
        for metric in Metric::ALL.iter().copied() {
            let abnormal = (broken && (metric == Metric::DbPool || metric == Metric::CriticalLogs))
                || ((broken || suffers) && SYMPTOMS.contains(&metric));
            // What is broken shows first, and its pool before all else.
            let onset_s = ONSET_S
                + if broken && metric == Metric::DbPool {
                    0.0
                } else if broken {
                    2.0
                } else {
                    4.0
                };
            if abnormal {
                self.signals.push(signal(service, metric, at(onset_s)));
            }
            self.series.push(series(service, metric, abnormal.then(|| at(onset_s))));
        }
        let failing = broken || suffers;
        let evidence = |source, query: String| Evidence { source, query, ..evidence(service) };
        self.probes.push(ProbeView {
            service: service.clone(),
            healthy: Some(!broken),
            evidence: evidence(EvidenceSource::HealthProbe, format!("GET http://{service}/health")),
        });
        self.logs.push(LogView {
            service: service.clone(),
            errors: if failing { 120 } else { 0 },
            warnings: if failing { 40 } else { 1 },
            top: failing.then(|| "db pool exhausted after # ms".to_owned()),
            evidence: evidence(EvidenceSource::Logs, format!("{service}.ndjson")),
        });
        self.control_plane.push(evidence(EvidenceSource::ControlPlane, format!("state of {service}")));
        self.changes.push(Change {
            id: format!("c{index}"),
            at: at(ONSET_S - 7_200.0 - index as f64),
            service: service.clone(),
            kind: ChangeKind::Deploy,
            from: "v1.0".into(),
            to: "v1.1".into(),
            by: "ops".into(),
            title: String::new(),
            url: String::new(),
            content: None,
        });
    }

    pub fn broken(&self) -> &ServiceName {
        &self.broken
    }

    pub fn diagnose(&self) -> Verdict {
        diagnose(&DiagnosisInput {
            now: at(NOW_S),
            config: &self.config,
            graph: &self.graph,
            signals: &self.signals,
            series: &self.series,
            probes: &self.probes,
            logs: &self.logs,
            changes: &self.changes,
            control_plane: &self.control_plane,
            past: &[],
            stale: false,
        })
    }
}

fn at(seconds: f64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, seconds)
}

fn baseline() -> FrozenBaseline {
    FrozenBaseline { mean: 0.2, std: 0.05, samples: 50, bound: 0.4, frozen_at: at(ONSET_S) }
}

fn signal(service: &ServiceName, metric: Metric, onset_at: Timestamp) -> Signal {
    Signal {
        id: SignalId::new(format!("sig-{service}-{metric}")),
        kind: SignalKind::Anomaly,
        origin: "midwatch".into(),
        service: service.clone(),
        metric: Some(metric),
        class: Cause::LatencySpike,
        onset_at,
        detected_at: at(NOW_S - 6.0),
        value: 1.0,
        sigma: 16.0,
        baseline: Some(baseline()),
        summary: format!("{service} {} is abnormal", metric.title()),
        evidence: None,
        entity: None,
        alert_name: None,
        severity: None,
        ahead: None,
    }
}

fn series(service: &ServiceName, metric: Metric, since: Option<Timestamp>) -> SeriesView {
    SeriesView {
        service: service.clone(),
        metric,
        value: if since.is_some() { 1.0 } else { 0.2 },
        at: at(NOW_S - 1.0),
        baseline: Some(baseline()),
        sigma: if since.is_some() { 16.0 } else { 0.1 },
        abnormal: since.is_some(),
        since,
        stale: false,
        query: promql::query(metric, service, 60.0),
        digest: Evidence::digest_of(service.as_str().as_bytes()),
    }
}

fn evidence(service: &ServiceName) -> Evidence {
    Evidence {
        id: "ev-0".into(),
        source: EvidenceSource::Logs,
        service: service.clone(),
        query: String::new(),
        from: at(ONSET_S),
        to: at(NOW_S),
        digest: Evidence::digest_of(service.as_str().as_bytes()),
        excerpt: format!("what was seen of {service}"),
    }
}
