//! The desk: every alert that is known now, what may keep it quiet, and who is to be told of it.
//!
//! All of it is in memory and can be read from the store again at any time; it is after a write that failed, because
//! memory may then say more than the store.

mod held;
mod recall;
mod take;

pub use held::{Held, Known, KnownGroup, Suppression};
pub(crate) use take::Change;

use crate::incident_alerts::Followed;
use crate::notify::Threads;
use midwatch_incident::{DedupConfig, Flaps, Inhibitor, Originals, Silences};
use midwatch_model::{Alert, Fingerprint, ServiceName, Timestamp, after, seconds_between};
use midwatch_oncall::{Cooldown, Groups, Logged, Receiver};
use midwatch_report::MessageAlert;
use midwatch_store::Retold;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Seconds for which an alert that is over is still known: one that comes back meanwhile without a gap is the same
/// episode, and clients can still see how it ended. Alertmanager forgets at the same pace.
pub(crate) const KEPT_S: f64 = 900.0;

/// Alerts that are held at most; beyond it the oldest that are over are forgotten at once. About 1.5 KB each.
const HELD_MAX: usize = 200_000;

/// Seconds between two looks for alerts that can be forgotten.
const SWEEP_EVERY_S: f64 = 10.0;

/// A receiver's integration and a group's key.
pub(crate) type TargetGroup = (String, String);

/// A notification that has not arrived yet.
pub(crate) struct Underway {
    pub id: String,
    pub alerts: Vec<MessageAlert>,
}

/// All alerts that are known now, what may keep them quiet, and who is told.
#[derive(Default)]
pub struct Desk {
    held: HashMap<Fingerprint, Box<Held>>,
    /// The alerts about each service.
    about: HashMap<ServiceName, HashSet<Fingerprint>>,
    pub silences: Silences,
    pub(crate) inhibitor: Inhibitor,
    pub(crate) groups: Groups,
    pub(crate) receivers: HashMap<String, Receiver>,
    /// What each receiver knows of each group.
    pub(crate) log: HashMap<TargetGroup, Logged>,
    pub(crate) underway: HashMap<TargetGroup, Underway>,
    /// What was told of incidents to those who hear of them turn by turn.
    pub(crate) threads: Threads,
    pub(crate) cooldown: Cooldown,
    /// How alerts are compared, if they are.
    pub(crate) dedup: Option<DedupConfig>,
    /// Alerts that others may repeat.
    pub(crate) originals: Originals,
    pub(crate) flaps: Flaps,
    /// Incidents of which people are told.
    pub(crate) followed: Followed,
    /// What the store was read with; see [`midwatch_store::Commit::basis`].
    pub(crate) basis: u64,
    /// Whether a write failed, so that memory may say more than the store.
    pub(crate) stale: bool,
    /// Alerts whose rows do not reflect yet how they were last told.
    behind: Vec<Fingerprint>,
    /// Ends of episodes in whose place others are, which their rows do not say yet.
    replaced: Vec<Retold>,
    /// Number of the last delivery.
    last_delivery: u64,
    /// The delivery up to which rows were last asked to be written.
    caught_up_to: u64,
    caught_up_at: Option<Timestamp>,
    /// Whether there is more to catch up with than was taken last.
    is_catching_up: bool,
    /// When alerts that are over were last forgotten.
    swept_at: Option<Timestamp>,
}

impl Desk {
    /// Puts an episode on the desk, in the place of the one before.
    pub(crate) fn hold(&mut self, held: Held, now: Timestamp) {
        let fingerprint = held.alert.fingerprint();
        let (id, service) = (held.id.clone(), held.service.clone());
        self.about.entry(service.clone()).or_default().insert(fingerprint);
        let Some(mut before) = self.held.insert(fingerprint, Box::new(held)) else { return };
        if service != before.service {
            self.not_about(&before.service, fingerprint);
        }
        if id != before.id && !before.ended {
            self.replaced.push(before.replaced_by(&id, now));
        }
    }

    fn not_about(&mut self, service: &ServiceName, fingerprint: Fingerprint) {
        if let Some(alerts) = self.about.get_mut(service) {
            alerts.remove(&fingerprint);
            if alerts.is_empty() {
                self.about.remove(service);
            }
        }
    }

    /// Whether an alert about the service fires at `now`, or counts as firing.
    #[must_use]
    pub fn fires(&self, service: &ServiceName, now: Timestamp) -> bool {
        let alerts = self.about.get(service).into_iter().flatten();
        alerts.filter_map(|alert| self.held.get(alert)).any(|held| !self.is_over(&held.alert, now))
    }

