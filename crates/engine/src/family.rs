//! Parents and children among incidents that people are told of: one message for the family, as long as its head speaks.
//!
//! A child is related to its parent, though not strongly enough to be the same incident. Whoever was woken by the parent
//! looks at both anyway: a second page would only tell of what the first one names. A child is told of by itself if it is
//! worse than its parent, goes to somebody else, needs a person, or if nobody hears of its parent (any more).

use crate::desk::{Desk, Held};
use midwatch_model::label::value_of;
use midwatch_model::{IncidentId, Severity, Timestamp};
use midwatch_report::{INCIDENT_ALERT, MessageAlert};

/// Ancestors that are asked at most: deeper families are told of apart.
const ANCESTORS_MAX: usize = 8;

/// Children that a message names at most; a phone shows no more.
const NAMED_MAX: usize = 5;

impl Desk {
    /// Why an incident's alert is not told of by itself, if it is told with another incident's.
    pub(crate) fn told_with_its_parent(&self, held: &Held, receiver: &str, now: Timestamp) -> Option<String> {
        // Whoever believes that it fires goes on to hear of it, and of its end.
        if !is_incident(held) || self.told_firing_at(&[held.alert.fingerprint()], receiver).is_some() {
            return None;
        }
        let head = self.head_of(&incident_of(held), held.alert.severity, receiver, now)?;
        // What came after the parent's message is not named by it, and the next one may be hours away.
        let told_at = self.followed.get(&head).and_then(|head| self.told_firing_at(&head.alerts, receiver));
        if told_at.is_some_and(|told_at| held.alert.starts_at > told_at) {
            return None;
        }
        Some(format!("it is a child of {head}, of which {receiver} is told and whose message names it"))
    }

    /// What a receiver is told of an alert; that of an incident names the children that are not told of by themselves.
    pub(crate) fn naming_children(&self, held: &Held, receiver: &str, now: Timestamp) -> MessageAlert {
        let mut told = MessageAlert::of(&held.alert, now);
        if is_incident(held) && told.is_firing() {
            let mut children = self.children_of(&incident_of(held), receiver, now);
            children.sort();
            let more = children.len().saturating_sub(NAMED_MAX);
            children.truncate(NAMED_MAX);
            if more > 0 {
                children.push(format!("and {more} more"));
            }
            if !children.is_empty() {
                told.annotations.insert("children", children.join("; "));
            }
        }
        told
    }

    fn children_of(&self, head: &IncidentId, receiver: &str, now: Timestamp) -> Vec<String> {
        let families = self.followed.iter().filter(|(_, follow)| follow.parent.is_some());
        let alerts = families.flat_map(|(_, follow)| &follow.alerts).filter_map(|alert| self.get(*alert));
        let firing = alerts.filter(|held| is_incident(held) && !self.is_over(&held.alert, now));
        let own = firing.filter(|held| {
            self.head_of(&incident_of(held), held.alert.severity, receiver, now).as_ref() == Some(head)
        });
        own.map(|held| format!("{}: {}", held.id, value_of(&held.alert.annotations, "summary"))).collect()
    }

    /// The topmost ancestor of an incident of which the receiver is told, and that is as bad at least.
    fn head_of(
        &self,
        incident: &IncidentId,
        severity: Severity,
        receiver: &str,
        now: Timestamp,
    ) -> Option<IncidentId> {
        let (mut head, mut at) = (None, incident);
        for _ in 0..ANCESTORS_MAX {
            let Some(parent) = self.followed.get(at).and_then(|follow| follow.parent.as_ref()) else { break };
            if self.speaks(parent, severity, receiver, now) {
                head = Some(parent.clone());
            }
            at = parent;
        }
        head
    }

    /// Whether the receiver is told of an incident, or will be as soon as its group is due.
    fn speaks(&self, incident: &IncidentId, severity: Severity, receiver: &str, now: Timestamp) -> bool {
        let alerts = self.followed.get(incident).into_iter().flat_map(|follow| &follow.alerts);
        let has_way = self.receivers.get(receiver).is_some_and(|receiver| !receiver.integrations.is_empty());
        has_way
            && alerts.filter_map(|alert| self.get(*alert)).any(|held| {
                is_incident(held)
                    && held.alert.severity >= severity
                    && !self.is_over(&held.alert, now)
                    && self.suppression(&held.alert, now).is_none()
                    && self.reaches(held, receiver, now)
            })
    }

    fn reaches(&self, held: &Held, receiver: &str, now: Timestamp) -> bool {
        let tree = self.groups.tree();
        tree.matching(&held.alert.labels).into_iter().any(|id| {
            tree.route(id).is_some_and(|route| route.receiver == receiver) && tree.muted(id, now).is_none()
        })
    }
}

fn incident_of(held: &Held) -> IncidentId {
    IncidentId::new(held.id.as_str())
}

/// Whether it tells of an incident as such, not of that a person is needed.
fn is_incident(held: &Held) -> bool {
    held.is_own() && value_of(&held.alert.labels, "alertname") == INCIDENT_ALERT
}
