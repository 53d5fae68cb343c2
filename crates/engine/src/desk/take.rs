//! Alerts as they are told: what is new, what is news, and what the store hears of later.

use super::{Desk, Held};
use crate::observe::{received, step};
use midwatch_model::{Acknowledged, Alert, Fingerprint, HandlingStep, SignalId, Timestamp, seconds_between};
use midwatch_report::tells_of_incident;
use midwatch_signal::source::{service_of, signal_of};
use midwatch_store::{IntakeRow, Retold};

/// Seconds between two times at which rows catch up with what was told: what a restart has to read again at most.
const CATCH_UP_EVERY_S: f64 = 3.0;

/// Rows of alerts that one commit catches up with at most: bounds for how long others wait for it.
const CATCH_UP_MAX: usize = 2_000;

/// Alerts whose rows are behind from which catching up does not wait.
const BEHIND_MAX: usize = 20_000;

/// What the store has to be told of an alert.
pub(crate) enum Change {
    New(Box<IntakeRow>),
    /// It is over, or otherwise news.
    News(Box<Retold>),
    /// What the store hears of later.
    Repeated,
}

impl Desk {
    pub(crate) fn next_delivery(&mut self) -> u64 {
        self.last_delivery += 1;
        self.last_delivery
    }

    /// Takes an alert in and says what the store has to be told.
    pub(crate) fn take(
        &mut self,
        alert: Alert,
        fresh: impl FnOnce() -> SignalId,
        sender: &str,
        now: Timestamp,
    ) -> Change {
        let fingerprint = alert.fingerprint();
        let over = alert.is_resolved(now);
        let ended_at = self.held.get(&fingerprint).map(|held| held.alert.ends_at).filter(|at| *at <= now);
        // An event that was sent before the end and came after it is no news; what fires since then is.
        let late = !over && ended_at.zip(alert.occurred_at).is_some_and(|(ended, at)| at <= ended);
        if late && let Some(held) = self.held.get_mut(&fingerprint) {
            return Change::News(Box::new(held.came_late(&alert, now)));
        }
        self.inhibitor.note(&alert);
        let known = self.held.get_mut(&fingerprint).map(Box::as_mut);
        // What was over and fires again is an episode of its own, even if its sender calls it the old one.
        let same = |held: &&mut Held| held.alert.overlaps(&alert) && (ended_at.is_none() || over);
        let Some(held) = known.filter(same) else {
            return Change::New(Box::new(self.begin(alert, fresh(), sender, ended_at, now)));
        };
        let merged = alert.merge(&held.alert, now);
        let ends = (ended_at.is_none() && merged.is_resolved(now)).then_some(merged.ends_at);
        let reworded = !merged.same_words(&held.alert);
        let moved = reworded && merged.labels != held.alert.labels;
        let taken_on = taken_on(&held.alert, &merged);
        held.reworded |= reworded;
        held.alert = merged;
        held.told += 1;
        let change = match (ends, taken_on) {
            (Some(at), taken_on) => {
                let by = taken_on.map_or_else(String::new, |(_, by)| format!("; taken on {by}"));
                let detail = format!("ends {}{by}", at.strftime("%H:%M:%S UTC"));
                self.flaps.ends(fingerprint, at);
                self.originals.remove(fingerprint);
                Change::News(Box::new(held.end(HandlingStep::ResolvedBySender, detail, now)))
            }
            (None, Some((how, by))) => {
                let step = step(&held.id, how, by, now);
                Change::News(Box::new(held.retold(Some(step))))
            }
            (None, None) => {
                if !held.behind {
                    held.behind = true;
                    self.behind.push(fingerprint);
                }
                Change::Repeated
            }
        };
        if moved {
            self.move_to_its_service(fingerprint);
            self.groups.remove(fingerprint);
            self.look_again(fingerprint);
        }
        if !self.groups.holds(fingerprint) {
            self.groups.insert(&self.held[&fingerprint].alert, now, |_, _| None);
        }
        change
    }

    fn begin(
        &mut self,
        alert: Alert,
        id: SignalId,
        sender: &str,
        ended_at: Option<Timestamp>,
        now: Timestamp,
    ) -> IntakeRow {
        let over = alert.is_resolved(now);
        let mut row = row_of(&alert, &id, sender, ended_at, now);
        self.route(&mut row, &alert, &id, now);
        let fingerprint = alert.fingerprint();
        if let Some(ended_at) = ended_at {
            self.flaps.ends(fingerprint, ended_at);
        }
        if !over && self.flaps.begins(fingerprint, now).is_some() {
            row.handling.push(step(&id, HandlingStep::Flapping, self.flaps.sentence(), now));
        }
        let mut held = Held::new(id, alert);
        held.ended = over;
        self.hold(held, now);
        self.recognise(fingerprint, now);
        row
    }

