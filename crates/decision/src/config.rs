//! What the operator sets about decisions.

use crate::{Approver, AutonomyConfig};
use midwatch_model::{ActionKind, Cause, SafetyClass, Severity};
use serde::{Deserialize, Serialize};

/// Guards and plans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionConfig {
    /// Ticks after start in which nothing is acted upon.
    pub warm_up_ticks: u32,
    /// Seconds that a verdict must have stood unchanged before it is acted upon; symptoms that join meanwhile may
    /// move it.
    pub settle_s: f64,
    /// Least confidence for an action, 0–1.
    pub min_confidence: f64,
    /// Age in seconds above which evidence is not fresh.
    pub evidence_max_age_s: f64,
    /// Independent sources of fresh evidence that an action needs.
    pub min_evidence_sources: usize,
    /// Safety classes that may run. `impactful` and `destructive` are blocked until they are named here.
    pub allowed_classes: Vec<SafetyClass>,
    /// Namespaces whose services may be acted upon; empty means every one.
    pub namespaces: Vec<String>,
    /// Most replicas that an action may ask for.
    pub max_replicas: u32,
    /// Most connections of an instance's pool that an action may ask for.
    pub max_pool_size: u32,
    /// Actions that one service may see within `rate_window_s`.
    pub rate_max: usize,
    /// Window of the rate limit, seconds.
    pub rate_window_s: f64,
    /// Most services that may be affected for midwatch still to act by itself.
    pub max_blast_radius: usize,
    /// Seconds for which a service that another incident acted upon is left alone.
    pub cooldown_s: f64,
    /// Seconds within which the same remedy is not given to the same service twice.
    pub repeat_window_s: f64,
    /// Plan steps that are tried before a person is asked.
    pub max_attempts: usize,
    /// Seconds after which a request for approval expires.
    pub approval_ttl_s: f64,
    /// Seconds from intent to the last moment at which the call may start.
    pub effect_deadline_s: f64,
    /// Who is told when no step helps, in order.
    pub escalation_path: Vec<String>,
    /// In mode `auto`: the only combinations that act by themselves; empty means every one.
    pub autonomy: Vec<AutonomyRule>,
    /// Who may approve, deny and act. Empty: whoever may call with the scope `act`, under the name they give.
    #[serde(rename = "approver")]
    pub approvers: Vec<Approver>,
    /// Severities of incidents whose plans need the yes of two different people. Only approvers can be told apart, so it
    /// holds where there are any.
    pub two_person: Vec<Severity>,
    /// The section `[autonomy]`, which stands beside this one.
    #[serde(skip)]
    pub autonomy_loop: AutonomyConfig,
}

/// One combination that may act by itself. An absent field matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AutonomyRule {
    pub action: Option<ActionKind>,
    pub service: Option<String>,
    pub cause: Option<Cause>,
}

impl AutonomyRule {
    pub(crate) fn covers(&self, action: ActionKind, service: &str, cause: Option<Cause>) -> bool {
        self.action.is_none_or(|a| a == action)
            && self.service.as_deref().is_none_or(|s| s == service)
            && self.cause.is_none_or(|c| Some(c) == cause)
    }
}

impl Default for DecisionConfig {
    fn default() -> Self {
        Self {
            warm_up_ticks: 30,
            settle_s: 15.0,
            min_confidence: 0.7,
            evidence_max_age_s: 60.0,
            min_evidence_sources: 2,
            allowed_classes: vec![SafetyClass::ReadOnly, SafetyClass::Reversible],
            namespaces: Vec::new(),
            max_replicas: 4,
            max_pool_size: 64,
            rate_max: 3,
            rate_window_s: 300.0,
            max_blast_radius: 20,
            cooldown_s: 300.0,
            repeat_window_s: 1800.0,
            max_attempts: 2,
            approval_ttl_s: 3600.0,
            effect_deadline_s: 10.0,
            escalation_path: vec!["on-call engineer".into(), "team lead".into()],
            autonomy: Vec::new(),
            approvers: Vec::new(),
            two_person: vec![Severity::Critical],
            autonomy_loop: AutonomyConfig::default(),
        }
    }
}
