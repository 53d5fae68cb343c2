//! `midwatch store verify`: every stream's chain, every head, streams that are gone, and the database's
//! own integrity.

use crate::{StoreError, options, read, retention};
use midwatch_model::journal::{Entry, StreamId, VerifiedJournal};
use midwatch_model::{IncidentId, Signal, Timestamp};
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Row as _};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// One stream's answer.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StreamReport {
    pub stream: String,
    pub records: u64,
    /// What does not hold; `None` when all does.
    pub problem: Option<String>,
}

/// The whole store's answer.
#[derive(Clone, Debug, serde::Serialize)]
pub struct VerifyReport {
    pub streams: Vec<StreamReport>,
    /// Problems of the database file itself.
    pub database: Vec<String>,
}

impl VerifyReport {
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.database.is_empty() && self.streams.iter().all(|s| s.problem.is_none())
    }

    #[must_use]
    pub fn records(&self) -> u64 {
        self.streams.iter().map(|s| s.records).sum()
    }
}

/// Checks a store without writing to it; a server may be running on it.
///
/// # Errors
/// When the file cannot be opened or read at all.
pub async fn verify(path: &Path) -> Result<VerifyReport, StoreError> {
    if !path.is_file() {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        return Err(StoreError::open(path, sqlx::Error::Io(source)));
    }
    let mut db =
        options(path).create_if_missing(false).connect().await.map_err(|e| StoreError::open(path, e))?;
    let database = sqlx::query("PRAGMA integrity_check")
        .fetch_all(&mut db)
        .await?
        .iter()
        .map(|row| row.get::<String, _>(0))
        .filter(|line| line != "ok")
        .collect();
    let forgotten_before = retention::forgotten_before(&mut db).await?;
    let names: Vec<String> =
        sqlx::query("SELECT stream FROM heads UNION SELECT DISTINCT stream FROM records ORDER BY 1")
            .fetch_all(&mut db)
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect();
    let mut streams = Vec::with_capacity(names.len());
    let mut named = placed_in(&mut db).await?;
    for stream in names {
        let (records, head) = read::load(&mut db, &stream).await?;
        let problem = match stream.parse() {
            Ok(id) => match VerifiedJournal::verify(id, &records, head) {
                Ok(journal) => {
                    named.extend(acted_with(&journal));
                    signal_not_taken_in(&mut db, &journal, forgotten_before).await?
                }
                Err(error) => Some(error.to_string()),
            },
            Err(reason) => Some(reason),
        };
        streams.push(StreamReport { stream, records: records.len() as u64, problem });
    }
    let known: HashSet<String> = streams.iter().map(|report| report.stream.clone()).collect();
    for (stream, by) in named {
        if !known.contains(&stream) {
            let problem = Some(format!("{stream}: it is gone as a whole, but {by} speaks of it"));
            streams.push(StreamReport { stream, records: 0, problem });
        }
    }
    Ok(VerifyReport { streams, database })
}

/// Streams of the incidents that the intake log has placed something in, and who says so.
async fn placed_in(db: &mut SqliteConnection) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = sqlx::query("SELECT DISTINCT incident FROM standing WHERE incident IS NOT NULL")
        .fetch_all(&mut *db)
        .await?;
    let stream = |id: String| StreamId::Incident(IncidentId::new(id)).to_string();
    Ok(rows.iter().map(|row| (stream(row.get(0)), "the intake log".to_owned())).collect())
}

/// An intent stands on its incident's and on its target's stream: each of them names the other.
fn acted_with(journal: &VerifiedJournal) -> impl Iterator<Item = (String, String)> {
    let others = |entry: &Entry| match entry {
        Entry::Intended { intent } => {
            let incident = intent.incident.clone().map(StreamId::Incident);
            Some([Some(StreamId::Service(intent.action.target().clone())), incident])
        }
        _ => None,
    };
    let others = journal.lines().iter().filter_map(move |line| others(&line.entry)).flatten().flatten();
    others.map(|other| (other.to_string(), journal.stream().to_string()))
}

/// Every signal that a stream speaks of came in through the intake log, which keeps it until it is old enough.
async fn signal_not_taken_in(
    db: &mut SqliteConnection,
    journal: &VerifiedJournal,
    forgotten_before: Option<Timestamp>,
) -> Result<Option<String>, StoreError> {
    let is_kept = |signal: &&Signal| forgotten_before.is_none_or(|before| signal.detected_at >= before);
    for id in journal.lines().iter().filter_map(|line| line.entry.signal()).filter(is_kept).map(|s| &s.id) {
        let known = sqlx::query("SELECT 1 FROM intake WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut *db)
            .await?;
        if known.is_none() {
            return Ok(Some(format!("{}: signal {id} is not in the intake log", journal.stream())));
        }
    }
    Ok(None)
}
