//! Flap damping: an alert that changes between firing and over again and again counts as firing until it is stable.
//!
//! After Nagios' detection of flapping (state changes among the last checks, one threshold to begin and another to end) and
//! RFC 2439's damping of routes (suppressed until quiet for a time). Alerts are not checked at fixed times, so that changes
//! within a time are counted instead of the share of checks that changed.

use midwatch_model::{Fingerprint, Timestamp, after, seconds_between};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

/// When an alert flaps, and when no longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlapConfig {
    /// Changes between firing and over within the window from which on an alert flaps; 0 switches damping off.
    pub changes: u32,
    /// Seconds within which changes are counted.
    pub window_s: f64,
    /// Seconds without a change after which an alert is stable again.
    pub quiet_s: f64,
}

impl Default for FlapConfig {
    fn default() -> Self {
        // A group interval of 300 s lets a receiver see three or four changes within the window. So many more are noise.
        Self { changes: 8, window_s: 900.0, quiet_s: 600.0 }
    }
}

impl FlapConfig {
    /// Seconds of the past that decide whether an alert flaps now.
    #[must_use]
    pub fn memory_s(&self) -> f64 {
        if self.changes == 0 { 0.0 } else { self.window_s.max(self.quiet_s) }
    }

    /// What is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// The field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if self.changes != 0 && !(4..=100).contains(&self.changes) {
            let found = self.changes;
            return Err(format!(
                "flap.changes is {found}; it must be 4 to 100, or 0 for no damping: fewer changes are what alerts do"
            ));
        }
        for (field, value) in [("window_s", self.window_s), ("quiet_s", self.quiet_s)] {
            if !(1.0..=21_600.0).contains(&value) {
                return Err(format!("flap.{field} is {value}; it must be 1 to 21600 seconds (six hours)"));
            }
        }
        Ok(())
    }
}

/// An alert that flaps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Flapping {
    pub since: Timestamp,
    /// When it is stable again, unless it changes before.
    pub until: Timestamp,
}

#[derive(Clone, Debug, Default)]
struct Flap {
    /// The last changes, as many as decide.
    changes: VecDeque<Timestamp>,
    is_over: bool,
    since: Option<Timestamp>,
}

/// How steady alerts are. An alert that has never ended is not here.
#[derive(Clone, Debug, Default)]
pub struct Flaps {
    config: FlapConfig,
    of: HashMap<Fingerprint, Flap>,
}

impl Flaps {
    #[must_use]
    pub fn new(config: FlapConfig) -> Self {
        Self { config, of: HashMap::new() }
    }

    /// An episode has ended.
    pub fn ends(&mut self, alert: Fingerprint, at: Timestamp) {
        if self.config.changes == 0 {
            return;
        }
        let flap = self.of.entry(alert).or_default();
        if !std::mem::replace(&mut flap.is_over, true) {
            flap.change(at, &self.config);
        }
    }

    /// An episode begins. Says whether the alert flaps.
    pub fn begins(&mut self, alert: Fingerprint, at: Timestamp) -> Option<Flapping> {
        let flap = self.of.get_mut(&alert)?;
        if std::mem::replace(&mut flap.is_over, false) {
            flap.change(at, &self.config);
            flap.judge(&self.config);
        }
        self.flapping(alert, at)
    }

    /// What was on record at `at`: that the alert flaps.
    pub fn remember(&mut self, alert: Fingerprint, at: Timestamp) {
        if let Some(flap) = self.of.get_mut(&alert) {
            flap.since.get_or_insert(at);
        }
    }

    /// Whether an alert flaps.
    #[must_use]
    pub fn flapping(&self, alert: Fingerprint, now: Timestamp) -> Option<Flapping> {
        let flap = self.of.get(&alert)?;
        let until = after(*flap.changes.back()?, self.config.quiet_s);
        flap.since.filter(|_| now < until).map(|since| Flapping { since, until })
    }

    /// Everything that flaps.
    pub fn all(&self, now: Timestamp) -> impl Iterator<Item = (Fingerprint, Flapping)> + '_ {
        self.of.keys().filter_map(move |alert| Some((*alert, self.flapping(*alert, now)?)))
    }

    /// The alerts that have become stable, each once.
    pub fn settled(&mut self, now: Timestamp) -> Vec<Fingerprint> {
        let quiet_s = self.config.quiet_s;
        let is_quiet = |flap: &Flap| flap.changes.back().is_none_or(|last| after(*last, quiet_s) <= now);
        let mut settled = Vec::new();
        for (alert, flap) in self.of.iter_mut().filter(|(_, flap)| flap.since.is_some() && is_quiet(flap)) {
            flap.since = None;
            settled.push(*alert);
        }
        settled
    }

    /// Forgets what decides nothing any more.
    pub fn forget(&mut self, now: Timestamp) {
        let memory_s = self.config.memory_s();
        let recent = |at: &Timestamp| seconds_between(*at, now) <= memory_s;
        self.of.retain(|_, flap| flap.since.is_some() || flap.changes.back().is_some_and(recent));
    }

    /// Seconds without a change after which an alert is stable.
    #[must_use]
    pub fn quiet_s(&self) -> f64 {
        self.config.quiet_s
    }

    /// The reason that is put on record.
    #[must_use]
    pub fn sentence(&self) -> String {
        let FlapConfig { changes, window_s, quiet_s } = &self.config;
        format!(
            "{changes} or more changes between firing and over within {window_s:.0} s; it counts as firing until it has \
             been stable for {quiet_s:.0} s"
        )
    }
}

