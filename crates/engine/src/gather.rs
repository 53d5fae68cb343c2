//! Gathering: everything that the next step depends on, as one value.

use crate::foresight::Outlook;
use crate::{Engine, EngineError};
use futures::future::join_all;
use midwatch_connectors::{Described, LogDigest, Probe};
use midwatch_decision::{Levels, ServiceHistory};
use midwatch_diagnosis::investigate::Answer;
use midwatch_diagnosis::{DiagnosisConfig, DiagnosisInput, LogView, PastIncident, ProbeView, SeriesView};
use midwatch_incident::{Incident, State};
use midwatch_model::action::TargetState;
use midwatch_model::journal::StreamId;
use midwatch_model::redact::redact;
use midwatch_model::{
    ActionKind, Change, Check, Evidence, EvidenceSource, FrozenBaseline, IncidentId, Labels, Metric,
    ServiceGraph, ServiceName, Signal, SignalId, SignalKind, Timestamp, Verdict, after, promql,
    seconds_between,
};
use midwatch_signal::SeriesStatus;
use midwatch_verification::Look;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Services that are asked at most for one incident: the nearest suspects.
const SERVICES_MAX: usize = 12;

/// Changes that are looked at for one incident, the newest: an hour of a very busy site.
const CHANGES_MAX: u32 = 1_000;

/// Earlier incidents of a component that a verdict mentions at most.
const PAST_MAX: u32 = 5;

/// Alerts whose labels are looked at for one incident.
const ALERTS_MAX: u32 = 200;

/// Seconds before the onset from which logs are read: what led to it.
const LOGS_BEFORE_S: f64 = 10.0;

/// Most seconds of logs that are read for one look.
const LOGS_MAX_S: f64 = 600.0;

/// Facts about the world and the watch at one moment.
pub(crate) struct Facts {
    pub now: Timestamp,
    pub graph: ServiceGraph,
    pub series: Vec<SeriesStatus>,
    pub probes: Vec<Probe>,
    /// Declared looks at the services, with their answers.
    pub checks: Vec<(Check, Probe)>,
    pub logs: Vec<LogDigest>,
    pub changes: Vec<Change>,
    pub targets: BTreeMap<ServiceName, Result<TargetState, String>>,
    /// What platforms tell of the suspects beyond their targets.
    pub described: Vec<Described>,
    pub histories: BTreeMap<ServiceName, ServiceHistory>,
    /// How far midwatch may go by itself.
    pub levels: Arc<Levels>,
    pub past: Vec<PastIncident>,
    /// What is foreseen of the incident's services.
    pub outlook: Outlook,
    /// What an investigation of everything at hand found, where the first look was not conclusive.
    pub second: Option<Arc<Answer>>,
    pub namespaces: BTreeMap<ServiceName, Option<String>>,
    /// Services that people have put into maintenance, and until when.
    pub maintenance: BTreeMap<ServiceName, String>,
    pub owners: BTreeMap<ServiceName, Option<String>>,
    pub has_health: BTreeSet<ServiceName>,
    /// Services of the incident that an alert from outside fires about, silenced or not.
    pub alerted: BTreeSet<ServiceName>,
    /// The labels of its alerts, where workflows ask for them.
    pub labels: BTreeMap<SignalId, Labels>,
    pub warm_up_ticks_left: u32,
    /// When this process began to watch.
    pub watching_since: Timestamp,
    pub rate_window_s: f64,
}

/// What an incident's state asks of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Everything about every suspect.
    Suspects,
    /// The target of the last effect.
    Target,
    /// The component's health endpoint.
    Health,
    /// Every suspect's health endpoint.
    AllHealth,
    /// What the detectors hold is enough.
    Nothing,
}

/// What a state needs. Facts that were gathered for another need must not be used.
pub(crate) fn needs(state: State) -> Needs {
    match state {
        State::Correlating | State::Investigating | State::Diagnosed | State::AwaitingApproval => {
            Needs::Suspects
        }
        State::Remediating => Needs::Target,
        State::Verifying | State::Soaking => Needs::Health,
        State::Escalated => Needs::AllHealth,
        State::Resolved | State::FalseAlarm | State::Closed => Needs::Nothing,
    }
}

