//! What the lab's control plane speaks: its JSON, and what it means in our words.

use midwatch_model::action::TargetState;
use midwatch_model::{Action, Change, ChangeKind, ServiceName, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

/// A service as `GET /api/v1/control/services/{s}` and an operation's `before` and `after` show it. Operations leave
/// out what an operation does not touch.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct State {
    pub version: String,
    #[serde(default)]
    pub previous_version: Option<String>,
    pub replicas: u32,
    #[serde(default)]
    pub ready_replicas: Option<u32>,
    #[serde(default)]
    pub max_replicas: Option<u32>,
    pub pool_size: u32,
    pub circuit_open: bool,
    pub generation: u64,
}

impl State {
    /// In our words; what is left out comes from `before`, or is what was asked for.
    pub fn into_target(self, before: Option<&TargetState>) -> TargetState {
        let replaced = before.map(|b| &b.version).filter(|version| **version != self.version).cloned();
        TargetState {
            previous_version: self
                .previous_version
                .or(replaced)
                .or_else(|| before.and_then(|b| b.previous_version.clone())),
            version: self.version,
            replicas: self.replicas,
            ready_replicas: self.ready_replicas.unwrap_or(self.replicas),
            max_replicas: self.max_replicas.or(before.map(|b| b.max_replicas)).unwrap_or(self.replicas),
            pool_size: self.pool_size,
            circuit_open: self.circuit_open,
            generation: self.generation,
            ..TargetState::default()
        }
    }
}

/// How an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Running,
    Succeeded,
    Failed,
    DryRun,
}

/// An operation as the control plane reports it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Operation {
    pub status: Status,
    #[serde(default)]
    pub after: Option<State>,
    #[serde(default)]
    pub detail: String,
}

/// The answer of `GET /api/v1/control/changes`.
#[derive(Debug, Deserialize)]
pub(super) struct Changes {
    pub changes: Vec<WireChange>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireChange {
    id: Value,
    at: Timestamp,
    service: ServiceName,
    kind: String,
    #[serde(default)]
    from: Value,
    #[serde(default)]
    to: Value,
    #[serde(default)]
    by: String,
}

impl From<WireChange> for Change {
    fn from(change: WireChange) -> Self {
        let kind = match change.kind.as_str() {
            "deploy" => ChangeKind::Deploy,
            "rollback" => ChangeKind::Rollback,
            "restart" | "pool_restart" => ChangeKind::Restart,
            "scale" => ChangeKind::Scale,
            // Pool sizes, breakers and whatever comes later change how a service is set up.
            _ => ChangeKind::Config,
        };
        // What changed is part of the text where the kind alone does not say it.
        let named = |value: &Value| match kind {
            ChangeKind::Config => format!("{} {}", change.kind, text(value)),
            _ => text(value),
        };
        Self {
            id: text(&change.id),
            at: change.at,
            kind,
            from: named(&change.from),
            to: named(&change.to),
            service: change.service,
            by: change.by,
            title: String::new(),
            url: String::new(),
            content: None,
        }
    }
}

/// A string without its quotes; anything else as JSON; nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The operation's name in the path and its body. `None` for what is not a call to a target.
pub(super) fn operation(action: &Action, is_undo: bool) -> Option<(&'static str, Value)> {
    match action {
        // What a rollback left behind is out of the line that rollbacks walk along; it comes back as a deployment.
        Action::Rollback { to_version: Some(version), .. } if is_undo => {
            Some(("deploy", json!({ "version": version, "reason": "undo of a rollback that did not help" })))
        }
        Action::Rollback { to_version: Some(version), .. } => Some(("rollback", json!({ "to": version }))),
        Action::Rollback { to_version: None, .. } => Some(("rollback", json!({}))),
        Action::Restart { .. } => Some(("restart", json!({}))),
        Action::RestartDbPool { .. } => Some(("pool_restart", json!({}))),
        Action::ResizeDbPool { size, .. } => Some(("pool_resize", json!({ "size": size }))),
        Action::Scale { replicas, .. } => Some(("scale", json!({ "replicas": replicas }))),
        Action::CircuitBreak { open, .. } => Some(("circuit", json!({ "open": open }))),
        Action::DeletePod { .. }
        | Action::Cordon { .. }
        | Action::SetImage { .. }
        | Action::SetResources { .. }
        | Action::PullRequest { .. }
        | Action::Escalate { .. } => None,
    }
}
