//! The outbox: what receivers are told, and what they know already.

use crate::{Commit, Store, StoreError};
use midwatch_model::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row as _};

/// Rows that one statement writes at most.
const ROWS_MAX: usize = 256;

/// Where a notification stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NotificationState {
    /// It waits for its (next) attempt.
    Pending,
    Delivered,
    /// A newer one about the same group says what it would have said.
    Superseded,
    /// It will not be tried again.
    Failed,
}

/// Something that a receiver is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    pub id: String,
    /// The receiver's integration.
    pub target: String,
    pub group_key: String,
    pub why: String,
    pub created_at: Timestamp,
    /// What is sent.
    pub body: Vec<u8>,
    pub state: NotificationState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried (again), while it is pending.
    pub next_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// The one that says what this one would have said, if there is one. `None` where it is written.
    pub superseded_by: Option<String>,
    /// What the receiver, or the way to it, said last.
    pub answer: String,
    /// Ids of the alerts that it tells of. Empty where it is read back.
    pub alerts: Vec<String>,
}

/// How an attempt went, or why there will be none.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub notification: String,
    pub state: NotificationState,
    pub attempts: u32,
    pub at: Timestamp,
    /// When it is tried again, if it is still pending.
    pub next_at: Option<Timestamp>,
    pub answer: String,
    /// What the vendor gave back for what comes next, as JSON, if that changed; `null` where it is not to be used again.
    pub given: Option<String>,
}

impl Attempt {
    /// Says that another notification says what this one would have said.
    #[must_use]
    pub fn superseded(notification: String, by: &str, at: Timestamp) -> Self {
        let answer = format!("{SUPERSEDED_BY}{by}");
        let state = NotificationState::Superseded;
        Self { notification, state, attempts: 0, at, next_at: None, answer, given: None }
    }
}

/// What a receiver knows of a group, as JSON of the caller's.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    pub target: String,
    pub group_key: String,
    pub at: Timestamp,
    pub entry: String,
    /// After this moment it says nothing any more.
    pub until: Timestamp,
}

