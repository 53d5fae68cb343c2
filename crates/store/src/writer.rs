//! The one writer. Requests that wait together are committed together: one fdatasync covers all of them, and a request
//! that conflicts is undone by its savepoint without touching its neighbours.

use crate::changes::{self, ToldChange};
use crate::dead_letter::{self, DeadLetter, LetterRetried};
use crate::delivery::{self, Delivery};
use crate::intake::{PutOff, Retold};
use crate::knowledge::{self, KnowledgeRows};
use crate::notification::{self, Attempt, LogRow, Notification};
use crate::retention::{self, Forgotten};
use crate::seen::{self, Seen};
use crate::thread::{self, ThreadRow};
use crate::{IncidentRow, IntakeRow, StoreError, name_of};
use midwatch_model::Timestamp;
use midwatch_model::artifact::Artifact;
use midwatch_model::journal::{GENESIS, Line, StreamId, chain_hash};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Executor as _, QueryBuilder, Row as _};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that one commit takes at most: bounds how long the first of a group waits for the last.
const GROUP_MAX: usize = 256;

/// Requests that may wait. A full queue makes callers wait, which is the back-pressure that ingest wants.
const QUEUE_MAX: usize = 1024;

/// Lines that one statement writes at most: few enough that the statement is worth keeping.
const LINES_MAX: usize = 16;

/// Lines for one stream, valid only if it still has `expected` records.
#[derive(Clone, Debug)]
pub struct Append {
    pub stream: StreamId,
    pub expected: u64,
    pub lines: Vec<Line>,
}

/// Sets (or with `None` clears) a stream's wake-up.
#[derive(Clone, Debug)]
pub struct Timer {
    pub stream: StreamId,
    pub kind: &'static str,
    pub due: Option<Timestamp>,
}

/// What becomes durable together.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The [`crate::Store::basis`] of the memory that this follows from. Once a commit of the same basis has failed, memory says
    /// more than the store: this one is then refused, too, until memory was read anew.
    pub basis: Option<u64>,
    pub appends: Vec<Append>,
    pub timers: Vec<Timer>,
    pub incidents: Vec<IncidentRow>,
    /// Whether the views (incidents, artifacts) are emptied before rows are written.
    pub replace_views: bool,
    pub artifacts: Vec<Artifact>,
    pub deliveries: Vec<Delivery>,
    /// What must not be taken a second time once this commit is durable.
    pub seen: Vec<Seen>,
    /// Changes that somebody told; one whose id is there already is replaced.
    pub changes: Vec<ToldChange>,
    /// New rows of the intake log; a row whose id exists already is left as it is.
    pub intake: Vec<IntakeRow>,
    /// Alerts of the intake log that were told again.
    pub retold: Vec<Retold>,
    /// The last delivery that the alerts' rows reflect once this commit is durable.
    pub told_up_to: Option<u64>,
    /// What receivers are to be told.
    pub notifications: Vec<Notification>,
    /// How it went to tell them.
    pub attempts: Vec<Attempt>,
    /// What receivers know from now on.
    pub notification_log: Vec<LogRow>,
    /// How far receivers were told of incidents.
    pub threads: Vec<ThreadRow>,
    /// Handling steps to append to intake rows: id, step as JSON, incident, whether handling is complete.
    pub handled: Vec<(String, serde_json::Value, Option<String>, bool)>,
    /// Intake rows that are to be handled after all: id and step.
    pub released: Vec<(String, serde_json::Value)>,
    /// Intake rows that are not looked at for a while.
    pub put_off: Vec<PutOff>,
    /// Whether everything that was put off is looked at again.
    pub recall: bool,
    /// What could not be used.
    pub dead_letters: Vec<DeadLetter>,
    /// Dead letters that were tried again.
    pub letters_retried: Vec<LetterRetried>,
    /// What people wrote down.
    pub knowledge: KnowledgeRows,
    /// What is forgotten.
    pub forgotten: Forgotten,
    /// Named snapshots to replace.
    pub snapshots: Vec<(String, Timestamp, Vec<u8>)>,
}