    fn move_to_its_service(&mut self, fingerprint: Fingerprint) {
        if let Some(mut held) = self.held.get(&fingerprint).cloned() {
            held.service = service_of(&held.alert);
            let at = held.alert.updated_at;
            self.hold(*held, at);
        }
    }

    /// Puts a new alert into its groups, and on record where it goes.
    fn route(&mut self, row: &mut IntakeRow, alert: &Alert, id: &SignalId, now: Timestamp) {
        self.groups.insert(alert, now, |_, _| None);
        let routes = self.routes_of(alert);
        if !routes.is_empty() {
            row.handling.push(step(id, HandlingStep::Routed, format!("to {}", routes.join("; to ")), now));
        }
    }

    fn routes_of(&self, alert: &Alert) -> Vec<String> {
        let tree = self.groups.tree();
        let routes = tree.matching(&alert.labels).into_iter().filter_map(|id| tree.route(id));
        routes
            .map(|route| {
                format!("{} by {}", route.receiver, route.group_key(&route.group_labels(&alert.labels)))
            })
            .collect()
    }

    /// A part of what has to be written so that rows say how alerts were last told and which are over; with the last part,
    /// up to which delivery they then do.
    pub(crate) fn catch_up(&mut self, now: Timestamp) -> Option<(Vec<Retold>, Option<u64>)> {
        let recently = self.caught_up_at.is_some_and(|at| seconds_between(at, now) < CATCH_UP_EVERY_S);
        if recently && !self.is_far_behind() && !self.is_catching_up {
            return None;
        }
        let mut rows = Vec::with_capacity(self.behind.len().min(CATCH_UP_MAX));
        for fingerprint in self.behind.drain(..self.behind.len().min(CATCH_UP_MAX)) {
            if let Some(held) = self.held.get_mut(&fingerprint) {
                rows.push(held.retold(None));
            }
        }
        rows.extend(self.replaced.drain(..self.replaced.len().min(CATCH_UP_MAX - rows.len())));
        let room = CATCH_UP_MAX - rows.len();
        let Self { held, flaps, .. } = self;
        let over = held.iter_mut().filter(|(_, held)| !held.ended && held.alert.is_resolved(now));
        for (alert, held) in over.take(room) {
            flaps.ends(*alert, held.alert.ends_at);
            rows.push(held.time_out(now));
        }
        self.is_catching_up = rows.len() == CATCH_UP_MAX;
        if self.is_catching_up {
            return Some((rows, None));
        }
        self.caught_up_at = Some(now);
        if rows.is_empty() && self.caught_up_to == self.last_delivery {
            return None;
        }
        self.caught_up_to = self.last_delivery;
        Some((rows, Some(self.last_delivery)))
    }

    /// Whether so many rows are behind that catching up should not wait.
    pub(crate) fn is_far_behind(&self) -> bool {
        self.behind.len() >= BEHIND_MAX
    }
}

/// Whether somebody has taken an alert on, or has given it back, since it was last told; and who.
fn taken_on(before: &Alert, alert: &Alert) -> Option<(HandlingStep, String)> {
    match (&before.acknowledged, &alert.acknowledged) {
        (before, Some(now)) if before.as_ref().is_none_or(|before| before.by != now.by) => {
            Some((HandlingStep::Acknowledged, by(now)))
        }
        (Some(before), None) => {
            Some((HandlingStep::GivenBack, format!("it was taken on {}, and is no more", by(before))))
        }
        _ => None,
    }
}

fn by(acknowledged: &Acknowledged) -> String {
    match acknowledged.by.as_str() {
        "" => "by somebody whom its sender does not name".into(),
        name => format!("by {name}"),
    }
}

/// The row of an episode.
fn row_of(
    alert: &Alert,
    id: &SignalId,
    sender: &str,
    ended_at: Option<Timestamp>,
    now: Timestamp,
) -> IntakeRow {
    let over = alert.is_resolved(now);
    let mut signal = signal_of(alert, id.clone(), now);
    signal.onset_at = signal.onset_at.max(ended_at.unwrap_or(signal.onset_at));
    let mut row = received(&signal, now, sender);
    row.alert = Some(alert.clone());
    row.ended_at = over.then_some(alert.ends_at);
    if let Some(acknowledged) = &alert.acknowledged {
        row.handling.push(step(id, HandlingStep::Acknowledged, by(acknowledged), now));
    }
    if over {
        let detail = "it was over when it came in, and opens no incident";
        row.handling.push(step(id, HandlingStep::ResolvedBySender, detail.into(), now));
        row.done = true;
    }
    if tells_of_incident(alert) {
        let detail = "it tells of an incident of another midwatch, and opens none here";
        row.handling.push(step(id, HandlingStep::NotCorrelated, detail.into(), now));
        row.done = true;
    }
    row
}
