//! Logs: one NDJSON file per service.
//!
//! A poll reads what is new and counts critical lines; a digest reads a window and sums it up. Log text leaves this
//! module only redacted, as templates with their numbers masked. Files are read on blocking threads, bounded in bytes.

mod digest;
mod line;
#[cfg(any(feature = "aws", feature = "kubernetes"))]
pub(crate) mod summed;
mod tail;

use crate::config::LogsConfig;
use crate::world::CriticalMatcher;
use crate::{ConnectorError, LogDigest, LoggedLine, SourceFailure};
use midwatch_model::{Metric, Sample, ServiceName, Timestamp, seconds_between};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tail::Tail;

/// Most points of the rate's window; at ten polls a second, a minute has 600.
const POINTS_MAX: usize = 600;

/// The configured folder of logs.
pub(crate) struct Logs {
    dir: Option<PathBuf>,
    window_s: f64,
    matcher: Option<Arc<CriticalMatcher>>,
    tails: Arc<Mutex<BTreeMap<ServiceName, Watched>>>,
}

/// One service's log as it is followed.
#[derive(Default)]
struct Watched {
    tail: Tail,
    /// Critical lines that each poll found.
    counts: VecDeque<(Timestamp, u64)>,
}

/// What a poll of the logs found.
#[derive(Default)]
pub(crate) struct LogPoll {
    pub samples: Vec<Sample>,
    pub failures: Vec<SourceFailure>,
}

impl Logs {
    pub fn new(config: &LogsConfig, window_s: f64) -> Self {
        Self { dir: config.dir.clone(), window_s, matcher: None, tails: Arc::default() }
    }

    pub fn set_matcher(&mut self, matcher: CriticalMatcher) {
        self.matcher = Some(Arc::new(matcher));
    }

    /// Follows exactly these services' logs.
    pub fn set_services(&self, services: Vec<ServiceName>) {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        tails.retain(|service, _| services.contains(service));
        for service in services {
            tails.entry(service).or_default();
        }
    }

    /// Whether logs lie in a folder.
    #[cfg(feature = "kubernetes")]
    pub fn has_folder(&self) -> bool {
        self.dir.is_some()
    }

    /// Critical lines per second of every service that has a log.
    pub async fn poll(&self, now: Timestamp) -> LogPoll {
        let (Some(dir), Some(matcher)) = (self.dir.clone(), self.matcher.clone()) else {
            return LogPoll::default();
        };
        let (tails, window_s) = (Arc::clone(&self.tails), self.window_s);
        let work = tokio::task::spawn_blocking(move || {
            let mut tails = tails.lock().unwrap_or_else(PoisonError::into_inner);
            let mut poll = LogPoll::default();
            for (service, watched) in tails.iter_mut() {
                follow(service, watched, &path_of(&dir, service), &**matcher, now, window_s, &mut poll);
            }
            poll
        });
        // Fails only while the runtime shuts down.
        work.await.unwrap_or_default()
    }

    /// Sums up what a service logged within a window.
    pub async fn digest(
        &self,
        service: &ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<LogDigest, ConnectorError> {
        let (named, path) = (service.clone(), self.path(service)?);
        on_disk(move || digest::digest(named, &path, from, to)).await
    }

    /// What a service logged within a window, line by line.
    pub async fn lines(
        &self,
        service: &ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<LoggedLine>, ConnectorError> {
        let path = self.path(service)?;
        on_disk(move || digest::lines(&path, from, to)).await
    }

    fn path(&self, service: &ServiceName) -> Result<PathBuf, ConnectorError> {
        let dir = self.dir.as_ref().ok_or(ConnectorError::NotConfigured {
            what: "log folder",
            fix: "set logs.dir to the folder that holds <service>.ndjson",
        })?;
        // The name becomes part of a path.
        if !service.is_valid() {
            let problem = "is not a valid name, so it has no log file".to_owned();
            return Err(ConnectorError::Config { field: format!("service `{service}`"), problem });
        }
        Ok(path_of(dir, service))
    }
}

/// Reads files where that holds nobody up.
async fn on_disk<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| {
        Err(ConnectorError::File { path: "log".to_owned(), reason: error.to_string() })
    })
}

fn path_of(dir: &Path, service: &ServiceName) -> PathBuf {
    dir.join(format!("{service}.ndjson"))
}

/// Reads what is new in one log, and makes the reading of the window that ends now.
fn follow(
    service: &ServiceName,
    watched: &mut Watched,
    path: &Path,
    is_critical: &(dyn Fn(&str) -> bool + Send + Sync),
    now: Timestamp,
    window_s: f64,
    poll: &mut LogPoll,
) {
    let mut critical = 0;
    let read = watched.tail.read(path, |line| critical += u64::from(is_critical(line)));
    let complain = |reason: String| SourceFailure {
        service: Some(service.clone()),
        source: path.display().to_string(),
        reason,
    };
    match read {
        Ok(tail::Read::Missing) => return,
        Ok(tail::Read::Followed { skipped_bytes: 0 }) => {}
        Ok(tail::Read::Followed { skipped_bytes }) => {
            poll.failures.push(complain(format!("grew too fast: {skipped_bytes} bytes were skipped")));
        }
        Err(error) => {
            poll.failures.push(complain(error.to_string()));
            return;
        }
    }
    watched.counts.push_back((now, critical));
    while watched.counts.len() > POINTS_MAX
        || watched.counts.front().is_some_and(|(at, _)| seconds_between(*at, now) > window_s)
    {
        watched.counts.pop_front();
    }
    // The first point of the window only marks its beginning: what it found came before.
    let elapsed_s = watched.counts.front().map_or(0.0, |(at, _)| seconds_between(*at, now));
    if elapsed_s > 0.0 {
        let found: u64 = watched.counts.iter().skip(1).map(|(_, count)| count).sum();
        let value = found as f64 / elapsed_s;
        poll.samples.push(Sample { service: service.clone(), metric: Metric::CriticalLogs, value, at: now });
    }
}
