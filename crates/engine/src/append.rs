//! Appending to a stream together with everything that is derived from it: view row, artifacts, wake-up.

use crate::{Engine, EngineError, artifacts, next, views};
use midwatch_incident::Incident;
use midwatch_model::journal::{Entry, Line, StreamId, VerifiedJournal};
use midwatch_store::{Append, Commit, Timer};

/// Name of an incident's wake-up.
const WAKE: &str = "wake";

/// Appends entries to an incident's stream and gives the stream as it is then. `extra` is committed with them.
pub(crate) async fn append(
    engine: &Engine,
    journal: &VerifiedJournal,
    entries: Vec<Entry>,
    extra: Commit,
) -> Result<VerifiedJournal, EngineError> {
    let stream = journal.stream().clone();
    let commit = with_derived(engine, &stream, journal.lines(), entries, extra);
    engine.store.commit(commit).await?;
    Ok(engine.store.read(&stream).await?)
}

/// Starts a new stream.
pub(crate) async fn commit_new(
    engine: &Engine,
    stream: StreamId,
    entries: Vec<Entry>,
    extra: Commit,
) -> Result<VerifiedJournal, EngineError> {
    let commit = with_derived(engine, &stream, &[], entries, extra);
    engine.store.commit(commit).await?;
    Ok(engine.store.read(&stream).await?)
}

/// The commit that appends `entries` after `before`, with view row, artifacts and wake-up.
pub(crate) fn with_derived(
    engine: &Engine,
    stream: &StreamId,
    before: &[Line],
    entries: Vec<Entry>,
    mut commit: Commit,
) -> Commit {
    let now = engine.now();
    let lines: Vec<Line> = entries.into_iter().map(|entry| Line::new(now, entry)).collect();
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
