//! One service as the control plane sees it: its wanted state, its processes, its history.
//!
//! Owns the wanted state. It starts and stops nothing itself: `process` and `rollout` do.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::catalogue::{Behaviour, REPLICAS_MAX, ServiceName, Version};

/// A running process.
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) pid: i32,
    pub(super) address: String,
    pub(super) version: String,
    pub(super) started_at: Timestamp,
    pub(super) started: Instant,
    /// Set before the process is stopped on purpose: its exit is then no crash.
    pub(super) planned_stop: AtomicBool,
    pub(super) in_flight: AtomicUsize,
    pub(super) exited: watch::Receiver<bool>,
    /// Share of its CPU limit in the last seconds, in per mille.
    pub(super) cpu_permille: AtomicU64,
}

impl Instance {
    pub(super) fn is_alive(&self) -> bool {
        !*self.exited.borrow()
    }
}

/// A place for a process. It outlives crashes of its process.
pub(super) struct Slot {
    pub(super) id: String,
    pub(super) version: Version,
    pub(super) restarts: u64,
    pub(super) instance: Option<Arc<Instance>>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Deployment {
    pub(super) version: String,
    pub(super) deployed_at: Timestamp,
    pub(super) by: String,
    pub(super) reason: String,
}

pub(super) struct FleetState {
    pub(super) version: Version,
    /// Versions that served before the current one, oldest first; a rollback takes from its end.
    pub(super) lineage: Vec<String>,
    pub(super) builds: Vec<Version>,
    pub(super) deployments: Vec<Deployment>,
    pub(super) replicas: u32,
    pub(super) pool_size: u32,
    pub(super) circuit_open: bool,
    pub(super) generation: u64,
    pub(super) slots: Vec<Slot>,
    next_slot: u64,
    bad_builds: u32,
}

/// What an operation changes; part of the control plane's contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) version: String,
    pub(super) replicas: u32,
    pub(super) pool_size: u32,
    pub(super) circuit_open: bool,
    pub(super) generation: u64,
}

pub(super) struct Fleet {
    pub(super) service: ServiceName,
    /// Stable address of the service: its proxy.
    pub(super) address: String,
    state: Mutex<FleetState>,
    /// Held by the one operation that changes this service.
    pub(super) busy: Arc<tokio::sync::Mutex<()>>,
    pub(super) turn: AtomicUsize,
    pub(super) oom_kills: AtomicU64,
    restarts: AtomicU64,
}

/// Days before the lab's start at which the versions of the history were deployed.
const DEPLOYED_DAYS_AGO: [i64; ServiceName::DEPLOYED_AT_START] = [23, 12, 4];

