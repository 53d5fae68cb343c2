//! Plans: what would be done, in which order, and how to take it back.

use crate::evidence::hex;
use crate::workflow::PlannedRun;
use crate::{Action, Cause, IncidentId, PlanHash, SafetyClass};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// When a step is due.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
pub enum Priority {
    #[serde(rename = "immediate")]
    Immediate,
    #[serde(rename = "within_15min")]
    Within15Min,
    #[serde(rename = "within_1hour")]
    Within1Hour,
}

/// One step of a plan. Later steps are alternatives that come up when an earlier one did not help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct PlanStep {
    pub action: Action,
    pub safety_class: SafetyClass,
    pub priority: Priority,
    /// Who carries it out or answers for it.
    pub owner: String,
    pub expected_outcome: String,
    /// What takes it back; `None` where the action leaves nothing to take back.
    pub undo: Option<Action>,
    /// Why this step, one sentence.
    pub rationale: String,
    pub estimated_s: u32,
}

/// Ordered steps for one incident and verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Plan {
    pub incident: IncidentId,
    pub cause: Cause,
    pub steps: Vec<PlanStep>,
    /// Who is told, in order, when no step helps.
    pub escalation_path: Vec<String>,
    pub estimated_resolution_s: u32,
    /// Where the plan is a workflow's run: its actions are the steps so far, one after the other and not alternatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Box<PlannedRun>>,
}

impl Plan {
    /// What an approval is bound to: any change of the plan changes it.
    ///
    /// # Panics
    /// Never: a plan is plain data and always serialises.
    #[must_use]
    pub fn hash(&self) -> PlanHash {
        let canonical = serde_json::to_vec(self).expect("a plan is plain data");
        PlanHash::new(hex(&Sha256::digest(canonical)))
    }
}
