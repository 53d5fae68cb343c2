//! Reading streams and timers.

use crate::{Store, StoreError, name_of};
use midwatch_model::Timestamp;
use midwatch_model::journal::{GENESIS, Record, StreamId, VerifiedJournal};
use sqlx::{Row as _, SqliteConnection};

/// Records and head of one stream, read in one transaction so that they belong together.
pub(crate) async fn load(
    db: &mut SqliteConnection,
    stream: &str,
) -> Result<(Vec<Record>, Option<(u64, [u8; 32])>), StoreError> {
    let mut snapshot = sqlx::Connection::begin(db).await?;
    let records = sqlx::query("SELECT seq, bytes, hash FROM records WHERE stream = ? ORDER BY seq")
        .bind(stream)
        .fetch_all(&mut *snapshot)
        .await?
        .iter()
        .map(|row| Record {
            seq: row.get::<i64, _>(0) as u64,
            bytes: row.get(1),
            hash: row.get::<Vec<u8>, _>(2).try_into().unwrap_or(GENESIS),
        })
        .collect();
    let head = sqlx::query("SELECT seq, hash FROM heads WHERE stream = ?")
        .bind(stream)
        .fetch_optional(&mut *snapshot)
        .await?
        .map(|row| (row.get::<i64, _>(0) as u64, row.get::<Vec<u8>, _>(1).try_into().unwrap_or(GENESIS)));
    snapshot.commit().await?;
    Ok((records, head))
}

impl Store {
    /// A stream with its chain checked. A stream that does not exist is empty.
    ///
    /// # Errors
    /// When the store cannot be read or the chain does not hold.
    pub async fn read(&self, stream: &StreamId) -> Result<VerifiedJournal, StoreError> {
        let mut db = self.readers.acquire().await?;
        let (records, head) = load(&mut db, &name_of(stream)).await?;
        Ok(VerifiedJournal::verify(stream.clone(), &records, head)?)
    }

    /// A stream with its chain checked, or `None` where the chain does not hold: for whoever looks at many, of which one
    /// that is damaged must not hide the others. Whoever works on that one alone says what is wrong.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read_intact(&self, stream: &StreamId) -> Result<Option<VerifiedJournal>, StoreError> {
        match self.read(stream).await {
            Ok(journal) => Ok(Some(journal)),
            Err(StoreError::Chain(error)) => {
                tracing::debug!(%stream, %error, "left out: its journal does not hold");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Every stream whose name starts with `prefix` (`incident/`, `service/`).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn streams(&self, prefix: &str) -> Result<Vec<StreamId>, StoreError> {
        let rows =
            sqlx::query("SELECT stream FROM heads WHERE substr(stream, 1, length(?1)) = ?1 ORDER BY stream")
                .bind(prefix)
                .fetch_all(&self.readers)
                .await?;
        rows.iter()
            .map(|row| {
                let name: &str = row.get(0);
                name.parse().map_err(|reason| StoreError::Row { what: format!("stream {name}"), reason })
            })
            .collect()
    }

    /// Wake-ups that are due.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<(StreamId, String)>, StoreError> {
        let rows = sqlx::query("SELECT stream, kind FROM timers WHERE due_ms <= ? ORDER BY due_ms")
            .bind(now.as_millisecond())
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                let name: &str = row.get(0);
                let stream = name
                    .parse()
                    .map_err(|reason| StoreError::Row { what: format!("timer {name}"), reason })?;
                Ok((stream, row.get(1)))
            })
            .collect()
    }
}
