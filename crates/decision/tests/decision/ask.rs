//! A question to the gate that it would say yes to, for tests to change.

use midwatch_decision::{
    Authorized, DecisionConfig, GateInput, Levels, PastAction, Policy, ServiceHistory, decide,
};
use midwatch_model::action::TargetState;
use midwatch_model::decision::{Approval, GateRecord, Mode, Principal};
use midwatch_model::journal::{EffectOutcome, Line};
use midwatch_model::{
    Action, ActionKind, Cause, Evidence, EvidenceSource, IncidentId, PlanHash, Severity, Timestamp, after,
};

pub struct Ask {
    pub config: DecisionConfig,
    pub policy: &'static str,
    pub mode: Mode,
    pub dry_run: bool,
    pub principal: Principal,
    pub step: usize,
    pub action: Action,
    pub namespace: Option<&'static str>,
    pub maintenance: Option<&'static str>,
    pub cause: Option<Cause>,
    pub confidence: Option<f64>,
    pub verdict_stood_s: f64,
    pub evidence: Vec<Evidence>,
    pub affected_services: usize,
    pub warm_up_ticks_left: u32,
    pub history: ServiceHistory,
    /// The autonomy stream.
    pub set: Vec<Line>,
    pub severity: Severity,
    pub approvals: Vec<Approval>,
}

pub fn now() -> Timestamp {
    after(Timestamp::UNIX_EPOCH, 1e9)
}

pub fn before() -> TargetState {
    TargetState {
        version: "v2".into(),
        previous_version: Some("v1".into()),
        replicas: 2,
        ready_replicas: 2,
        max_replicas: 6,
        pool_size: 16,
        circuit_open: false,
        generation: 7,
        ..TargetState::default()
    }
}

pub fn restart() -> Action {
    Action::Restart { target: "payment".into() }
}

pub fn scale(replicas: u32) -> Action {
    Action::Scale { target: "payment".into(), replicas }
}

pub fn witness(source: EvidenceSource, age_s: f64) -> Evidence {
    Evidence {
        id: "ev-1".into(),
        source,
        service: "payment".into(),
        query: "up".into(),
        from: after(now(), -age_s - 60.0),
        to: after(now(), -age_s),
        digest: String::new(),
        excerpt: String::new(),
    }
}

pub fn approval(plan: &str, step: usize, expires_in_s: f64) -> Approval {
    let expires_at = after(now(), expires_in_s);
    let (by, via) = ("ann".into(), String::new());
    Approval { plan: plan.into(), step, by, via, at: after(now(), -60.0), expires_at }
}

/// An action of another incident so many seconds ago that succeeded.
pub fn past(kind: ActionKind, age_s: f64) -> PastAction {
    PastAction {
        key: format!("{kind}-{age_s}").as_str().into(),
        at: after(now(), -age_s),
        kind,
        incident: Some("inc-0".into()),
        by_person: false,
        undoes: None,
        deadline: after(now(), 10.0 - age_s),
        outcome: Some(EffectOutcome::Applied { detail: "done".into(), after: None }),
    }
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            config: DecisionConfig::default(),
            policy: "",
            mode: Mode::Auto,
            dry_run: false,
            principal: Principal::Agent,
            step: 0,
            action: restart(),
            namespace: None,
            cause: Some(Cause::LatencySpike),
            confidence: Some(0.9),
            verdict_stood_s: 60.0,
            evidence: vec![
                witness(EvidenceSource::ServiceMetrics, 2.0),
                witness(EvidenceSource::ControlPlane, 0.0),
            ],
            maintenance: None,
            affected_services: 3,
            warm_up_ticks_left: 0,
            history: ServiceHistory::default(),
            set: Vec::new(),
            severity: Severity::Warning,
            approvals: Vec::new(),
        }
    }
}

impl Ask {
    pub fn of(change: impl FnOnce(&mut Self)) -> Self {
        let mut ask = Self::default();
        change(&mut ask);
        ask
    }

    pub fn decide(&self) -> (GateRecord, Option<Authorized>) {
        let policy = Policy::parse(self.policy).expect("a policy");
        let (kind, target) = (self.action.kind(), self.action.target());
        let level = Levels::fold(&self.set).level(&self.config, kind, target, self.cause);
        decide(&GateInput {
            now: now(),
            config: &self.config,
            policy: &policy,
            mode: self.mode,
            dry_run: self.dry_run,
            principal: &self.principal,
            incident: Some(&IncidentId::new("inc-1")),
            plan: &PlanHash::new("plan-1"),
            step: self.step,
            action: &self.action,
            before: &before(),
            namespace: self.namespace,
            maintenance: self.maintenance,
            cause: self.cause,
            confidence: self.confidence,
            verdict_stood_s: self.verdict_stood_s,
            evidence: &self.evidence,
            affected_services: self.affected_services,
            warm_up_ticks_left: self.warm_up_ticks_left,
            history: &self.history,
            level: &level,
            severity: self.severity,
            approvals: &self.approvals,
            takes_back: false,
        })
    }
}
