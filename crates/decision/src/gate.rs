//! The gate: the one door to effects. It serves a person, a runbook and midwatch itself alike.

use crate::{DecisionConfig, Level, Policy, ServiceHistory, guards};
use midwatch_model::action::TargetState;
use midwatch_model::decision::{
    Approval, Asked, Decision, GateRecord, GuardResult, Mode, PolicyResult, Principal,
};
use midwatch_model::{Action, Cause, Evidence, IncidentId, PlanHash, Severity, Timestamp, after};

/// Everything that a decision depends on.
pub struct GateInput<'a> {
    pub now: Timestamp,
    pub config: &'a DecisionConfig,
    pub policy: &'a Policy,
    pub mode: Mode,
    pub dry_run: bool,
    pub principal: &'a Principal,
    pub incident: Option<&'a IncidentId>,
    pub plan: &'a PlanHash,
    pub step: usize,
    pub action: &'a Action,
    /// The target as the control plane shows it now.
    pub before: &'a TargetState,
    pub namespace: Option<&'a str>,
    /// The maintenance that the target is in, as in "in maintenance until …".
    pub maintenance: Option<&'a str>,
    pub cause: Option<Cause>,
    /// Confidence of the leading hypothesis, already lowered where telemetry is stale.
    pub confidence: Option<f64>,
    pub verdict_stood_s: f64,
    /// Evidence for the leading hypothesis as gathered now.
    pub evidence: &'a [Evidence],
    pub affected_services: usize,
    pub warm_up_ticks_left: u32,
    /// Fold of the target's stream.
    pub history: &'a ServiceHistory,
    /// How far midwatch may go by itself with this action on this service for this cause, in mode `auto`.
    pub level: &'a Level,
    /// How bad the incident is at its worst: it says who may approve, and how many must.
    pub severity: Severity,
    /// Every yes to this step.
    pub approvals: &'a [Approval],
    /// Whether it takes back what the same workflow did before.
    pub takes_back: bool,
}

impl GateInput<'_> {
    /// The people who stand behind this step, and may.
    pub(crate) fn people(&self) -> Vec<&str> {
        let service = self.action.target().as_str();
        match self.principal {
            Principal::Human(name) if self.approvals.is_empty() => vec![name],
            _ => self.config.people(self.approvals, self.severity, service),
        }
    }
}

/// Permission for one action and its declared undo. It cannot be copied, stored or forged; see the crate's docs.
#[derive(Debug)]
pub struct Authorized {
    incident: Option<IncidentId>,
    plan: PlanHash,
    step: usize,
    principal: Principal,
    action: Action,
    undo: Option<Action>,
    before: TargetState,
    expires_at: Timestamp,
}

impl Authorized {
    pub(crate) fn grant(
        incident: Option<IncidentId>,
        plan: PlanHash,
        step: usize,
        principal: Principal,
        action: Action,
        before: TargetState,
        expires_at: Timestamp,
    ) -> Self {
        let undo = action.undo(&before);
        Self { incident, plan, step, principal, action, undo, before, expires_at }
    }

    #[must_use]
    pub fn incident(&self) -> Option<&IncidentId> {
        self.incident.as_ref()
    }

    #[must_use]
    pub fn plan(&self) -> &PlanHash {
        &self.plan
    }

    #[must_use]
    pub fn step(&self) -> usize {
        self.step
    }

    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    #[must_use]
    pub fn undo(&self) -> Option<&Action> {
        self.undo.as_ref()
    }

    #[must_use]
    pub fn before(&self) -> &TargetState {
        &self.before
    }