impl Fleet {
    pub(super) fn new(service: ServiceName, address: String) -> Fleet {
        let good = |name: &&str| Version { name: (*name).to_owned(), behaviour: Behaviour::default() };
        let builds: Vec<Version> = service.good_versions().iter().map(good).collect();
        let now = Timestamp::now();
        // Services are not deployed in the same minute.
        let stagger = SignedDuration::from_mins(97 * service as i64);
        let deployments = builds
            .iter()
            .zip(DEPLOYED_DAYS_AGO)
            .map(|(build, days)| Deployment {
                version: build.name.clone(),
                deployed_at: now - SignedDuration::from_hours(24 * days) - stagger,
                by: "ci".to_owned(),
                reason: format!("release {}", build.name),
            })
            .collect();
        let deployed = &builds[..ServiceName::DEPLOYED_AT_START];
        let state = FleetState {
            version: deployed[ServiceName::DEPLOYED_AT_START - 1].clone(),
            lineage: deployed[..ServiceName::DEPLOYED_AT_START - 1]
                .iter()
                .map(|build| build.name.clone())
                .collect(),
            deployments,
            replicas: 1,
            pool_size: service.profile().pool_size,
            circuit_open: false,
            generation: 1,
            slots: Vec::new(),
            next_slot: 1,
            bad_builds: 0,
            builds,
        };
        Fleet {
            service,
            address,
            state: Mutex::new(state),
            busy: Arc::new(tokio::sync::Mutex::new(())),
            turn: AtomicUsize::new(0),
            oom_kills: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, FleetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn replicas(&self) -> u32 {
        self.lock().replicas
    }

    pub(super) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(super) fn count_restart(&self, slot: &str) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = self.lock().slots.iter_mut().find(|candidate| candidate.id == slot) {
            slot.restarts += 1;
        }
    }

    pub(super) fn live_instances(&self) -> Vec<Arc<Instance>> {
        let state = self.lock();
        state
            .slots
            .iter()
            .filter_map(|slot| slot.instance.clone())
            .filter(|instance| instance.is_alive())
            .collect()
    }

    /// The next live instance in turn, counted as busy with one more request before anyone can drain it.
    pub(super) fn enter_next(&self) -> Option<Arc<Instance>> {
        let state = self.lock();
        let live: Vec<&Arc<Instance>> = state
            .slots
            .iter()
            .filter_map(|slot| slot.instance.as_ref())
            .filter(|one| one.is_alive())
            .collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let chosen = live.get(turn.checked_rem(live.len())?).copied()?;
        chosen.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(Arc::clone(chosen))
    }

    pub(super) fn snapshot(&self) -> State {
        self.lock().snapshot()
    }
}

impl FleetState {
    pub(super) fn snapshot(&self) -> State {
        State {
            version: self.version.name.clone(),
            replicas: self.replicas,
            pool_size: self.pool_size,
            circuit_open: self.circuit_open,
            generation: self.generation,
        }
    }

    pub(super) fn build(&self, name: &str) -> Option<&Version> {
        self.builds.iter().find(|build| build.name == name)
    }

    pub(super) fn new_slot_id(&mut self, service: ServiceName) -> String {
        let id = format!("{service}-{}", self.next_slot);
        self.next_slot += 1;
        id
    }

    /// Adds a build to the registry under the next name of the release train.
    pub(super) fn register_build(&mut self, service: ServiceName, behaviour: Behaviour) -> Version {
        let name = format!("{}.{}", service.next_release_train(), self.bad_builds);
        self.bad_builds += 1;
        let version = Version { name, behaviour };
        self.builds.push(version.clone());
        version
    }

    /// Makes `version` the current one and writes history.
    pub(super) fn record_deployment(&mut self, version: Version, rollback: bool, by: &str, reason: String) {
        if rollback {
            // What came after the version that serves again is no longer behind it.
            if let Some(depth) = self.lineage.iter().rposition(|name| *name == version.name) {
                self.lineage.truncate(depth);
            }
        } else if self.version.name != version.name {
            self.lineage.push(self.version.name.clone());
        }
        self.deployments.push(Deployment {
            version: version.name.clone(),
            deployed_at: Timestamp::now(),
            by: by.to_owned(),
            reason,
        });
        self.version = version;
    }
}

/// The contract's view of a service.
pub(super) fn describe(fleet: &Fleet) -> serde_json::Value {
    let state = fleet.lock();
    let instances: Vec<serde_json::Value> = state
        .slots
        .iter()
        .filter_map(|slot| slot.instance.as_ref().map(|instance| (slot, instance)))
        .map(|(slot, instance)| {
            serde_json::json!({"id": instance.id, "pid": instance.pid, "address": instance.address,
                "version": instance.version, "ready": instance.is_alive(), "started_at": instance.started_at,
                "restarts": slot.restarts})
        })
        .collect();
    let ready =
        state.slots.iter().filter(|slot| slot.instance.as_ref().is_some_and(|i| i.is_alive())).count();
    serde_json::json!({
        "name": fleet.service, "version": state.version.name, "previous_version": state.lineage.last(),
        "replicas": state.replicas, "ready_replicas": ready, "max_replicas": REPLICAS_MAX,
        "restarts": fleet.restarts(), "generation": state.generation, "pool_size": state.pool_size,
        "circuit_open": state.circuit_open, "depends_on": fleet.service.depends_on(),
        "consumes_from": fleet.service.consumes_from(), "address": fleet.address, "instances": instances,
    })
}
