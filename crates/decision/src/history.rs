//! What was done to a service: a fold of its stream. Limits are computed from it, so that they survive a restart and
//! count what people did too.

use midwatch_model::journal::{EffectOutcome, Entry, Line};
use midwatch_model::{ActionKey, ActionKind, IncidentId, Timestamp};

/// One action that was intended for the service.
#[derive(Clone, Debug, PartialEq)]
pub struct PastAction {
    pub key: ActionKey,
    pub at: Timestamp,
    pub kind: ActionKind,
    pub incident: Option<IncidentId>,
    pub by_person: bool,
    pub undoes: Option<ActionKey>,
    pub deadline: Timestamp,
    /// `None` while nobody knows how it ended.
    pub outcome: Option<EffectOutcome>,
}

impl PastAction {
    /// Whether the action still holds the service: it was intended and its end is not known.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.outcome, None | Some(EffectOutcome::Unknown { .. }))
    }

    /// Whether the target may have been changed by it.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.outcome.as_ref().is_none_or(EffectOutcome::may_have_changed_target)
    }
}

/// Everything that was done to one service, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceHistory {
    pub actions: Vec<PastAction>,
    /// Records that were folded: a decision on this history holds only while the stream has no more.
    pub records: u64,
}

impl ServiceHistory {
    /// Folds a service stream.
    #[must_use]
    pub fn fold(lines: &[Line]) -> Self {
        let mut history = Self { records: lines.len() as u64, ..Self::default() };
        for line in lines {
            match &line.entry {
                // A proposal was not done to the service.
                Entry::Intended { intent } if intent.action.kind() == ActionKind::PullRequest => {}
                Entry::Intended { intent } => history.actions.push(PastAction {
                    key: intent.key.clone(),
                    at: line.at,
                    kind: intent.action.kind(),
                    incident: intent.incident.clone(),
                    by_person: matches!(intent.principal, midwatch_model::decision::Principal::Human(_)),
                    undoes: intent.undoes.clone(),
                    deadline: intent.deadline,
                    outcome: None,
                }),
                Entry::Performed { key, outcome, .. } => {
                    if let Some(action) = history.actions.iter_mut().find(|a| a.key == *key) {
                        action.outcome = Some(outcome.clone());
                    }
                }
                _ => {}
            }
        }
        history
    }

    /// The action that holds the service, if any.
    #[must_use]
    pub fn pending(&self) -> Option<&PastAction> {
        self.actions.iter().find(|a| a.is_pending())
    }
}
