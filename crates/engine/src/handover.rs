//! An incident as a bundle: everything that midwatch still has of it, in the form that anyone can look into.
//!
//! Raw telemetry is not in the journal. What is handed over is what the watch, the source of metrics, the logs and the
//! control plane hold at the time of asking, up to the moment at which something was first done about the incident.

use crate::gather::Facts;
use crate::{Engine, EngineError, gather};
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use midwatch_diagnosis::bundle::{
    AlertStatus, Bundle, BundleAlert, CallGraph, ChangeRecord, Incident as BundleIncident, LogLine, Metrics,
    RecordKind, Series, TimeSpan, ToolAnswer, write,
};
use midwatch_incident::Incident;
use midwatch_model::journal::StreamId;
use midwatch_model::redact::{redact, redact_field};
use midwatch_model::{Change, ChangeKind, IncidentId, Metric, ServiceName, Signal, Timestamp, after};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Calls between a symptom and what is handed over with it at most.
const HOPS_MAX: usize = 3;

/// Services whose logs and past are asked for for one bundle.
const ASKED_MAX: usize = 24;

/// Seconds before the onset from which past samples are asked for: what was normal.
const PAST_S: f64 = 3600.0;

/// Services whose past is asked for at the same time; each takes some queries.
const PAST_CONCURRENT: usize = 2;

/// The past is worth this wait and no more: an investigation without it is better than none.
const PAST_WITHIN: Duration = Duration::from_secs(5);

/// Seconds before the onset from which logs are read: what they said while all was normal.
const LOGS_BEFORE_S: f64 = 900.0;

/// Seconds by which clocks, scrapes and rate windows blur an onset: they belong neither to normal nor to the incident.
const ONSET_BLUR_S: f64 = 10.0;

impl Engine {
    /// An incident as a bundle; `None` where there is no such incident.
    ///
    /// # Errors
    /// When the store cannot be read. What telemetry cannot tell is not in the bundle.
    pub async fn incident_bundle(&self, id: &IncidentId) -> Result<Option<Bundle>, EngineError> {
        let journal = self.store.read(&StreamId::Incident(id.clone())).await?;
        let Some(incident) = Incident::fold(journal.lines()) else { return Ok(None) };
        let facts = gather::about_suspects(self, &incident).await?;
        Ok(Some(bundle(self, &incident, &facts).await))
    }

    /// The files of an incident's bundle, as name and text; `None` where there is no such incident.
    ///
    /// # Errors
    /// As of [`Engine::incident_bundle`].
    pub async fn incident_files(
        &self,
        id: &IncidentId,
    ) -> Result<Option<BTreeMap<&'static str, String>>, EngineError> {
        let Some(bundle) = self.incident_bundle(id).await? else { return Ok(None) };
        let text = write::text(&bundle);
        Ok(Some(text.files().filter_map(|(name, text)| Some((name, text?.to_owned()))).collect()))
    }
}

/// The bundle of an incident on gathered facts.
pub(crate) async fn bundle(engine: &Engine, incident: &Incident, facts: &Facts) -> Bundle {
    let onset = incident.signals.iter().map(|signal| signal.onset_at).min().unwrap_or(incident.opened_at);
    let first_effect = incident.attempts().map(|effect| effect.intended_at).min();
    let until = first_effect.or(incident.resolved_at).unwrap_or(facts.now);
    let near = neighbourhood(incident, facts);
    let past = past(engine, &near, after(onset, -PAST_S), until).await;
    let series = series(engine, &near, until, past).await;
    let graph = calls(facts, &near);
    let from = series.iter().filter_map(|series| series.at.first()).min().copied();
    // When trouble that somebody else alerts of began is not known: a rule may have waited for long. What of the time
    // before was normal is then for the investigation to guess.
    let seen = incident.signals.iter().any(|signal| signal.onset_at == onset && signal.baseline.is_some());
    let normal_to = after(onset, -ONSET_BLUR_S).as_millisecond();
    Bundle {
        incident: BundleIncident {
            alerts: incident.signals.iter().map(alert).collect(),
            detected_at: incident.opened_at.as_millisecond(),
            services: Vec::new(),
            baseline: from
                .filter(|from| seen && *from < normal_to)
                .map(|from| TimeSpan { from, to: normal_to })
                .into_iter()
                .collect(),
        },
        metrics: Metrics { series },
        logs: logs(engine, &near, after(onset, -LOGS_BEFORE_S), until).await,
        spans: Vec::new(),
        graph,
        changes: facts.changes.iter().filter(|change| change.at <= until).map(record).collect(),
        tools: tools(facts),
        notes: Vec::new(),
    }
}

/// Everything within a few calls of a symptom: those with symptoms first.
fn neighbourhood(incident: &Incident, facts: &Facts) -> Vec<ServiceName> {
    let hit = incident.services();
    let near = |service: &&ServiceName| {
        let is_near = |hit: &ServiceName| facts.graph.hops(hit, service).is_some_and(|hops| hops <= HOPS_MAX);
        !hit.contains(*service) && hit.iter().any(is_near)
    };
    let around: BTreeSet<ServiceName> = facts.graph.services().filter(near).cloned().collect();
    hit.iter().cloned().chain(around).collect()
}

/// Text that leaves midwatch: without secrets.
fn clean(text: &str) -> String {
    redact(text).into_owned()
}

fn alert(signal: &Signal) -> BundleAlert {
    BundleAlert {
        service: signal.service.to_string(),
        title: clean(&signal.summary),
        severity: signal.severity,
        status: AlertStatus::Firing,
        starts_at: Some(signal.onset_at),
        labels: signal
            .labels()
            .iter()
            .map(|(name, value)| (name.to_string(), redact_field(name, value).into_owned()))
            .collect(),
        class: Some(signal.class),
        id: Some(signal.id.to_string()),
    }
}

