//! Workflows: read, matched and interpreted, one observation at a time.
//!
//! Owns: how a workflow is written down ([`read`]), for which incident it is ([`choose`]), and what is next in a run
//! ([`step`]), which is a pure function of what is on record. Must never: perform anything. A step that acts is asked of the
//! gate like every other action; its run only says which action is next.

mod act;
mod check;
mod expression;
mod outline;
mod read;
mod run;
mod step;
mod subject;

pub use check::{LOOPS_MAX, RETRIES_MAX, STEPS_MAX, TIMEOUT_S_MAX};
pub use outline::{Lesson, outline};
pub use read::{WORKFLOW_BYTES_MAX, WorkflowError, read};
pub use run::{Run, StepRun, StepState};
pub use step::{
    Asking, EffectSeen, Next, STARTS_MAX, Seen, StepInput, attempt_failed, first_actions, seen, step, why,
};
pub use subject::{Subject, choose, matching};
