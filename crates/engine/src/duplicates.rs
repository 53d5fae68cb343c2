//! Alerts that tell again what another one tells: recognised when they come in, kept with the other one's incident, told to
//! nobody while that one fires, and handled by themselves from when it does not.

use crate::desk::{Desk, Held};
use midwatch_incident::Portrait;
use midwatch_model::{Alert, Duplicate, Fingerprint, SignalId, Timestamp};
use midwatch_oncall::RouteId;
use midwatch_signal::source::{entity_of, service_of, title_of};
use std::collections::{BTreeSet, HashMap};

/// What becomes of a duplicate whose other alert does not stand for it any more.
pub(crate) enum Orphan {
    /// It repeats another one now.
    Adopted(Box<Duplicate>),
    /// It is handled by itself, for this reason.
    Alone(String),
}

impl Desk {
    /// Notes what a firing alert repeats, if it does; else that others may repeat it.
    pub(crate) fn recognise(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        let (Some(dedup), Some(held)) = (&self.dedup, self.get(fingerprint)) else { return };
        if held.alert.is_resolved(now) {
            return;
        }
        let portrait = portrait(&held.alert);
        let routes = self.route_ids(&held.alert);
        // Whoever would be told of this one must have been told of the other one.
        let may = |other: Fingerprint| {
            let original =
                self.get(other).filter(|_| other != fingerprint && self.stands(other, now).is_ok());
            original.is_some_and(|original| routes.is_subset(&self.route_ids(&original.alert)))
        };
        let found = self.originals.find(&portrait, dedup.strategies(&held.alert.source), may);
        let duplicate = found.and_then(|(other, likeness)| {
            let original = self.get(other)?;
            let (of, name) = (original.id.clone(), title_of(&original.alert));
            Some(Duplicate { of, fingerprint: other, name, likeness })
        });
        if duplicate.is_none() {
            self.originals.insert(fingerprint, portrait);
        } else {
            self.originals.remove(fingerprint);
        }
        if let Some(held) = self.get_mut(fingerprint) {
            held.duplicate = duplicate;
        }
    }

    /// An alert whose labels have changed may be about something else now.
    pub(crate) fn look_again(&mut self, fingerprint: Fingerprint) {
        if self.originals.holds(fingerprint)
            && let Some(held) = self.get(fingerprint)
        {
            let portrait = portrait(&held.alert);
            self.originals.insert(fingerprint, portrait);
        }
    }

    fn route_ids(&self, alert: &Alert) -> BTreeSet<RouteId> {
        self.groups.tree().matching(&alert.labels).into_iter().collect()
    }

    /// Whether others may be left to this alert: it fires and is told of.
    ///
    /// # Errors
    /// Why not.
    fn stands(&self, fingerprint: Fingerprint, now: Timestamp) -> Result<&Held, &'static str> {
        let held = self.get(fingerprint).ok_or("is not known any more")?;
        if self.is_over(&held.alert, now) {
            return Err("is over");
        }
        if held.duplicate.is_some() {
            return Err("repeats another one itself");
        }
        if held.suppressed || !self.suppression(&held.alert, now).is_none() {
            return Err("is kept quiet");
        }
        Ok(held)
    }

    /// Duplicates that still fire and that nobody stands for any more, with what becomes of each. The first of those that
    /// are left alone together stands for the others.
    pub(crate) fn orphans(&mut self, now: Timestamp) -> Vec<(SignalId, Orphan)> {
        let mut known = HashMap::new();
        let mut left = Vec::new();
        for (fingerprint, held) in self.by_fingerprint() {
            let Some(duplicate) = held.duplicate.as_ref().filter(|_| !held.alert.is_resolved(now)) else {
                continue;
            };
            // What is kept quiet itself needs nobody that stands for it; whether somebody does is asked when it is not.
            if !self.suppression(&held.alert, now).is_none() {
                continue;
            }
            let other = duplicate.fingerprint;
            let stands = known
                .entry(other)
                .or_insert_with(|| self.stands(other, now).map(|original| original.alert.severity));
            let why = match stands {
                _ if self.dedup.is_none() => "stands for no other since deduplication was switched off",
                Ok(severity) if *severity >= held.alert.severity => continue,
                Ok(_) => "is less severe",
                Err(why) => why,
            };
            let reason = format!("{} ({}), which it repeated, {why}", duplicate.of, duplicate.name);
            left.push((held.alert.starts_at, held.id.clone(), fingerprint, reason));
        }
        left.sort();
        let mut orphans = Vec::with_capacity(left.len());
        for (_, id, fingerprint, reason) in left {
            if let Some(held) = self.get_mut(fingerprint) {
                held.duplicate = None;
            }
            self.recognise(fingerprint, now);
            let adopted = self.get(fingerprint).and_then(|held| held.duplicate.clone());
            let alone = || Orphan::Alone(format!("{reason}; it is handled by itself"));
            orphans.push((id, adopted.map_or_else(alone, |duplicate| Orphan::Adopted(Box::new(duplicate)))));
        }
        orphans
    }

    /// What an alert's episode repeats.
    pub(crate) fn duplicate_of(&self, alert: &Alert, id: &str) -> Option<Duplicate> {
        self.dedup.as_ref()?;
        let held = self.get(alert.fingerprint()).filter(|held| held.id.as_str() == id)?;
        held.duplicate.clone()
    }

    /// An alert is handled by itself after all, since what it repeats is in no incident.
    pub(crate) fn leave_alone(&mut self, id: &SignalId) {
        let found =
            self.by_fingerprint().find(|(_, held)| held.id == *id).map(|(fingerprint, _)| fingerprint);
        let Some(fingerprint) = found else { return };
        self.stand_alone(fingerprint);
    }

    /// An alert repeats nobody; others may repeat it.
    pub(crate) fn stand_alone(&mut self, fingerprint: Fingerprint) {
        if let Some(held) = self.get_mut(fingerprint) {
            held.duplicate = None;
            let portrait = portrait(&held.alert);
            self.originals.insert(fingerprint, portrait);
        }
    }
}

fn portrait(alert: &Alert) -> Portrait {
    Portrait::of(alert, &title_of(alert), &service_of(alert), entity_of(alert))
}
