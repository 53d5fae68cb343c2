//! Faults: brings a fact into the world, says whether it is still there, and takes it out again.
//!
//! Nothing here cures anything. `present` is read from the world each time: which build serves, what state the live
//! processes are in, how much is asked of the service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::fault_type::{FaultType, Mechanism};
use super::fleet::Fleet;
use super::load::ExtraKind;
use super::operations::{self, Operation, Refusal, Status, Terms};
use super::world::World;
use crate::catalogue::ServiceName;
use crate::launch::{CacheCorruption, ConsumerWedge, ProcessState, StorageDegradation, StuckJob};

/// Strengths at magnitude 1.
const SLOWDOWN: f64 = 19.0;
const CORRUPTED_SHARE: f64 = 0.45;
const BACKLOG: f64 = 50_000.0;
/// Demand above this share of the capacity of the ready replicas is too much.
const DEMAND_SHARE_MAX: f64 = 0.85;
/// Who deploys builds in this world.
pub(super) const DEPLOYER: &str = "ci";

/// How strong a fault is, and how it comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strength {
    /// Above 0, up to 1.
    pub(super) magnitude: f64,
    /// Seconds until it is all there.
    pub(super) ramp_s: f64,
    /// For a leak: whether it stops short of the limit, so that the process lives on.
    pub(super) held: bool,
}

/// A fault that was brought in and not yet taken out.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) service: ServiceName,
    pub(super) kind: FaultType,
    magnitude: f64,
    injected_at: Timestamp,
    number: u64,
    /// The build that has it, if it is one, and the version that served before.
    build: Option<(String, String)>,
}

/// The supervisor's own truth about a fault.
#[derive(Debug, Serialize)]
pub(super) struct Truth {
    service: ServiceName,
    #[serde(rename = "type")]
    kind: FaultType,
    magnitude: f64,
    injected_at: Timestamp,
    mechanism: Mechanism,
    present: bool,
    detail: String,
}

#[derive(Default)]
struct List {
    faults: Vec<Fault>,
    last: u64,
}

#[derive(Default)]
pub(super) struct Register {
    list: Mutex<List>,
}

