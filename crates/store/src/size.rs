//! How much the store holds, table by table, so that growth is seen before the disk is full.

use crate::{Store, StoreError, options};
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Row as _};
use std::path::Path;

/// The tables that grow with what comes in, and what they hold.
pub const TABLES: [(&str, &str); 17] = [
    ("records", "journal entries"),
    ("intake", "alerts and anomalies"),
    ("standing", "what is known of them"),
    ("steps", "steps of their handling"),
    ("deliveries", "requests as they came"),
    ("notifications", "notifications"),
    ("notified", "alerts in notifications"),
    ("notification_attempts", "attempts to notify"),
    ("threads", "threads of notifications"),
    ("notification_log", "what receivers know"),
    ("dead_letters", "dead letters"),
    ("changes", "changes that were told"),
    ("seen", "requests that are known again"),
    ("artifacts", "artifacts"),
    ("knowledge_documents", "runbooks, incidents and service docs"),
    ("knowledge_reviews", "reviews of incidents"),
    ("knowledge_vectors", "vectors of texts"),
];

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TableSize {
    pub table: &'static str,
    pub holds: &'static str,
    pub rows: u64,
    /// Bytes of its pages and those of its indexes; `None` where they were not counted.
    pub bytes: Option<u64>,
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StoreSize {
    pub tables: Vec<TableSize>,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of it that what comes next can use.
    pub free_bytes: u64,
}

async fn pragma(db: &mut SqliteConnection, name: &'static str) -> Result<u64, sqlx::Error> {
    let row = sqlx::query(name).fetch_one(db).await?;
    Ok(row.get::<i64, _>(0) as u64)
}

async fn measure(db: &mut SqliteConnection, with_bytes: bool) -> Result<StoreSize, sqlx::Error> {
    let page = pragma(db, "PRAGMA page_size").await?;
    let file_bytes = page * pragma(db, "PRAGMA page_count").await?;
    let free_bytes = page * pragma(db, "PRAGMA freelist_count").await?;
    let mut tables = Vec::with_capacity(TABLES.len());
    for (table, holds) in TABLES {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut *db).await?.get::<i64, _>(0) as u64;
        let bytes = if with_bytes { Some(bytes_of(db, table).await?) } else { None };
        tables.push(TableSize { table, holds, rows, bytes });
    }
    Ok(StoreSize { tables, file_bytes, free_bytes })
}

async fn bytes_of(db: &mut SqliteConnection, table: &str) -> Result<u64, sqlx::Error> {
    let row = sqlx::query(
        "SELECT COALESCE(SUM(pgsize), 0) FROM dbstat WHERE aggregate = TRUE \
         AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?)",
    )
    .bind(table)
    .fetch_one(db)
    .await?;
    Ok(row.get::<i64, _>(0) as u64)
}

/// Measures a store without writing to it; a server may be running on it. Every page is read.
///
/// # Errors
/// When the file cannot be opened or read.
pub async fn size(path: &Path) -> Result<StoreSize, StoreError> {
    let mut db =
        options(path).create_if_missing(false).connect().await.map_err(|e| StoreError::open(path, e))?;
    Ok(measure(&mut db, true).await?)
}

impl Store {
    /// Rows of each table, and the size of the file. Bytes of tables are not counted: that would read every page.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn size(&self) -> Result<StoreSize, StoreError> {
        let mut db = self.readers.acquire().await?;
        Ok(measure(&mut db, false).await?)
    }
}
