//! What the watch holds in memory: detectors, services and its own health. All of it can be lost.

use crate::{EngineConfig, EngineError};
use midwatch_connectors::SourceFailure;
use midwatch_incident::Incident;
use midwatch_model::graph::EdgeKind;
use midwatch_model::journal::{Entry, Registration, StreamId};
use midwatch_model::{IncidentId, ServiceGraph, ServiceName, Timestamp, seconds_between};
use midwatch_signal::{Detectors, DetectorsSnapshot, History};
use midwatch_store::{IntakeRow, Store};
use serde::Serialize;
use std::collections::BTreeMap;

/// Name of the snapshot that holds rolling baselines.
pub(crate) const BASELINES: &str = "baselines";

/// Baselines older than this say nothing about normal any more.
const BASELINES_MAX_AGE_S: f64 = 900.0;

/// Mutable state of the watch.
pub struct Watch {
    pub detectors: Detectors,
    pub(crate) history: History,
    pub graph: ServiceGraph,
    services: BTreeMap<ServiceName, Registration>,
    /// Ticks since this process started.
    pub tick: u64,
    pub started_at: Timestamp,
    /// The last poll, whatever it brought.
    pub polled_at: Option<Timestamp>,
    /// The last poll that brought readings.
    pub last_poll_at: Option<Timestamp>,
    pub last_poll_samples: usize,
    pub failures: Vec<SourceFailure>,
    pub baselines_saved_at: Timestamp,
    /// Signals of the detectors that are not durable yet.
    pub(crate) unsaved: Vec<IntakeRow>,
    /// Errors of the loop in a row.
    pub loop_errors: u32,
    pub last_error: Option<String>,
    /// Why notifications cannot be recorded, while they cannot.
    pub(crate) telling_error: Option<String>,
    /// Why what a poll brought cannot be recorded, while it cannot.
    pub(crate) saving_error: Option<String>,
}

/// The watch's own health, for `/health`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `ok`, `warming_up`, `stale` (no fresh telemetry) or `failing` (what is due cannot be done or recorded).
    pub status: &'static str,
    pub tick: u64,
    /// Ticks left in which nothing is acted upon.
    pub warm_up_ticks_left: u32,
    /// Seconds since the last poll that brought samples.
    pub staleness_s: Option<f64>,
    pub stale: bool,
    pub samples: usize,
    pub sources_failing: Vec<String>,
    /// Receivers that did not take what they were told last, and since when.
    pub receivers_failing: Vec<String>,
    pub last_error: Option<String>,
    pub uptime_s: f64,
}

impl Watch {
    pub(crate) async fn load(
        config: &EngineConfig,
        store: &Store,
        now: Timestamp,
    ) -> Result<Self, EngineError> {
        let detectors = restore(config, store, now).await?;
        let mut watch = Self {
            history: History::of(&detectors.status(now)),
            detectors,
            graph: ServiceGraph::default(),
            services: BTreeMap::new(),
            tick: 0,
            started_at: now,
            polled_at: None,
            last_poll_at: None,
            last_poll_samples: 0,
            failures: Vec::new(),
            baselines_saved_at: now,
            unsaved: Vec::new(),
            loop_errors: 0,
            last_error: None,
            telling_error: None,
            saving_error: None,
        };
        for registration in &config.services {
            watch.register(registration.clone());
        }
        for line in store.read(&StreamId::Config).await?.lines() {
            match &line.entry {
                Entry::ServiceRegistered { registration } => watch.register(registration.clone()),
                // What the file names by now is watched, whatever was taken off before.
                Entry::ServiceUnregistered { service } if !config.names(service) => {
                    watch.unregister(service);
                }
                _ => {}
            }
        }
        watch.adopt_open_incidents(store).await?;
        Ok(watch)
    }

