//! Workflows: steps that look, wait, tell and act, in a declared order. What they are made of and what is written down of
//! their runs; how they go is in `midwatch-action`.

use crate::action::Resources;
use crate::{ActionKind, Cause, Check, ServiceName, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A workflow, from a runbook's steps or from a file of its own.
#[derive(
    Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// Of a runbook: its id.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub title: String,
    /// For which incidents it is.
    #[serde(default)]
    pub trigger: Trigger,
    /// What follows a run that touched nothing.
    #[serde(default, skip_serializing_if = "Otherwise::is_own_plan")]
    pub otherwise: Otherwise,
    /// Seconds after which a run is given up, and what it did is taken back.
    #[serde(default = "run_timeout_s")]
    pub timeout_s: u32,
    pub steps: Vec<WorkflowStep>,
}

/// For which incidents a workflow is. What is absent matches everything; of what is there, all must match.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields, default)]
pub struct Trigger {
    /// Alertmanager's matchers, such as `alertname="KubePodCrashLooping"`; one signal must fulfil all of them.
    pub labels: Vec<String>,
    /// Causes of which the verdict must name one.
    pub causes: Vec<Cause>,
    /// Services of which the verdict must name one.
    #[schema(value_type = Vec<String>)]
    pub components: Vec<ServiceName>,
    /// How bad the incident must be at least.
    pub severity: Option<Severity>,
}

/// One step. Exactly one of `look`, `check`, `act`, `wait_s` and `notify` says what it does.
#[derive(
    Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct WorkflowStep {
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Earlier steps that must have been done; else this one is skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// An expression; the step is skipped where it is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Look at the service itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
    /// A declared look. `$service` in a query stands for the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// An action of the catalogue, on the service that the verdict names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// Wait so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_s: Option<u32>,
    /// Tell everybody who hears of the incident. `{{ … }}` are expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// A question that a person must say yes to before the action, whatever the mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// Seconds after which an attempt has failed. Time in which a person is asked does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// Further attempts after one that failed and changed nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Seconds before each further attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
    #[serde(default, skip_serializing_if = "OnFailure::is_stop")]
    pub on_failure: OnFailure,
    /// Go back, a few times at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
}

/// What is looked at without anything being declared for it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// The service's health endpoint; the step fails where it is not healthy.
    Health,
    /// What the control plane shows: versions, replicas, pods.
    State,
}

/// An action with its parameters. What an action does not need must not be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    pub action: ActionKind,
    /// `scale`: how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Param>,
    /// `resize_db_pool`: connections per instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Param>,
    /// `rollback`: default is the version that served before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<Param>,
    /// `circuit_break`: default is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// `delete_pod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Param>,
    /// `cordon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Param>,
    /// `set_image` and `set_resources`: the only container, if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// `set_image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Param>,
    /// `set_resources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// A parameter: a number, a text, or an expression, which begins with `=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Param {
    Number(u32),
    Text(String),
}

/// What follows when a step has failed for good.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The run ends, and what it did is taken back, the last first.
    #[default]
    Stop,
    /// The run goes on; whoever needs the step is skipped.
    Continue,
}

impl OnFailure {
    #[must_use]
    pub fn is_stop(&self) -> bool {
        *self == OnFailure::Stop
    }
}

/// What follows a run that touched nothing, because nothing was to be done or it was not let.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// midwatch makes a plan of its own.
    #[default]
    OwnPlan,
    /// A person gets the incident.
    HandOver,
}

impl Otherwise {
    #[must_use]
    pub fn is_own_plan(&self) -> bool {
        *self == Otherwise::OwnPlan
    }
}

/// A loop: after its step, the run goes back until an expression is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// The earlier step (or this one) that is next then.
    pub from: String,
    /// An expression.
    pub until: String,
    /// Times that it goes back; after them the step has failed.
    pub at_most: u32,
}

/// A workflow's run, as part of the plan that it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct PlannedRun {
    /// Unique within the incident.
    pub id: String,
    /// As it was when the run began: what is changed in its file does not change a run.
    pub workflow: Workflow,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    Started {
        workflow: String,
        /// Why this workflow.
        reason: String,
    },
    StepStarted {
        step: String,
        /// From 1.
        attempt: u32,
        /// The step of the plan that an action is; none for steps that do not act.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan_step: Option<usize>,
    },
    /// The attempt changed nothing; there is another one.
    AttemptFailed {
        step: String,
        attempt: u32,
        reason: String,
    },
    /// midwatch stopped before the call, and the target shows that nothing happened: the attempt is made again.
    CallLost {
        step: String,
        attempt: u32,
        reason: String,
    },
    StepEnded {
        step: String,
        end: StepEnd,
        /// One sentence.
        detail: String,
        /// What later steps can use.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[schema(value_type = Object)]
        outputs: BTreeMap<String, serde_json::Value>,
    },
    /// People are told.
    Said {
        step: String,
        text: String,
    },
    /// The run goes back.
    WentBack {
        /// The step that said so.
        step: String,
        to: String,
        reason: String,
    },
    /// It has failed: what it did is being taken back.
    RollbackStarted {
        reason: String,
    },
    Ended {
        outcome: RunOutcome,
        reason: String,
    },
}

/// How a step ended.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
    strum::Display,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StepEnd {
    Done,
    Failed,
    Skipped,
}

/// How a run ended.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
    strum::Display,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RunOutcome {
    /// Every step was done or skipped. Whether it helped is verified after it.
    Completed,
    /// It failed, and what it did was taken back as far as there was something to take back.
    RolledBack,
    /// It failed, and what it did is still there.
    NotRolledBack,
    /// The incident went on without it: what it did is still there, and it does nothing more.
    Abandoned,
}

/// What a run may take, unless its workflow says otherwise: half an hour.
fn run_timeout_s() -> u32 {
    1800
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl RunEvent {
    /// What happened, for a person.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            RunEvent::Started { workflow, reason } => format!("Workflow {workflow} begins: {reason}"),
            RunEvent::StepStarted { step, attempt: 1, .. } => format!("Step {step} begins"),
            RunEvent::StepStarted { step, attempt, .. } => format!("Step {step} begins, attempt {attempt}"),
            RunEvent::AttemptFailed { step, attempt, reason } => {
                format!("Attempt {attempt} of step {step} failed: {reason}")
            }
            RunEvent::CallLost { step, attempt, reason } => {
                format!("Attempt {attempt} of step {step} was cut short and is made again: {reason}")
            }
            RunEvent::StepEnded { step, end, detail, .. } => format!("Step {step} {end}: {detail}"),
            RunEvent::Said { text, .. } => text.clone(),
            RunEvent::WentBack { step, to, reason } => format!("Step {step} goes back to {to}: {reason}"),
            RunEvent::RollbackStarted { reason } => {
                format!("The workflow takes back what it did, the last first: {reason}")
            }
            RunEvent::Ended { outcome, reason } => {
                format!("The workflow has ended, {}: {reason}", outcome.to_string().replace('_', " "))
            }
        }
    }

    /// The step that it is about.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        match self {
            RunEvent::StepStarted { step, .. }
            | RunEvent::AttemptFailed { step, .. }
            | RunEvent::CallLost { step, .. }
            | RunEvent::StepEnded { step, .. }
            | RunEvent::Said { step, .. }
            | RunEvent::WentBack { step, .. } => Some(step),
            _ => None,
        }
    }
}

impl Trigger {
    /// Whether it names anything: a workflow without a trigger starts for no incident.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Trigger::default()
    }
}