/// Gathers what an incident in its present state needs, and no more: a soak asks one health endpoint, a diagnosis asks
/// every suspect.
pub(crate) async fn gather(engine: &Engine, incident: &Incident) -> Result<Facts, EngineError> {
    let now = engine.now();
    let mut facts = from_watch(engine, incident, now).await;
    let component = incident.component().clone();
    match needs(incident.state) {
        Needs::Suspects => {
            ask_suspects(engine, incident, &mut facts).await?;
            facts.second = engine.look_again(incident, &facts).await;
        }
        Needs::Target => {
            let target = incident.last_effect().map_or(component, |e| e.intent.action.target().clone());
            ask_targets(engine, &[target], &mut facts).await;
        }
        Needs::Health => probe(engine, &[component], &mut facts).await,
        Needs::AllHealth => {
            let suspects = suspects(incident, &facts);
            probe(engine, &suspects, &mut facts).await;
        }
        Needs::Nothing => {}
    }
    Ok(facts)
}

/// Everything about every suspect, whatever the incident's state.
pub(crate) async fn about_suspects(engine: &Engine, incident: &Incident) -> Result<Facts, EngineError> {
    let mut facts = from_watch(engine, incident, engine.now()).await;
    ask_suspects(engine, incident, &mut facts).await?;
    Ok(facts)
}

async fn ask_suspects(engine: &Engine, incident: &Incident, facts: &mut Facts) -> Result<(), EngineError> {
    let suspects = suspects(incident, facts);
    // The reservations before the targets: whatever is done to one after this conflicts with our own reservation.
    for service in &suspects {
        let stream = engine.store.read(&StreamId::Service(service.clone())).await?;
        facts.histories.insert(service.clone(), ServiceHistory::fold(stream.lines()));
    }
    probe(engine, &suspects, facts).await;
    look(engine, incident, &suspects, facts).await;
    facts.past = past(engine, &suspects, &incident.id).await?;
    if engine.config.workflows.iter().any(|workflow| !workflow.trigger.labels.is_empty()) {
        facts.labels = labels(engine, incident).await?;
    }
    Ok(())
}

/// The labels of the newest alerts that the incident is made of.
async fn labels(engine: &Engine, incident: &Incident) -> Result<BTreeMap<SignalId, Labels>, EngineError> {
    let rows = engine.store.intake_list(Some(incident.id.as_str()), ALERTS_MAX).await?;
    let of = |row: midwatch_store::IntakeRow| Some((SignalId::new(row.id), row.alert?.labels));
    Ok(rows.into_iter().filter_map(of).collect())
}

/// Services of the incident that an alert still fires about.
async fn alerted(engine: &Engine, incident: &Incident, now: Timestamp) -> BTreeSet<ServiceName> {
    let told: BTreeSet<&ServiceName> =
        incident.signals.iter().filter(|s| s.metric.is_none()).map(|s| &s.service).collect();
    if told.is_empty() {
        return BTreeSet::new();
    }
    let desk = engine.desk.lock().await;
    told.into_iter().filter(|service| desk.fires(service, now)).cloned().collect()
}

async fn from_watch(engine: &Engine, incident: &Incident, now: Timestamp) -> Facts {
    let alerted = alerted(engine, incident, now).await;
    let registrations = engine.watch.lock().await.registrations();
    let maintenance = engine.desk.lock().await.in_maintenance(&registrations, now);
    let watch = engine.watch.lock().await;
    let name = |r: &midwatch_model::journal::Registration| ServiceName::new(&r.name);
    Facts {
        levels: engine.autonomy.levels(),
        now,
        graph: watch.graph.clone(),
        series: watch.detectors.status(now),
        probes: Vec::new(),
        checks: Vec::new(),
        logs: Vec::new(),
        changes: Vec::new(),
        targets: BTreeMap::new(),
        described: Vec::new(),
        histories: BTreeMap::new(),
        past: Vec::new(),
        outlook: engine.outlook(incident.services().iter()),
        second: None,
        namespaces: registrations.iter().map(|r| (name(r), r.namespace.clone())).collect(),
        owners: registrations.iter().map(|r| (name(r), r.owner.clone())).collect(),
        maintenance,
        alerted,
        labels: BTreeMap::new(),
        has_health: registrations.iter().filter(|r| r.health.is_some()).map(name).collect(),
        warm_up_ticks_left: watch.warm_up_ticks_left(&engine.config),
        watching_since: watch.started_at,
        rate_window_s: engine.config.rate_window_s,
    }
}

