//! What people tell the watch: act, mark a false alarm. How they approve is in `approvals.rs`.

use crate::append::{append, unless_overtaken, with_derived, written};
use crate::perform::{record, reservation};
use crate::{Engine, EngineError};
use midwatch_action::{Effect, intend};
use midwatch_decision::{Authorized, GateInput, Level, ServiceHistory, decide};
use midwatch_incident::{Incident, State};
use midwatch_model::action::TargetState;
use midwatch_model::decision::{Approval, Caller, Decision, GateRecord, Mode, Principal};
use midwatch_model::journal::{EffectOutcome, Entry, Line, StreamId, VerifiedJournal};
use midwatch_model::plan::Priority;
use midwatch_model::{
    Action, ActionKey, ActionKind, Evidence, EvidenceSource, IncidentId, Plan, PlanHash, PlanStep,
    ServiceName, Severity, Timestamp, Verdict, after,
};
use midwatch_store::Commit;

/// Seconds of a target's log that witness its state.
const LOGS_S: f64 = 300.0;

/// A person's action.
#[derive(Clone, Debug)]
pub struct ActRequest {
    pub action: Action,
    pub by: Caller,
    pub reason: String,
    /// What tells this request from another one for the same: whoever repeats it does not do it twice.
    pub once: Option<String>,
}

impl ActRequest {
    /// The key of its effect: the same for the same person, target and request.
    fn key(&self) -> Option<ActionKey> {
        let once = self.once.as_ref()?;
        let asked = format!("{}\0{}\0{once}", self.by, self.action.target());
        let digest = Evidence::digest_of(asked.as_bytes());
        Some(ActionKey::new(format!("act-{}", &digest[..32])))
    }
}

/// What the gate and the target said to a person's action.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ActResult {
    pub gate: GateRecord,
    /// The open incident that the action became a part of, if there is one on the target.
    pub incident: Option<IncidentId>,
    pub key: Option<ActionKey>,
    pub undo: Option<Action>,
    pub outcome: Option<EffectOutcome>,
}

impl Engine {
    pub(crate) async fn incident(&self, id: &IncidentId) -> Result<(VerifiedJournal, Incident), EngineError> {
        let journal = self.store.read(&StreamId::Incident(id.clone())).await?;
        let incident =
            Incident::fold(journal.lines()).ok_or_else(|| EngineError::NoIncident(id.to_string()))?;
        Ok((journal, incident))
    }

    /// Appends what `entries` says to an incident, anew if somebody else wrote first.
    pub(crate) async fn tell(
        &self,
        id: &IncidentId,
        entries: impl Fn(&Incident) -> Result<Vec<Entry>, EngineError>,
    ) -> Result<(), EngineError> {
        unless_overtaken(|| async {
            let (journal, incident) = self.incident(id).await?;
            let entries = entries(&incident)?;
            if !entries.is_empty() {
                append(self, &journal, entries, Commit::default()).await?;
                self.wake.notify_one();
            }
            Ok(())
        })
        .await
    }

    /// A person says that there is nothing wrong. The series that signalled learn anew what is normal.
    ///
    /// # Errors
    /// When there is no such incident, it is over, or the person may not decide on it.
    pub async fn false_alarm(
        &self,
        id: &IncidentId,
        by: impl Into<Caller>,
        reason: &str,
    ) -> Result<(), EngineError> {
        let caller = by.into();
        self.tell(id, |incident| {
            let person = self.config.decision.person(&caller, incident.severity, incident.component().as_str());
            let by = person.map_err(EngineError::NotApprover)?;
            let busy = matches!(incident.state, State::Remediating | State::Verifying | State::Soaking);
            if incident.run_under_way().is_some() && incident.run_has_acted() {
                let text = format!(
                    "a workflow has changed something for {} and is under way; wait for its end, or deny the step that it asks about to have that taken back",
                    incident.id
                );
                return Err(EngineError::Refused(text));
            }
            if busy || !incident.state.is_open() {
                let text = format!(
                    "{} is {}; it cannot be marked as a false alarm now",
                    incident.id, incident.state
                );
                return Err(EngineError::Refused(text));
            }
            Ok(vec![Entry::FalseAlarm { by, reason: reason.to_owned() }])
        })
        .await?;
        // What the person calls normal is learnt as normal.
        let (_, incident) = self.incident(id).await?;
        let mut watch = self.watch.lock().await;
        for signal in &incident.signals {
            if let Some(metric) = signal.metric {
                watch.detectors.relearn(&signal.service, metric);
            }
        }
        Ok(())
    }

