//! The run of a workflow within an incident.

use super::{EffectRecord, Incident, State};
use midwatch_model::journal::EffectOutcome;
use midwatch_model::workflow::{RunEvent, RunOutcome};
use midwatch_model::{PlanHash, Timestamp};

/// The run of a workflow, as it is on record.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    pub id: String,
    /// Hashes of the plans that it was: one that acts on what it found out is another plan.
    pub plans: Vec<PlanHash>,
    pub events: Vec<(Timestamp, RunEvent)>,
    pub ended: Option<(RunOutcome, String)>,
}

impl Incident {
    /// Whether a plan is what an earlier run has become.
    pub(super) fn planned_run(&mut self, id: &str, hash: &PlanHash) -> bool {
        match self.run.as_mut().filter(|run| run.id == id) {
            Some(run) => {
                run.plans.push(hash.clone());
                true
            }
            None => {
                let (id, plans) = (id.to_owned(), vec![hash.clone()]);
                self.run = Some(RunRecord { id, plans, events: Vec::new(), ended: None });
                false
            }
        }
    }

    /// What happened in the run of a workflow.
    pub(super) fn ran(&mut self, id: &str, event: &RunEvent, at: Timestamp) {
        let acted = self.run_has_acted();
        let Some(run) = self.run.as_mut().filter(|run| run.id == id) else { return };
        run.events.push((at, event.clone()));
        match event {
            RunEvent::Started { workflow, .. } => self.workflows.push(workflow.clone()),
            RunEvent::StepStarted { plan_step: Some(index), .. } => {
                self.step = *index;
                self.waiting = None;
                self.gate = None;
                self.would_have_acted = false;
                self.forget_approvals();
            }
            RunEvent::StepEnded { .. } | RunEvent::AttemptFailed { .. } => {
                self.waiting = None;
                self.forget_approvals();
                if self.state == State::AwaitingApproval {
                    self.state = State::Diagnosed;
                }
            }
            RunEvent::RollbackStarted { .. } => {
                run.ended = None;
                self.state = State::Diagnosed;
            }
            RunEvent::Ended { outcome, reason } => {
                run.ended = Some((*outcome, reason.clone()));
                self.waiting = None;
                if acted && *outcome == RunOutcome::Completed {
                    self.state = State::Verifying;
                } else if !acted {
                    // It touched nothing: midwatch makes a plan of its own.
                    (self.plan, self.step, self.gate, self.state) = (None, 0, None, State::Diagnosed);
                }
            }
            _ => {}
        }
    }

    /// A run ends where it is when the incident goes on without it: nobody takes up later what was meant for then.
    pub(super) fn leave_run(&mut self, reason: &str) {
        let Some(run) = self.run.as_mut().filter(|run| run.ended.is_none()) else { return };
        let taking_back =
            run.events.iter().any(|(_, event)| matches!(event, RunEvent::RollbackStarted { .. }));
        let outcome = if taking_back { RunOutcome::NotRolledBack } else { RunOutcome::Abandoned };
        run.ended = Some((outcome, reason.to_owned()));
    }

    /// The run that is under way, if one is.
    #[must_use]
    pub fn run_under_way(&self) -> Option<&RunRecord> {
        self.run.as_ref().filter(|run| run.ended.is_none())
    }

    /// The run that was left with something done, and why: what is next is for a person.
    #[must_use]
    pub fn abandoned_run(&self) -> Option<&str> {
        let (outcome, reason) = self.run.as_ref().filter(|_| self.run_has_acted())?.ended.as_ref()?;
        matches!(outcome, RunOutcome::Abandoned | RunOutcome::NotRolledBack).then_some(reason)
    }

    /// Whether an effect is one of the present run's.
    #[must_use]
    pub fn is_of_run(&self, effect: &EffectRecord) -> bool {
        self.run.as_ref().is_some_and(|run| run.plans.contains(&effect.intent.plan))
    }

    /// Whether the present run may have changed anything.
    #[must_use]
    pub fn run_has_acted(&self) -> bool {
        self.effects.iter().any(|effect| {
            let changed = effect.outcome.as_ref().is_none_or(EffectOutcome::may_have_changed_target);
            changed && self.is_of_run(effect)
        })
    }
}
