//! Dead letters: what could not be used, whole, until a person has looked at it.

use crate::list::{Cursor, Page, Places};
use crate::{Commit, Compressed, Store, StoreError};
use midwatch_model::{Fingerprint, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Letters that are kept at most: more than anybody looks through by hand.
const LETTERS_MAX: i64 = 10_000;

/// Bytes that their bodies take at most: a sender that has gone wrong must not fill the disk.
const BYTES_MAX: i64 = 256 << 20;

/// The mark that counts letters which were dropped for newer ones.
const DROPPED: &str = "dead_letters_dropped";

/// Something that could not be used.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    pub id: String,
    pub received_at: Timestamp,
    pub source: String,
    pub sender: String,
    /// The row of the intake log that could not be handled; `None` for a request that could not be read.
    pub intake: Option<String>,
    pub reason: String,
    /// Alerts of the body that were taken when it came; trying it again is about the others.
    pub taken: Vec<Fingerprint>,
    /// When it was last tried again.
    pub retried_at: Option<Timestamp>,
    /// Ids that it led to then; empty while it led to nothing.
    pub results: Vec<String>,
    /// The body as it came.
    pub body: Compressed,
}

/// How it went to try a letter again.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterRetried {
    pub id: String,
    pub at: Timestamp,
    /// The ids that it led to, or why it still cannot be used.
    pub outcome: Result<Vec<String>, String>,
}

pub(crate) async fn write(db: &mut SqliteConnection, commit: &Commit) -> Result<(), sqlx::Error> {
    for letter in &commit.dead_letters {
        write_letter(db, letter).await?;
    }
    if !commit.dead_letters.is_empty() {
        drop_oldest(db).await?;
    }
    for LetterRetried { id, at, outcome } in &commit.letters_retried {
        let (results, reason) = match outcome {
            Ok(ids) => (Some(serde_json::Value::from(ids.clone()).to_string()), None),
            Err(reason) => (None, Some(reason)),
        };
        sqlx::query(
            "UPDATE dead_letters SET retried_ms = ?, results = COALESCE(?, results), reason = COALESCE(?, reason) \
             WHERE id = ?",
        )
        .bind(at.as_millisecond())
        .bind(results)
        .bind(reason)
        .bind(id)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

async fn write_letter(db: &mut SqliteConnection, letter: &DeadLetter) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR IGNORE INTO dead_letters (id, received_ms, source, sender, intake, reason, taken, bytes, body) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&letter.id)
    .bind(letter.received_at.as_millisecond())
    .bind(&letter.source)
    .bind(&letter.sender)
    .bind(&letter.intake)
    .bind(&letter.reason)
    .bind(serde_json::to_string(&letter.taken).map_err(|e| sqlx::Error::Encode(e.into()))?)
    .bind(letter.body.bytes().len() as i64)
    .bind(letter.body.bytes())
    .execute(db)
    .await?;
    Ok(())
}

/// The oldest make way for the newest; how many did is counted and logged.
async fn drop_oldest(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let held = sqlx::query(
        "SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM dead_letters INDEXED BY dead_letters_size",
    )
    .fetch_one(&mut *db)
    .await?;
    if held.get::<i64, _>(0) <= LETTERS_MAX && held.get::<i64, _>(1) <= BYTES_MAX {
        return Ok(());
    }
    let dropped = sqlx::query(
        "DELETE FROM dead_letters WHERE seq IN (SELECT seq FROM (SELECT seq, ROW_NUMBER() OVER newest AS place, \
         SUM(bytes) OVER newest AS total FROM dead_letters INDEXED BY dead_letters_size \
         WINDOW newest AS (ORDER BY seq DESC)) WHERE place > ? OR total > ?)",
    )
    .bind(LETTERS_MAX)
    .bind(BYTES_MAX)
    .execute(&mut *db)
    .await?
    .rows_affected();
    sqlx::query(
        "INSERT INTO marks (name, seq) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET seq = seq + ?2",
    )
    .bind(DROPPED)
    .bind(dropped as i64)
    .execute(db)
    .await?;
    tracing::warn!(letters.dropped = dropped, "the oldest dead letters were dropped for new ones");
    Ok(())
}

fn read(row: &SqliteRow) -> Result<DeadLetter, StoreError> {
    let id: String = row.get("id");
    let bad = |reason: String| StoreError::Row { what: format!("dead letter {id}"), reason };
    let time = |ms: i64| Timestamp::from_millisecond(ms).map_err(|e| bad(e.to_string()));
    let results = row.get::<Option<&str>, _>("results").map(serde_json::from_str).transpose();
    Ok(DeadLetter {
        received_at: time(row.get("received_ms"))?,
        source: row.get("source"),
        sender: row.get("sender"),
        intake: row.get("intake"),
        reason: row.get("reason"),
        taken: serde_json::from_str(row.get("taken")).map_err(|e| bad(e.to_string()))?,
        retried_at: row.get::<Option<i64>, _>("retried_ms").map(time).transpose()?,
        results: results.map_err(|e| bad(e.to_string()))?.unwrap_or_default(),
        body: Compressed::stored(row.get("body")),
        id,
    })
}

impl Store {
    /// A page of dead letters, the newest first, without their bodies.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dead_letters(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeadLetter>, StoreError> {
        let places = Places::begin("dead_letters INDEXED BY dead_letters_listed", "received_ms");
        let places = Page::of(places.fetch(after, limit + 1, &self.readers).await?, limit);
        let rows = sqlx::query(
            "SELECT id, received_ms, source, sender, intake, reason, taken, retried_ms, results, x'' AS body FROM dead_letters \
             WHERE id IN (SELECT value FROM json_each(?)) ORDER BY received_ms DESC, id DESC",
        )
        .bind(places.ids())
        .fetch_all(&self.readers)
        .await?;
        let rows: Result<Vec<_>, _> = rows.iter().map(read).collect();
        Ok(Page { rows: rows?, next: places.next })
    }

    /// One dead letter.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, StoreError> {
        let row = sqlx::query("SELECT * FROM dead_letters WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// How many dead letters there are, and how many were ever dropped for newer ones.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dead_letter_counts(&self) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM dead_letters), COALESCE((SELECT seq FROM marks WHERE name = ?), 0)",
        )
        .bind(DROPPED)
        .fetch_one(&self.readers)
        .await?;
        Ok((row.get::<i64, _>(0) as u64, row.get::<i64, _>(1) as u64))
    }
}