    /// A person's action: through the same gate and onto the same journal as midwatch's own.
    ///
    /// # Errors
    /// When the target is not watched or cannot be read, or the store takes nothing now.
    pub async fn act(&self, request: ActRequest) -> Result<ActResult, EngineError> {
        // Nothing was asked of the target when an append conflicts: the gate is asked anew on what is there now.
        unless_overtaken(|| self.act_once(&request)).await
    }

    async fn act_once(&self, request: &ActRequest) -> Result<ActResult, EngineError> {
        let target = request.action.target().clone();
        self.check_watched(&target).await?;
        if request.action.kind() == ActionKind::PullRequest {
            return self.act_on_proposal(request).await;
        }
        // The reservations before the target: whatever is done to it after this conflicts with our own reservation.
        let service = self.store.read(&StreamId::Service(target.clone())).await?;
        let key = request.key();
        if let Some(known) = key.as_ref().and_then(|key| asked_before(&service, key)) {
            return Err(EngineError::Refused(known));
        }
        let before = self.outside.target(&target).await.map_err(|e| EngineError::Target(e.to_string()))?;
        if request.action.changes_nothing(&before) {
            return Err(EngineError::Refused(format!(
                "\"{}\" changes nothing: it is so already",
                request.action.sentence()
            )));
        }
        let (journal, severity) = self.incident_on(&target).await?;
        let incident = journal.as_ref().and_then(|j| Incident::fold(j.lines()));
        // Whoever is nobody's approver is named as they came, and the gate says no.
        let by = self.config.decision.person(&request.by, severity, target.as_str());
        let by = by.unwrap_or_else(|_| request.by.to_string());
        let plan = one_step(request, &by, incident.as_ref(), &before);
        let hash = plan.hash();
        let step = incident.as_ref().map_or(0, |incident| incident.step);
        let lines = journal.iter().flat_map(|journal| journal.lines()).chain(service.lines());
        let ttl_s = self.config.decision.approval_ttl_s;
        let others = who_asked(lines, &request.action, &by, after(self.now(), -ttl_s));
        let approvals = yeses(others, &by, (&hash, step), self.now(), ttl_s);
        let evidence = self.witnesses(&target, &before).await;
        let (namespace, maintenance) = self.whereabouts(&target).await;
        let root = incident.as_ref().and_then(|i| i.verdict.as_ref()).and_then(Verdict::root);
        let (gate, authorized) = decide(&GateInput {
            now: self.now(),
            config: &self.config.decision,
            policy: &self.policy,
            mode: self.config.mode,
            dry_run: self.config.dry_run,
            principal: &Principal::Human(by),
            incident: incident.as_ref().map(|i| &i.id),
            plan: &hash,
            step,
            action: &request.action,
            before: &before,
            namespace: namespace.as_deref(),
            maintenance: maintenance.as_deref(),
            cause: root.map(|h| h.cause),
            confidence: root.map(|h| h.confidence),
            verdict_stood_s: 0.0,
            evidence: &evidence,
            affected_services: 1,
            // A person does not have to wait until midwatch knows what normal is.
            warm_up_ticks_left: 0,
            history: &ServiceHistory::fold(service.lines()),
            // It is for what nobody asks for.
            level: &Level { mode: Mode::Auto, why: String::new() },
            severity,
            approvals: &approvals,
            takes_back: false,
        });
        let mut result = ActResult {
            gate: gate.clone(),
            incident: incident.as_ref().map(|i| i.id.clone()),
            key: None,
            undo: request.action.undo(&before),
            outcome: None,
        };
        let Some(authorized) = authorized else {
            self.record_refusal(&service, journal.as_ref(), gate).await?;
            return Ok(result);
        };
        let key = key.unwrap_or_else(|| self.new_key());
        let outcome = self.carry_out(authorized, gate, &service, journal.as_ref(), key.clone()).await?;
        (result.key, result.outcome) = (Some(key), Some(outcome));
        self.wake.notify_one();
        Ok(result)
    }

    /// The namespace of a service, and the maintenance that it is in.
    pub(crate) async fn whereabouts(&self, target: &ServiceName) -> (Option<String>, Option<String>) {
        let Some(known) = self.watch.lock().await.registration(target).cloned() else { return (None, None) };
        let mut maintenance = self.desk.lock().await.in_maintenance(std::slice::from_ref(&known), self.now());
        (known.namespace, maintenance.remove(target))
    }