    /// No call may start after this.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Decides on one step. The record holds every guard's and the policy's answer, whichever of them decided.
/// An [`Authorized`] comes out only with [`Decision::Auto`].
#[must_use]
pub fn decide(input: &GateInput<'_>) -> (GateRecord, Option<Authorized>) {
    let guards = guards::run(input);
    let policy = input.policy.evaluate(input, &guards);
    let (decision, because) = settle(input, &guards, &policy);
    let authorized = (decision == Decision::Auto).then(|| {
        Authorized::grant(
            input.incident.cloned(),
            input.plan.clone(),
            input.step,
            input.principal.clone(),
            input.action.clone(),
            input.before.clone(),
            after(input.now, input.config.effect_deadline_s),
        )
    });
    let record = GateRecord {
        decision,
        principal: input.principal.clone(),
        action: input.action.kind(),
        step: input.step,
        plan: input.plan.clone(),
        mode: input.mode,
        dry_run: input.dry_run,
        guards,
        policy,
        because,
        asked: Some(Box::new(asked(input))),
    };
    (record, authorized)
}

/// What another policy would be asked.
fn asked(input: &GateInput<'_>) -> Asked {
    Asked {
        action: input.action.clone(),
        namespace: input.namespace.map(ToOwned::to_owned),
        cause: input.cause,
        confidence_permille: input.confidence.map(|share| (share.clamp(0.0, 1.0) * 1000.0).round() as u16),
        affected_services: input.affected_services,
        replicas: input.before.replicas,
        supports: input.before.supports.clone(),
        severity: input.severity,
        level: input.level.mode,
        approvals: input.approvals.to_vec(),
    }
}

/// What the gate would have said with another policy or mode. Guards are what they were: policy cannot change them.
#[must_use]
pub fn replay(
    record: &GateRecord,
    asked: &Asked,
    config: &DecisionConfig,
    policy: &Policy,
    mode: Mode,
) -> GateRecord {
    let before =
        TargetState { supports: asked.supports.clone(), replicas: asked.replicas, ..TargetState::default() };
    let level = Level { mode: asked.level, why: "its level asked for a person".to_owned() };
    let input = GateInput {
        now: Timestamp::UNIX_EPOCH,
        config,
        policy,
        mode,
        dry_run: record.dry_run,
        principal: &record.principal,
        incident: None,
        plan: &record.plan,
        step: record.step,
        action: &asked.action,
        before: &before,
        namespace: asked.namespace.as_deref(),
        maintenance: None,
        cause: asked.cause,
        confidence: asked.confidence_permille.map(|thousandths| f64::from(thousandths) / 1000.0),
        verdict_stood_s: 0.0,
        evidence: &[],
        affected_services: asked.affected_services,
        warm_up_ticks_left: 0,
        history: &ServiceHistory::default(),
        level: &level,
        severity: asked.severity,
        approvals: &asked.approvals,
        takes_back: false,
    };
    let answer = policy.evaluate(&input, &record.guards);
    let (decision, because) = settle(&input, &record.guards, &answer);
    GateRecord { decision, mode, policy: answer, because, ..record.clone() }
}

/// Dry run and mode come first in that neither guards nor policy can make them act; a failed guard or policy still
/// shows as such, since "would have been denied" is what the reader of a shadow run wants to know.
fn settle(input: &GateInput<'_>, guards: &[GuardResult], policy: &PolicyResult) -> (Decision, String) {
    if let Some(failed) = guards.iter().find(|g| !g.passed) {
        return (Decision::Deny, failed.reason.clone());
    }
    let advised = match policy {
        PolicyResult::Permitted { .. } => None,
        PolicyResult::NeedsApproval { policies } => {
            Some(format!("policy {} asks for a person", policies.join(", ")))
        }
        PolicyResult::Denied { reason, .. } => return (Decision::Deny, format!("policy denies {reason}")),
        PolicyResult::Failed { errors } => {
            return (Decision::Deny, format!("policy could not be evaluated: {}", errors.join("; ")));
        }
    };
    if input.mode == Mode::Shadow {
        return (Decision::Deny, "mode is shadow: midwatch only watches".into());
    }
    let people = input.people();
    if people.is_empty() && input.level.mode == Mode::Shadow {
        return (Decision::Deny, format!("midwatch only watches here: {}", input.level.why));
    }
    let needed = input.config.people_needed(input.severity);
    if people.is_empty() {
        if let Some(why) = advised.or_else(|| needs_person(input)) {
            let why = if needed > 1 { format!("{why}; {} needs two people", input.severity) } else { why };
            return (Decision::NeedsApproval, why);
        }
    } else if people.len() < needed {
        let who = people.join(", ");
        let why = format!(
            "{} incidents need {needed} people: {who} said yes, somebody else must, too",
            input.severity
        );
        return (Decision::NeedsApproval, why);
    }
    if input.dry_run {
        return (Decision::DryRun, "dry_run is on: set dry_run = false to let midwatch act".into());
    }
    let by = match people.as_slice() {
        [] => "mode is auto".to_owned(),
        [_] => "a person approved it".to_owned(),
        several => format!("{} approved it", several.join(" and ")),
    };
    (Decision::Auto, format!("every guard and the policy let it pass, and {by}"))
}

fn needs_person(input: &GateInput<'_>) -> Option<String> {
    if input.mode == Mode::Propose {
        return Some("mode is propose: every action waits for a person".into());
    }
    if let Action::Scale { replicas, .. } = input.action
        && *replicas < input.before.replicas
    {
        let now = input.before.replicas;
        return Some(format!("of {now} replicas, {replicas} would be left: a person must want that"));
    }
    (input.level.mode != Mode::Auto).then(|| input.level.why.clone())
}