/// Services with symptoms first, then what they call: the cause may be where nothing has signalled yet.
fn suspects(incident: &Incident, facts: &Facts) -> Vec<ServiceName> {
    let mut list: Vec<ServiceName> = incident.services().into_iter().collect();
    // What is acted upon is always looked at.
    list.sort_by_key(|service| service != incident.component());
    let near: BTreeSet<_> = list.iter().flat_map(|s| facts.graph.callees(s)).cloned().collect();
    list.extend(near.into_iter().filter(|s| !incident.services().contains(s)));
    // Who will probably fail next is prepared, too.
    for (next, _) in facts.outlook.alarms.values().flat_map(|foreseen| &foreseen.next) {
        if !list.contains(next) {
            list.push(next.clone());
        }
    }
    list.truncate(SERVICES_MAX);
    list
}

async fn probe(engine: &Engine, services: &[ServiceName], facts: &mut Facts) {
    let urls: Vec<(ServiceName, String)> = {
        let watch = engine.watch.lock().await;
        let url = |s: &ServiceName| watch.registration(s).and_then(|r| r.health.clone());
        services.iter().filter_map(|s| Some((s.clone(), url(s)?))).collect()
    };
    let declared: Vec<(ServiceName, Check)> = {
        let watch = engine.watch.lock().await;
        let of = |s: &ServiceName| watch.registration(s).map_or_else(Vec::new, |known| known.checks.clone());
        services.iter().flat_map(|s| of(s).into_iter().map(|check| (s.clone(), check))).collect()
    };
    let now = facts.now;
    let looks =
        join_all(declared.iter().map(|(service, check)| engine.outside.check(service, check, now))).await;
    facts.checks = declared.into_iter().map(|(_, check)| check).zip(looks).collect();
    facts.probes = join_all(urls.iter().map(|(service, url)| engine.outside.probe(service, url, now))).await;
}

/// Logs, changes and control plane of the suspects. What cannot be read is simply not evidence.
async fn look(engine: &Engine, incident: &Incident, services: &[ServiceName], facts: &mut Facts) {
    let onset = incident.signals.iter().map(|s| s.onset_at).min().unwrap_or(incident.opened_at);
    let from = after(onset, -LOGS_BEFORE_S).max(after(facts.now, -LOGS_MAX_S));
    let now = facts.now;
    let logs = join_all(services.iter().map(|service| engine.outside.logs(service, from, now))).await;
    for (service, answer) in services.iter().zip(logs) {
        match answer {
            Ok(digest) => facts.logs.push(digest),
            Err(error) => tracing::debug!(%service, %error, "no logs"),
        }
    }
    let window_s = DiagnosisConfig::default().change_window_min * 60.0;
    match engine.outside.changes(after(onset, -window_s)).await {
        Ok(changes) => facts.changes = changes,
        Err(error) => tracing::debug!(%error, "no changes"),
    }
    add_told_changes(engine, services, after(onset, -window_s), facts).await;
    ask_targets(engine, services, facts).await;
    describe(engine, services, facts).await;
}

/// What platforms tell of the suspects; who cannot be asked tells nothing.
async fn describe(engine: &Engine, services: &[ServiceName], facts: &mut Facts) {
    let now = facts.now;
    let answers = join_all(services.iter().map(|service| engine.outside.describe(service, now))).await;
    for (service, answer) in services.iter().zip(answers) {
        match answer {
            Ok(told) => facts.described.extend(told),
            Err(error) => tracing::debug!(%service, %error, "its platform does not describe it"),
        }
    }
}

/// Changes of the suspects that deployers told, beside those that the control plane knows.
async fn add_told_changes(engine: &Engine, services: &[ServiceName], since: Timestamp, facts: &mut Facts) {
    match engine.store.changes(services, since, CHANGES_MAX).await {
        Ok(told) => {
            let known: BTreeSet<String> = facts.changes.iter().map(|change| change.id.clone()).collect();
            facts.changes.extend(told.into_iter().filter(|change| !known.contains(&change.id)));
        }
        Err(error) => tracing::debug!(%error, "no changes that were told"),
    }
}

async fn ask_targets(engine: &Engine, services: &[ServiceName], facts: &mut Facts) {
    let answers = join_all(services.iter().map(|service| engine.outside.target(service))).await;
    for (service, answer) in services.iter().zip(answers) {
        facts.targets.insert(service.clone(), answer.map_err(|error| error.to_string()));
    }
}

async fn past(
    engine: &Engine,
    services: &[ServiceName],
    this: &IncidentId,
) -> Result<Vec<PastIncident>, EngineError> {
    let mut past = Vec::new();
    for service in services {
        for row in engine.store.incidents_of(service.as_str(), PAST_MAX).await? {
            if row.id != this.as_str() {
                past.push(PastIncident {
                    id: IncidentId::new(row.id),
                    component: service.clone(),
                    cause: row.cause.unwrap_or_else(|| "no conclusive cause".into()),
                    ended: row.state,
                });
            }
        }
    }
    Ok(past)
}