    /// Puts the intent of what was authorized on record, does it, and records how it went.
    pub(crate) async fn carry_out(
        &self,
        authorized: Authorized,
        gate: GateRecord,
        service: &VerifiedJournal,
        journal: Option<&VerifiedJournal>,
        key: ActionKey,
    ) -> Result<EffectOutcome, EngineError> {
        let intent = intend(&authorized, key);
        let intended = || Entry::Intended { intent: intent.clone() };
        let mut commit = reservation(self, service, intended(), Commit::default());
        if let Some(journal) = journal {
            let entries = vec![Entry::Gated { record: gate }, intended()];
            let lines = written(self, entries);
            commit = with_derived(self, journal.stream(), journal.lines(), lines, commit);
        }
        self.store.commit(commit).await?;
        let effect = Effect::new(authorized, intent.clone())?;
        let outcome = self.outside.apply(&effect, self.now()).await;
        record(self, &intent, outcome.clone(), false).await?;
        Ok(outcome)
    }

    /// The key of a person's action that brings none.
    pub(crate) fn new_key(&self) -> ActionKey {
        ActionKey::new(format!("act-{}", self.ids.next(self.now())))
    }

    pub(crate) async fn check_watched(&self, service: &ServiceName) -> Result<(), EngineError> {
        let watch = self.watch.lock().await;
        if watch.registration(service).is_some() {
            return Ok(());
        }
        let known = watch.registrations().into_iter().map(|r| r.name).collect::<Vec<_>>().join(", ");
        Err(EngineError::UnknownService(service.to_string(), known))
    }

    /// The open incident whose component the target is, if there is one, and how bad the worst is in which it shows anything.
    async fn incident_on(
        &self,
        target: &ServiceName,
    ) -> Result<(Option<VerifiedJournal>, Severity), EngineError> {
        let (mut own, mut worst) = (None, Severity::Info);
        for row in self.store.incidents(true, u32::MAX).await? {
            let stream = StreamId::Incident(IncidentId::new(row.id));
            let Some(journal) = self.store.read_intact(&stream).await? else { continue };
            let Some(incident) = Incident::fold(journal.lines()) else { continue };
            let is_own = incident.component() == target;
            if !incident.state.is_open() || !(is_own || incident.services().contains(target)) {
                continue;
            }
            worst = worst.max(incident.severity);
            if is_own && own.is_none() {
                own = Some(journal);
            }
        }
        Ok((own, worst))
    }

    /// What is witnessed of the target's state now; every mutation needs two independent sources.
    async fn witnesses(&self, target: &ServiceName, before: &TargetState) -> Vec<Evidence> {
        let now = self.now();
        let evidence = |source, query: String, excerpt: String| Evidence {
            id: "ev-0".into(),
            source,
            service: target.clone(),
            query,
            from: now,
            to: now,
            digest: Evidence::digest_of(excerpt.as_bytes()),
            excerpt,
        };
        let state = serde_json::to_string(before).unwrap_or_default();
        let mut all =
            vec![evidence(EvidenceSource::ControlPlane, format!("control plane: state of {target}"), state)];
        let (url, fresh) = {
            let watch = self.watch.lock().await;
            let url = watch.registration(target).and_then(|r| r.health.clone());
            let fresh = watch.detectors.status(now).into_iter().find(|s| s.service == *target && !s.stale);
            (url, fresh)
        };
        if let Some(s) = fresh {
            let query = midwatch_model::promql::query(s.metric, target, self.config.rate_window_s);
            all.push(evidence(EvidenceSource::ServiceMetrics, query, s.metric.show(s.value)));
        }
        if let Some(url) = url {
            let probe = self.outside.probe(target, &url, now).await;
            if probe.healthy.is_some() {
                all.push(evidence(EvidenceSource::HealthProbe, format!("GET {url}"), probe.detail));
            }
        }
        let checks = self.watch.lock().await.registration(target).map_or_else(Vec::new, |r| r.checks.clone());
        for check in checks {
            let seen = self.outside.check(target, &check, now).await;
            if seen.healthy.is_some() {
                all.push(evidence(check.source(), check.query(), seen.detail));
            }
        }
        // A function in a cloud has often nothing else to be seen by.
        let said = self.outside.logs(target, after(now, -LOGS_S), now).await;
        if let Some(said) = said.ok().filter(|said| said.lines > 0) {
            let told =
                format!("{} errors and {} warnings in {} lines", said.errors, said.warnings, said.lines);
            all.push(evidence(EvidenceSource::Logs, said.query, told));
        }
        all
    }