    /// A fault that lasted through a restart is judged by the baselines that its signals were journalled with.
    async fn adopt_open_incidents(&mut self, store: &Store) -> Result<(), EngineError> {
        for row in store.incidents(true, u32::MAX).await? {
            let stream = StreamId::Incident(IncidentId::new(row.id));
            let Some(journal) = store.read_intact(&stream).await? else { continue };
            let Some(incident) = Incident::fold(journal.lines()) else { continue };
            for signal in incident.signals {
                if let (Some(metric), Some(frozen)) = (signal.metric, signal.baseline) {
                    self.detectors.adopt(signal.service, metric, frozen);
                }
            }
        }
        Ok(())
    }

    /// Adds or replaces a service and its edges.
    pub fn register(&mut self, registration: Registration) {
        self.services.insert(ServiceName::new(&registration.name), registration);
        self.draw_graph();
    }

    /// Takes a service off, with the edges that it declared.
    pub fn unregister(&mut self, service: &ServiceName) {
        self.services.remove(service);
        self.draw_graph();
    }

    fn draw_graph(&mut self) {
        self.graph = ServiceGraph::default();
        for (name, r) in &self.services {
            self.graph.add_service(name.clone());
            for callee in &r.depends_on {
                self.graph.add_edge(name.clone(), ServiceName::new(callee), EdgeKind::Calls);
            }
            for producer in &r.consumes_from {
                self.graph.add_edge(name.clone(), ServiceName::new(producer), EdgeKind::Consumes);
            }
        }
    }

    #[must_use]
    pub fn registrations(&self) -> Vec<Registration> {
        self.services.values().cloned().collect()
    }

    #[must_use]
    pub fn registration(&self, service: &ServiceName) -> Option<&Registration> {
        self.services.get(service)
    }

    /// Ticks left in which nothing is acted upon.
    #[must_use]
    pub fn warm_up_ticks_left(&self, config: &EngineConfig) -> u32 {
        config.decision.warm_up_ticks.saturating_sub(u32::try_from(self.tick).unwrap_or(u32::MAX))
    }

    pub(crate) fn health(&self, now: Timestamp, config: &EngineConfig) -> Health {
        let staleness_s = self.last_poll_at.map(|at| seconds_between(at, now));
        let stale_after = config.poll_interval_s * f64::from(config.detection.stale_polls);
        let stale = staleness_s.unwrap_or_else(|| seconds_between(self.started_at, now)) > stale_after;
        let warm_up_ticks_left = self.warm_up_ticks_left(config);
        let unrecorded = self.telling_error.as_ref().or(self.saving_error.as_ref());
        let status = match () {
            () if self.loop_errors > 0 || unrecorded.is_some() => "failing",
            () if stale => "stale",
            () if warm_up_ticks_left > 0 => "warming_up",
            () => "ok",
        };
        Health {
            status,
            tick: self.tick,
            warm_up_ticks_left,
            staleness_s,
            stale,
            samples: self.last_poll_samples,
            sources_failing: self.failures.iter().map(|f| format!("{}: {}", f.source, f.reason)).collect(),
            receivers_failing: Vec::new(),
            last_error: self.last_error.as_ref().or(unrecorded).cloned(),
            uptime_s: seconds_between(self.started_at, now),
        }
    }
}

/// Rolling baselines from before a restart, if they are recent: a server that was killed in the middle of a fault
/// must not learn the fault as normal.
async fn restore(config: &EngineConfig, store: &Store, now: Timestamp) -> Result<Detectors, EngineError> {
    let Some((_, bytes)) = store.snapshot(BASELINES).await? else {
        return Ok(Detectors::new(config.detection.clone()));
    };
    match serde_json::from_slice::<DetectorsSnapshot>(&bytes) {
        Ok(snapshot) => Ok(Detectors::restore(config.detection.clone(), snapshot, now, BASELINES_MAX_AGE_S)),
        Err(error) => {
            tracing::warn!(%error, "saved baselines cannot be read; starting with fresh ones");
            Ok(Detectors::new(config.detection.clone()))
        }
    }
}