pub(crate) async fn write(db: &mut SqliteConnection, commit: &Commit) -> Result<(), sqlx::Error> {
    for notification in &commit.notifications {
        write_notification(db, notification).await?;
    }
    for attempt in &commit.attempts {
        write_attempt(db, attempt).await?;
    }
    for row in &commit.notification_log {
        sqlx::query(
            "INSERT OR REPLACE INTO notification_log (target, group_key, at_ms, entry, until_ms) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&row.target)
        .bind(&row.group_key)
        .bind(row.at.as_millisecond())
        .bind(&row.entry)
        .bind(row.until.as_millisecond())
        .execute(&mut *db)
        .await?;
    }
    if let Some(row) = commit.notification_log.first() {
        sqlx::query("DELETE FROM notification_log WHERE until_ms < ?")
            .bind(row.at.as_millisecond())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn write_notification(db: &mut SqliteConnection, new: &Notification) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR IGNORE INTO notifications (id, target, group_key, why, created_ms, body, state, next_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&new.id)
    .bind(&new.target)
    .bind(&new.group_key)
    .bind(&new.why)
    .bind(new.created_at.as_millisecond())
    .bind(&new.body)
    .bind::<&str>(new.state.into())
    .bind(new.next_at.map(Timestamp::as_millisecond))
    .execute(&mut *db)
    .await?;
    for alerts in new.alerts.chunks(ROWS_MAX) {
        let mut insert = QueryBuilder::new("INSERT OR IGNORE INTO notified (alert, notification) ");
        insert.push_values(alerts, |mut row, alert| {
            row.push_bind(alert).push_bind(&new.id);
        });
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

async fn write_attempt(db: &mut SqliteConnection, attempt: &Attempt) -> Result<(), sqlx::Error> {
    let row = sqlx::query("SELECT state, attempts, answer, ended_ms FROM notifications WHERE id = ?")
        .bind(&attempt.notification)
        .fetch_optional(&mut *db)
        .await?;
    let before = row.map(|row| Standing {
        state: row.get::<&str, _>("state").parse().unwrap_or(NotificationState::Failed),
        attempts: row.get("attempts"),
        next_ms: None,
        ended_ms: row.get("ended_ms"),
        answer: row.get("answer"),
    });
    let Some(standing) = before.and_then(|before| before.after(attempt)) else { return Ok(()) };
    sqlx::query(
        "UPDATE notifications SET state = ?, attempts = ?, next_ms = ?, ended_ms = ?, answer = ? WHERE id = ?",
    )
    .bind::<&str>(standing.state.into())
    .bind(standing.attempts)
    .bind(standing.next_ms)
    .bind(standing.ended_ms)
    .bind(&standing.answer)
    .bind(&attempt.notification)
    .execute(db)
    .await?;
    Ok(())
}

/// How far a notification has come.
struct Standing {
    state: NotificationState,
    attempts: u32,
    next_ms: Option<i64>,
    ended_ms: Option<i64>,
    answer: String,
}

impl Standing {
    /// How far it is after an attempt, if that says anything. What a receiver answered stays on record also where another
    /// notification has taken the place of this one, whichever of the two was recorded first.
    fn after(self, attempt: &Attempt) -> Option<Self> {
        use NotificationState::{Delivered, Failed, Pending, Superseded};
        let attempts = self.attempts.max(attempt.attempts);
        match (self.state, attempt.state) {
            (Pending, Superseded) => Some(Self {
                state: Superseded,
                attempts,
                next_ms: None,
                ended_ms: Some(attempt.at.as_millisecond()),
                answer: match self.answer.is_empty() {
                    true => attempt.answer.clone(),
                    false => format!("{}{AFTER}{}", attempt.answer, self.answer),
                },
            }),
            (Superseded, Pending | Failed) => {
                let by = self.answer.split(AFTER).next().unwrap_or_default();
                Some(Self { answer: format!("{by}{AFTER}{}", attempt.answer), attempts, ..self })
            }
            (Pending, _) | (Superseded, Delivered) => Some(Self {
                state: attempt.state,
                attempts: attempt.attempts,
                next_ms: attempt.next_at.map(Timestamp::as_millisecond),
                ended_ms: attempt.next_at.is_none().then_some(attempt.at.as_millisecond()),
                answer: attempt.answer.clone(),
            }),
            // What has ended stays as it ended, whoever was slower.
            (Delivered | Failed, _) | (Superseded, Superseded) => None,
        }
    }
}

/// What stands, of a superseded notification, between who took its place and what its receiver had answered.
const AFTER: &str = "; before that: ";

/// How the answer of a superseded notification begins.
const SUPERSEDED_BY: &str = "superseded by ";

const COLUMNS: &str = "SELECT n.id, target, group_key, why, created_ms, body, state, attempts, next_ms, ended_ms, \
                       answer FROM notifications n";

fn read(row: &SqliteRow) -> Result<Notification, StoreError> {
    let id: String = row.get("id");
    let bad = |reason: String| StoreError::Row { what: format!("notification {id}"), reason };
    let time = |ms: Option<i64>| {
        ms.map(|ms| Timestamp::from_millisecond(ms).map_err(|e| bad(e.to_string()))).transpose()
    };
    let state = row.get::<&str, _>("state").parse().map_err(|_| bad("unknown state".into()))?;
    let (superseded_by, answer) = parted(state, row.get("answer"));
    Ok(Notification {
        target: row.get("target"),
        group_key: row.get("group_key"),
        why: row.get("why"),
        created_at: time(Some(row.get("created_ms")))?.unwrap_or_default(),
        body: row.get("body"),
        state,
        attempts: row.get("attempts"),
        next_at: time(row.get("next_ms"))?,
        ended_at: time(row.get("ended_ms"))?,
        superseded_by,
        answer,
        alerts: Vec::new(),
        id,
    })
}

/// Which notification took the place of one, and what the receiver answered.
fn parted(state: NotificationState, answer: String) -> (Option<String>, String) {
    let by = answer.strip_prefix(SUPERSEDED_BY).filter(|_| state == NotificationState::Superseded);
    match by.map(|by| by.split_once(AFTER).unwrap_or((by, ""))) {
        Some((by, answered)) => (Some(by.to_owned()), answered.to_owned()),
        None => (None, answer),
    }
}

impl Store {
    /// Every notification that still has to be sent, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notifications_pending(&self, limit: u32) -> Result<Vec<Notification>, StoreError> {
        let sql = format!("{COLUMNS} WHERE next_ms IS NOT NULL ORDER BY seq LIMIT ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// Of each receiver's integration the oldest notification that is due, apart from those named. What is told of one
    /// incident or group is told in order: while the first of it waits to be tried again, so does the rest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notifications_due(
        &self,
        now: Timestamp,
        except: &[String],
    ) -> Result<Vec<Notification>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE seq IN (SELECT MIN(seq) FROM notifications d WHERE next_ms <= ? \
             AND id NOT IN (SELECT value FROM json_each(?)) AND NOT EXISTS (SELECT 1 FROM notifications e \
             WHERE e.next_ms IS NOT NULL AND e.target = d.target AND e.group_key = d.group_key AND e.seq < d.seq) \
             GROUP BY target) ORDER BY seq"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now.as_millisecond())
            .bind(serde_json::json!(except).to_string())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(read).collect()
    }

    /// How many notifications wait for their (next) attempt, by the receiver's integration.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notifications_waiting(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT target, COUNT(*) FROM notifications WHERE next_ms IS NOT NULL GROUP BY target ORDER BY target",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get::<i64, _>(1) as u64)).collect())
    }

    /// One notification.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notification(&self, id: &str) -> Result<Option<Notification>, StoreError> {
        let sql = format!("{COLUMNS} WHERE n.id = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// The notifications that told of an alert, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notifications_of(&self, alert: &str) -> Result<Vec<Notification>, StoreError> {
        let sql = format!(
            "{COLUMNS} JOIN notified ON notification = n.id WHERE notified.alert = ? ORDER BY n.seq LIMIT 1000"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(alert).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// The newest notifications, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notifications(&self, limit: u32) -> Result<Vec<Notification>, StoreError> {
        let sql = format!("{COLUMNS} ORDER BY seq DESC LIMIT ?");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// What every receiver knows of every group.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn notification_log(&self) -> Result<Vec<LogRow>, StoreError> {
        let rows = sqlx::query("SELECT target, group_key, at_ms, entry, until_ms FROM notification_log")
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let target: String = row.get("target");
                let time = |column: &str| {
                    Timestamp::from_millisecond(row.get(column)).map_err(|e| StoreError::Row {
                        what: format!("notification log of {target}"),
                        reason: e.to_string(),
                    })
                };
                Ok(LogRow {
                    at: time("at_ms")?,
                    until: time("until_ms")?,
                    group_key: row.get("group_key"),
                    entry: row.get("entry"),
                    target: target.clone(),
                })
            })
            .collect()
    }
}
