//! Changes that deployers told: the last telling of each holds.

use crate::{Store, StoreError};
use midwatch_model::{Change, ServiceName, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Milliseconds for which a change is kept after it was last told: 30 days. Correlation looks at hours, people at weeks.
const KEPT_MS: i64 = 30 * 86_400_000;

/// Most rows; beyond that the oldest are forgotten. 100,000 are 3,000 deployments a day, and about 60 MB.
const ROWS_MAX: i64 = 100_000;

/// A change and when it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldChange {
    pub change: Change,
    pub received_at: Timestamp,
}

pub(crate) async fn write(db: &mut SqliteConnection, all: &[&ToldChange]) -> Result<(), sqlx::Error> {
    let Some(latest_ms) = all.iter().map(|told| told.received_at.as_millisecond()).max() else {
        return Ok(());
    };
    for ToldChange { change, received_at } in all {
        sqlx::query(
            "INSERT INTO changes (id, service, at_ms, received_ms, change) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET service = excluded.service, at_ms = excluded.at_ms, \
             received_ms = excluded.received_ms, change = excluded.change",
        )
        .bind(&change.id)
        .bind(change.service.as_str())
        .bind(change.at.as_millisecond())
        .bind(received_at.as_millisecond())
        .bind(serde_json::to_string(change).map_err(|e| sqlx::Error::Encode(e.into()))?)
        .execute(&mut *db)
        .await?;
    }
    sqlx::query("DELETE FROM changes WHERE received_ms < ?")
        .bind(latest_ms - KEPT_MS)
        .execute(&mut *db)
        .await?;
    sqlx::query("DELETE FROM changes WHERE seq <= (SELECT MAX(seq) FROM changes) - ?")
        .bind(ROWS_MAX)
        .execute(db)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Change, StoreError> {
    let bad = |reason: String| StoreError::Row { what: "of a change".into(), reason };
    serde_json::from_str(row.get::<&str, _>(0)).map_err(|error| bad(error.to_string()))
}

impl Store {
    /// Changes that were made since then, newest first; of some services, or of all if none is named.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn changes(
        &self,
        services: &[ServiceName],
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
        let rows = sqlx::query(
            "SELECT change FROM changes WHERE at_ms >= ?1 \
             AND (json_array_length(?2) = 0 OR service IN (SELECT value FROM json_each(?2))) \
             ORDER BY at_ms DESC, seq DESC LIMIT ?3",
        )
        .bind(since.as_millisecond())
        .bind(serde_json::Value::from(names).to_string())
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read).collect()
    }
}
