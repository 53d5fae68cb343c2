//! Trying a platform out, on a workload that is there for nothing else: through the same gate and with the same effects as
//! everything, but without a journal, since nothing of it has to be known tomorrow.
//!
//! Must never: act on a service that somebody uses. Whoever makes a [`Trial`] names the one service that it is for.

use midwatch_action::{Effect, intend, intend_undo};
use midwatch_connectors::Outside;
use midwatch_decision::{Authorized, DecisionConfig, GateInput, Level, Policy, ServiceHistory, decide};
use midwatch_model::action::TargetState;
use midwatch_model::decision::{GateRecord, Mode, Principal};
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{
    Action, ActionKey, Evidence, EvidenceSource, PlanHash, SafetyClass, ServiceName, Timestamp,
};

/// A platform that is tried out.
pub struct Trial<'a> {
    outside: &'a dyn Outside,
    service: ServiceName,
    principal: Principal,
    policy: Policy,
    config: DecisionConfig,
}

/// One action that was tried.
pub struct Done {
    pub intent: Intent,
    pub outcome: EffectOutcome,
}

impl<'a> Trial<'a> {
    #[must_use]
    pub fn new(outside: &'a dyn Outside, service: ServiceName, by: &str) -> Self {
        let config = DecisionConfig {
            // A person asked for all of it, on a workload that nobody uses.
            allowed_classes: vec![SafetyClass::ReadOnly, SafetyClass::Reversible, SafetyClass::Impactful],
            effect_deadline_s: 30.0,
            ..DecisionConfig::default()
        };
        let principal = Principal::Human(by.to_owned());
        Self { outside, service, principal, policy: Policy::built_in(), config }
    }

    /// The target as it is now.
    ///
    /// # Errors
    /// Why it cannot be seen.
    pub async fn target(&self) -> Result<TargetState, String> {
        self.outside.target(&self.service).await.map_err(|error| error.to_string())
    }

    /// Asks the gate about an action on the target as given. `health` is what a second witness said: no mutation rests on
    /// one alone.
    pub fn ask(
        &self,
        action: &Action,
        before: &TargetState,
        health: &str,
        dry_run: bool,
        now: Timestamp,
    ) -> (GateRecord, Option<Authorized>) {
        let witness = |source, says: &str| Evidence {
            id: "ev-0".into(),
            source,
            service: self.service.clone(),
            query: "selftest".into(),
            from: now,
            to: now,
            digest: Evidence::digest_of(says.as_bytes()),
            excerpt: says.to_owned(),
        };
        let evidence = [
            witness(EvidenceSource::ControlPlane, &before.version),
            witness(EvidenceSource::HealthProbe, health),
        ];
        decide(&GateInput {
            now,
            config: &self.config,
            policy: &self.policy,
            mode: Mode::Auto,
            dry_run,
            principal: &self.principal,
            incident: None,
            plan: &PlanHash::new("selftest"),
            step: 0,
            action,
            before,
            namespace: None,
            maintenance: None,
            cause: None,
            confidence: None,
            verdict_stood_s: 0.0,
            evidence: &evidence,
            affected_services: 1,
            warm_up_ticks_left: 0,
            history: &ServiceHistory::default(),
            level: &Level { mode: Mode::Auto, why: String::new() },
            severity: midwatch_model::Severity::Info,
            approvals: &[],
            takes_back: false,
        })
    }

    /// Does what the gate lets pass, on the target as given.
    ///
    /// # Errors
    /// The gate's no.
    pub async fn act(
        &self,
        action: &Action,
        before: &TargetState,
        health: &str,
        now: Timestamp,
    ) -> Result<Done, String> {
        let authorized = self.pass(action, before, health, now)?;
        let intent = intend(&authorized, self.key(action, now));
        self.carry_out(authorized, intent, now).await
    }

    /// Takes back what was done.
    ///
    /// # Errors
    /// The gate's no, or that there is nothing to take back.
    pub async fn undo(&self, done: &Done, health: &str, now: Timestamp) -> Result<Done, String> {
        let target = self.target().await?;
        let authorized = self.pass(&done.intent.action, &done.intent.before, health, now)?;
        let key = ActionKey::new(format!("{}-undo", done.intent.key));
        let intent = intend_undo(&authorized, key, &done.intent.key, target);
        let intent = intent.ok_or_else(|| format!("{} has no undo", done.intent.action.kind()))?;
        self.carry_out(authorized, intent, now).await
    }

    /// What a look at the target says of an action.
    ///
    /// # Errors
    /// Why nobody can look.
    pub async fn look(&self, done: &Done) -> Result<EffectOutcome, String> {
        self.outside.reconcile(&done.intent).await.map_err(|error| error.to_string())
    }

    fn pass(
        &self,
        action: &Action,
        before: &TargetState,
        health: &str,
        now: Timestamp,
    ) -> Result<Authorized, String> {
        if *action.target() != self.service {
            return Err(format!("{} is not what is tried out", action.target()));
        }
        let (record, authorized) = self.ask(action, before, health, false, now);
        authorized.ok_or(record.because)
    }

    fn key(&self, action: &Action, now: Timestamp) -> ActionKey {
        ActionKey::new(format!("selftest-{}-{}", action.kind(), now.as_millisecond()))
    }

    async fn carry_out(
        &self,
        authorized: Authorized,
        intent: Intent,
        now: Timestamp,
    ) -> Result<Done, String> {
        let effect = Effect::new(authorized, intent.clone()).map_err(|error| error.to_string())?;
        let outcome = self.outside.apply(&effect, now).await;
        Ok(Done { intent, outcome })
    }
}
