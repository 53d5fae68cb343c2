//! The service's database: real queries on SQLite behind a model of the storage device's latency.
//!
//! Owns the schema and how long a storage round trip takes in this process. A connection is held for the whole
//! round trip, as with a database across a network.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng;
use rand_distr::{Distribution, LogNormal};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::watch;

use super::pool::{ACQUIRE_TIMEOUT, Loan, Pool, PoolError};
use super::{App, ramp, tick};
use crate::catalogue::{CUSTOMERS, Latency};
use crate::launch::{LaunchSpec, StorageDegradation};

/// A lookup by primary key: median and spread of its round trip.
const LOOKUP_MEDIAN_MS: f64 = 2.0;
const LOOKUP_SIGMA: f64 = 0.4;
/// Rows that are kept per service; older ones are deleted every `HOUSEKEEPING`.
const ROWS_KEPT: i64 = 5_000;
const HOUSEKEEPING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) enum StorageError {
    PoolExhausted,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        StorageError::Database(error)
    }
}

impl From<PoolError> for StorageError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Exhausted => StorageError::PoolExhausted,
            PoolError::Open(error) => StorageError::Database(error),
        }
    }
}

impl std::fmt::Display for StorageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StorageError::PoolExhausted => {
                write!(f, "db pool exhausted: no connection within {} ms", ACQUIRE_TIMEOUT.as_millis())
            }
            StorageError::Database(error) => write!(f, "database query failed: {error}"),
        }
    }
}

impl std::error::Error for StorageError {}

pub(super) struct Storage {
    pub(super) pool: Arc<Pool>,
    latency: Latency,
    degradation: Mutex<Option<(StorageDegradation, Instant)>>,
}

impl Storage {
    pub(super) async fn open(spec: &LaunchSpec, latency: Latency) -> Result<Storage, StorageError> {
        let options = SqliteConnectOptions::new()
            .filename(&spec.database)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(Duration::from_secs(5))
            // 256 KiB of page cache per connection keeps the process's memory its own.
            .pragma("cache_size", "-256");
        let storage = Storage {
            pool: Arc::new(Pool::new(options, spec.pool_size)),
            latency,
            degradation: Mutex::new(None),
        };
        storage.create_schema().await?;
        Ok(storage)
    }