    /// A refusal is on record too, where the action would have been.
    pub(crate) async fn record_refusal(
        &self,
        service: &VerifiedJournal,
        journal: Option<&VerifiedJournal>,
        record: GateRecord,
    ) -> Result<(), EngineError> {
        let entry = Entry::Gated { record };
        match journal {
            Some(journal) => append(self, journal, vec![entry], Commit::default()).await.map(|_| ()),
            None => Ok(self.store.commit(reservation(self, service, entry, Commit::default())).await?),
        }
    }
}

/// What became of a request that was made before, if it was.
fn asked_before(service: &VerifiedJournal, key: &ActionKey) -> Option<String> {
    let lines = || service.lines().iter();
    let action = lines().find_map(|line| match &line.entry {
        Entry::Intended { intent } if intent.key == *key => Some(intent.action.sentence()),
        _ => None,
    })?;
    let end = lines().rev().find_map(|line| match &line.entry {
        Entry::Performed { key: of, outcome, .. } if of == key => Some(match outcome {
            EffectOutcome::Applied { detail, .. } => format!("it was done: {detail}"),
            EffectOutcome::NotApplied { reason } => format!("it was not done: {reason}"),
            EffectOutcome::Failed { reason } => format!("it failed: {reason}"),
            EffectOutcome::Unknown { reason } => format!("nobody knows yet how it ended: {reason}"),
        }),
        _ => None,
    });
    let end = end.unwrap_or_else(|| "it is under way".to_owned());
    Some(format!(
        "\"{action}\" was asked for with this key before; {end}. To do it again, ask with another key"
    ))
}

/// Others who have asked for the same action since, and whom the gate told that somebody else must want it, too; each once.
pub(crate) fn who_asked<'a>(
    lines: impl Iterator<Item = &'a Line>,
    action: &Action,
    by: &str,
    since: Timestamp,
) -> Vec<(String, Timestamp)> {
    let mut asked: Vec<(String, Timestamp)> = Vec::new();
    let mut lines: Vec<&Line> = lines.filter(|line| line.at >= since).collect();
    lines.sort_by_key(|line| line.at);
    for line in lines {
        match &line.entry {
            // What was done is not asked for any more.
            Entry::Intended { intent } if wish(&intent.action) == wish(action) => asked.clear(),
            Entry::Gated { record } if record.decision == Decision::NeedsApproval => {
                let same = record.asked.as_ref().is_some_and(|asked| wish(&asked.action) == wish(action));
                let Principal::Human(name) = &record.principal else { continue };
                if same && name != by && asked.iter().all(|(known, _)| known != name) {
                    asked.push((name.clone(), line.at));
                }
            }
            _ => {}
        }
    }
    asked
}

/// What a person wants with an action: a pull request, whatever midwatch has to say in it by then.
fn wish(action: &Action) -> Action {
    match action.clone() {
        Action::PullRequest { target, incident, open, .. } => {
            Action::PullRequest { target, incident, open, proposal: None }
        }
        other => other,
    }
}

/// The yes of each who wants an action that more than one person must want; none where only one has asked.
pub(crate) fn yeses(
    others: Vec<(String, Timestamp)>,
    by: &str,
    (plan, step): (&PlanHash, usize),
    now: Timestamp,
    ttl_s: f64,
) -> Vec<Approval> {
    if others.is_empty() {
        return Vec::new();
    }
    let yes = |(by, at): (String, Timestamp)| {
        let (plan, via, expires_at) = (plan.clone(), String::new(), after(at, ttl_s));
        Approval { plan, step, by, via, at, expires_at }
    };
    others.into_iter().chain([(by.to_owned(), now)]).map(yes).collect()
}

/// The plan of a person's action: that one step.
fn one_step(request: &ActRequest, by: &str, incident: Option<&Incident>, before: &TargetState) -> Plan {
    let cause = incident.and_then(|i| i.verdict.as_ref()).and_then(Verdict::root).map(|h| h.cause);
    Plan {
        incident: incident.map_or_else(|| IncidentId::new("none"), |i| i.id.clone()),
        cause: cause.unwrap_or(midwatch_model::Cause::DependencyFailure),
        steps: vec![PlanStep {
            safety_class: request.action.kind().safety_class(),
            priority: Priority::Immediate,
            owner: by.to_owned(),
            expected_outcome: "what the person who asked expects".into(),
            undo: request.action.undo(before),
            rationale: request.reason.clone(),
            estimated_s: 60,
            action: request.action.clone(),
        }],
        escalation_path: Vec::new(),
        estimated_resolution_s: 60,
        run: None,
    }
}
