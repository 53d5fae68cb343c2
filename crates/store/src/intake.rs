//! The intake log: what came in, durable before it is acknowledged, with every step of its handling.

use crate::signature::Signature;
use crate::{AlertFilter, Store, StoreError};
use midwatch_model::{Alert, Labels, Severity, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row as _};
use std::collections::{HashMap, HashSet};

/// Rows that one statement writes at most: few enough that the statement is worth keeping.
const ROWS_MAX: usize = 32;

/// One thing that came in.
#[derive(Clone, Debug)]
pub struct IntakeRow {
    pub id: String,
    pub received_at: Timestamp,
    pub source: String,
    /// The service that it is about.
    pub service: String,
    /// What lists match an anomaly by; an alert has its own. Empty where it is read back.
    pub labels: Labels,
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

/// An alert that was told again: its row's id and what it amounts to now.
#[derive(Clone, Debug)]
pub struct Retold {
    pub id: String,
    pub alert: Alert,
    /// How often it was told so far.
    pub told: u64,
    /// A handling step, where the telling changes something.
    pub step: Option<serde_json::Value>,
}

/// What waits is not looked at for a while.
#[derive(Clone, Debug)]
pub struct PutOff {
    pub id: String,
    pub until: Timestamp,
    /// A handling step, where there is something to say.
    pub step: Option<serde_json::Value>,
}

impl PutOff {
    pub(crate) async fn write(&self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE intake SET next_ms = ? WHERE id = ?")
            .bind(self.until.as_millisecond())
            .bind(&self.id)
            .execute(&mut *db)
            .await?;
        match &self.step {
            Some(step) => write_handling(db, &self.id, step, None, false).await,
            None => Ok(()),
        }
    }
}

impl Retold {
    /// Writes many at once; where one is there twice, the later holds.
    pub(crate) async fn write(db: &mut SqliteConnection, all: &[&Retold]) -> Result<(), sqlx::Error> {
        let mut rows = Vec::with_capacity(all.len());
        for Retold { id, alert, told, .. } in all {
            let acknowledged = alert.acknowledged.is_some();
            rows.push((id, told, alert.ends_at.as_millisecond(), json(alert)?, acknowledged));
        }
        let latest: HashMap<&String, usize> = rows.iter().enumerate().map(|(at, row)| (row.0, at)).collect();
        let rows: Vec<_> =
            rows.iter().enumerate().filter(|(at, row)| latest[row.0] == *at).map(|(_, row)| row).collect();
        let rows = serde_json::to_string(&rows).map_err(|e| sqlx::Error::Encode(e.into()))?;
        sqlx::query(
            "UPDATE intake SET told = MAX(intake.told, new.value ->> 1), ends_ms = new.value ->> 2, \
             alert = new.value ->> 3, acknowledged = new.value ->> 4 FROM json_each(?) AS new \
             WHERE intake.id = new.value ->> 0",
        )
        .bind(rows)
        .execute(&mut *db)
        .await?;
        Self::relist(db, all).await?;
        let steps = all.iter().filter_map(|retold| Some((&retold.id, retold.step.as_ref()?)));
        for (id, step) in steps {
            write_handling(db, id, step, None, false).await?;
        }
        Ok(())
    }
}

impl Retold {
    /// What lists go by, of alerts that may say something else than before: labels that are what identifies an alert
    /// cannot change.
    async fn relist(db: &mut SqliteConnection, all: &[&Retold]) -> Result<(), sqlx::Error> {
        let may_move = |alert: &Alert| alert.id.is_some() || alert.original.severity.is_some();
        let rows: Vec<_> = all
            .iter()
            .filter(|retold| may_move(&retold.alert))
            .map(|Retold { id, alert, .. }| {
                let signature = signature_of(alert);
                (id, alert.severity, signature.low(), signature.high())
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let rows = serde_json::to_string(&rows).map_err(|e| sqlx::Error::Encode(e.into()))?;
        sqlx::query(
            "UPDATE intake SET severity = new.value ->> 1, sig_low = new.value ->> 2, sig_high = new.value ->> 3 \
             FROM json_each(?) AS new WHERE intake.id = new.value ->> 0 AND (severity, sig_low, sig_high) \
             IS NOT (new.value ->> 1, new.value ->> 2, new.value ->> 3)",
        )
        .bind(rows)
        .execute(db)
        .await?;
        Ok(())
    }
}

fn signature_of(alert: &Alert) -> Signature {
    Signature::of(&alert.labels, &alert.fingerprint())
}

fn json(alert: &Alert) -> Result<String, sqlx::Error> {
    serde_json::to_string(alert).map_err(|e| sqlx::Error::Encode(e.into()))
}

impl IntakeRow {
    /// Writes many at once; a row whose id is there already is left as it is.
    pub(crate) async fn write(db: &mut SqliteConnection, all: &[&IntakeRow]) -> Result<(), sqlx::Error> {
        for rows in all.chunks(ROWS_MAX) {
            let mut written = Vec::with_capacity(rows.len());
            for row in rows {
                let handling = serde_json::Value::Array(row.handling.clone()).to_string();
                written.push((row, handling, row.alert.as_ref().map(json).transpose()?));
            }
            let mut insert = QueryBuilder::new(
                "INSERT OR IGNORE INTO intake \
                 (id, received_ms, source, payload, handling, incident, done, alert, told, ends_ms, \
                 service, severity, acknowledged, sig_low, sig_high) ",
            );
            insert.push_values(&written, |mut into, (row, handling, alert)| {
                let told = row.alert.as_ref();
                let signature = told.map_or_else(|| Signature::of(&row.labels, None), signature_of);
                into.push_bind(&row.id)
                    .push_bind(row.received_at.as_millisecond())
                    .push_bind(&row.source)
                    .push_bind(&row.payload)
                    .push_bind(handling)
                    .push_bind(&row.incident)
                    .push_bind(row.done)
                    .push_bind(alert)
                    .push_bind(row.told as i64)
                    .push_bind(told.map(|alert| alert.ends_at.as_millisecond()))
                    .push_bind(&row.service)
                    .push_bind(told.map(|alert| <&Severity as Into<&'static str>>::into(&alert.severity)))
                    .push_bind(told.is_some_and(|alert| alert.acknowledged.is_some()))
                    .push_bind(signature.low())
                    .push_bind(signature.high());
            });
            insert.build().execute(&mut *db).await?;
        }
        Ok(())
    }

    pub(crate) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
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
            service: row.get("service"),
            labels: Labels::new(),
            payload: row.get("payload"),
            handling,
            incident: row.get("incident"),
            done: row.get("done"),
            id,
        })
    }
}

/// A step of what came in: id, step as JSON, incident, whether handling is complete.
pub(crate) type Step = (String, serde_json::Value, Option<String>, bool);

/// Writes many steps, in the order of each row.
pub(crate) async fn write_steps(db: &mut SqliteConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let mut left: Vec<&Step> = steps.iter().collect();
    while !left.is_empty() {
        // One statement writes one step per row: the second step of a row has to wait for the next.
        let mut ids = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(id, ..)| ids.insert(id));
        let rows = serde_json::to_string(&now).map_err(|e| sqlx::Error::Encode(e.into()))?;
        sqlx::query(
            "UPDATE intake SET handling = json_insert(handling, '$[#]', json(new.value -> 1)), \
             incident = COALESCE(new.value ->> 2, incident), done = MAX(done, new.value ->> 3) \
             FROM json_each(?) AS new WHERE intake.id = new.value ->> 0",
        )
        .bind(rows)
        .execute(&mut *db)
        .await?;
        left = later;
    }
    Ok(())
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

pub(crate) const COLUMNS: &str =
    "SELECT id, received_ms, source, service, payload, handling, incident, done, alert, told FROM intake";

impl Store {
    /// What came in and has not been handled yet, put off or not, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake_pending(&self, limit: u32) -> Result<Vec<IntakeRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE done = 0 ORDER BY received_ms, id LIMIT ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(IntakeRow::read).collect()
    }

    /// What came in, has not been handled yet and is not put off, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake_due(&self, now: Timestamp, limit: u32) -> Result<Vec<IntakeRow>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE done = 0 AND COALESCE(next_ms, 0) <= ? ORDER BY received_ms, id LIMIT ?"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now.as_millisecond())
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(IntakeRow::read).collect()
    }

    /// How much came in and has not been handled yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake_waiting(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM intake WHERE done = 0").fetch_one(&self.readers).await?;
        Ok(row.get::<i64, _>(0) as u64)
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
        let filter = AlertFilter { incident: incident.map(str::to_owned), ..AlertFilter::default() };
        Ok(self.alerts(&filter, None, limit as usize).await?.rows)
    }
}
