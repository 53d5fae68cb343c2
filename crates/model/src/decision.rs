//! Decisions: what the gate said, and every reason for it.

use crate::{Action, ActionKind, Cause, PlanHash, ServiceName, Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// How far midwatch may go by itself.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Mode {
    /// Watches and says what it would do; touches nothing.
    Shadow,
    /// Every action waits for a person's approval.
    #[default]
    Propose,
    /// Acts where guards and policy let it.
    Auto,
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::one_of(<Mode as strum::VariantArray>::VARIANTS, "a mode", text)
    }
}

/// Who asks for an action. The same gate serves all of them.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Principal {
    Agent,
    Human(String),
    Runbook(String),
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Principal::Agent => f.write_str("midwatch"),
            Principal::Human(name) => f.write_str(name),
            Principal::Runbook(name) => write!(f, "runbook {name}"),
        }
    }
}

/// The guards in their fixed order. Policy cannot switch one off.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    WarmUp,
    Settled,
    Confidence,
    FreshEvidence,
    SafetyClass,
    /// What the catalogue says of who may ask, and what the platform can do.
    Catalogue,
    NamespaceAllowlist,
    Maintenance,
    ReplicaCeiling,
    PoolCeiling,
    RateLimit,
    OneAtATime,
    BlastRadius,
    RecentlyRemediated,
    RepeatedDose,
    ApprovalBinding,
}

impl Guard {
    /// Whether waiting can change the answer. A guard that waiting cannot change rules the step out.
    #[must_use]
    pub fn may_pass_later(self) -> bool {
        matches!(
            self,
            Guard::WarmUp
                | Guard::Settled
                | Guard::Confidence
                | Guard::FreshEvidence
                | Guard::Maintenance
                | Guard::RateLimit
                | Guard::OneAtATime
                | Guard::RecentlyRemediated
                | Guard::ApprovalBinding
        )
    }
}

/// One guard's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct GuardResult {
    pub guard: Guard,
    pub passed: bool,
    /// One sentence with the numbers that decided.
    pub reason: String,
}

/// What policy said. It may only narrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum PolicyResult {
    Permitted {
        policies: Vec<String>,
    },
    /// Permitted, and a policy asks for a person (`@advice("require_approval")`).
    NeedsApproval {
        policies: Vec<String>,
    },
    /// `singled_out`: the policy lets this principal use most other remedies on this target, so somebody ruled out
    /// this very one; midwatch then waits for a person and does not try a second choice.
    Denied {
        policies: Vec<String>,
        singled_out: bool,
        reason: String,
    },
    /// A policy could not be evaluated; this denies.
    Failed {
        errors: Vec<String>,
    },
}

/// The gate's answer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Auto,
    NeedsApproval,
    DryRun,
    Deny,
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Decision::Auto => "auto",
            Decision::NeedsApproval => "needs_approval",
            Decision::DryRun => "dry_run",
            Decision::Deny => "deny",
        })
    }
}

/// The decision on one step, with everything that led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct GateRecord {
    pub decision: Decision,
    pub principal: Principal,
    pub action: ActionKind,
    /// Index of the step within its plan.
    pub step: usize,
    pub plan: PlanHash,
    pub mode: Mode,
    pub dry_run: bool,
    pub guards: Vec<GuardResult>,
    pub policy: PolicyResult,
    /// The answer in one sentence, leading with what decided.
    pub because: String,
    /// What was asked, so that another policy can be asked the same. Records of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<Asked>>,
}

/// What a policy is asked about, besides what a record says by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Asked {
    pub action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Thousandths, as policies see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_permille: Option<u16>,
    pub affected_services: usize,
    /// Of the target, before the action.
    pub replicas: u32,
    /// What the target's platform can do; empty where it did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supports: Vec<ActionKind>,
    pub severity: Severity,
    /// How far midwatch might go by itself.
    pub level: Mode,
    /// Every yes to the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
}

impl GateRecord {
    /// Guards that failed, in order.
    pub fn failed(&self) -> impl Iterator<Item = &GuardResult> {
        self.guards.iter().filter(|g| !g.passed)
    }

    /// Whether the step may pass the gate later without anything else changing.
    #[must_use]
    pub fn may_pass_later(&self) -> bool {
        self.failed().all(|g| g.guard.may_pass_later())
            && matches!(self.policy, PolicyResult::Permitted { .. } | PolicyResult::NeedsApproval { .. })
    }
}

/// A person's yes to exactly one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Approval {
    pub plan: PlanHash,
    /// The step that was approved.
    pub step: usize,
    /// The person, whatever way they came.
    pub by: String,
    /// The way they came, where that was proved: "Slack user U0123".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub via: String,
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub at: Timestamp,
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
}

/// By which way somebody came who wants to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// A signed press of a button; the id is that of Slack's user.
    Slack,
    /// An API key; the id is its name.
    ApiKey,
    /// From this machine, where no key is needed; the id is the name that was given.
    Local,
}

/// Somebody who wants to decide, as far as the way they came proves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller {
    pub way: Way,
    pub id: String,
}

impl Caller {
    #[must_use]
    pub fn new(way: Way, id: impl Into<String>) -> Self {
        Self { way, id: id.into() }
    }
}

/// A name that somebody gave at the server's own machine.
impl From<&str> for Caller {
    fn from(name: &str) -> Self {
        Self::new(Way::Local, name)
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { way, id } = self;
        match way {
            Way::Slack => write!(f, "Slack user {id}"),
            Way::ApiKey => write!(f, "API key {id}"),
            Way::Local => write!(f, "{id} on this machine"),
        }
    }
}

/// What autonomy is given for: one action on one service for one cause.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Combination {
    pub action: ActionKind,
    #[schema(value_type = String)]
    pub service: ServiceName,
    pub cause: Cause,
}

impl std::fmt::Display for Combination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {} for {}", self.action, self.service, self.cause)
    }
}
