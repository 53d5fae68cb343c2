//! Views: rows that were folded from streams, for lists and look-ups.

use crate::{Store, StoreError};
use midwatch_model::Timestamp;
use midwatch_model::artifact::Artifact;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// An incident as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRow {
    pub id: String,
    pub state: String,
    pub open: bool,
    /// The component that the verdict names, or the first signal's service.
    pub service: String,
    pub cause: Option<String>,
    pub opened_at: Timestamp,
    /// The incident that it is a child of.
    pub parent: Option<String>,
    /// Records of the stream that the row was folded from.
    pub seq: u64,
    pub summary: String,
}

impl IncidentRow {
    pub(crate) async fn write(&self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        // A row folded from fewer records never replaces a newer one.
        sqlx::query(
            "INSERT INTO incidents (id, state, open, service, cause, opened_ms, seq, summary, parent) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, \
             open = excluded.open, service = excluded.service, cause = excluded.cause, seq = excluded.seq, \
             summary = excluded.summary, parent = excluded.parent WHERE excluded.seq >= incidents.seq",
        )
        .bind(&self.id)
        .bind(&self.state)
        .bind(self.open)
        .bind(&self.service)
        .bind(&self.cause)
        .bind(self.opened_at.as_millisecond())
        .bind(self.seq as i64)
        .bind(&self.summary)
        .bind(&self.parent)
        .execute(db)
        .await?;
        Ok(())
    }

    pub(crate) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let id: String = row.get("id");
        let opened_at = Timestamp::from_millisecond(row.get("opened_ms"))
            .map_err(|e| StoreError::Row { what: format!("incident {id}"), reason: e.to_string() })?;
        Ok(Self {
            id,
            state: row.get("state"),
            open: row.get("open"),
            service: row.get("service"),
            cause: row.get("cause"),
            opened_at,
            parent: row.get("parent"),
            seq: row.get::<i64, _>("seq") as u64,
            summary: row.get("summary"),
        })
    }
}

pub(crate) async fn write_artifact(
    db: &mut SqliteConnection,
    artifact: &Artifact,
) -> Result<(), sqlx::Error> {
    let kind = serde_json::to_value(artifact.kind).ok().and_then(|v| v.as_str().map(str::to_owned));
    let body = serde_json::to_string(artifact).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query("INSERT OR IGNORE INTO artifacts (id, incident, kind, at_ms, body) VALUES (?, ?, ?, ?, ?)")
        .bind(&artifact.id)
        .bind(artifact.incident.as_str())
        .bind(kind.unwrap_or_default())
        .bind(artifact.at.as_millisecond())
        .bind(body)
        .execute(db)
        .await?;
    Ok(())
}

pub(crate) const COLUMNS: &str =
    "SELECT id, state, open, service, cause, opened_ms, seq, summary, parent FROM incidents";

impl Store {
    /// Incidents, newest first; only open ones if `open`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn incidents(&self, open: bool, limit: u32) -> Result<Vec<IncidentRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE open >= ? ORDER BY opened_ms DESC, id DESC LIMIT ?");
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(open).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(IncidentRow::read).collect()
    }

    /// Incidents whose component was `service`, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn incidents_of(&self, service: &str, limit: u32) -> Result<Vec<IncidentRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE service = ? ORDER BY opened_ms DESC, id DESC LIMIT ?");
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(service).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(IncidentRow::read).collect()
    }

    /// The children of an incident, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn children_of(&self, parent: &str, limit: u32) -> Result<Vec<IncidentRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE parent = ? ORDER BY opened_ms, id LIMIT ?");
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(parent).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(IncidentRow::read).collect()
    }

    /// An incident's artifacts in the order in which they were made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn artifacts(&self, incident: &str) -> Result<Vec<Artifact>, StoreError> {
        let rows = sqlx::query("SELECT id, body FROM artifacts WHERE incident = ? ORDER BY at_ms")
            .bind(incident)
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                serde_json::from_str(row.get("body")).map_err(|e| StoreError::Row {
                    what: format!("artifact {}", row.get::<&str, _>("id")),
                    reason: e.to_string(),
                })
            })
            .collect()
    }

    /// A named snapshot with the time at which it was saved.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn snapshot(&self, name: &str) -> Result<Option<(Timestamp, Vec<u8>)>, StoreError> {
        let row = sqlx::query("SELECT saved_ms, bytes FROM snapshots WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.and_then(|row| Some((Timestamp::from_millisecond(row.get(0)).ok()?, row.get(1)))))
    }
}