/// Where a simulated crash strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// The commit is lost.
    Before,
    /// The commit is durable, but whoever made it never hears so.
    After,
}

struct Request {
    commit: Commit,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

#[derive(Default)]
struct Shared {
    commits: AtomicU64,
    /// The same number, for those who wait for it to change.
    beat: watch::Sender<u64>,
    /// Number of the commit that crashes; 0 for none.
    crash_at: AtomicU64,
    crash_after: AtomicBool,
    /// Commits that follow from memory and failed.
    broken: AtomicU64,
    /// Whether the store was closed: then nothing more is taken, whoever still holds a clone.
    closed: AtomicBool,
}

/// A commit that has its place in the order of writes, but is not durable before [`Pending::wait`] says so.
#[must_use = "a commit is durable only when its wait ends well"]
pub struct Pending(oneshot::Receiver<Result<(), StoreError>>);

impl Pending {
    /// Waits until the commit is durable.
    ///
    /// # Errors
    /// As for [`crate::Store::commit`].
    pub async fn wait(self) -> Result<(), StoreError> {
        self.0.await.map_err(|_| StoreError::Stopped)?
    }
}

#[derive(Clone)]
pub(crate) struct Handle {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) async fn enqueue(&self, commit: Commit) -> Pending {
        let (reply, answer) = oneshot::channel();
        // A request that is not taken drops its reply, which is heard as "stopped".
        if !self.shared.closed.load(Ordering::SeqCst) {
            let _ = self.requests.send(Request { commit, reply }).await;
        }
        Pending(answer)
    }

    pub(crate) fn crash_at(&self, nth: u64, point: CrashPoint) {
        self.shared.crash_after.store(point == CrashPoint::After, Ordering::SeqCst);
        self.shared.crash_at.store(self.commits() + nth, Ordering::SeqCst);
    }

    pub(crate) fn recover(&self) {
        self.shared.crash_at.store(0, Ordering::SeqCst);
    }

    pub(crate) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::SeqCst)
    }

    pub(crate) fn beat(&self) -> watch::Receiver<u64> {
        self.shared.beat.subscribe()
    }

    pub(crate) fn basis(&self) -> u64 {
        self.shared.broken.load(Ordering::SeqCst)
    }

    /// Waits until everything queued so far is written, by queueing an empty commit behind it.
    pub(crate) async fn stop(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request { commit: Commit::default(), reply }).await.is_ok() {
            let _ = answer.await;
        }
    }
}

pub(crate) fn start(connection: SqliteConnection) -> Handle {
    let (requests, queue) = mpsc::channel(QUEUE_MAX);
    let shared = Arc::new(Shared::default());
    let writer = Writer { connection, heads: HashMap::new(), shared: shared.clone(), half_done: false };
    tokio::spawn(writer.run(queue));
    Handle { requests, shared }
}

