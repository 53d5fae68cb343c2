//! The action catalogue: the closed list of what midwatch may do to a service.

mod catalogue;
mod proposal;
mod target;

pub use catalogue::{BlastRadius, SafetyClass};
pub use proposal::{FileChange, PROPOSAL_TITLE, Proposal};
pub use target::{Autoscaler, Container, Node, Pod, Resources, TargetState};

use crate::{IncidentId, ServiceName};
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
    DeletePod,
    Cordon,
    SetImage,
    SetResources,
    PullRequest,
    Escalate,
}

impl ActionKind {
    /// Every kind, in a fixed order.
    pub const ALL: &'static [ActionKind] = <ActionKind as strum::VariantArray>::VARIANTS;

    /// The name as it is written in JSON, policy and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
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
    /// Take one pod away, so that its controller makes another.
    DeletePod { target: ServiceName, pod: String },
    /// Keep new pods off a node that a pod of the target runs on, or let them on it again.
    Cordon { target: ServiceName, node: String, unschedulable: bool },
    /// Run another image in a container; the only one, if none is named.
    SetImage { target: ServiceName, container: Option<String>, image: String },
    /// Set what a container asks for and may use; what is not named stays, unless `exact`.
    SetResources {
        target: ServiceName,
        container: Option<String>,
        resources: Resources,
        /// Take away what is not named: how an undo restores what was there before.
        #[serde(default)]
        exact: bool,
    },
    /// Propose a lasting change in the service's repository, or take the proposal back. Nothing that runs changes by it.
    PullRequest {
        target: ServiceName,
        /// The incident that it is about, by which it is found again.
        incident: IncidentId,
        /// What it says; made from the incident where nobody says it. Nothing where it is taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proposal: Option<Box<Proposal>>,
        open: bool,
    },
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
            Action::DeletePod { .. } => ActionKind::DeletePod,
            Action::Cordon { .. } => ActionKind::Cordon,
            Action::SetImage { .. } => ActionKind::SetImage,
            Action::SetResources { .. } => ActionKind::SetResources,
            Action::PullRequest { .. } => ActionKind::PullRequest,
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
            | Action::DeletePod { target, .. }
            | Action::Cordon { target, .. }
            | Action::SetImage { target, .. }
            | Action::SetResources { target, .. }
            | Action::PullRequest { target, .. }
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
            Action::Cordon { target, node, .. } => before.node(node).map(|known| Action::Cordon {
                target: target.clone(),
                node: node.clone(),
                unschedulable: known.unschedulable,
            }),
            Action::SetImage { target, container, .. } => {
                let known = before.container(container.as_deref())?;
                Some(Action::SetImage {
                    target: target.clone(),
                    container: Some(known.name.clone()),
                    image: known.image.clone(),
                })
            }
            Action::SetResources { target, container, .. } => {
                let known = before.container(container.as_deref())?;
                Some(Action::SetResources {
                    target: target.clone(),
                    container: Some(known.name.clone()),
                    resources: known.resources.clone(),
                    exact: true,
                })
            }
            Action::PullRequest { target, incident, open: true, .. } => Some(Action::PullRequest {
                target: target.clone(),
                incident: incident.clone(),
                proposal: None,
                open: false,
            }),
            Action::Restart { .. }
            | Action::RestartDbPool { .. }
            | Action::DeletePod { .. }
            | Action::PullRequest { open: false, .. }
            | Action::Escalate { .. } => None,
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
            Action::Cordon { node, unschedulable, .. } => {
                before.node(node).is_some_and(|known| known.unschedulable == *unschedulable)
            }
            Action::SetImage { container, image, .. } => {
                before.container(container.as_deref()).is_some_and(|known| known.image == *image)
            }
            Action::SetResources { container, resources, exact, .. } => {
                before.container(container.as_deref()).is_some_and(|known| match exact {
                    true => known.resources.is_same(resources),
                    false => known.resources.with(resources).is_same(&known.resources),
                })
            }
            Action::Rollback { to_version: None, .. }
            | Action::Restart { .. }
            | Action::RestartDbPool { .. }
            | Action::DeletePod { .. }
            | Action::PullRequest { .. }
            | Action::Escalate { .. } => false,
        }
    }

    /// Whether the target shows something else by now than what the action made of it, and not what undoing would: somebody
    /// changed it since. What cannot be seen on a target is never overwritten.
    #[must_use]
    pub fn is_overwritten(&self, undo: &Action, now: &TargetState) -> bool {
        let is_seen = match self {
            Action::ResizeDbPool { .. }
            | Action::CircuitBreak { .. }
            | Action::SetImage { .. }
            | Action::SetResources { .. } => true,
            // An autoscaler goes on from what was set.
            Action::Scale { .. } => now.autoscaler.is_none(),
            // A node is seen by the service's pods on it.
            Action::Cordon { node, .. } => now.node(node).is_some(),
            // Platforms number versions in their own way.
            Action::Rollback { .. }
            | Action::Restart { .. }
            | Action::RestartDbPool { .. }
            | Action::DeletePod { .. }
            | Action::PullRequest { .. }
            | Action::Escalate { .. } => false,
        };
        is_seen && !self.changes_nothing(now) && !undo.changes_nothing(now)
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
            Action::DeletePod { target, pod } => format!("Delete the pod {pod} of {target}"),
            Action::Cordon { target, node, unschedulable: true } => {
                format!("Cordon the node {node}, on which {target} runs")
            }
            Action::Cordon { target, node, unschedulable: false } => {
                format!("Uncordon the node {node}, on which {target} runs")
            }
            Action::SetImage { target, container, image } => {
                format!("Run the image {image} in {}", place(target, container.as_deref()))
            }
            Action::SetResources { target, container, resources, .. } => {
                format!("Set {resources} for {}", place(target, container.as_deref()))
            }
            Action::PullRequest { target, incident, open: true, .. } => {
                format!("Open a pull request for {target} about {incident}")
            }
            Action::PullRequest { target, incident, open: false, .. } => {
                format!("Close the pull request for {target} about {incident} and delete its branch")
            }
            Action::Escalate { target } => format!("Hand {target} over to the engineer on call"),
        }
    }
}

/// A service, or one of its containers.
fn place(target: &ServiceName, container: Option<&str>) -> String {
    container.map_or_else(|| target.to_string(), |container| format!("{container} of {target}"))
}
