//! Retention: what is old enough is forgotten, a batch per tick, so that nobody waits for it.

use crate::{Engine, EngineError};
use midwatch_model::{Timestamp, after};
use midwatch_store::{Commit, Expiry};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

const DAY_S: f64 = 86_400.0;

/// Seconds until it is looked again once nothing is left that is old enough.
const REST_S: f64 = 60.0;

/// How long what came in and what was told is kept. The journal is kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Days for which alerts, anomalies and notifications are kept after they ended; 0 for ever.
    pub records_days: u32,
    /// Days for which requests are kept whole; 0 for ever.
    pub requests_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        // A year and a month: last year's season and its review are still there. Whole requests settle what a sender
        // really wrote, which is asked within weeks, and they take most of the room.
        Self { records_days: 400, requests_days: 30 }
    }
}

impl Retention {
    fn expiry(self, now: Timestamp) -> Expiry {
        let before = |days: u32| (days > 0).then(|| after(now, -f64::from(days) * DAY_S));
        Expiry { records_before: before(self.records_days), requests_before: before(self.requests_days) }
    }
}

/// When it is looked again.
pub(crate) type NextLook = Mutex<Option<Timestamp>>;

impl Engine {
    /// Forgets a batch of what is old enough.
    pub(crate) async fn forget(&self) -> Result<(), EngineError> {
        let (now, mut next) = (self.now(), self.next_look.lock().await);
        self.knowledge.model.release_idle(now);
        if next.is_some_and(|at| now < at) {
            return Ok(());
        }
        let forgotten = self.store.expired(&self.config.retention.expiry(now)).await?;
        if forgotten.is_empty() {
            *next = Some(after(now, REST_S));
            return Ok(());
        }
        tracing::debug!(
            alerts = forgotten.intake.len(),
            notifications = forgotten.notifications.len(),
            requests = forgotten.deliveries.len(),
            "what is old enough is forgotten"
        );
        Ok(self.store.commit(Commit { forgotten, ..Commit::default() }).await?)
    }
}
