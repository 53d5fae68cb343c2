//! What people say and do, as the fold has it.

use super::{Incident, State, Waiting};
use midwatch_model::Timestamp;
use midwatch_model::decision::Approval;
use midwatch_model::journal::Entry;

impl Incident {
    /// What people did with it beside deciding.
    pub(super) fn handled(&mut self, entry: &Entry, at: Timestamp) {
        match entry {
            Entry::Acknowledged { by, how } => self.acknowledged = Some((by.clone(), how.clone())),
            Entry::Assigned { to, .. } => self.assignee.clone_from(to),
            Entry::Snoozed { until, .. } => self.snoozed_until = Some(*until),
            Entry::Merged { into, .. } => {
                self.merged_into = Some(into.clone());
                self.waiting = None;
                self.forget_approvals();
                self.state = State::Closed;
            }
            Entry::SplitOff { signals, .. } => {
                self.signals.retain(|signal| signals.binary_search(&signal.id).is_err());
                self.last_signal_at = at;
                // What was concluded, planned and approved rested on what is gone.
                self.look_anew();
            }
            // What a person was called for is another thing now. Whatever was done about it stays theirs.
            Entry::Absorbed { .. } if self.state == State::Escalated && self.attempts().next().is_none() => {
                self.look_anew();
            }
            Entry::Revised { digest, .. } => {
                (self.report_digest, self.report_is_revised) = (Some(digest.clone()), true);
            }
            _ => {}
        }
    }

    /// It is diagnosed as if it had just been opened, also where a person has been called for: whatever was said no to
    /// was another plan for another thing.
    fn look_anew(&mut self) {
        self.begin_again();
        self.refused = None;
        self.escalated = None;
        self.waiting = None;
        self.forget_approvals();
    }

    /// What people were asked, and what they said.
    pub(super) fn asked(&mut self, entry: &Entry, at: Timestamp) {
        match entry {
            Entry::ApprovalRequested { plan, step, why, expires_at, needed } => {
                let (plan, why, expires_at, needed) = (plan.clone(), why.clone(), *expires_at, *needed);
                let of_the_same = |a: &Approval| a.plan == plan && a.step == *step;
                self.approvals.retain(of_the_same);
                self.waiting = Some(Waiting { plan, step: *step, why, since: at, expires_at, needed });
                self.count_approvals();
                self.state = State::AwaitingApproval;
            }
            Entry::ApprovalGiven { approval } => {
                if self.approvals.iter().all(|earlier| earlier.by != approval.by) {
                    self.approvals.push(approval.clone());
                }
                self.count_approvals();
            }
            Entry::ApprovalRefused { by, reason, by_policy, .. } => {
                self.forget_approvals();
                if !by_policy {
                    self.refused = Some((by.clone(), reason.clone()));
                }
            }
            Entry::ApprovalExpired { .. } => {
                self.forget_approvals();
                self.waiting = None;
            }
            Entry::WouldHaveActed { .. } => {
                self.would_have_acted = true;
                self.waiting = None;
                self.state = State::Diagnosed;
            }
            _ => {}
        }
    }

    pub(super) fn forget_approvals(&mut self) {
        self.approvals.clear();
        self.approval = None;
    }

    pub(super) fn count_approvals(&mut self) {
        let needed = self.waiting.as_ref().map_or(1, |waiting| waiting.needed);
        self.approval = self.approvals.last().filter(|_| self.approvals.len() >= needed).cloned();
    }

    /// How many people have said yes to what waits, of how many that must; nothing where one is enough.
    #[must_use]
    pub fn count_of_yeses(&self) -> Option<String> {
        let needed = self.waiting.as_ref().map(|waiting| waiting.needed).filter(|needed| *needed > 1)?;
        let names: Vec<&str> = self.approvals.iter().map(|approval| approval.by.as_str()).collect();
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        Some(format!("{} of {needed} people have said yes{names}", self.approvals.len()))
    }
}