impl Register {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings a fault into the world.
pub(super) async fn inject(
    world: &Arc<World>,
    service: ServiceName,
    kind: FaultType,
    strength: Strength,
    duration: Option<Duration>,
) -> Result<Truth, Refusal> {
    let fleet = Arc::clone(world.fleet(service));
    if let Some(fault) = find(world, service, kind) {
        if truth(world, &fault).await.present {
            let error = format!("{kind} is present on {service} already; DELETE it first");
            return Err(Refusal::new(StatusCode::CONFLICT, error));
        }
        forget(world, fault.number);
    }
    let build = match kind.mechanism() {
        Mechanism::Version => Some(deploy_build(world, &fleet, kind, strength).await?),
        Mechanism::ProcessState => {
            set_state(world, &fleet, kind, Some(strength)).await?;
            None
        }
        Mechanism::Load => {
            world.load.set_extra(extra(kind), service, Some((strength.magnitude, strength.ramp_s)));
            None
        }
    };
    let fault = {
        let mut list = world.faults.lock();
        list.last += 1;
        let number = list.last;
        let magnitude = strength.magnitude;
        let fault = Fault { service, kind, magnitude, injected_at: Timestamp::now(), number, build };
        list.faults.push(fault.clone());
        fault
    };
    if let Some(duration) = duration {
        tokio::spawn(expire(Arc::clone(world), fault.clone(), duration));
    }
    Ok(truth(world, &fault).await)
}

/// Takes faults out of the world: all of a service, or one kind.
pub(super) async fn clear(
    world: &Arc<World>,
    service: ServiceName,
    kind: Option<FaultType>,
) -> Result<Vec<FaultType>, Refusal> {
    let mut cleared = Vec::new();
    let matching: Vec<Fault> = world.faults.lock().faults.clone();
    for fault in matching.iter().filter(|f| f.service == service && kind.is_none_or(|kind| f.kind == kind)) {
        take_out(world, fault).await?;
        forget(world, fault.number);
        cleared.push(fault.kind);
    }
    Ok(cleared)
}

/// Everything that was brought in, newest last.
pub(super) async fn truths(world: &Arc<World>) -> Vec<Truth> {
    let faults: Vec<Fault> = world.faults.lock().faults.clone();
    futures::future::join_all(faults.iter().map(|fault| truth(world, fault))).await
}

async fn expire(world: Arc<World>, fault: Fault, duration: Duration) {
    let mut stop = world.stop.subscribe();
    tokio::select! {
        _ = stop.changed() => return,
        () = tokio::time::sleep(duration) => {}
    }
    // A service that is busy with another operation is tried again; someone may also have deleted the fault.
    while world.faults.lock().faults.iter().any(|listed| listed.number == fault.number) {
        if take_out(&world, &fault).await.is_ok() {
            forget(&world, fault.number);
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn find(world: &World, service: ServiceName, kind: FaultType) -> Option<Fault> {
    world.faults.lock().faults.iter().find(|fault| fault.service == service && fault.kind == kind).cloned()
}

fn forget(world: &World, number: u64) {
    world.faults.lock().faults.retain(|fault| fault.number != number);
}

async fn take_out(world: &Arc<World>, fault: &Fault) -> Result<(), Refusal> {
    let fleet = Arc::clone(world.fleet(fault.service));
    match (&fault.build, fault.kind.mechanism()) {
        (Some((bad, good)), _) => {
            if fleet.lock().version.name == *bad {
                let operation = Operation::Rollback { to: Some(good.clone()) };
                run(world, &fleet, operation, format!("withdraw {bad}")).await?;
            }
        }
        (None, Mechanism::Load) => world.load.set_extra(extra(fault.kind), fault.service, None),
        (None, _) => set_state(world, &fleet, fault.kind, None).await?,
    }
    Ok(())
}

/// Builds and deploys a version that has the fault: the build's name, and the version that served before.
async fn deploy_build(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    kind: FaultType,
    strength: Strength,
) -> Result<(String, String), Refusal> {
    let (build, good) = {
        let mut state = fleet.lock();
        let good = if state.version.behaviour.is_good() {
            state.version.name.clone()
        } else {
            let serving_good =
                |name: &&String| state.build(name).is_some_and(|build| build.behaviour.is_good());
            state
                .lineage
                .iter()
                .rev()
                .find(serving_good)
                .cloned()
                .unwrap_or_else(|| state.version.name.clone())
        };
        (state.register_build(fleet.service, kind.behaviour(strength)), good)
    };
    let reason = format!("release {}", build.name);
    run(world, fleet, Operation::Deploy { version: build.name.clone() }, reason).await?;
    Ok((build.name, good))
}

async fn run(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    operation: Operation,
    reason: String,
) -> Result<(), Refusal> {
    let terms = Terms { by: DEPLOYER.to_owned(), reason: Some(reason), ..Terms::default() };
    let record = operations::submit(world, fleet, operation, terms).await?;
    if record.status == Status::Succeeded {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, record.detail))
}

/// Sets a state in all live processes, or clears it.
async fn set_state(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    kind: FaultType,
    wanted: Option<Strength>,
) -> Result<(), Refusal> {
    let (method, strength, ramp_s) = match wanted {
        Some(Strength { magnitude, ramp_s, .. }) => (Method::POST, magnitude, ramp_s),
        None => (Method::DELETE, 0.0, 0.0),
    };
    let told = match kind {
        FaultType::Latency => {
            let body = StorageDegradation { slowdown: 1.0 + (SLOWDOWN - 1.0) * strength, ramp_s };
            world.tell_all(fleet, method, "storage", &body).await
        }
        FaultType::ErrorRate => {
            let body = CacheCorruption { share: CORRUPTED_SHARE * strength, ramp_s };
            world.tell_all(fleet, method, "cache", &body).await
        }
        FaultType::DbConnections => {
            world.tell_all(fleet, method, "job", &StuckJob { share: strength, ramp_s }).await
        }
        _ => {
            let body = ConsumerWedge { backlog: (BACKLOG * strength) as u64, ramp_s };
            world.tell_all(fleet, method, "consumer", &body).await
        }
    };
    if told.0 == 0 || told.0 < told.1 {
        let error = format!(
            "{} of {} instances of {} answered; try again when its processes are up",
            told.0, told.1, fleet.service
        );
        // Clearing needs nobody when no process is there.
        if wanted.is_some() || told.0 < told.1 {
            return Err(Refusal::new(StatusCode::CONFLICT, error));
        }
    }
    Ok(())
}

fn extra(kind: FaultType) -> ExtraKind {
    if kind == FaultType::Cpu { ExtraKind::Reports } else { ExtraKind::Spike }
}

async fn truth(world: &Arc<World>, fault: &Fault) -> Truth {
    let fleet = world.fleet(fault.service);
    let (present, detail) = match (&fault.build, fault.kind.mechanism()) {
        (Some((bad, _)), _) => version_truth(fleet, bad),
        (None, Mechanism::Load) => load_truth(world, fleet, extra(fault.kind)),
        (None, _) => state_truth(world, fleet, fault.kind).await,
    };
    Truth {
        service: fault.service,
        kind: fault.kind,
        magnitude: fault.magnitude,
        injected_at: fault.injected_at,
        mechanism: fault.kind.mechanism(),
        present,
        detail,
    }
}

fn version_truth(fleet: &Fleet, bad: &str) -> (bool, String) {
    let serving = fleet.lock().version.name.clone();
    if serving == bad {
        (true, format!("{bad} is the version that serves"))
    } else {
        (false, format!("{bad} serves no more; {serving} does"))
    }
}

fn load_truth(world: &World, fleet: &Fleet, kind: ExtraKind) -> (bool, String) {
    if !world.load.has_extra(kind, fleet.service) {
        return (false, "the load is gone".to_owned());
    }
    let live = fleet.live_instances();
    let limit = fleet.service.profile().cpu_limit_cores;
    let capacity = limit * live.len() as f64;
    let demanded = world.load.demanded_cores(fleet.service);
    let used: f64 = live
        .iter()
        .map(|instance| {
            instance.cpu_permille.load(std::sync::atomic::Ordering::Relaxed) as f64 / 1000.0 * limit
        })
        .sum();
    let share = if capacity > 0.0 { demanded.max(used) / capacity } else { f64::INFINITY };
    let detail = format!(
        "the load goes on: demand is {:.0} % of the capacity of {} ready replicas",
        share * 100.0,
        live.len()
    );
    (share > DEMAND_SHARE_MAX, detail)
}

async fn state_truth(world: &Arc<World>, fleet: &Fleet, kind: FaultType) -> (bool, String) {
    let mut held = Vec::new();
    for instance in fleet.live_instances() {
        let answer = world.tell(Method::GET, &instance.address, "state", &json!({})).await;
        let Some(state) = answer.ok().and_then(|answer| answer.json::<ProcessState>().ok()) else { continue };
        let holds = match kind {
            FaultType::Latency => state.storage_degraded,
            FaultType::ErrorRate => state.cache_corrupted,
            FaultType::DbConnections => state.job_stuck,
            _ => state.consumer_wedged,
        };
        if holds {
            held.push(instance.id.clone());
        }
    }
    if held.is_empty() {
        (false, "no live process has this state".to_owned())
    } else {
        (true, format!("in the memory of {}", held.join(", ")))
    }
}