impl Facts {
    /// The series of one service and metric.
    pub(crate) fn status(&self, service: &ServiceName, metric: Metric) -> Option<&SeriesStatus> {
        self.series.iter().find(|s| s.service == *service && s.metric == metric)
    }

    /// The probe's answer for a service: `None` when it has no health endpoint.
    pub(crate) fn healthy(&self, service: &ServiceName) -> Option<Option<bool>> {
        if !self.has_health.contains(service) {
            return None;
        }
        Some(self.probes.iter().find(|p| p.service == *service).and_then(|p| p.healthy))
    }

    /// The declared looks at a service.
    pub(crate) fn looks(&self, service: &ServiceName) -> impl Iterator<Item = Look> {
        self.checks.iter().filter(|(_, seen)| seen.service == *service).map(|(check, seen)| Look {
            well: seen.healthy,
            shows_service: check.shows_service(),
            detail: seen.detail.clone(),
        })
    }

    /// Whether an alert that names no series has passed: no alert fires about its service any more, and nothing that
    /// midwatch itself can see of the service, if anything, speaks against it.
    pub(crate) fn has_passed(&self, service: &ServiceName) -> bool {
        let is_watched =
            self.has_health.contains(service) || self.series.iter().any(|s| s.service == *service);
        !self.alerted.contains(service) && (!is_watched || self.is_well(service))
    }

    /// Whether something shows that the service is well: its health endpoint or fresh series, and nothing against it.
    /// Silence shows nothing.
    fn is_well(&self, service: &ServiceName) -> bool {
        let mut fresh = self.series.iter().filter(|s| s.service == *service && !s.stale).peekable();
        let seen = fresh.peek().is_some();
        let disturbed = fresh.any(|s| s.suspicious);
        let looks_bad = self.looks(service).any(|look| look.well == Some(false));
        !disturbed && !looks_bad && self.healthy(service).map_or(seen, |healthy| healthy == Some(true))
    }

    /// Diagnoses the incident on these facts.
    pub(crate) fn diagnose(&self, incident: &Incident, poll_interval_s: f64) -> Verdict {
        let config = DiagnosisConfig::default();
        let services = incident.services();
        let signals = self.symptoms(incident);
        let series: Vec<SeriesView> = self
            .series
            .iter()
            .filter(|s| services.iter().any(|t| self.graph.hops(t, &s.service).is_some_and(|h| h <= 3)))
            .map(|s| self.view(s, &signals, poll_interval_s))
            .collect();
        let stale = series.iter().any(|s| s.stale && services.contains(&s.service) && s.abnormal);
        let looks =
            self.checks.iter().filter(|(check, seen)| check.shows_service() || seen.healthy == Some(false));
        let looks = looks.map(|(check, seen)| look_view(check, seen));
        let probes: Vec<ProbeView> = self.probes.iter().map(probe_view).chain(looks).collect();
        let logs: Vec<LogView> = self.logs.iter().map(log_view).collect();
        let control_plane: Vec<Evidence> =
            self.targets.iter().filter_map(|(s, t)| Some(self.control_plane(s, t.as_ref().ok()?))).collect();
        let input = DiagnosisInput {
            now: self.now,
            config: &config,
            graph: &self.graph,
            signals: &signals,
            series: &series,
            probes: &probes,
            logs: &logs,
            changes: &self.changes,
            control_plane: &control_plane,
            past: &self.past,
            stale,
        };
        let first = midwatch_diagnosis::diagnose(&input);
        match &self.second {
            Some(answer) => midwatch_diagnosis::second_look(&input, first, answer),
            None => first,
        }
    }

    /// The signals that speak for the fault: all of them until something was done about it, afterwards those whose
    /// series has not come back.
    fn symptoms(&self, incident: &Incident) -> Vec<Signal> {
        let untouched = incident.attempts().next().is_none();
        let lasts = |signal: &&Signal| {
            let status = signal.metric.and_then(|metric| self.status(&signal.service, metric));
            // One normal sample is no recovery: the detectors say when a series has come back.
            status.is_none_or(|status| {
                status.stale || status.suspicious || !is_back(status, signal.baseline.as_ref())
            })
        };
        // What was only foreseen is no symptom.
        let happened = incident.signals.iter().filter(|signal| signal.kind != SignalKind::Forecast);
        happened.filter(|signal| untouched || lasts(signal)).cloned().collect()
    }

