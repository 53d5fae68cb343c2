//! Deliveries: requests that brought alerts, whole and as they came.

use crate::{Store, StoreError};
use midwatch_model::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row as _};

/// Rows that one statement writes at most: few enough that the statement is worth keeping.
const ROWS_MAX: usize = 64;

/// The mark of the last delivery that the alerts' rows reflect.
const TOLD: &str = "told";

/// A request that brought alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its place in the order in which requests were taken; the first is 1.
    pub seq: u64,
    pub received_at: Timestamp,
    pub source: String,
    pub sender: String,
    /// Whether it began or ended an alert.
    pub news: bool,
    pub body: Compressed,
}

/// A body as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Compressed(Vec<u8>);

impl Compressed {
    #[must_use]
    pub fn new(body: &[u8]) -> Self {
        Self(lz4_flex::compress_prepend_size(body))
    }

    /// A body that is compressed already.
    pub(crate) fn stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The body as it came.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn read(&self) -> Result<Vec<u8>, StoreError> {
        lz4_flex::decompress_size_prepended(&self.0)
            .map_err(|error| StoreError::Row { what: "a compressed body".into(), reason: error.to_string() })
    }
}

pub(crate) async fn write(db: &mut SqliteConnection, deliveries: &[&Delivery]) -> Result<(), sqlx::Error> {
    for rows in deliveries.chunks(ROWS_MAX) {
        let mut insert =
            QueryBuilder::new("INSERT INTO deliveries (seq, received_ms, source, sender, news, body) ");
        insert.push_values(rows, |mut row, delivery| {
            row.push_bind(delivery.seq as i64)
                .push_bind(delivery.received_at.as_millisecond())
                .push_bind(&delivery.source)
                .push_bind(&delivery.sender)
                .push_bind(delivery.news)
                .push_bind(&delivery.body.0);
        });
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// The alerts' rows reflect every delivery up to `seq`: those of them that only repeat are forgotten.
pub(crate) async fn mark_told(db: &mut SqliteConnection, seq: u64) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO marks (name, seq) VALUES (?, ?)")
        .bind(TOLD)
        .bind(seq as i64)
        .execute(&mut *db)
        .await?;
    sqlx::query("DELETE FROM deliveries WHERE news = 0 AND seq <= ?").bind(seq as i64).execute(db).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Delivery, StoreError> {
    let seq = row.get::<i64, _>("seq") as u64;
    let received_at = Timestamp::from_millisecond(row.get("received_ms"))
        .map_err(|e| StoreError::Row { what: format!("delivery {seq}"), reason: e.to_string() })?;
    Ok(Delivery {
        seq,
        received_at,
        source: row.get("source"),
        sender: row.get("sender"),
        news: row.get("news"),
        body: Compressed(row.get("body")),
    })
}

impl Store {
    /// The deliveries that the alerts' rows do not reflect yet, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn deliveries_not_told(&self) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM deliveries WHERE seq > COALESCE((SELECT seq FROM marks WHERE name = ?), 0) ORDER BY seq",
        )
        .bind(TOLD)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read).collect()
    }

    /// One delivery.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn delivery(&self, seq: u64) -> Result<Option<Delivery>, StoreError> {
        let row = sqlx::query("SELECT * FROM deliveries WHERE seq = ?")
            .bind(seq as i64)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The number of the last delivery that was taken; 0 if none was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_delivery(&self) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT MAX(COALESCE((SELECT MAX(seq) FROM deliveries), 0), \
             COALESCE((SELECT seq FROM marks WHERE name = ?), 0))",
        )
        .bind(TOLD)
        .fetch_one(&self.readers)
        .await?;
        Ok(row.get::<i64, _>(0) as u64)
    }
}
