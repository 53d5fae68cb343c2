//! AWS: Lambda aliases and ECS services.
//!
//! Neither has a dry run. What is seen is compared once more right before the call; Lambda's RevisionId also goes with it. A
//! call is made once.

mod ecs;
mod lambda;

pub(super) use ecs::Ecs;
pub(super) use lambda::Lambda;

use crate::aws::Refusal;
use midwatch_action::Effect;
use midwatch_model::Timestamp;
use midwatch_model::journal::EffectOutcome;

pub(super) fn not_applied(reason: impl Into<String>) -> EffectOutcome {
    EffectOutcome::NotApplied { reason: reason.into() }
}

/// What a change without an answer of success means.
fn outcome_of(refusal: Refusal) -> EffectOutcome {
    match refusal {
        Refusal::Unknown(reason) => EffectOutcome::Unknown { reason },
        refusal => not_applied(refusal.to_string()),
    }
}

/// A sentence if the effect must not start any more.
fn too_late(effect: &Effect, now: Timestamp) -> Option<EffectOutcome> {
    let deadline = effect.intent().deadline;
    (!effect.may_start(now))
        .then(|| not_applied(format!("the deadline {deadline} had passed; nothing was called")))
}
