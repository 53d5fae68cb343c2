//! The intake log: what came in, durable before it is acknowledged, with every step of its handling. What came in is
//! written once; what is known of it changes and has a narrow row of its own (`standing`).

use crate::signature::Signature;
use crate::{AlertFilter, Store, StoreError};
use midwatch_model::{Alert, Labels, Severity, Timestamp};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _};
use std::collections::HashSet;

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
    /// When an alert ended, once that is on record.
    pub ended_at: Option<Timestamp>,
}

/// An alert that was told again, or that ended.
#[derive(Clone, Debug)]
pub struct Retold {
    pub id: String,
    /// How often it was told so far.
    pub told: u64,
    pub updated_at: Timestamp,
    /// Until when it holds if nobody tells it again, or when it ended.
    pub ends_at: Timestamp,
    /// Whether it is over, and that is not on record yet.
    pub ended: bool,
    /// Its words, where they are others than those on record.
    pub words: Option<Box<Alert>>,
    /// A handling step, where there is something to say.
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
        sqlx::query("UPDATE standing SET next_ms = ? WHERE id = ?")
            .bind(self.until.as_millisecond())
            .bind(&self.id)
            .execute(&mut *db)
            .await?;
        append_steps(db, self.step.iter().map(|step| (&self.id, step))).await
    }
}

/// Runs a statement over rows that it takes apart with `json_each(?)`.
async fn for_each<T: Serialize>(
    db: &mut SqliteConnection,
    sql: &'static str,
    rows: &[T],
) -> Result<(), sqlx::Error> {
    if !rows.is_empty() {
        let rows = serde_json::to_string(rows).map_err(|e| sqlx::Error::Encode(e.into()))?;
        sqlx::query(sql).bind(rows).execute(db).await?;
    }
    Ok(())
}

impl Retold {
    /// Writes many at once; where one is there twice, the later holds.
    pub(crate) async fn write(db: &mut SqliteConnection, all: &[&Retold]) -> Result<(), sqlx::Error> {
        let mut ids = HashSet::new();
        let latest: Vec<&Retold> =
            all.iter().rev().copied().filter(|retold| ids.insert(&retold.id)).collect();
        let standing: Vec<_> = latest
            .iter()
            .map(|r| (&r.id, r.told, r.updated_at.as_millisecond(), r.ends_at.as_millisecond()))
            .collect();
        for_each(
            db,
            "UPDATE standing SET told = new.value ->> 1, updated_ms = new.value ->> 2, until_ms = new.value ->> 3 \
             FROM json_each(?) AS new WHERE standing.id = new.value ->> 0",
            &standing,
        )
        .await?;
        Self::reword(db, all).await?;
        let ended: Vec<_> =
            all.iter().filter(|r| r.ended).map(|r| (&r.id, r.ends_at.as_millisecond())).collect();
        for_each(
            db,
            "UPDATE intake SET ends_ms = new.value ->> 1 FROM json_each(?) AS new WHERE intake.id = new.value ->> 0",
            &ended,
        )
        .await?;
        append_steps(db, all.iter().filter_map(|retold| Some((&retold.id, retold.step.as_ref()?)))).await
    }