    /// A series is abnormal if it has signalled in this incident, or if it was suspicious before its last sample and is
    /// so still: a single odd reading next door must not turn a verdict.
    fn view(&self, status: &SeriesStatus, signals: &[Signal], poll_interval_s: f64) -> SeriesView {
        let signal = signals.iter().find(|s| s.service == status.service && s.metric == Some(status.metric));
        let lasting = status
            .suspicious_since
            .is_some_and(|since| seconds_between(since, status.at) >= 0.9 * poll_interval_s)
            && !is_back(status, status.baseline.as_ref());
        let recent = serde_json::to_vec(&status.recent).unwrap_or_default();
        SeriesView {
            service: status.service.clone(),
            metric: status.metric,
            value: status.value,
            at: status.at,
            baseline: signal.and_then(|s| s.baseline).or(status.baseline),
            sigma: status.sigma,
            abnormal: signal.is_some() || (status.suspicious && lasting),
            since: signal.map(|s| s.onset_at).or(status.suspicious_since),
            stale: status.stale,
            query: promql::query(status.metric, &status.service, self.rate_window_s),
            digest: Evidence::digest_of(&recent),
        }
    }

    fn control_plane(&self, service: &ServiceName, target: &TargetState) -> Evidence {
        let last = self.changes.iter().filter(|c| c.service == *service).max_by_key(|c| c.at);
        let change = last.map_or_else(
            || "no change in the last hour".to_owned(),
            |c| {
                let from = if c.from.is_empty() { String::new() } else { format!(" from {}", c.from) };
                format!("last change: {:?}{from} to {} at {}", c.kind, c.to, c.at.strftime("%H:%M:%S"))
            },
        );
        // A function in a cloud has as many instances as there are calls.
        let instances = if target.can(ActionKind::Scale) {
            format!(" with {} of {} replicas ready", target.ready_replicas, target.replicas)
        } else {
            String::new()
        };
        Evidence {
            id: "ev-0".into(),
            source: EvidenceSource::ControlPlane,
            service: service.clone(),
            query: format!("control plane: state and changes of {service}"),
            from: self.now,
            to: self.now,
            digest: Evidence::digest_of(&serde_json::to_vec(target).unwrap_or_default()),
            excerpt: format!("{service} runs {}{instances}; {change}", target.version),
        }
    }
}

/// Whether the last sample is normal by the given baseline.
fn is_back(status: &SeriesStatus, baseline: Option<&FrozenBaseline>) -> bool {
    baseline.is_some_and(|baseline| baseline.is_normal(status.metric, status.value))
}

fn probe_view(probe: &Probe) -> ProbeView {
    let answer = match probe.healthy {
        Some(true) => "answers healthy",
        Some(false) => "fails",
        None => "could not be asked",
    };
    ProbeView {
        service: probe.service.clone(),
        healthy: probe.healthy,
        evidence: Evidence {
            id: "ev-0".into(),
            source: EvidenceSource::HealthProbe,
            service: probe.service.clone(),
            query: redact(&format!("GET {}", probe.url)).into_owned(),
            from: probe.at,
            to: probe.at,
            digest: Evidence::digest_of(probe.detail.as_bytes()),
            excerpt: format!("the health endpoint of {} {answer}: {}", probe.service, probe.detail),
        },
    }
}

fn look_view(check: &Check, seen: &Probe) -> ProbeView {
    let mut view = probe_view(seen);
    view.evidence.source = check.source();
    view.evidence.query = redact(&check.query()).into_owned();
    view.evidence.excerpt.clone_from(&seen.detail);
    view
}

fn log_view(digest: &LogDigest) -> LogView {
    let top = digest.top.first().map(|(message, _)| message.clone());
    let often = top.as_ref().map_or(String::new(), |top| format!("; most often \"{top}\""));
    LogView {
        service: digest.service.clone(),
        errors: digest.errors,
        warnings: digest.warnings,
        evidence: Evidence {
            id: "ev-0".into(),
            source: EvidenceSource::Logs,
            service: digest.service.clone(),
            query: digest.query.clone(),
            from: digest.from,
            to: digest.to,
            digest: Evidence::digest_of(&serde_json::to_vec(&digest.top).unwrap_or_default()),
            excerpt: format!(
                "{} logged {} errors and {} warnings{often}",
                digest.service, digest.errors, digest.warnings
            ),
        },
        top,
    }
}