    async fn create_schema(&self) -> Result<(), StorageError> {
        let mut loan = self.pool.acquire(ACQUIRE_TIMEOUT).await?;
        let connection = loan.connection()?;
        sqlx::query("CREATE TABLE IF NOT EXISTS profiles (customer INTEGER PRIMARY KEY, body TEXT NOT NULL)")
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY AUTOINCREMENT, customer INTEGER NOT NULL, \
             kind TEXT NOT NULL, amount_cents INTEGER NOT NULL)",
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query("CREATE INDEX IF NOT EXISTS records_by_customer ON records (customer)")
            .execute(&mut *connection)
            .await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS deliveries (message INTEGER PRIMARY KEY)")
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT OR IGNORE INTO profiles (customer, body) \
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1) \
             SELECT i, '{\"customer\":' || i || ',\"tier\":\"standard\"}' FROM n",
        )
        .bind(CUSTOMERS)
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// Reads a customer's profile by primary key.
    pub(super) async fn load_profile(&self, customer: u32) -> Result<String, StorageError> {
        let mut loan = self.pool.acquire(ACQUIRE_TIMEOUT).await?;
        let row = sqlx::query("SELECT body FROM profiles WHERE customer = ?")
            .bind(customer)
            .fetch_one(loan.connection()?)
            .await?;
        self.device(lognormal_ms(LOOKUP_MEDIAN_MS, LOOKUP_SIGMA)).await;
        Ok(row.try_get(0)?)
    }

    /// Opens a transaction and reads the customer's history in `round_trips` queries; the connection stays on loan.
    /// Without `cold` the pages are known to be in the device's cache.
    pub(super) async fn begin(
        &self,
        customer: u32,
        round_trips: u32,
        cold: bool,
    ) -> Result<Loan<'_>, StorageError> {
        let mut loan = self.pool.acquire(ACQUIRE_TIMEOUT).await?;
        loan.in_transaction = true;
        sqlx::query("BEGIN").execute(loan.connection()?).await?;
        for _ in 0..round_trips.max(1) {
            sqlx::query("SELECT count(*), coalesce(sum(amount_cents), 0) FROM records WHERE customer = ?")
                .bind(customer)
                .fetch_one(loan.connection()?)
                .await?;
            self.device(self.main_query_ms(cold)).await;
        }
        Ok(loan)
    }

    /// Ends the transaction and, if there is something to record, writes one row.
    pub(super) async fn finish(
        &self,
        mut loan: Loan<'_>,
        customer: u32,
        record: Option<&'static str>,
    ) -> Result<(), StorageError> {
        sqlx::query("COMMIT").execute(loan.connection()?).await?;
        loan.in_transaction = false;
        if let Some(kind) = record {
            sqlx::query("INSERT INTO records (customer, kind, amount_cents) VALUES (?, ?, ?)")
                .bind(customer)
                .bind(kind)
                .bind(i64::from(customer) * 7 + 100)
                .execute(loan.connection()?)
                .await?;
        }
        Ok(())
    }

    /// Records deliveries in one transaction; ids that are known already are left alone.
    pub(super) async fn record_deliveries(&self, messages: &[u64]) -> Result<(), StorageError> {
        let mut loan = self.pool.acquire(ACQUIRE_TIMEOUT).await?;
        loan.in_transaction = true;
        sqlx::query("BEGIN IMMEDIATE").execute(loan.connection()?).await?;
        for message in messages {
            sqlx::query("INSERT OR IGNORE INTO deliveries (message) VALUES (?)")
                .bind(i64::try_from(*message).unwrap_or(i64::MAX))
                .execute(loan.connection()?)
                .await?;
        }
        sqlx::query("COMMIT").execute(loan.connection()?).await?;
        loan.in_transaction = false;
        self.device(lognormal_ms(LOOKUP_MEDIAN_MS, LOOKUP_SIGMA)).await;
        Ok(())
    }

    /// A health check's look at the database: how long connection and query took.
    pub(super) async fn probe(&self, acquire: Duration) -> Result<Duration, StorageError> {
        let mut loan = self.pool.acquire(acquire).await?;
        let begun = Instant::now();
        sqlx::query("SELECT 1").fetch_one(loan.connection()?).await?;
        self.device(lognormal_ms(LOOKUP_MEDIAN_MS, LOOKUP_SIGMA)).await;
        Ok(begun.elapsed())
    }

    pub(super) fn degrade(&self, degradation: Option<StorageDegradation>) {
        *self.degradation_slot() = degradation.map(|degradation| (degradation, Instant::now()));
    }

    pub(super) fn is_degraded(&self) -> bool {
        self.degradation_slot().is_some()
    }

    async fn device(&self, wait_ms: f64) {
        let factor = match *self.degradation_slot() {
            Some((degradation, since)) => {
                1.0 + (degradation.slowdown - 1.0) * ramp(since, degradation.ramp_s)
            }
            None => 1.0,
        };
        tokio::time::sleep(Duration::from_secs_f64(wait_ms * factor / 1000.0)).await;
    }

    fn main_query_ms(&self, cold: bool) -> f64 {
        let mut random = rand::rng();
        if cold && random.random::<f64>() < self.latency.slow_share {
            random.random_range(self.latency.slow_min_ms..self.latency.slow_max_ms)
        } else {
            lognormal_ms(self.latency.median_ms, self.latency.sigma)
        }
    }

    fn degradation_slot(&self) -> std::sync::MutexGuard<'_, Option<(StorageDegradation, Instant)>> {
        self.degradation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One draw, cut at four times the median so that the tail is the catalogue's and not the distribution's.
fn lognormal_ms(median_ms: f64, sigma: f64) -> f64 {
    let draw =
        LogNormal::new(median_ms.ln(), sigma).map_or(median_ms, |shape| shape.sample(&mut rand::rng()));
    draw.min(median_ms * 4.0)
}

/// Deletes old rows now and then on a connection of its own, so that the file stays small.
pub(super) async fn housekeep(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    while tick(&mut stopped, HOUSEKEEPING).await {
        if let Err(error) = delete_old_rows(&app.storage).await {
            app.log.warn("housekeeping failed", serde_json::json!({"error": error.to_string()}));
        }
    }
}

async fn delete_old_rows(storage: &Storage) -> Result<(), sqlx::Error> {
    use sqlx::ConnectOptions;
    let mut connection = storage.pool.options().connect().await?;
    for statement in [
        "DELETE FROM records WHERE id < (SELECT max(id) FROM records) - ?",
        "DELETE FROM deliveries WHERE message < (SELECT max(message) FROM deliveries) - ?",
    ] {
        sqlx::query(statement).bind(ROWS_KEPT).execute(&mut connection).await?;
    }
    Ok(())
}
