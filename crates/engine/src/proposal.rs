//! Proposals: a pull request with what was found and, where it is a line of a known file, with what has helped. It goes the
//! way of every effect: the gate, the journal, the call, the record. Its merging tells that a person has taken the incident
//! up.
//!
//! Must never: wait for an approval. A pull request is itself the question, and merging it the answer.

use crate::commands::{ActRequest, ActResult, who_asked, yeses};
use crate::{Engine, EngineError, perform};
use midwatch_decision::{GateInput, Level, ServiceHistory, decide};
use midwatch_incident::{EffectRecord, Incident, State};
use midwatch_model::action::TargetState;
use midwatch_model::decision::{Mode, Principal};
use midwatch_model::journal::{EffectOutcome, Entry, StreamId, VerifiedJournal};
use midwatch_model::plan::Priority;
use midwatch_model::{
    Action, ActionKind, IncidentId, Plan, PlanStep, ServiceName, Verdict, after, seconds_between,
};
use midwatch_report::remediation;
use midwatch_signal::change::MergedPull;

/// Times that a proposal is made anew which was refused: afterwards a token or a name is wrong, and a person has to see to it.
const ATTEMPTS_MAX: usize = 3;

/// Seconds between them.
const PAUSE_S: f64 = 60.0;

/// What the names of branches begin with that belong to incidents.
const BRANCHES: &str = "midwatch-fix/";

/// A pull request that somebody wants.
struct Wish<'a> {
    action: &'a Action,
    reason: &'a str,
    principal: Principal,
}

/// Opens the pull request of an incident once it is known what has helped, or that nothing did; looks at one whose end
/// nobody knows.
pub(crate) async fn propose(
    engine: &Engine,
    journal: &VerifiedJournal,
    incident: &Incident,
) -> Result<(), EngineError> {
    if let Some(pending) = incident.proposals.iter().find(|one| one.is_pending()) {
        let known_after = after(pending.intent.deadline, engine.config.call_timeout_s);
        return match engine.now() > known_after {
            true => perform::reconcile(engine, &pending.intent).await,
            false => Ok(()),
        };
    }
    let may_act = !engine.config.dry_run && engine.config.mode != Mode::Shadow;
    if !may_act || !is_due(engine, incident) || !engine.outside.takes_proposals(incident.component()) {
        return Ok(());
    }
    // Of what has no cause there is nothing to propose; a person has it.
    if remediation(incident, &engine.config.external_url).is_none() {
        return Ok(());
    }
    let action = Action::PullRequest {
        target: incident.component().clone(),
        incident: incident.id.clone(),
        proposal: None,
        open: true,
    };
    let wish = Wish { action: &action, reason: "what was found, for review", principal: Principal::Agent };
    engine.put_forward(wish, journal, incident).await?;
    Ok(())
}

/// Whether it is known what to propose, and nothing was proposed so far.
fn is_due(engine: &Engine, incident: &Incident) -> bool {
    let is_known = matches!(incident.state, State::Soaking | State::Resolved | State::Escalated);
    let is_refused = |one: &&EffectRecord| matches!(one.outcome, Some(EffectOutcome::NotApplied { .. }));
    let refused: Vec<&EffectRecord> = incident.proposals.iter().filter(is_refused).collect();
    let last = refused.last().and_then(|one| one.ended_at);
    is_known
        && !incident.is_predicted()
        && refused.len() == incident.proposals.len()
        && refused.len() < ATTEMPTS_MAX
        && last.is_none_or(|at| seconds_between(at, engine.now()) >= PAUSE_S)
}

impl Engine {
    /// A person's wish to open or to close the pull request of an incident.
    pub(crate) async fn act_on_proposal(&self, request: &ActRequest) -> Result<ActResult, EngineError> {
        let Action::PullRequest { incident, target, .. } = &request.action else {
            return Err(EngineError::Refused("this is no pull request".to_owned()));
        };
        let journal = self.store.read(&StreamId::Incident(incident.clone())).await?;
        let folded =
            Incident::fold(journal.lines()).ok_or_else(|| EngineError::NoIncident(incident.to_string()))?;
        if folded.component() != target {
            return Err(EngineError::Refused(format!(
                "{incident} is about {}, not {target}",
                folded.component()
            )));
        }
        if !self.outside.takes_proposals(target) {
            return Err(EngineError::Refused(format!(
                "no repository of {target} is known; name it in [pull_requests]"
            )));
        }
        let severity = folded.severity;
        // Whoever is nobody's approver is named as they came, and the gate says no.
        let by = self.config.decision.person(&request.by, severity, target.as_str());
        let principal = Principal::Human(by.unwrap_or_else(|_| request.by.to_string()));
        let wish = Wish { action: &request.action, reason: &request.reason, principal };
        self.put_forward(wish, &journal, &folded).await
    }