impl Flap {
    fn change(&mut self, at: Timestamp, config: &FlapConfig) {
        // Clocks of senders may differ: what comes later did not happen before.
        let at = self.changes.back().map_or(at, |last| at.max(*last));
        if self.changes.back().is_some_and(|last| seconds_between(*last, at) >= config.quiet_s) {
            self.since = None;
        }
        self.changes.push_back(at);
        while self.changes.len() > config.changes as usize {
            self.changes.pop_front();
        }
    }

    fn judge(&mut self, config: &FlapConfig) {
        if let (Some(first), Some(last)) = (self.changes.front(), self.changes.back())
            && self.changes.len() >= config.changes as usize
            && seconds_between(*first, *last) <= config.window_s
        {
            self.since.get_or_insert(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::Labels;

    fn at(second: u32) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, f64::from(second))
    }

    /// An alert that begins and ends every so many seconds: after how many beginnings it flaps, of 20.
    fn check(every_s: u32, config: FlapConfig, expected: Option<usize>) {
        let alert = Fingerprint::of(&Labels::new());
        let mut flaps = Flaps::new(config);
        let found = (0..20u32).position(|n| {
            let flapping = flaps.begins(alert, at(2 * n * every_s)).is_some();
            flaps.ends(alert, at((2 * n + 1) * every_s));
            flapping
        });
        assert_eq!(found.map(|n| n + 1), expected, "every {every_s} s");
    }

    #[test]
    fn an_alert_flaps_that_changes_more_often_than_receivers_are_told() {
        let default = FlapConfig::default();
        // The first beginning is no change; the eighth change is the fifth beginning.
        check(10, default.clone(), Some(5));
        check(128, default.clone(), Some(5));
        check(150, default.clone(), None);
        check(300, default.clone(), None);
        check(10, FlapConfig { changes: 0, ..default.clone() }, None);
        check(10, FlapConfig { changes: 4, ..default }, Some(3));
    }

    #[test]
    fn it_counts_as_flapping_until_it_was_quiet_and_begins_anew_after_that() {
        let alert = Fingerprint::of(&Labels::new());
        let mut flaps = Flaps::new(FlapConfig { changes: 4, window_s: 100.0, quiet_s: 50.0 });
        for n in 0..4 {
            flaps.begins(alert, at(20 * n));
            flaps.ends(alert, at(20 * n + 10));
        }
        assert_eq!(flaps.flapping(alert, at(71)), Some(Flapping { since: at(40), until: at(120) }));
        assert_eq!(flaps.all(at(71)).count(), 1);
        // Slower than what makes it flap, but not quiet.
        assert!(flaps.begins(alert, at(119)).is_some());
        assert!(flaps.settled(at(168)).is_empty());
        assert_eq!((flaps.settled(at(169)), flaps.settled(at(170))), (vec![alert], vec![]));
        assert_eq!(flaps.flapping(alert, at(169)), None);
        flaps.ends(alert, at(300));
        assert!(flaps.begins(alert, at(310)).is_none());
        flaps.forget(at(500));
        assert!(flaps.of.is_empty());
    }

    #[test]
    fn what_is_on_record_is_enough_to_know_it_again() {
        let alert = Fingerprint::of(&Labels::new());
        let mut flaps = Flaps::new(FlapConfig::default());
        flaps.remember(alert, at(0));
        assert_eq!(flaps.flapping(alert, at(1)), None, "nothing is known of its changes");
        flaps.ends(alert, at(5));
        flaps.ends(alert, at(7));
        flaps.remember(alert, at(5));
        assert_eq!(flaps.flapping(alert, at(8)).map(|flapping| flapping.since), Some(at(5)));
    }

    #[test]
    fn too_few_changes_are_refused() {
        let config = FlapConfig { changes: 2, ..FlapConfig::default() };
        assert!(config.validate().is_err_and(|error| error.starts_with("flap.changes is 2")));
        assert_eq!(FlapConfig::default().validate(), Ok(()));
    }
}