    /// The words and what lists go by, of alerts that now say something else.
    async fn reword(db: &mut SqliteConnection, all: &[&Retold]) -> Result<(), sqlx::Error> {
        for (id, alert) in all.iter().filter_map(|retold| Some((&retold.id, retold.words.as_ref()?))) {
            let signature = signature_of(alert);
            sqlx::query(
                "UPDATE intake SET alert = ?, acknowledged = ?, severity = ?, sig_low = ?, sig_high = ? WHERE id = ?",
            )
            .bind(json(alert)?)
            .bind(alert.acknowledged.is_some())
            .bind(<&Severity as Into<&'static str>>::into(&alert.severity))
            .bind(signature.low())
            .bind(signature.high())
            .bind(id)
            .execute(&mut *db)
            .await?;
        }
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
                "INSERT OR IGNORE INTO intake (id, received_ms, source, service, payload, handling, alert, ends_ms, \
                 severity, acknowledged, suppressed, sig_low, sig_high) ",
            );
            insert.push_values(&written, |mut into, (row, handling, alert)| {
                let told = row.alert.as_ref();
                let signature = told.map_or_else(|| Signature::of(&row.labels, None), signature_of);
                into.push_bind(&row.id)
                    .push_bind(row.received_at.as_millisecond())
                    .push_bind(&row.source)
                    .push_bind(&row.service)
                    .push_bind(&row.payload)
                    .push_bind(handling)
                    .push_bind(alert)
                    .push_bind(row.ended_at.map(Timestamp::as_millisecond))
                    .push_bind(told.map(|alert| <&Severity as Into<&'static str>>::into(&alert.severity)))
                    .push_bind(told.is_some_and(|alert| alert.acknowledged.is_some()))
                    .push_bind(told.is_some() && row.done && row.incident.is_none())
                    .push_bind(signature.low())
                    .push_bind(signature.high());
            });
            insert.build().execute(&mut *db).await?;
            let mut insert =
                QueryBuilder::new("INSERT OR IGNORE INTO standing (id, received_ms, incident, done, told) ");
            insert.push_values(rows, |mut into, row| {
                into.push_bind(&row.id)
                    .push_bind(row.received_at.as_millisecond())
                    .push_bind(&row.incident)
                    .push_bind(row.done)
                    .push_bind(row.told as i64);
            });
            insert.build().execute(&mut *db).await?;
        }
        Ok(())
    }

    pub(crate) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let id: String = row.get("id");
        let bad = |reason: String| StoreError::Row { what: format!("intake {id}"), reason };
        let time = |ms: i64| Timestamp::from_millisecond(ms).map_err(|e| bad(e.to_string()));
        let steps = |column: &str| -> Result<Vec<serde_json::Value>, StoreError> {
            serde_json::from_str(row.get::<&str, _>(column)).map_err(|e| bad(e.to_string()))
        };
        let mut handling = steps("handling")?;
        handling.extend(steps("steps")?);
        let alert: Option<&str> = row.get("alert");
        let mut alert: Option<Alert> =
            alert.map(serde_json::from_str).transpose().map_err(|e| bad(e.to_string()))?;
        let told_again = row.get::<Option<i64>, _>("updated_ms").zip(row.get::<Option<i64>, _>("until_ms"));
        if let (Some(alert), Some((updated_ms, until_ms))) = (&mut alert, told_again) {
            alert.updated_at = time(updated_ms)?;
            alert.ends_at = time(until_ms)?;
        }
        Ok(Self {
            received_at: time(row.get("received_ms"))?,
            ended_at: row.get::<Option<i64>, _>("ends_ms").map(time).transpose()?,
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
    append_steps(db, steps.iter().map(|(id, step, ..)| (id, step))).await?;
    let mut left: Vec<&Step> = steps.iter().collect();
    while !left.is_empty() {
        // One statement changes a row once: the second step of a row has to wait for the next.
        let mut ids = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(id, ..)| ids.insert(id));
        let rows: Vec<_> = now.iter().map(|(id, _, incident, done)| (id, incident, done)).collect();
        for_each(
            db,
            "UPDATE standing SET incident = COALESCE(new.value ->> 1, incident), done = MAX(done, new.value ->> 2) \
             FROM json_each(?) AS new WHERE standing.id = new.value ->> 0",
            &rows,
        )
        .await?;
        left = later;
    }
    let kept_out: Vec<_> =
        steps.iter().filter(|step| step.3 && step.2.is_none()).map(|step| [&step.0]).collect();
    for_each(
        db,
        "UPDATE intake SET suppressed = 1 FROM json_each(?) AS new JOIN standing ON standing.id = new.value ->> 0 \
         WHERE intake.id = standing.id AND standing.incident IS NULL AND intake.alert IS NOT NULL",
        &kept_out,
    )
    .await
}

/// Lets what was done with be handled after all.
pub(crate) async fn release(
    db: &mut SqliteConnection,
    id: &String,
    step: &serde_json::Value,
) -> Result<(), sqlx::Error> {
    append_steps(db, std::iter::once((id, step))).await?;
    for sql in [
        "UPDATE standing SET done = 0, next_ms = NULL WHERE id = ?",
        "UPDATE intake SET suppressed = 0 WHERE id = ?",
    ] {
        sqlx::query(sql).bind(id).execute(&mut *db).await?;
    }
    Ok(())
}

async fn append_steps<'a>(
    db: &mut SqliteConnection,
    steps: impl Iterator<Item = (&'a String, &'a serde_json::Value)>,
) -> Result<(), sqlx::Error> {
    let steps: Vec<_> = steps.collect();
    for_each(
        db,
        "INSERT INTO steps (intake, step) SELECT value ->> 0, value -> 1 FROM json_each(?) ORDER BY key",
        &steps,
    )
    .await
}

/// Everything that is known of rows, where `from` names `intake` and `standing`.
pub(crate) fn select(from: &str, rest: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT intake.id, intake.received_ms, source, service, payload, handling, alert, ends_ms, incident, done, \
         told, updated_ms, until_ms, (SELECT json_group_array(json(step)) FROM \
         (SELECT step FROM steps WHERE steps.intake = standing.id ORDER BY seq)) AS steps FROM {from} {rest}"
    ))
}

/// The rows of the intake log, each with what is known of it.
pub(crate) const ROWS: &str = "intake JOIN standing ON standing.id = intake.id";

/// Those that wait, in order.
const WAITING: &str =
    "standing INDEXED BY standing_waiting CROSS JOIN intake ON intake.id = standing.id WHERE done = 0";

impl Store {
    /// What came in and has not been handled yet, put off or not, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake_pending(&self, limit: u32) -> Result<Vec<IntakeRow>, StoreError> {
        let sql = select(WAITING, "ORDER BY standing.received_ms, standing.id LIMIT ?");
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(IntakeRow::read).collect()
    }

    /// What came in, has not been handled yet and is not put off, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake_due(&self, now: Timestamp, limit: u32) -> Result<Vec<IntakeRow>, StoreError> {
        let due = "AND COALESCE(next_ms, 0) <= ? ORDER BY standing.received_ms, standing.id LIMIT ?";
        let rows = sqlx::query(select(WAITING, due))
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
        let row =
            sqlx::query("SELECT COUNT(*) FROM standing WHERE done = 0").fetch_one(&self.readers).await?;
        Ok(row.get::<i64, _>(0) as u64)
    }

    /// Alerts that were not over before `since` as far as is on record, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn alerts_since(&self, since: Timestamp) -> Result<Vec<IntakeRow>, StoreError> {
        let lasting = "WHERE severity IS NOT NULL AND (ends_ms IS NULL OR ends_ms > ?) \
                       ORDER BY intake.received_ms, intake.id";
        let rows =
            sqlx::query(select(ROWS, lasting)).bind(since.as_millisecond()).fetch_all(&self.readers).await?;
        rows.iter().map(IntakeRow::read).collect()
    }

    /// One row by id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn intake(&self, id: &str) -> Result<Option<IntakeRow>, StoreError> {
        let sql = select(ROWS, "WHERE intake.id = ?");
        let row = sqlx::query(sql).bind(id).fetch_optional(&self.readers).await?;
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
