//! From permission to effect.
//!
//! Owns: [`Effect`], what an actuator is handed. It can only be built from an [`Authorized`], which only the gate gives,
//! and from an intent that is exactly what was authorised (the action or its declared undo):
//!
//! ```compile_fail,E0451
//! fn forge(intent: midwatch_model::journal::Intent) -> midwatch_action::Effect {
//!     midwatch_action::Effect { intent }
//! }
//! ```
//!
//! Also [`workflow`]: the steps of runbooks and workflows, one observation at a time.
//!
//! Must never: perform anything, or decide.

pub mod workflow;

use midwatch_decision::Authorized;
use midwatch_model::journal::Intent;
use midwatch_model::{ActionKey, Timestamp};

/// A call to a live system that the gate let pass and the journal knows of.
#[derive(Debug)]
pub struct Effect {
    intent: Intent,
}

/// An intent that is not what was authorised.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthorized {
    #[error("the intent belongs to another plan, step or incident than the authorisation")]
    OtherPlan,
    #[error("the intent's action is neither the authorised one nor its declared undo")]
    OtherAction,
    #[error("the intent's deadline lies after the authorisation's end")]
    TooLate,
}

/// The intent to do what was authorised. It is journalled before [`Effect::new`] is asked for.
#[must_use]
pub fn intend(authorized: &Authorized, key: ActionKey) -> Intent {
    Intent {
        key,
        incident: authorized.incident().cloned(),
        plan: authorized.plan().clone(),
        step: authorized.step(),
        principal: authorized.principal().clone(),
        action: authorized.action().clone(),
        undo: authorized.undo().cloned(),
        undoes: None,
        before: authorized.before().clone(),
        deadline: authorized.expires_at(),
    }
}

/// The intent to take back `done`, if it has an undo. `now_at_target` is the generation that the target has now: an
/// undo must not be refused because of the very change that it takes back.
#[must_use]
pub fn intend_undo(
    authorized: &Authorized,
    key: ActionKey,
    done: &ActionKey,
    now_at_target: midwatch_model::action::TargetState,
) -> Option<Intent> {
    Some(Intent {
        key,
        incident: authorized.incident().cloned(),
        plan: authorized.plan().clone(),
        step: authorized.step(),
        principal: authorized.principal().clone(),
        action: authorized.undo()?.clone(),
        undo: None,
        undoes: Some(done.clone()),
        before: now_at_target,
        deadline: authorized.expires_at(),
    })
}

impl Effect {
    /// Turns a journalled intent into an effect.
    ///
    /// # Errors
    /// When the intent is not what was authorised.
    pub fn new(authorized: Authorized, intent: Intent) -> Result<Self, NotAuthorized> {
        let same_plan = intent.plan == *authorized.plan()
            && intent.step == authorized.step()
            && intent.incident.as_ref() == authorized.incident();
        if !same_plan {
            return Err(NotAuthorized::OtherPlan);
        }
        let permitted = if intent.undoes.is_some() { authorized.undo() } else { Some(authorized.action()) };
        if permitted != Some(&intent.action) {
            return Err(NotAuthorized::OtherAction);
        }
        if intent.deadline > authorized.expires_at() {
            return Err(NotAuthorized::TooLate);
        }
        Ok(Self { intent })
    }

    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Whether the call may still start.
    #[must_use]
    pub fn may_start(&self, now: Timestamp) -> bool {
        now <= self.intent.deadline
    }
}
