//! Appending to a stream together with everything that is derived from it: view row, artifacts, wake-up.

use crate::{Engine, EngineError, artifacts, next, views};
use midwatch_incident::Incident;
use midwatch_model::journal::{Entry, Line, StreamId, VerifiedJournal};
use midwatch_store::{Append, Commit, StoreError, Timer};

/// Name of an incident's wake-up.
const WAKE: &str = "wake";

/// Times that something is tried anew when somebody else wrote to the stream meanwhile.
const ATTEMPTS: usize = 8;

/// Does something anew, on what is there by then, as long as somebody else wrote to its stream meanwhile. What has called a
/// target must not be done so.
pub(crate) async fn unless_overtaken<T, F>(mut once: impl FnMut() -> F) -> Result<T, EngineError>
where
    F: Future<Output = Result<T, EngineError>>,
{
    let mut attempt = 0;
    loop {
        match once().await {
            Err(EngineError::Store(StoreError::Conflict { .. })) if attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

/// Appends an entry to a stream that is no incident's, after whatever is there by then.
pub(crate) async fn append_last(engine: &Engine, stream: StreamId, entry: Entry) -> Result<(), EngineError> {
    unless_overtaken(|| async {
        let expected = engine.store.read(&stream).await?.len();
        let append = Append { stream: stream.clone(), expected, lines: written(engine, vec![entry.clone()]) };
        Ok(engine.store.commit(Commit { appends: vec![append], ..Commit::default() }).await?)
    })
    .await
}

/// Appends entries to an incident's stream and gives the stream as it is then. `extra` is committed with them.
pub(crate) async fn append(
    engine: &Engine,
    journal: &VerifiedJournal,
    entries: Vec<Entry>,
    extra: Commit,
) -> Result<VerifiedJournal, EngineError> {
    let stream = journal.stream().clone();
    let commit = with_derived(engine, &stream, journal.lines(), written(engine, entries), extra);
    engine.store.commit(commit).await?;
    Ok(engine.store.read(&stream).await?)
}

/// Entries as lines that are written now.
pub(crate) fn written(engine: &Engine, entries: Vec<Entry>) -> Vec<Line> {
    let now = engine.now();
    entries.into_iter().map(|entry| Line::new(now, entry)).collect()
}

/// The commit that appends `lines` after `before`, with view row, artifacts and wake-up.
pub(crate) fn with_derived(
    engine: &Engine,
    stream: &StreamId,
    before: &[Line],
    lines: Vec<Line>,
    mut commit: Commit,
) -> Commit {
    let mut all = before.to_vec();
    all.extend(lines.iter().cloned());
    commit.appends.push(Append { stream: stream.clone(), expected: before.len() as u64, lines });
    if let Some(incident) = Incident::fold(&all) {
        commit.incidents.push(views::incident_row(&incident));
        commit.artifacts.extend(artifacts::of(&incident.id, &all, before.len()));
        let due = next::wake_at(&incident, &engine.config);
        commit.timers.push(Timer { stream: stream.clone(), kind: WAKE, due });
    }
    commit
}
