//! What was seen before: digests of what senders sign or name once, so that the same request is not taken twice.

use crate::{Store, StoreError};
use midwatch_model::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashSet;

/// Milliseconds for which a request is known again: a day. Senders give up sooner, and what carries a signed time is
/// refused by its age long before.
const KEPT_MS: i64 = 86_400_000;

/// Most rows. At about 150 bytes each they are 30 MB; beyond that the oldest are forgotten, whatever their age.
const ROWS_MAX: i64 = 200_000;

/// Something that must not be taken twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// A digest; two senders' keys never have the same.
    pub key: String,
    pub at: Timestamp,
}

pub(crate) async fn write(db: &mut SqliteConnection, all: &[&Seen]) -> Result<(), sqlx::Error> {
    let Some(latest_ms) = all.iter().map(|seen| seen.at.as_millisecond()).max() else { return Ok(()) };
    let rows: Vec<_> = all.iter().map(|seen| (&seen.key, seen.at.as_millisecond())).collect();
    // What was forgotten by its age and not yet removed counts from now on.
    sqlx::query(
        "INSERT INTO seen (key, at_ms) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true \
         ON CONFLICT (key) DO UPDATE SET at_ms = excluded.at_ms",
    )
    .bind(serde_json::to_string(&rows).map_err(|e| sqlx::Error::Encode(e.into()))?)
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM seen WHERE at_ms < ?").bind(latest_ms - KEPT_MS).execute(&mut *db).await?;
    sqlx::query("DELETE FROM seen WHERE seq <= (SELECT MAX(seq) FROM seen) - ?")
        .bind(ROWS_MAX)
        .execute(db)
        .await?;
    Ok(())
}

impl Store {
    /// Which of the keys were seen since a day before `now`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn seen(&self, keys: &[String], now: Timestamp) -> Result<HashSet<String>, StoreError> {
        let list = serde_json::Value::from(keys).to_string();
        let rows =
            sqlx::query("SELECT key FROM seen WHERE key IN (SELECT value FROM json_each(?)) AND at_ms >= ?")
                .bind(list)
                .bind(now.as_millisecond() - KEPT_MS)
                .fetch_all(&self.readers)
                .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