    /// Puts an alert into its groups. One that somebody was told of keeps its interval.
    pub(crate) fn group(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        let Some(held) = self.held.get(&fingerprint) else { return };
        let (log, receivers) = (&self.log, &self.receivers);
        self.groups.insert(&held.alert, now, |route, labels| {
            let key = route.group_key(labels);
            let integrations = receivers.get(&route.receiver)?.integrations.iter();
            let told = integrations.filter_map(|i| log.get(&(i.target.clone(), key.clone())));
            told.map(|logged| logged.at).max()
        });
    }

    /// Every alert that is known, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.values().map(Box::as_ref)
    }

    pub(crate) fn by_fingerprint(&self) -> impl Iterator<Item = (Fingerprint, &Held)> {
        self.held.iter().map(|(fingerprint, held)| (*fingerprint, held.as_ref()))
    }

    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Held> {
        self.held.get(&fingerprint).map(Box::as_ref)
    }

    /// Puts what is told of an incident on the desk. It is not among what fires about its service: an incident would keep
    /// itself open.
    pub(crate) fn put_own(&mut self, held: Held) {
        self.held.insert(held.alert.fingerprint(), Box::new(held));
    }

    pub(crate) fn remove_own(&mut self, fingerprint: Fingerprint) {
        self.held.remove(&fingerprint);
    }

    pub(crate) fn get_mut(&mut self, fingerprint: Fingerprint) -> Option<&mut Held> {
        self.held.get_mut(&fingerprint).map(Box::as_mut)
    }

    /// What keeps an alert quiet now.
    #[must_use]
    pub fn suppression(&self, alert: &Alert, now: Timestamp) -> Suppression {
        let silenced_by = self.silenced_by(alert, now);
        Suppression { silenced_by, inhibited_by: self.inhibitor.inhibited_by(&alert.labels, now) }
    }

    /// Whether an alert is over. One that flaps is not before it is stable.
    pub(crate) fn is_over(&self, alert: &Alert, now: Timestamp) -> bool {
        alert.is_resolved(now) && self.flaps.flapping(alert.fingerprint(), now).is_none()
    }

    pub(crate) fn known(&self, held: &Held, now: Timestamp) -> Known {
        let (mut suppression, receivers) =
            (self.suppression(&held.alert, now), self.receivers_of(&held.alert));
        // To clients of Alertmanager's API an alert is explained by the one that it repeats.
        let repeated = held.duplicate.as_ref().map(|duplicate| duplicate.fingerprint);
        suppression.inhibited_by = suppression.inhibited_by.or(repeated);
        Known { held: held.clone(), suppression, receivers }
    }

    pub(crate) fn forget_old(&mut self, now: Timestamp) {
        if self.swept_at.is_some_and(|at| seconds_between(at, now) < SWEEP_EVERY_S) {
            return;
        }
        self.swept_at = Some(now);
        let kept_s = if self.held.len() < HELD_MAX { KEPT_S } else { 0.0 };
        let since = after(now, -kept_s);
        let kept = |fingerprint: &Fingerprint, held: &Held| {
            held.alert.ends_at > since
                || held.behind
                || !held.ended
                || self.groups.holds(*fingerprint)
                || self.flaps.flapping(*fingerprint, now).is_some()
        };
        let gone: Vec<Fingerprint> = self
            .held
            .iter()
            .filter(|(fingerprint, held)| !kept(fingerprint, held))
            .map(|(fingerprint, _)| *fingerprint)
            .collect();
        for fingerprint in gone {
            if let Some(held) = self.held.remove(&fingerprint) {
                self.not_about(&held.service, fingerprint);
                self.originals.remove(fingerprint);
            }
        }
        self.flaps.forget(now);
        self.inhibitor.forget(since);
        self.log.retain(|_, logged| logged.is_valid(now));
        self.cooldown.forget(after(now, -self.groups.tree().longest_cooldown_s()));
        let held: BTreeSet<&str> =
            self.held.values().filter(|held| held.is_own()).map(|held| held.id.as_str()).collect();
        self.followed.retain(|incident, _| held.contains(incident.as_str()));
    }

    /// Names of the receivers that an alert goes to; none if nothing is routed.
    #[must_use]
    pub fn receivers_of(&self, alert: &Alert) -> Vec<String> {
        let tree = self.groups.tree();
        let routes = tree.matching(&alert.labels).into_iter().filter_map(|id| tree.route(id));
        routes.map(|route| route.receiver.clone()).collect()
    }
}

/// The receiver of a target such as `team/webhook/0`; a receiver's own name may hold anything.
pub(crate) fn receiver_of(target: &str) -> &str {
    target.rsplitn(3, '/').last().unwrap_or(target)
}