struct Writer {
    connection: SqliteConnection,
    /// Heads of streams that were touched: saves a read per append.
    heads: HashMap<String, (u64, [u8; 32])>,
    shared: Arc<Shared>,
    /// Whether a commit has failed and may have left its transaction open.
    half_done: bool,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
            let (sound, broken): (Vec<_>, Vec<_>) = group.drain(..).partition(|r| self.is_sound(&r.commit));
            for request in broken {
                let reason = "a write failed on which this one rests".to_owned();
                let _ = request.reply.send(Err(StoreError::Unavailable { reason }));
            }
            let (commits, replies): (Vec<_>, Vec<_>) = sound.into_iter().map(|r| (r.commit, r.reply)).unzip();
            let rests_on_memory = commits.iter().any(|commit: &Commit| commit.basis.is_some());
            let results = match self.write(commits).await {
                Ok(results) => results,
                Err(error) => {
                    self.heads.clear();
                    // Before anybody hears of it, so that nothing that is already underway can follow.
                    self.shared.broken.fetch_add(u64::from(rests_on_memory), Ordering::SeqCst);
                    replies.iter().map(|_| Err(StoreError::write(&error))).collect()
                }
            };
            for (reply, result) in replies.into_iter().zip(results) {
                // A caller that went away does not undo what is durable.
                let _ = reply.send(result);
            }
        }
        let _ = self.connection.close().await;
    }

    fn is_sound(&self, commit: &Commit) -> bool {
        commit.basis.is_none_or(|basis| basis == self.shared.broken.load(Ordering::SeqCst))
    }

    async fn write(&mut self, commits: Vec<Commit>) -> Result<Vec<Result<(), StoreError>>, sqlx::Error> {
        if let Some(refused) = self.crashed(&commits) {
            return Ok(refused);
        }
        if self.half_done {
            let _ = self.connection.execute("ROLLBACK").await;
        }
        self.half_done = true;
        self.connection.execute("BEGIN IMMEDIATE").await?;
        let mut results = Vec::with_capacity(commits.len());
        for commit in &commits {
            if commit.appends.is_empty() {
                results.push(Ok(()));
                continue;
            }
            self.connection.execute("SAVEPOINT one").await?;
            let result = self.apply(commit).await?;
            if result.is_err() {
                self.connection.execute("ROLLBACK TO one").await?;
            }
            self.connection.execute("RELEASE one").await?;
            results.push(result);
        }
        // What appends to no stream conflicts with nobody: its rows are written together.
        let plain: Vec<&Commit> = commits.iter().filter(|commit| commit.appends.is_empty()).collect();
        self.write_rows(&plain).await?;
        self.connection.execute("COMMIT").await?;
        self.half_done = false;
        let done =
            self.shared.commits.fetch_add(commits.len() as u64, Ordering::SeqCst) + commits.len() as u64;
        self.shared.beat.send_replace(done);
        let crash_at = self.shared.crash_at.load(Ordering::SeqCst);
        if crash_at != 0 && done >= crash_at {
            return Ok(commits.iter().map(|_| Err(StoreError::Stopped)).collect());
        }
        Ok(results)
    }

    /// The answers of a store that has crashed, if it has.
    fn crashed(&self, commits: &[Commit]) -> Option<Vec<Result<(), StoreError>>> {
        let crash_at = self.shared.crash_at.load(Ordering::SeqCst);
        if crash_at == 0 {
            return None;
        }
        let next = self.shared.commits.load(Ordering::SeqCst) + 1;
        let lost =
            if self.shared.crash_after.load(Ordering::SeqCst) { next > crash_at } else { next >= crash_at };
        lost.then(|| commits.iter().map(|_| Err(StoreError::Stopped)).collect())
    }

    /// The inner result is the caller's (conflict), the outer one the storage's.
    async fn apply(&mut self, commit: &Commit) -> Result<Result<(), StoreError>, sqlx::Error> {
        let mut moved = HashMap::new();
        for append in &commit.appends {
            let stream = name_of(&append.stream);
            let head = match moved.get(&stream) {
                Some(head) => *head,
                None => self.head(&stream).await?,
            };
            if head.0 != append.expected {
                return Ok(Err(StoreError::Conflict { stream, expected: append.expected, found: head.0 }));
            }
            let head = self.append(&stream, head, &append.lines).await?;
            moved.insert(stream, head);
        }
        self.write_rows(&[commit]).await?;
        self.heads.extend(moved);
        Ok(Ok(()))
    }

    async fn head(&mut self, stream: &str) -> Result<(u64, [u8; 32]), sqlx::Error> {
        if let Some(head) = self.heads.get(stream) {
            return Ok(*head);
        }
        let row = sqlx::query("SELECT seq, hash FROM heads WHERE stream = ?")
            .bind(stream)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(match row {
            Some(row) => {
                let hash: Vec<u8> = row.get(1);
                (row.get::<i64, _>(0) as u64, hash.try_into().unwrap_or(GENESIS))
            }
            None => (0, GENESIS),
        })
    }

    async fn append(
        &mut self,
        stream: &str,
        mut head: (u64, [u8; 32]),
        lines: &[Line],
    ) -> Result<(u64, [u8; 32]), sqlx::Error> {
        for lines in lines.chunks(LINES_MAX) {
            let mut insert = QueryBuilder::new("INSERT INTO records (stream, seq, bytes, hash) ");
            insert.push_values(lines, |mut row, line| {
                let bytes = line.to_bytes();
                let seq = head.0 + 1;
                head = (seq, chain_hash(stream, seq, &head.1, &bytes));
                row.push_bind(stream).push_bind(seq as i64).push_bind(bytes).push_bind(head.1.to_vec());
            });
            insert.build().execute(&mut self.connection).await?;
        }
        sqlx::query("INSERT OR REPLACE INTO heads (stream, seq, hash) VALUES (?, ?, ?)")
            .bind(stream)
            .bind(head.0 as i64)
            .bind(&head.1[..])
            .execute(&mut self.connection)
            .await?;
        Ok(head)
    }

    async fn write_rows(&mut self, commits: &[&Commit]) -> Result<(), sqlx::Error> {
        let db = &mut self.connection;
        for commit in commits {
            write_views(db, commit).await?;
        }
        delivery::write(db, &commits.iter().flat_map(|commit| &commit.deliveries).collect::<Vec<_>>())
            .await?;
        seen::write(db, &commits.iter().flat_map(|commit| &commit.seen).collect::<Vec<_>>()).await?;
        changes::write(db, &commits.iter().flat_map(|commit| &commit.changes).collect::<Vec<_>>()).await?;
        IntakeRow::write(db, &commits.iter().flat_map(|commit| &commit.intake).collect::<Vec<_>>()).await?;
        let retold: Vec<_> = commits.iter().flat_map(|commit| &commit.retold).collect();
        if !retold.is_empty() {
            Retold::write(db, &retold).await?;
        }
        for commit in commits {
            write_steps(db, commit).await?;
            notification::write(db, commit).await?;
            thread::write(db, commit).await?;
            dead_letter::write(db, commit).await?;
            knowledge::write(db, commit).await?;
            if !commit.forgotten.is_empty() {
                retention::forget(db, &commit.forgotten).await?;
            }
        }
        if let Some(seq) = commits.iter().filter_map(|commit| commit.told_up_to).max() {
            delivery::mark_told(db, seq).await?;
        }
        Ok(())
    }
}

