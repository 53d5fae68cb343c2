//! A bounded pool of SQLite connections whose size can change and whose connections can be closed under their users.
//!
//! Owns every connection of the process. First come, first served; a connection with an open transaction is never
//! handed on.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::launch::StuckJob;

/// How long a request waits for a connection.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1000);

pub(super) struct Pool {
    options: SqliteConnectOptions,
    slots: Arc<Semaphore>,
    inner: Mutex<Inner>,
    in_use: AtomicU32,
    timeouts: AtomicU64,
    /// Counts how often all connections were closed; holders of older connections notice.
    epoch: watch::Sender<u64>,
    job_running: Mutex<Option<u64>>,
}

struct Inner {
    idle: Vec<SqliteConnection>,
    size: u32,
    /// Slots that are still to be taken out of circulation after the pool was made smaller.
    surplus: u32,
}

#[derive(Debug)]
pub(super) enum PoolError {
    Exhausted,
    Open(sqlx::Error),
}

/// A connection on loan. Dropping it gives it back, or closes it if a transaction is still open.
pub(super) struct Loan<'a> {
    pool: &'a Pool,
    connection: Option<SqliteConnection>,
    epoch: u64,
    pub(super) in_transaction: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(options: SqliteConnectOptions, size: u32) -> Pool {
        Pool {
            options,
            slots: Arc::new(Semaphore::new(size as usize)),
            inner: Mutex::new(Inner { idle: Vec::new(), size, surplus: 0 }),
            in_use: AtomicU32::new(0),
            timeouts: AtomicU64::new(0),
            epoch: watch::Sender::new(0),
            job_running: Mutex::new(None),
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.lock().size
    }

    pub(super) fn in_use(&self) -> u32 {
        self.in_use.load(Ordering::Relaxed)
    }

    pub(super) fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }

    pub(super) fn options(&self) -> &SqliteConnectOptions {
        &self.options
    }

    pub(super) async fn acquire(&self, timeout: Duration) -> Result<Loan<'_>, PoolError> {
        let waiting = Arc::clone(&self.slots).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(timeout, waiting).await else {
            self.timeouts.fetch_add(1, Ordering::Relaxed);
            return Err(PoolError::Exhausted);
        };
        let epoch = *self.epoch.borrow();
        let idle = self.lock().idle.pop();
        // The loan exists before the connection does, so that an error gives the slot back.
        self.in_use.fetch_add(1, Ordering::Relaxed);
        let mut loan =
            Loan { pool: self, connection: None, epoch, in_transaction: false, permit: Some(permit) };
        loan.connection = Some(match idle {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(PoolError::Open)?,
        });
        Ok(loan)
    }

    /// Makes the pool larger at once, or smaller as connections come back.
    pub(super) fn resize(&self, size: u32) {
        let mut inner = self.lock();
        if size > inner.size {
            let mut grow = size - inner.size;
            let cancelled = grow.min(inner.surplus);
            inner.surplus -= cancelled;
            grow -= cancelled;
            self.slots.add_permits(grow as usize);
        } else {
            let shrink = inner.size - size;
            let taken = u32::try_from(self.slots.forget_permits(shrink as usize)).unwrap_or(shrink);
            inner.surplus += shrink - taken;
        }
        inner.size = size;
        let keep = size as usize;
        inner.idle.truncate(keep);
    }

    /// Closes all connections: idle ones now, those of requests when they come back; background jobs lose theirs
    /// and end.
    pub(super) fn close_all(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
        self.lock().idle.clear();
    }

    /// Whether a background job holds connections of the present epoch.
    pub(super) fn job_running(&self) -> bool {
        *self.job_slot() == Some(*self.epoch.borrow())
    }

    /// Runs a background job that takes its share of the pool and keeps it until its connections are closed.
    pub(super) async fn run_stuck_job(&self, job: StuckJob) {
        let mut closed = self.epoch.subscribe();
        *self.job_slot() = Some(*closed.borrow_and_update());
        let since = Instant::now();
        let mut held: Vec<Loan<'_>> = Vec::new();
        loop {
            let wanted = f64::from(self.size()) * job.share * super::ramp(since, job.ramp_s);
            if (held.len() as f64) < wanted.round() {
                tokio::select! {
                    _ = closed.changed() => break,
                    loan = self.acquire(Duration::from_millis(500)) => held.extend(loan.ok()),
                }
            } else {
                tokio::select! {
                    _ = closed.changed() => break,
                    () = tokio::time::sleep(Duration::from_millis(100)) => {}
                }
            }
        }
        let mut running = self.job_slot();
        if *running != Some(*self.epoch.borrow()) {
            *running = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn job_slot(&self) -> MutexGuard<'_, Option<u64>> {
        self.job_running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loan<'_> {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.pool.in_use.fetch_sub(1, Ordering::Relaxed);
        let mut inner = self.pool.lock();
        let current = self.epoch == *self.pool.epoch.borrow();
        if let Some(connection) = self.connection.take()
            && current
            && !self.in_transaction
            && inner.surplus == 0
        {
            inner.idle.push(connection);
        }
        if let Some(permit) = self.permit.take()
            && inner.surplus > 0
        {
            inner.surplus -= 1;
            permit.forget();
        }
    }
}
