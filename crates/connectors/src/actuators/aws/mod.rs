//! AWS: Lambda aliases and ECS services.
//!
//! Neither has a dry run. What is seen is compared once more right before the call; Lambda's RevisionId also goes with it. A
//! call is made once.

mod ecs;
mod lambda;

pub(super) use ecs::Ecs;
pub(super) use lambda::Lambda;

use super::{looked, not_applied};
use crate::aws::Refusal;
use midwatch_model::journal::EffectOutcome;

/// What a change without an answer of success means.
fn outcome_of(refusal: Refusal) -> EffectOutcome {
    match refusal {
        Refusal::Unknown(reason) => EffectOutcome::Unknown { reason },
        refusal => not_applied(refusal.to_string()),
    }
}
