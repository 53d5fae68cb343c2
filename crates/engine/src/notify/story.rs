//! A group as it is now: what a receiver may hear of it, and what is kept quiet, with the reason.

use crate::desk::{Desk, Held};
use crate::observe::step;
use midwatch_model::label::value_of;
use midwatch_model::{Fingerprint, HandlingStep, IncidentId, ServiceName, Severity, SignalId, Timestamp};
use midwatch_oncall::{GroupId, Logged, Route, Seen};
use midwatch_report::{MessageAlert, PERSON_ALERT};
use midwatch_store::Commit;
use std::collections::{BTreeMap, BTreeSet};

/// A group as it is now, sorted by what a receiver may hear.
#[derive(Default)]
pub(super) struct Story {
    pub(super) seen: Seen,
    /// Alerts that may be told of.
    pub(super) alerts: Vec<(SignalId, MessageAlert)>,
    /// Services that alerts fire about, with the worst severity.
    pub(super) about: BTreeMap<ServiceName, Severity>,
    /// Incidents that it tells of.
    pub(super) incidents: BTreeSet<IncidentId>,
    /// Alerts that say that a person is needed: they wait for no pause.
    pub(super) person: Vec<Fingerprint>,
    /// Alerts that fire about what nobody has taken up.
    pub(super) untaken: usize,
    /// Alerts that are kept quiet, and why.
    pub(super) quiet: Vec<(Fingerprint, String)>,
    /// Alerts of the group that are over.
    pub(super) over: Vec<Fingerprint>,
}

impl Desk {
    pub(super) fn story(&self, id: GroupId, now: Timestamp) -> Story {
        let mut story = Story::default();
        let Some((route, group)) = self.groups.get(id) else { return story };
        let muted = self.groups.tree().muted(id.route, now).map(|muted| muted.to_string());
        for fingerprint in &group.alerts {
            let Some(held) = self.get(*fingerprint) else {
                story.over.push(*fingerprint);
                continue;
            };
            let flapping = self.flaps.flapping(*fingerprint, now);
            let over = self.is_over(&held.alert, now);
            if over {
                story.over.push(*fingerprint);
            }
            let suppression = self.suppression(&held.alert, now);
            // Whoever was told that it fires hears of its end.
            let repeated = held.duplicate.as_ref().filter(|_| !(over && self.is_told_firing(*fingerprint)));
            let repeats = || repeated.map(|of| format!("deduplicated {}", of.sentence()));
            let quiet = (!suppression.is_none())
                .then(|| self.sentence(&suppression))
                .or_else(repeats)
                .or_else(|| muted.clone())
                .or_else(|| self.told_with_its_parent(held, &route.receiver, now));
            if let Some(reason) = quiet {
                story.quiet.push((*fingerprint, reason));
                continue;
            }
            if over {
                story.seen.resolved.insert(*fingerprint);
            } else {
                story.seen.firing.insert(*fingerprint);
                story.untaken += usize::from(!self.is_taken(held));
                if held.is_own() {
                    story.incidents.insert(IncidentId::new(held.id.as_str()));
                    let needs_person = value_of(&held.alert.labels, "alertname") == PERSON_ALERT;
                    story.person.extend(needs_person.then_some(*fingerprint));
                }
                let worst = story.about.entry(held.service.clone()).or_insert(held.alert.severity);
                *worst = held.alert.severity.max(*worst);
            }
            let told = match flapping {
                Some(_) => {
                    story.seen.flapping.insert(*fingerprint);
                    MessageAlert::flapping(&held.alert, self.flaps.sentence())
                }
                None => self.naming_children(held, &route.receiver, now),
            };
            story.alerts.push((held.id.clone(), told));
        }
        story
    }

    /// Whether it tells of an incident that a person has taken up.
    fn is_taken(&self, held: &Held) -> bool {
        let incident = held.is_own().then(|| IncidentId::new(held.id.as_str()));
        let followed = incident.and_then(|incident| self.followed.get(&incident));
        followed.is_some_and(|follow| follow.acknowledged)
    }

    /// Puts on record why an alert is not told of (yet), unless that is what its record says already.
    pub(super) fn note_quiet(
        &mut self,
        fingerprint: Fingerprint,
        name: HandlingStep,
        reason: &str,
        now: Timestamp,
        commit: &mut Commit,
    ) {
        let Some(held) = self.get_mut(fingerprint).filter(|held| held.quiet.as_deref() != Some(reason))
        else {
            return;
        };
        held.quiet = Some(reason.to_owned());
        let whose = if held.is_own() { format!("its incident {}: ", held.id) } else { String::new() };
        for id in held.on_record() {
            let step = step(id, name.clone(), format!("{whose}{reason}"), now);
            commit.handled.push((id.to_string(), step, None, false));
        }
    }

    /// Puts a group off if its receiver was told of all its services a short while ago. A person who is needed is told at
    /// once.
    pub(super) fn pause(
        &mut self,
        id: GroupId,
        route: &Route,
        story: &Story,
        known: &[Option<&Logged>],
        now: Timestamp,
    ) -> Option<(Timestamp, Vec<Fingerprint>)> {
        let is_new = |fingerprint: &&Fingerprint| {
            known.iter().any(|logged| logged.is_none_or(|logged| !logged.firing.contains(*fingerprint)))
        };
        if story.person.iter().any(|fingerprint| is_new(&fingerprint)) {
            return None;
        }
        let until = self.cooldown.until(&route.receiver, &story.about, route.cooldown_s, now)?;
        self.groups.put_off(id, until);
        Some((until, story.seen.firing.iter().filter(is_new).copied().collect()))
    }
}

/// Why a group waits.
pub(super) fn pause_sentence(route: &Route, story: &Story, until: Timestamp) -> String {
    let services: Vec<&str> = story.about.keys().map(ServiceName::as_str).collect();
    format!(
        "{} was told of {} less than {} s ago, as badly or worse; it hears of it again from {} (cooldown_s)",
        route.receiver,
        services.join(", "),
        route.cooldown_s,
        until.strftime("%H:%M:%S UTC")
    )
}
