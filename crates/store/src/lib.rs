//! The store: journal streams, the intake log, views, artifacts and timers, on SQLite.
//!
//! Owns: durability. A commit returns only after the fdatasync that covers it (WAL, `synchronous = FULL`); concurrent
//! writers share one. Must never: interpret entries. Views are rows that somebody else folded; they can be thrown away
//! and rebuilt from the streams.

mod alert_list;
mod changes;
mod dead_letter;
mod delivery;
mod error;
mod incident_list;
mod intake;
mod knowledge;
mod list;
mod lock;
mod migrations;
mod notification;
mod read;
mod retention;
mod seen;
mod signature;
mod size;
mod thread;
mod verify;
mod views;
mod writer;

pub use alert_list::{AlertFilter, AlertStatus};
pub use changes::ToldChange;
pub use dead_letter::{DeadLetter, LetterRetried};
pub use delivery::{Compressed, Delivery};
pub use error::StoreError;
pub use incident_list::IncidentFilter;
pub use intake::{IntakeRow, PutOff, Retold};
pub use knowledge::{KnowledgeRows, Review, StoredDocument};
pub use list::{Cursor, Page};
pub use notification::{Attempt, LogRow, Notification, NotificationState};
pub use retention::{Expiry, Forgotten};
pub use seen::Seen;
pub use size::{StoreSize, TableSize, size};
pub use thread::{AttemptRow, ThreadRow};
pub use verify::{StreamReport, VerifyReport, verify};
pub use views::IncidentRow;
pub use writer::{Append, Commit, CrashPoint, Pending, Timer};

use midwatch_model::journal::StreamId;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Readers beside the one writer. Reads are short; two cores need no more.
const READERS: u32 = 4;

/// Memory in which a reader keeps pages, KiB (negative, as SQLite has it): the operating system keeps them too.
const READER_CACHE: &str = "-512";

/// How long SQLite waits for another process (a backup, `store verify`) to release a lock before it says busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// An open store. Cloning shares it.
#[derive(Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: writer::Handle,
    path: PathBuf,
    lock: std::sync::Arc<lock::Lock>,
}

impl Store {
    /// Opens the store for writing, creating the file, its folder and its tables where they are missing.
    ///
    /// # Errors
    /// When another process holds it, or the file cannot be opened or is not a midwatch store.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).map_err(|source| StoreError::folder(dir, source))?;
        }
        let lock = lock::Lock::acquire(path)?;
        let options = options(path).create_if_missing(true).read_only(false);
        let mut connection = options.connect().await.map_err(|e| StoreError::open(path, e))?;
        migrations::adopt(&mut connection).await.map_err(|e| StoreError::open(path, e))?;
        migrations::ALL.run(&mut connection).await.map_err(|source| StoreError::migrate(path, source))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.pragma("cache_size", READER_CACHE))
            .await
            .map_err(|e| StoreError::open(path, e))?;
        let writer = writer::start(connection);
        Ok(Self { readers, writer, path: path.to_owned(), lock: std::sync::Arc::new(lock) })
    }

    /// Where the store's file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a commit durable. Appends, timers, views and artifacts of one commit are kept or lost together.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a stream has moved on since it was read (nothing of this commit is kept, others
    /// in the same group are); [`StoreError::Unavailable`] when the disk is full, read-only or locked.
    pub async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.enqueue(commit).await.wait().await
    }

    /// Gives a commit its place in the order of writes, without waiting until it is durable.
    pub async fn enqueue(&self, commit: Commit) -> Pending {
        self.writer.enqueue(commit).await
    }

    /// Waits until everything that was given a place is written or has failed. What is then read from the store holds, and the
    /// answer is what follows from it is written with ([`Commit::basis`]).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store takes nothing now.
    pub async fn basis(&self) -> Result<u64, StoreError> {
        self.commit(Commit::default()).await?;
        Ok(self.writer.basis())
    }

    /// Makes the store fail from the `nth` commit from now on (1 is the next), as a crash would, before or after that
    /// commit became durable. For crash tests.
    pub fn crash_at(&self, nth: u64, point: CrashPoint) {
        self.writer.crash_at(nth, point);
    }

    /// Makes a store that was made to fail take writes again, as a disk does on which there is room again. For tests.
    pub fn recover(&self) {
        self.writer.recover();
    }

    /// Commits that were made durable since the store was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// The number of commits as it changes: whoever shows what is in the store looks again then.
    #[must_use]
    pub fn beat(&self) -> tokio::sync::watch::Receiver<u64> {
        self.writer.beat()
    }

    /// Waits for what is queued, folds the write-ahead log into the file, closes the readers and lets
    /// another process in. Nothing may be asked of the store afterwards.
    pub async fn close(&self) {
        self.writer.stop().await;
        // A log that cannot be folded now is folded at the next start.
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.readers).await;
        self.readers.close().await;
        self.lock.release();
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging()
}

/// The stream's name as stored.
fn name_of(stream: &StreamId) -> String {
    stream.to_string()
}
