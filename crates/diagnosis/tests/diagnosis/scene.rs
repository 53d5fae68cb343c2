//! Symptoms on the lab's graph, in short words.

use midwatch_diagnosis::investigate::Answer;
use midwatch_diagnosis::{
    DiagnosisConfig, DiagnosisInput, LogView, ProbeView, SeriesView, diagnose, second_look,
};
use midwatch_model::graph::EdgeKind;
use midwatch_model::{
    Cause, Change, ChangeContent, ChangeKind, Evidence, EvidenceSource, FrozenBaseline, Metric, ServiceGraph,
    ServiceName, Signal, SignalKind, Timestamp, Verdict, after,
};

/// Seconds from the origin of a scene to the moment of the diagnosis.
pub const NOW_S: f64 = 60.0;

pub fn at(second: f64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, 1e9 + second)
}

/// The lab: the gateway calls payment, order and user; orders call payment and inventory, notifications consume them.
pub fn lab() -> ServiceGraph {
    let mut graph = ServiceGraph::default();
    for (from, to) in [
        ("gateway", "payment"),
        ("gateway", "order"),
        ("gateway", "user"),
        ("order", "payment"),
        ("order", "inventory"),
    ] {
        graph.add_edge(from.into(), to.into(), EdgeKind::Calls);
    }
    graph.add_edge("notification".into(), "order".into(), EdgeKind::Consumes);
    graph
}

/// An abnormal series: service, metric, value, onset in seconds.
pub type Abnormal = (&'static str, Metric, f64, f64);

#[derive(Clone, Debug)]
pub struct Scene {
    pub graph: ServiceGraph,
    pub signals: Vec<Signal>,
    pub series: Vec<SeriesView>,
    pub probes: Vec<ProbeView>,
    pub logs: Vec<LogView>,
    pub changes: Vec<Change>,
    pub stale: bool,
}

impl Scene {
    pub fn of(symptoms: &[Abnormal]) -> Self {
        Self {
            graph: lab(),
            signals: symptoms.iter().map(|s| signal(*s)).collect(),
            series: symptoms.iter().map(|s| series(*s)).collect(),
            probes: Vec::new(),
            logs: Vec::new(),
            changes: Vec::new(),
            stale: false,
        }
    }

    /// With a deployment of a service so many seconds before the scene's origin.
    pub fn deployed(mut self, service: &str, seconds_before: f64) -> Self {
        self.changes.push(change(service, -seconds_before));
        self
    }

    /// With what the last change did to the code.
    pub fn whose_content(mut self, files: &[&str], diff: &str) -> Self {
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        let content = ChangeContent { files, diff: diff.to_owned() };
        self.changes.last_mut().expect("a change").content = Some(content);
        self
    }

    pub fn verdict(&self) -> Verdict {
        diagnose(&self.input(&DiagnosisConfig::default()))
    }

    /// The verdict after a look at everything that is in a bundle.
    pub fn verdict_with(&self, found: &Answer) -> Verdict {
        let config = DiagnosisConfig::default();
        let input = self.input(&config);
        second_look(&input, diagnose(&input), found)
    }

    fn input<'a>(&'a self, config: &'a DiagnosisConfig) -> DiagnosisInput<'a> {
        DiagnosisInput {
            now: at(NOW_S),
            config,
            graph: &self.graph,
            signals: &self.signals,
            series: &self.series,
            probes: &self.probes,
            logs: &self.logs,
            changes: &self.changes,
            control_plane: &[],
            past: &[],
            stale: self.stale,
        }
    }
}

/// Component and cause of the leading hypothesis.
pub fn root(verdict: &Verdict) -> Option<(&str, Cause)> {
    verdict.root().map(|root| (root.component.as_str(), root.cause))
}

pub fn change(service: &str, second: f64) -> Change {
    Change {
        id: format!("chg-{service}-{second}"),
        at: at(second),
        service: service.into(),
        kind: ChangeKind::Deploy,
        from: "v1".into(),
        to: "v2".into(),
        by: "ann".into(),
        title: String::new(),
        url: String::new(),
        content: None,
    }
}

fn normal(metric: Metric) -> FrozenBaseline {
    let (mean, bound) = match metric {
        Metric::LatencyP99 => (100.0, 250.0),
        Metric::Up => (1.0, 0.75),
        Metric::RequestRate => (30.0, 90.0),
        Metric::QueueLag => (10.0, 500.0),
        Metric::Cpu => (0.42, 0.8),
        _ => (0.01, 0.05),
    };
    FrozenBaseline { mean, std: 0.1, samples: 50, bound, frozen_at: at(0.0) }
}

pub fn signal((service, metric, value, onset): Abnormal) -> Signal {
    Signal {
        id: format!("sig-{service}-{metric}").as_str().into(),
        kind: SignalKind::Anomaly,
        origin: "midwatch".into(),
        service: service.into(),
        metric: Some(metric),
        class: Cause::ErrorRateSpike,
        onset_at: at(onset),
        detected_at: at(onset + 6.0),
        value,
        sigma: 9.0,
        baseline: Some(normal(metric)),
        summary: format!("{service} {metric}"),
        evidence: None,
        entity: None,
        alert_name: None,
        severity: None,
        ahead: None,
    }
}

pub fn series((service, metric, value, onset): Abnormal) -> SeriesView {
    SeriesView {
        service: service.into(),
        metric,
        value,
        at: at(NOW_S),
        baseline: Some(normal(metric)),
        sigma: 9.0,
        abnormal: true,
        since: Some(at(onset)),
        stale: false,
        query: format!("{metric}{{{service}}}"),
        digest: String::new(),
    }
}

pub fn evidence(source: EvidenceSource, service: &ServiceName) -> Evidence {
    Evidence {
        id: "ev-0".into(),
        source,
        service: service.clone(),
        query: format!("{source:?} of {service}"),
        from: at(0.0),
        to: at(NOW_S),
        digest: String::new(),
        excerpt: format!("what {service} shows"),
    }
}

pub fn failing_probe(service: &str) -> ProbeView {
    let service = ServiceName::from(service);
    ProbeView { evidence: evidence(EvidenceSource::HealthProbe, &service), service, healthy: Some(false) }
}

pub fn log(service: &str, errors: u64) -> LogView {
    let service = ServiceName::from(service);
    LogView { evidence: evidence(EvidenceSource::Logs, &service), service, errors, warnings: 0, top: None }
}
