//! Retention: what came in and what was told long ago is forgotten, a little at a time. Streams are never cut.
//!
//! Nothing goes that somebody still needs: what is not handled, fires, belongs to an open incident, waits to be sent, or
//! has to be read again after a crash.

use crate::{Store, StoreError};
use midwatch_model::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

/// Rows of one kind that are forgotten in one commit at most: some milliseconds, so that others hardly wait for it.
const ROWS_MAX: u32 = 500;

/// The mark of the moment before which rows of the intake log may be missing.
const FORGOTTEN: &str = "forgotten_before_ms";

/// What is old enough to be forgotten; `None` for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Alerts, anomalies and notifications that ended before this.
    pub records_before: Option<Timestamp>,
    /// Requests that came before this.
    pub requests_before: Option<Timestamp>,
}

/// Rows that can be forgotten now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub intake: Vec<String>,
    pub notifications: Vec<String>,
    pub deliveries: Vec<i64>,
    /// The moment before which rows of the intake log may be missing from now on.
    pub before: Option<Timestamp>,
}

impl Forgotten {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intake.is_empty() && self.notifications.is_empty() && self.deliveries.is_empty()
    }
}

/// Ids as JSON, for `json_each`.
fn list<T: serde::Serialize>(ids: &[T]) -> Result<String, sqlx::Error> {
    serde_json::to_string(ids).map_err(|e| sqlx::Error::Encode(e.into()))
}

pub(crate) async fn forget(db: &mut SqliteConnection, gone: &Forgotten) -> Result<(), sqlx::Error> {
    if let Some(before) = gone.before.filter(|_| !gone.intake.is_empty()) {
        sqlx::query(
            "INSERT INTO marks (name, seq) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET seq = MAX(seq, ?2)",
        )
        .bind(FORGOTTEN)
        .bind(before.as_millisecond())
        .execute(&mut *db)
        .await?;
    }
    // What was taken up again since it was looked at stays.
    for (statement, ids) in [
        (
            "DELETE FROM intake WHERE id IN (SELECT id FROM standing WHERE done = 1 \
             AND id IN (SELECT value FROM json_each(?)))",
            list(&gone.intake)?,
        ),
        (
            "DELETE FROM steps WHERE intake IN (SELECT value FROM json_each(?)) \
             AND NOT EXISTS (SELECT 1 FROM intake WHERE intake.id = steps.intake)",
            list(&gone.intake)?,
        ),
        (
            "DELETE FROM standing WHERE id IN (SELECT value FROM json_each(?)) AND NOT EXISTS (SELECT 1 FROM intake WHERE intake.id = standing.id)",
            list(&gone.intake)?,
        ),
        (
            "DELETE FROM notifications WHERE next_ms IS NULL AND id IN (SELECT value FROM json_each(?))",
            list(&gone.notifications)?,
        ),
        (
            "DELETE FROM notified WHERE notification IN (SELECT value FROM json_each(?))",
            list(&gone.notifications)?,
        ),
        (
            "DELETE FROM notification_attempts WHERE notification IN (SELECT value FROM json_each(?))",
            list(&gone.notifications)?,
        ),
        (
            "DELETE FROM threads WHERE open = 0 AND ?1 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM notifications \
             WHERE notifications.target = threads.target AND notifications.group_key = threads.topic)",
            list(&gone.notifications)?,
        ),
        ("DELETE FROM deliveries WHERE seq IN (SELECT value FROM json_each(?))", list(&gone.deliveries)?),
    ] {
        sqlx::query(statement).bind(ids).execute(&mut *db).await?;
    }
    Ok(())
}

/// The moment before which rows of the intake log may be missing.
pub(crate) async fn forgotten_before(db: &mut SqliteConnection) -> Result<Option<Timestamp>, sqlx::Error> {
    let row = sqlx::query("SELECT seq FROM marks WHERE name = ?").bind(FORGOTTEN).fetch_optional(db).await?;
    Ok(row.and_then(|row| Timestamp::from_millisecond(row.get(0)).ok()))
}

/// Handled, over, of no open incident, named by no notification that waits and by no dead letter that may be tried again.
const INTAKE: &str = "SELECT intake.id FROM intake JOIN standing ON standing.id = intake.id \
     WHERE done = 1 AND intake.received_ms < ?1 AND (severity IS NULL OR ends_ms < ?1) AND (incident IS NULL OR incident NOT IN (SELECT id FROM incidents WHERE open = 1)) \
     AND NOT EXISTS (SELECT 1 FROM notified JOIN notifications ON notifications.id = notified.notification \
     WHERE notified.alert = intake.id AND notifications.next_ms IS NOT NULL) \
     AND intake.id NOT IN (SELECT intake FROM dead_letters WHERE intake IS NOT NULL AND results IS NULL) \
     ORDER BY intake.received_ms LIMIT ?2";

/// Ended, and about nothing that is still on record or open.
const NOTIFICATIONS: &str = "SELECT id FROM notifications WHERE ended_ms < ?1 AND next_ms IS NULL \
     AND NOT EXISTS (SELECT 1 FROM notified JOIN intake ON intake.id = notified.alert \
     WHERE notified.notification = notifications.id) \
     AND NOT EXISTS (SELECT 1 FROM notified JOIN incidents ON incidents.id = notified.alert \
     WHERE notified.notification = notifications.id AND incidents.open = 1) \
     ORDER BY ended_ms LIMIT ?2";

/// Reflected by the alerts' rows. They lie in the order of time: only the oldest have to be looked at.
const DELIVERIES: &str = "SELECT seq FROM (SELECT seq, received_ms FROM deliveries ORDER BY seq LIMIT ?2) \
     WHERE received_ms < ?1 AND seq <= COALESCE((SELECT seq FROM marks WHERE name = 'told'), 0)";

impl Store {
    /// What can be forgotten now, a bounded number of rows.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn expired(&self, expiry: &Expiry) -> Result<Forgotten, StoreError> {
        let ids = async |sql: &'static str, before: Option<Timestamp>| {
            let Some(before) = before else { return Ok(Vec::new()) };
            let query = sqlx::query(sql).bind(before.as_millisecond()).bind(ROWS_MAX);
            query.fetch_all(&self.readers).await
        };
        let text = |rows: Vec<sqlx::sqlite::SqliteRow>| rows.iter().map(|row| row.get(0)).collect();
        Ok(Forgotten {
            intake: text(ids(INTAKE, expiry.records_before).await?),
            notifications: text(ids(NOTIFICATIONS, expiry.records_before).await?),
            deliveries: ids(DELIVERIES, expiry.requests_before).await?.iter().map(|row| row.get(0)).collect(),
            before: expiry.records_before,
        })
    }
}