/// Samples by series.
type Past = BTreeMap<(ServiceName, Metric), Vec<(Timestamp, f64)>>;

/// What the source of metrics has kept: midwatch itself remembers since its start, and an hour at most.
async fn past(engine: &Engine, near: &[ServiceName], from: Timestamp, to: Timestamp) -> Past {
    let mut past = Past::new();
    let services = &near[..near.len().min(ASKED_MAX)];
    let asked: Vec<_> =
        services.iter().map(|service| engine.outside.past_samples(service, from, to)).collect();
    let collected = stream::iter(asked).buffered(PAST_CONCURRENT).for_each(|answer| {
        match answer {
            Ok(samples) => samples.into_iter().for_each(|sample| {
                past.entry((sample.service, sample.metric)).or_default().push((sample.at, sample.value));
            }),
            Err(error) => tracing::debug!(%error, "no past samples to hand over"),
        }
        std::future::ready(())
    });
    if tokio::time::timeout(PAST_WITHIN, collected).await.is_err() {
        tracing::debug!(seconds = PAST_WITHIN.as_secs(), "the past was not there in time; what came is used");
    }
    past
}

/// What the watch remembers, and before that what was kept elsewhere; by component and metric.
async fn series(engine: &Engine, near: &[ServiceName], until: Timestamp, past: Past) -> Vec<Series> {
    let mut all = past;
    let watch = engine.watch.lock().await;
    for service in near {
        for (metric, samples) in watch.history.until(service, until) {
            let series = all.entry((service.clone(), metric)).or_default();
            let since = samples[0].0;
            series.retain(|(at, _)| *at < since);
            series.extend(samples);
        }
    }
    all.into_iter().map(|((service, metric), samples)| of(&service, metric, &samples)).collect()
}

fn of(service: &ServiceName, metric: Metric, samples: &[(Timestamp, f64)]) -> Series {
    Series {
        source: midwatch_diagnosis::bundle::FILES[1],
        component: service.to_string(),
        metric: metric.name().to_owned(),
        at: samples.iter().map(|(at, _)| at.as_millisecond()).collect(),
        values: samples.iter().map(|(_, value)| *value).collect(),
    }
}

fn calls(facts: &Facts, near: &[ServiceName]) -> CallGraph {
    let mut graph = CallGraph::default();
    for caller in near {
        for callee in facts.graph.callees(caller) {
            graph.add(caller.as_str(), callee.as_str());
        }
    }
    graph
}

async fn logs(engine: &Engine, near: &[ServiceName], from: Timestamp, to: Timestamp) -> Vec<LogLine> {
    let services = &near[..near.len().min(ASKED_MAX)];
    let answers = join_all(services.iter().map(|service| engine.outside.log_lines(service, from, to))).await;
    let mut lines = Vec::new();
    for (service, answer) in services.iter().zip(answers) {
        match answer {
            Ok(said) => lines.extend(said.into_iter().map(|line| LogLine {
                at: line.at.as_millisecond(),
                component: service.to_string(),
                severity: line.severity.to_owned(),
                message: line.message,
                trace_id: None,
            })),
            Err(error) => tracing::debug!(%service, %error, "no logs to hand over"),
        }
    }
    lines.sort_by(|a, b| (a.at, &a.component, &a.message).cmp(&(b.at, &b.component, &b.message)));
    lines
}

fn record(change: &Change) -> ChangeRecord {
    let (kind, from, content) = (kind(change.kind), &change.from, change.content.as_ref());
    let told = if from.is_empty() { change.to.clone() } else { format!("{from} -> {}", change.to) };
    ChangeRecord {
        kind,
        id: change.id.clone(),
        at: change.at.as_millisecond(),
        component: Some(change.service.to_string()),
        commit: None,
        title: clean(&if change.title.is_empty() { told } else { format!("{} ({told})", change.title) }),
        files: content
            .map_or_else(Vec::new, |content| content.files.iter().map(|file| clean(file)).collect()),
        diff: content.map(|content| clean(&content.diff)).filter(|diff| !diff.is_empty()),
    }
}

/// A restart puts nothing new into production; it is handed over as what it most resembles.
fn kind(kind: ChangeKind) -> RecordKind {
    match kind {
        ChangeKind::Deploy | ChangeKind::Rollback => RecordKind::Deploy,
        ChangeKind::Scale => RecordKind::Scale,
        ChangeKind::Config | ChangeKind::Restart => RecordKind::Config,
    }
}

fn tools(facts: &Facts) -> Vec<ToolAnswer> {
    let state = facts.targets.iter().filter_map(|(service, state)| {
        let answer = serde_json::to_value(state.as_ref().ok()?).ok()?;
        Some(ToolAnswer { tool: "control_plane".into(), arguments: json!({ "service": service }), answer })
    });
    let probes = facts.probes.iter().map(|probe| ToolAnswer {
        tool: "health_probe".into(),
        arguments: json!({ "service": probe.service, "url": clean(&probe.url) }),
        answer: json!({
            "healthy": probe.healthy, "status": probe.status, "detail": clean(&probe.detail), "at": probe.at,
        }),
    });
    let told = facts.described.iter().map(|told| ToolAnswer {
        tool: told.tool.clone(),
        arguments: told.arguments.clone(),
        answer: told.answer.clone(),
    });
    state.chain(probes).chain(told).collect()
}
