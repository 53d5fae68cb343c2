//! Which of a journal's entries people are told of. Everything else would be noise at 03:00.

use midwatch_incident::{Incident, State};
use midwatch_model::bulletin::Moment;
use midwatch_model::journal::{EffectOutcome, Entry, Line};
use midwatch_model::workflow::RunEvent;
use midwatch_model::{Action, Cause, ServiceName};

/// A record of an incident's stream that people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number in the stream, from 1.
    pub seq: u64,
    pub moment: Moment,
}

/// Turns of an incident after which only those are told that somebody must not miss: an incident that goes back and forth
/// must not fill anybody's channel.
const TURNS_MAX: usize = 40;

/// What was said so far, so that nothing is said twice.
#[derive(Default)]
pub(super) struct Turns {
    taken: usize,
    /// The root that was last named; the inner `None` says that there was none.
    verdict: Option<(bool, Option<(ServiceName, Cause)>)>,
    plan: Vec<Action>,
    written_up: bool,
}

impl Turns {
    /// The moment that a line is, if people are told of it. `incident` is as it stood after the line.
    pub fn take(&mut self, incident: &Incident, line: &Line) -> Option<Moment> {
        let moment = self.moment(incident, &line.entry)?;
        self.taken += 1;
        let is_vital = !matches!(moment, Moment::Verdict | Moment::Plan | Moment::Action | Moment::Answer);
        (is_vital || self.taken <= TURNS_MAX).then_some(moment)
    }

    fn moment(&mut self, incident: &Incident, entry: &Entry) -> Option<Moment> {
        Some(match entry {
            Entry::Opened { .. } => Moment::Alert,
            Entry::Diagnosed { .. } => return self.verdict(incident),
            Entry::Planned { plan, .. } => {
                let actions: Vec<Action> = plan.steps.iter().map(|step| step.action.clone()).collect();
                let is_new = actions != self.plan && !actions.is_empty();
                self.plan = actions;
                return is_new.then_some(Moment::Plan);
            }
            Entry::ApprovalRequested { .. } => Moment::Approval,
            Entry::ApprovalGiven { .. }
            | Entry::ApprovalRefused { .. }
            | Entry::ApprovalExpired { .. }
            | Entry::Acknowledged { .. } => Moment::Answer,
            Entry::WouldHaveActed { .. } => Moment::Action,
            Entry::Performed { outcome, .. } => {
                let is_known = !matches!(outcome, EffectOutcome::Unknown { .. });
                return is_known.then_some(Moment::Action);
            }
            Entry::Workflow { event: RunEvent::Said { .. }, .. } => Moment::Action,
            Entry::Escalated { .. } => Moment::Escalated,
            Entry::Resolved { .. } => {
                self.written_up = false;
                Moment::Resolved
            }
            // It ends here; what it knows is told with the other one.
            Entry::Merged { .. } => Moment::Resolved,
            Entry::Recurred { .. } => Moment::Recurred,
            Entry::FalseAlarm { .. } => Moment::FalseAlarm,
            Entry::Reported { .. } => {
                let is_over = matches!(incident.state, State::Resolved | State::Closed);
                let is_first = is_over && !std::mem::replace(&mut self.written_up, is_over);
                return is_first.then_some(Moment::Postmortem);
            }
            _ => return None,
        })
    }

    /// A verdict that names what the one before named says nothing new, however sure it is by now.
    fn verdict(&mut self, incident: &Incident) -> Option<Moment> {
        let verdict = incident.verdict.as_ref()?;
        let root = verdict.root().filter(|_| verdict.is_conclusive());
        let now = Some((verdict.foreseen, root.map(|root| (root.component.clone(), root.cause))));
        let is_new = now != self.verdict;
        self.verdict = now;
        is_new.then_some(Moment::Verdict)
    }
}
