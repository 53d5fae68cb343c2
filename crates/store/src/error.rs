//! What can go wrong, in words that say what to do.

use sqlx::migrate::MigrateError;
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
    #[error("cannot use the lock file {}: {}", path.display(), if_unwritable(source))]
    Lock { path: PathBuf, source: std::io::Error },
    #[error("cannot open the store {}: {}", path.display(), advice(source))]
    Open { path: PathBuf, source: Box<sqlx::Error> },
    #[error("{} is not a store of this version; restore a backup or use the midwatch that wrote it", path.display())]
    Migrate { path: PathBuf, source: Box<MigrateError> },
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

    pub(crate) fn migrate(path: &Path, source: MigrateError) -> Self {
        match source {
            // A disk that is full says nothing about the version.
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)
                if code(&source).is_some_and(|code| about(&code).is_some()) =>
            {
                Self::open(path, source)
            }
            source => StoreError::Migrate { path: path.to_owned(), source: Box::new(source) },
        }
    }

    pub(crate) fn open(path: &Path, source: sqlx::Error) -> Self {
        StoreError::Open { path: path.to_owned(), source: Box::new(source) }
    }

    /// A failed write: full, read-only, locked or broken storage. All of them pass when the cause is removed.
    pub(crate) fn write(error: &sqlx::Error) -> Self {
        StoreError::Unavailable { reason: format!("{error} ({})", advice(error)) }
    }

    /// Whether trying again later can help without anybody changing the request.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. } | StoreError::Stopped)
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}

/// What SQLite's result code says of the disk, if it does.
fn about(code: &str) -> Option<&'static str> {
    Some(match code {
        "13" => "the disk is full; free some space",
        // The write-ahead log or its index cannot grow; SQLite does not say why.
        "778" | "4874" | "5130" => "check the disk: it may be full; then free some space",
        "8" | "1032" | "264" | "520" | "776" | "1288" | "1544" => {
            "the file is read-only; check its owner and the mount"
        }
        "14" => "check that its folder can be written to",
        "5" | "261" | "517" | "6" => "another process has locked the file; stop it",
        _ => return None,
    })
}

fn advice(error: &sqlx::Error) -> &'static str {
    code(error).and_then(|code| about(&code)).unwrap_or("check the disk and the file")
}

fn if_unwritable(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull => "the disk is full; free some space",
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "the disk is read-only; mount it for writing, or set [store] path elsewhere"
        }
        _ => "check its owner, or set [store] path elsewhere",
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        StoreError::Read { source: Box::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn a_lock_that_cannot_be_made_names_the_cause_and_the_way_out() {
        for (kind, expected) in [
            (ErrorKind::StorageFull, "cannot use the lock file a.lock: the disk is full; free some space"),
            (
                ErrorKind::ReadOnlyFilesystem,
                "cannot use the lock file a.lock: the disk is read-only; mount it for writing, or set [store] path elsewhere",
            ),
            (
                ErrorKind::PermissionDenied,
                "cannot use the lock file a.lock: check its owner, or set [store] path elsewhere",
            ),
        ] {
            let error = StoreError::Lock { path: "a.lock".into(), source: Error::from(kind) };
            assert_eq!(error.to_string(), expected);
        }
    }
}