    /// Puts a proposal to the gate and, if it passes, makes it.
    async fn put_forward(
        &self,
        wish: Wish<'_>,
        journal: &VerifiedJournal,
        incident: &Incident,
    ) -> Result<ActResult, EngineError> {
        let action = self.filled(wish.action, incident)?;
        let target = action.target().clone();
        let service = self.store.read(&StreamId::Service(target.clone())).await?;
        // A repository has no state that an undo would need.
        let before = TargetState { supports: vec![ActionKind::PullRequest], ..TargetState::default() };
        let plan = one_step(&wish, &action, incident);
        let root = incident.verdict.as_ref().and_then(Verdict::root);
        let (namespace, maintenance) = self.whereabouts(&target).await;
        let hash = plan.hash();
        let ttl_s = self.config.decision.approval_ttl_s;
        let approvals = match &wish.principal {
            Principal::Human(by) => {
                let lines = journal.lines().iter().chain(service.lines());
                let others = who_asked(lines, &action, by, after(self.now(), -ttl_s));
                yeses(others, by, (&hash, 0), self.now(), ttl_s)
            }
            Principal::Agent | Principal::Runbook(_) => Vec::new(),
        };
        let (gate, authorized) = decide(&GateInput {
            now: self.now(),
            config: &self.config.decision,
            policy: &self.policy,
            // What waits for a person's yes by its nature needs none to be shown.
            mode: if self.config.mode == Mode::Propose { Mode::Auto } else { self.config.mode },
            dry_run: self.config.dry_run,
            principal: &wish.principal,
            incident: Some(&incident.id),
            plan: &hash,
            step: 0,
            action: &action,
            before: &before,
            namespace: namespace.as_deref(),
            maintenance: maintenance.as_deref(),
            cause: root.map(|root| root.cause),
            confidence: root.map(|root| root.confidence),
            verdict_stood_s: incident.verdict_since.map_or(0.0, |since| seconds_between(since, self.now())),
            evidence: &[],
            affected_services: 1,
            warm_up_ticks_left: 0,
            history: &ServiceHistory::fold(service.lines()),
            level: &Level { mode: Mode::Auto, why: String::new() },
            severity: incident.severity,
            approvals: &approvals,
            takes_back: false,
        });
        let mut result = ActResult {
            gate: gate.clone(),
            incident: Some(incident.id.clone()),
            key: None,
            undo: action.undo(&before),
            outcome: None,
        };
        let Some(authorized) = authorized else {
            tracing::debug!(incident.id = %incident.id, because = gate.because, "no pull request is opened");
            if matches!(wish.principal, Principal::Human(_)) {
                self.record_refusal(&service, Some(journal), gate).await?;
            }
            return Ok(result);
        };
        let key = self.new_key();
        let outcome = self.carry_out(authorized, gate, &service, Some(journal), key.clone()).await?;
        (result.key, result.outcome) = (Some(key), Some(outcome));
        Ok(result)
    }

    /// The action with what it proposes.
    fn filled(&self, action: &Action, incident: &Incident) -> Result<Action, EngineError> {
        match action {
            Action::PullRequest { target, incident: id, open: true, .. } => {
                let made = remediation(incident, &self.config.external_url).ok_or_else(|| {
                    EngineError::Refused(format!("{id} has no verdict yet, so there is nothing to propose"))
                })?;
                let (target, incident) = (target.clone(), id.clone());
                Ok(Action::PullRequest { target, incident, proposal: Some(Box::new(made)), open: true })
            }
            other => Ok(other.clone()),
        }
    }

    /// Notes that a person has taken an incident up by merging its pull request. Others' pull requests say nothing.
    pub(crate) async fn take_merge(&self, pull: &MergedPull) -> Result<bool, EngineError> {
        let Some(id) = self.proposed_as(pull).await? else { return Ok(false) };
        let how = format!("merging the pull request {}", pull.url);
        let entry = Entry::Acknowledged { by: pull.by.clone(), how };
        self.tell(&id, |_| Ok(vec![entry.clone()])).await?;
        Ok(true)
    }

    /// The incident that a pull request is about, if nobody has taken it up: its branch names it, and its journal names the
    /// pull request.
    async fn proposed_as(&self, pull: &MergedPull) -> Result<Option<IncidentId>, EngineError> {
        let named = pull.branch.strip_prefix(BRANCHES).and_then(|rest| rest.split_once('/'));
        let Some((_, id)) = named.filter(|(_, id)| ServiceName::new(*id).is_valid()) else { return Ok(None) };
        let id = IncidentId::new(id);
        let journal = self.store.read(&StreamId::Incident(id.clone())).await?;
        let opened = |one: &EffectRecord| match &one.outcome {
            Some(EffectOutcome::Applied { detail, .. }) => {
                detail.split_whitespace().any(|word| word.trim_end_matches(':') == pull.url)
            }
            _ => false,
        };
        let incident = Incident::fold(journal.lines());
        let is_news = |incident: &Incident| {
            incident.acknowledged.is_none()
                && incident.state != State::Closed
                && incident.proposals.iter().any(opened)
        };
        Ok(incident.filter(is_news).map(|_| id))
    }
}

/// The plan of a proposal: that one step.
fn one_step(wish: &Wish<'_>, action: &Action, incident: &Incident) -> Plan {
    let root = incident.verdict.as_ref().and_then(Verdict::root);
    Plan {
        incident: incident.id.clone(),
        cause: root.map_or(midwatch_model::Cause::DependencyFailure, |root| root.cause),
        steps: vec![PlanStep {
            safety_class: action.kind().safety_class(),
            priority: Priority::Within1Hour,
            owner: wish.principal.to_string(),
            expected_outcome: "the fix outlives the next deployment once somebody merges it".into(),
            undo: action.undo(&TargetState::default()),
            rationale: wish.reason.to_owned(),
            estimated_s: 3600,
            action: action.clone(),
        }],
        escalation_path: Vec::new(),
        estimated_resolution_s: 3600,
        run: None,
    }
}
