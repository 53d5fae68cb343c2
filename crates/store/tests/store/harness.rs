//! Short words for commits.

use midwatch_model::Timestamp;
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_store::{Append, Commit, Store};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("midwatch.db");
    (dir, path)
}

pub async fn open(path: &Path) -> Store {
    Store::open(path).await.expect("a store")
}

pub fn incident(id: &str) -> StreamId {
    StreamId::Incident(id.into())
}

pub fn line(text: &str) -> Line {
    Line::new(Timestamp::UNIX_EPOCH, Entry::Closed { reason: text.into() })
}

/// Appends lines to a stream that is expected to have so many.
pub fn append(stream: &StreamId, expected: u64, texts: &[&str]) -> Commit {
    let lines = texts.iter().map(|text| line(text)).collect();
    let append = Append { stream: stream.clone(), expected, lines };
    Commit { appends: vec![append], ..Commit::default() }
}

/// What the lines of a stream say.
pub async fn texts(store: &Store, stream: &StreamId) -> Vec<String> {
    let journal = store.read(stream).await.expect("a stream that verifies");
    let text = |line: &Line| match &line.entry {
        Entry::Closed { reason } => reason.clone(),
        other => other.type_name().to_owned(),
    };
    journal.lines().iter().map(text).collect()
}

pub async fn assert_clean(path: &Path) {
    let report = midwatch_store::verify(path).await.expect("a readable store");
    assert!(report.is_clean(), "{report:?}");
}
