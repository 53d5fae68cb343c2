//! What can go wrong, in words that say what to do.

use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the stream {stream} has {found} records, not {expected}: somebody else appended first")]
    Conflict { stream: String, expected: u64, found: u64 },
    #[error("the store takes nothing now: {reason}")]
    Unavailable { reason: String },
    #[error("{} is in use by another midwatch; stop that one first, or give this one its own [store] path", path.display())]
    InUse { path: PathBuf },
    #[error("cannot create the folder {}; check its owner, or set [store] path elsewhere", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot open the store {}", path.display())]
    Open { path: PathBuf, source: Box<sqlx::Error> },
    #[error("{} is not a store of this version; restore a backup or use the midwatch that wrote it", path.display())]
    Migrate { path: PathBuf, source: Box<sqlx::migrate::MigrateError> },
    #[error("the store cannot be read")]
    Read { source: Box<sqlx::Error> },
    #[error(
        "the journal does not hold: {0}. Stop acting on it; run `midwatch store verify` and restore a backup"
    )]
    Chain(#[from] midwatch_model::journal::ChainError),
    #[error("the row {what} cannot be read: {reason}")]
    Row { what: String, reason: String },
    #[error("the store was stopped")]
    Stopped,
}

impl StoreError {
    pub(crate) fn folder(path: &Path, source: std::io::Error) -> Self {
        StoreError::Folder { path: path.to_owned(), source }
    }

    pub(crate) fn open(path: &Path, source: sqlx::Error) -> Self {
        StoreError::Open { path: path.to_owned(), source: Box::new(source) }
    }

    /// A failed write: full, read-only, locked or broken storage. All of them pass when the cause is removed.
    pub(crate) fn write(error: &sqlx::Error) -> Self {
        let advice = match error.as_database_error().and_then(|e| e.code()).as_deref() {
            Some("13") => "the disk is full; free some space",
            Some("8" | "1032" | "264" | "520" | "776") => {
                "the file is read-only; check its owner and the mount"
            }
            Some("5" | "261" | "517" | "6") => "another process has locked the file; stop it",
            _ => "check the disk and the file",
        };
        StoreError::Unavailable { reason: format!("{error} ({advice})") }
    }

    /// Whether trying again later can help without anybody changing the request.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. } | StoreError::Stopped)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        StoreError::Read { source: Box::new(source) }
    }
}
