//! The intake log: what came in, durable before it is acknowledged, with every step of its handling.

use crate::{Store, StoreError};
use midwatch_model::{Alert, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// One thing that came in.
#[derive(Clone, Debug)]
pub struct IntakeRow {
    pub id: String,
    pub received_at: Timestamp,
    pub source: String,
    /// The signal as JSON, or the payload as it came.
    pub payload: Vec<u8>,
    /// What was done with it, in order.
    pub handling: Vec<serde_json::Value>,
    pub incident: Option<String>,
    pub done: bool,
    /// The alert as it was last told; `None` for what midwatch detected itself.
    pub alert: Option<Alert>,
    /// How often it was told.
    pub told: u64,
}

/// A request that brought alerts, whole and as it came.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: String,
    pub received_at: Timestamp,
    pub source: String,
    pub sender: String,
    pub body: Vec<u8>,
}

impl Delivery {
    pub(crate) async fn write(&self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT OR IGNORE INTO deliveries (id, received_ms, source, sender, body) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&self.id)
        .bind(self.received_at.as_millisecond())
        .bind(&self.source)
        .bind(&self.sender)
        .bind(&self.body)
        .execute(db)
        .await?;
        Ok(())
    }
}

/// An alert that was told again: its row's id and what it amounts to now.
#[derive(Clone, Debug)]
pub struct Retold {
    pub id: String,
    pub alert: Alert,
    /// A handling step, where the telling changes something.
    pub step: Option<serde_json::Value>,
}

impl Retold {
    /// Whether the alert's row is there to be told again.
    pub(crate) async fn write(&self, db: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let updated = sqlx::query("UPDATE intake SET told = told + 1, alert = ?, ends_ms = ? WHERE id = ?")
            .bind(json(&self.alert)?)
            .bind(self.alert.ends_at.as_millisecond())
            .bind(&self.id)
            .execute(&mut *db)
            .await?;
        if let Some(step) = &self.step {
            write_handling(db, &self.id, step, None, false).await?;
        }
        Ok(updated.rows_affected() > 0)
    }
}

fn json(alert: &Alert) -> Result<String, sqlx::Error> {
    serde_json::to_string(alert).map_err(|e| sqlx::Error::Encode(e.into()))
}

impl IntakeRow {
    pub(crate) async fn write(&self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let handling = serde_json::Value::Array(self.handling.clone()).to_string();
        sqlx::query(
            "INSERT OR IGNORE INTO intake \
             (id, received_ms, source, payload, handling, incident, done, alert, told, ends_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&self.id)
        .bind(self.received_at.as_millisecond())
        .bind(&self.source)
        .bind(&self.payload)
        .bind(handling)
        .bind(&self.incident)
        .bind(self.done)
        .bind(self.alert.as_ref().map(json).transpose()?)
        .bind(self.told as i64)
        .bind(self.alert.as_ref().map(|alert| alert.ends_at.as_millisecond()))
        .execute(db)
        .await?;
        Ok(())
    }

    fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let id: String = row.get("id");
        let bad = |reason: String| StoreError::Row { what: format!("intake {id}"), reason };
        let received_at =
            Timestamp::from_millisecond(row.get("received_ms")).map_err(|e| bad(e.to_string()))?;
        let handling =
            serde_json::from_str(row.get::<&str, _>("handling")).map_err(|e| bad(e.to_string()))?;
        let alert: Option<&str> = row.get("alert");
        let alert = alert.map(serde_json::from_str).transpose().map_err(|e| bad(e.to_string()))?;
        Ok(Self {
            received_at,
            alert,
            told: row.get::<i64, _>("told") as u64,
            source: row.get("source"),
            payload: row.get("payload"),
            handling,
            incident: row.get("incident"),
            done: row.get("done"),
            id,
        })
    }
}

pub(crate) async fn write_handling(
    db: &mut SqliteConnection,
    id: &str,
    step: &serde_json::Value,
    incident: Option<&str>,
    done: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE intake SET handling = json_insert(handling, '$[#]', json(?)), \
         incident = COALESCE(?, incident), done = MAX(done, ?) WHERE id = ?",
    )
    .bind(step.to_string())
    .bind(incident)
    .bind(done)
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

const COLUMNS: &str =
    "SELECT id, received_ms, source, payload, handling, incident, done, alert, told FROM intake";

impl Store {
    /// What came in and has not been handled yet, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake_pending(&self, limit: u32) -> Result<Vec<IntakeRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE done = 0 ORDER BY received_ms, id LIMIT ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(IntakeRow::read).collect()
    }

    /// Alerts that are not over before `since`, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn alerts_since(&self, since: Timestamp) -> Result<Vec<IntakeRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE ends_ms > ? ORDER BY received_ms, id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(since.as_millisecond())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(IntakeRow::read).collect()
    }

    /// One row by id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake(&self, id: &str) -> Result<Option<IntakeRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE id = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&self.readers).await?;
        row.as_ref().map(IntakeRow::read).transpose()
    }

    /// The rows that an incident refers to, or the newest ones of all, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake_list(
        &self,
        incident: Option<&str>,
        limit: u32,
    ) -> Result<Vec<IntakeRow>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE ?1 IS NULL OR incident = ?1 ORDER BY received_ms DESC, id DESC LIMIT ?2"
        );
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(incident).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(IntakeRow::read).collect()
    }
}
