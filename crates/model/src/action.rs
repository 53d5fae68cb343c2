//! The action catalogue: the closed list of what midwatch may do to a service.

use crate::ServiceName;
use serde::{Deserialize, Serialize};

/// The kinds of action, without their target.
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
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ActionKind {
    Rollback,
    Restart,
    RestartDbPool,
    ResizeDbPool,
    Scale,
    CircuitBreak,
    Escalate,
}

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

impl ActionKind {
    /// Every kind, in a fixed order.
    pub const ALL: &'static [ActionKind] = <ActionKind as strum::VariantArray>::VARIANTS;

    /// The name as it is written in JSON, policy and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The catalogue's safety class. A rolling restart loses nothing that a deployment would not, so it counts as
    /// reversible although it has no undo of its own.
    #[must_use]
    pub fn safety_class(self) -> SafetyClass {
        match self {
            ActionKind::Escalate => SafetyClass::ReadOnly,
            ActionKind::Rollback
            | ActionKind::Restart
            | ActionKind::RestartDbPool
            | ActionKind::ResizeDbPool
            | ActionKind::Scale
            | ActionKind::CircuitBreak => SafetyClass::Reversible,
        }
    }

    /// Whether the action changes anything at the target.
    #[must_use]
    pub fn mutates(self) -> bool {
        self.safety_class() != SafetyClass::ReadOnly
    }
}

impl std::str::FromStr for ActionKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::one_of(ActionKind::ALL, "an action", text)
    }
}

/// One action on one target, with its parameters.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Deploy the version that served before, or the one named.
    Rollback { target: ServiceName, to_version: Option<String> },
    /// Replace every process, one by one.
    Restart { target: ServiceName },
    /// Close every connection of the pool and open new ones.
    RestartDbPool { target: ServiceName },
    /// Set the pool's size, connections per instance.
    ResizeDbPool { target: ServiceName, size: u32 },
    /// Set the number of instances.
    Scale { target: ServiceName, replicas: u32 },
    /// Open (calls to the target fail fast and callers degrade) or close the breaker in front of the target.
    CircuitBreak { target: ServiceName, open: bool },
    /// Hand over to a person.
    Escalate { target: ServiceName },
}

impl Action {
    #[must_use]
    pub fn kind(&self) -> ActionKind {
        match self {
            Action::Rollback { .. } => ActionKind::Rollback,
            Action::Restart { .. } => ActionKind::Restart,
            Action::RestartDbPool { .. } => ActionKind::RestartDbPool,
            Action::ResizeDbPool { .. } => ActionKind::ResizeDbPool,
            Action::Scale { .. } => ActionKind::Scale,
            Action::CircuitBreak { .. } => ActionKind::CircuitBreak,
            Action::Escalate { .. } => ActionKind::Escalate,
        }
    }

    #[must_use]
    pub fn target(&self) -> &ServiceName {
        match self {
            Action::Rollback { target, .. }
            | Action::Restart { target }
            | Action::RestartDbPool { target }
            | Action::ResizeDbPool { target, .. }
            | Action::Scale { target, .. }
            | Action::CircuitBreak { target, .. }
            | Action::Escalate { target } => target,
        }
    }

    /// What takes the action back, given the target as it was before; `None` where nothing is left to take back.
    #[must_use]
    pub fn undo(&self, before: &TargetState) -> Option<Action> {
        match self {
            Action::Rollback { target, .. } => {
                Some(Action::Rollback { target: target.clone(), to_version: Some(before.version.clone()) })
            }
            Action::ResizeDbPool { target, .. } => {
                Some(Action::ResizeDbPool { target: target.clone(), size: before.pool_size })
            }
            Action::Scale { target, .. } => {
                Some(Action::Scale { target: target.clone(), replicas: before.replicas })
            }
            Action::CircuitBreak { target, .. } => {
                Some(Action::CircuitBreak { target: target.clone(), open: before.circuit_open })
            }
            Action::Restart { .. } | Action::RestartDbPool { .. } | Action::Escalate { .. } => None,
        }
    }

    /// Whether the target is already as the action would make it.
    #[must_use]
    pub fn changes_nothing(&self, before: &TargetState) -> bool {
        match self {
            Action::ResizeDbPool { size, .. } => before.pool_size == *size,
            Action::Scale { replicas, .. } => before.replicas == *replicas,
            Action::CircuitBreak { open, .. } => before.circuit_open == *open,
            Action::Rollback { to_version: Some(version), .. } => before.version == *version,
            Action::Rollback { to_version: None, .. }
            | Action::Restart { .. }
            | Action::RestartDbPool { .. }
            | Action::Escalate { .. } => false,
        }
    }

    /// The action as an imperative sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Action::Rollback { target, to_version: Some(version) } => {
                format!("Roll {target} back to {version}")
            }
            Action::Rollback { target, to_version: None } => {
                format!("Roll {target} back to the version that served before")
            }
            Action::Restart { target } => format!("Restart {target}, one instance after the other"),
            Action::RestartDbPool { target } => format!("Restart the DB connection pool of {target}"),
            Action::ResizeDbPool { target, size } => {
                format!("Resize the DB pool of {target} to {size} connections")
            }
            Action::Scale { target, replicas } => format!("Scale {target} to {replicas} replicas"),
            Action::CircuitBreak { target, open: true } => {
                format!("Open the circuit breaker in front of {target}")
            }
            Action::CircuitBreak { target, open: false } => {
                format!("Close the circuit breaker in front of {target}")
            }
            Action::Escalate { target } => format!("Hand {target} over to the engineer on call"),
        }
    }
}

/// What a target looks like to the control plane: the snapshot that an undo is made from, and the precondition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct TargetState {
    pub version: String,
    pub previous_version: Option<String>,
    pub replicas: u32,
    pub ready_replicas: u32,
    pub max_replicas: u32,
    pub pool_size: u32,
    pub circuit_open: bool,
    /// Rises with every change; a call carries it so that a target that moved on is left alone.
    pub generation: u64,
}
