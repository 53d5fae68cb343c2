//! Threads: how far each receiver's integration was told of an incident, what the vendor gave back, and every attempt.

use crate::notification::Attempt;
use crate::{Commit, NotificationState, Store, StoreError};
use midwatch_model::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

/// How far an integration was told of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadRow {
    pub target: String,
    /// The incident's id.
    pub topic: String,
    /// Records of its stream that were looked at.
    pub told: u64,
    /// Whether it may have more to tell.
    pub open: bool,
    pub at: Timestamp,
}

/// One attempt to send a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// 1 for the first.
    pub attempt: u32,
    pub at: Timestamp,
    /// The notification's state after it.
    pub state: NotificationState,
    pub answer: String,
}

pub(crate) async fn write(db: &mut SqliteConnection, commit: &Commit) -> Result<(), sqlx::Error> {
    for row in &commit.threads {
        sqlx::query(
            "INSERT INTO threads (target, topic, told, open, at_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (target, topic) DO UPDATE SET told = MAX(told, ?3), open = ?4, at_ms = ?5",
        )
        .bind(&row.target)
        .bind(&row.topic)
        .bind(row.told as i64)
        .bind(row.open)
        .bind(row.at.as_millisecond())
        .execute(&mut *db)
        .await?;
    }
    for attempt in &commit.attempts {
        write_attempt(db, attempt).await?;
    }
    Ok(())
}

/// An attempt, and what the vendor gave back. Whatever was recorded of it before stays.
async fn write_attempt(db: &mut SqliteConnection, attempt: &Attempt) -> Result<(), sqlx::Error> {
    if attempt.attempts == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT OR IGNORE INTO notification_attempts (notification, attempt, at_ms, state, answer) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&attempt.notification)
    .bind(attempt.attempts)
    .bind(attempt.at.as_millisecond())
    .bind::<&str>(attempt.state.into())
    .bind(&attempt.answer)
    .execute(&mut *db)
    .await?;
    let Some(given) = &attempt.given else { return Ok(()) };
    sqlx::query(
        "INSERT INTO threads (target, topic, given, at_ms) \
         SELECT target, group_key, ?2, ?3 FROM notifications WHERE id = ?1 \
         ON CONFLICT (target, topic) DO UPDATE SET given = ?2, at_ms = ?3",
    )
    .bind(&attempt.notification)
    .bind((given != "null").then_some(given))
    .bind(attempt.at.as_millisecond())
    .execute(&mut *db)
    .await?;
    Ok(())
}

impl Store {
    /// The threads of incidents that may have more to tell.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn threads_open(&self) -> Result<Vec<ThreadRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT target, topic, told, open, at_ms FROM threads WHERE open = 1 ORDER BY topic, target",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                let topic: String = row.get("topic");
                let at = Timestamp::from_millisecond(row.get("at_ms")).map_err(|e| StoreError::Row {
                    what: format!("thread {topic}"),
                    reason: e.to_string(),
                })?;
                let told = row.get::<i64, _>("told") as u64;
                Ok(ThreadRow { target: row.get("target"), topic, told, open: row.get("open"), at })
            })
            .collect()
    }

    /// What a vendor gave back about an incident or a group, as JSON.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn thread_given(&self, target: &str, topic: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT given FROM threads WHERE target = ? AND topic = ?")
            .bind(target)
            .bind(topic)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.and_then(|row| row.get("given")))
    }

    /// Every attempt to send a notification, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn attempts_of(&self, notification: &str) -> Result<Vec<AttemptRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT attempt, at_ms, state, answer FROM notification_attempts WHERE notification = ? ORDER BY attempt",
        )
        .bind(notification)
        .fetch_all(&self.readers)
        .await?;
        let bad = |reason: String| StoreError::Row { what: format!("an attempt of {notification}"), reason };
        rows.iter()
            .map(|row| {
                Ok(AttemptRow {
                    attempt: row.get("attempt"),
                    at: Timestamp::from_millisecond(row.get("at_ms")).map_err(|e| bad(e.to_string()))?,
                    state: row.get::<&str, _>("state").parse().map_err(|_| bad("unknown state".into()))?,
                    answer: row.get("answer"),
                })
            })
            .collect()
    }
}
