//! How it goes to tell each receiver's integration, since this process started.

use midwatch_model::Timestamp;
use midwatch_store::{Attempt, NotificationState};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How it went to tell one integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Notifications that it took.
    pub delivered: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Notifications that it will not get.
    pub failed: u64,
    /// Set from a first failure until it takes something again.
    pub failing: Option<Failing>,
}

/// A receiver's integration that could not be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    pub since: Timestamp,
    /// What it, or the way to it, said last.
    pub answer: String,
    /// Notifications that it will not get, since then.
    pub given_up: u64,
}

impl Tally {
    fn count(&mut self, attempt: &Attempt) {
        if attempt.state == NotificationState::Delivered {
            self.delivered += 1;
            self.failing = None;
            return;
        }
        let given_up = u64::from(attempt.next_at.is_none());
        self.failed += given_up;
        self.retried += 1 - given_up;
        let new = Failing { since: attempt.at, answer: String::new(), given_up: 0 };
        let failing = self.failing.get_or_insert(new);
        failing.answer.clone_from(&attempt.answer);
        failing.given_up += given_up;
    }
}

impl std::fmt::Display for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot be told since {}: {}", self.since.strftime("%Y-%m-%d %H:%M:%S UTC"), self.answer)?;
        match self.given_up {
            0 => Ok(()),
            1 => write!(f, "; 1 notification was given up"),
            more => write!(f, "; {more} notifications were given up"),
        }
    }
}

/// All of them, by target such as `ops/webhook/0`.
#[derive(Default)]
pub(crate) struct Tallies(Mutex<BTreeMap<String, Tally>>);

impl Tallies {
    fn get(&self) -> MutexGuard<'_, BTreeMap<String, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, target: &str, attempt: &Attempt) {
        self.get().entry(target.to_owned()).or_default().count(attempt);
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Tally> {
        self.get().clone()
    }

    /// Whoever cannot be told, with the reason.
    pub(crate) fn failing(&self) -> Vec<String> {
        let failing =
            |(target, tally): (&String, &Tally)| Some(format!("{target} {}", tally.failing.as_ref()?));
        self.get().iter().filter_map(failing).collect()
    }
}
