//! What the catalogue says about each kind of action: how bad it can be, how far it reaches, who may ask for it.

use super::ActionKind;
use serde::{Deserialize, Serialize};

/// How bad an action can be if it is wrong. The last two classes are blocked until the configuration names them.
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
pub enum SafetyClass {
    ReadOnly,
    Reversible,
    Impactful,
    Destructive,
}

/// What an action can reach at most, if it is wrong.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BlastRadius {
    /// Nothing that runs.
    Nothing,
    /// One instance of the target.
    Instance,
    /// The target as a whole.
    Service,
    /// Everybody who shares a node with the target.
    Node,
}

impl BlastRadius {
    /// As the end of "it reaches …".
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            BlastRadius::Nothing => "nothing that runs",
            BlastRadius::Instance => "one instance",
            BlastRadius::Service => "the whole service",
            BlastRadius::Node => "whatever else runs on the node",
        }
    }
}

impl ActionKind {
    /// What a control plane that does not say what it can do is able to: the actions of the first catalogue.
    pub const FIRST: [ActionKind; 6] = [
        ActionKind::Rollback,
        ActionKind::Restart,
        ActionKind::RestartDbPool,
        ActionKind::ResizeDbPool,
        ActionKind::Scale,
        ActionKind::CircuitBreak,
    ];

    /// The catalogue's safety class. A rolling restart loses nothing that a deployment would not, so it counts as
    /// reversible although it has no undo of its own; a pod that its controller replaces is a restart of one instance.
    #[must_use]
    pub fn safety_class(self) -> SafetyClass {
        match self {
            ActionKind::Escalate => SafetyClass::ReadOnly,
            ActionKind::Rollback
            | ActionKind::Restart
            | ActionKind::RestartDbPool
            | ActionKind::ResizeDbPool
            | ActionKind::Scale
            | ActionKind::CircuitBreak
            | ActionKind::DeletePod
            | ActionKind::SetResources
            | ActionKind::PullRequest => SafetyClass::Reversible,
            // Others run on the node, and an image can be anything.
            ActionKind::Cordon | ActionKind::SetImage => SafetyClass::Impactful,
        }
    }

    /// What it can reach at most.
    #[must_use]
    pub fn blast_radius(self) -> BlastRadius {
        match self {
            ActionKind::PullRequest | ActionKind::Escalate => BlastRadius::Nothing,
            ActionKind::DeletePod => BlastRadius::Instance,
            ActionKind::Cordon => BlastRadius::Node,
            _ => BlastRadius::Service,
        }
    }

    /// Whether midwatch may ask for it by itself. Which image to run, and whether a whole node is left alone, is a
    /// person's or a runbook's to say: nothing that midwatch measures names either.
    #[must_use]
    pub fn agent_may_ask(self) -> bool {
        !matches!(self, ActionKind::Cordon | ActionKind::SetImage)
    }

    /// Whether an action of this kind can be taken back by another one.
    #[must_use]
    pub fn has_undo(self) -> bool {
        !matches!(
            self,
            ActionKind::Restart | ActionKind::RestartDbPool | ActionKind::DeletePod | ActionKind::Escalate
        )
    }

    /// Whether the action changes anything at the target.
    #[must_use]
    pub fn mutates(self) -> bool {
        self.safety_class() != SafetyClass::ReadOnly
    }
}