/// Timers, views and snapshots.
async fn write_views(db: &mut SqliteConnection, commit: &Commit) -> Result<(), sqlx::Error> {
    for timer in &commit.timers {
        match timer.due {
            Some(due) => sqlx::query("INSERT OR REPLACE INTO timers (stream, kind, due_ms) VALUES (?, ?, ?)")
                .bind(name_of(&timer.stream))
                .bind(timer.kind)
                .bind(due.as_millisecond()),
            None => sqlx::query("DELETE FROM timers WHERE stream = ? AND kind = ?")
                .bind(name_of(&timer.stream))
                .bind(timer.kind),
        }
        .execute(&mut *db)
        .await?;
    }
    if commit.replace_views {
        sqlx::query("DELETE FROM incidents").execute(&mut *db).await?;
        sqlx::query("DELETE FROM artifacts").execute(&mut *db).await?;
    }
    for row in &commit.incidents {
        row.write(db).await?;
    }
    for artifact in &commit.artifacts {
        crate::views::write_artifact(db, artifact).await?;
    }
    for (name, at, bytes) in &commit.snapshots {
        sqlx::query("INSERT OR REPLACE INTO snapshots (name, saved_ms, bytes) VALUES (?, ?, ?)")
            .bind(name)
            .bind(at.as_millisecond())
            .bind(bytes)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// Steps of what came in.
async fn write_steps(db: &mut SqliteConnection, commit: &Commit) -> Result<(), sqlx::Error> {
    crate::intake::write_steps(db, &commit.handled).await?;
    for (id, step) in &commit.released {
        crate::intake::release(db, id, step).await?;
    }
    for put_off in &commit.put_off {
        put_off.write(db).await?;
    }
    if commit.recall {
        sqlx::query("UPDATE standing SET next_ms = NULL WHERE done = 0 AND next_ms IS NOT NULL")
            .execute(db)
            .await?;
    }
    Ok(())
}
