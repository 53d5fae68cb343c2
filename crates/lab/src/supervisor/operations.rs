//! The control plane's operations: checked, registered, then performed once, whoever asks.
//!
//! Owns the register of operations and the order of checks. The HTTP surface is `control_api`, the doing of it is
//! `perform`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::fleet::{Fleet, FleetState, State};
use super::perform;
use super::world::World;
use crate::catalogue::{POOL_MAX, REPLICAS_MAX};

/// Operations that are remembered; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 5_000;
/// Longest accepted idempotency key, actor or reason.
const TEXT_CHARS_MAX: usize = 200;

/// What can be done to a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Operation {
    Deploy { version: String },
    Rollback { to: Option<String> },
    Restart,
    Scale { replicas: u32 },
    PoolResize { size: u32 },
    PoolRestart,
    Circuit { open: bool },
}

impl Operation {
    pub(super) const NAMES: &'static str =
        "deploy, rollback, restart, scale, pool_resize, pool_restart, circuit";

    pub(super) fn name(&self) -> &'static str {
        match self {
            Operation::Deploy { .. } => "deploy",
            Operation::Rollback { .. } => "rollback",
            Operation::Restart => "restart",
            Operation::Scale { .. } => "scale",
            Operation::PoolResize { .. } => "pool_resize",
            Operation::PoolRestart => "pool_restart",
            Operation::Circuit { .. } => "circuit",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Running,
    Succeeded,
    Failed,
    DryRun,
}

/// An operation on record.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) service: crate::catalogue::ServiceName,
    pub(super) op: &'static str,
    pub(super) status: Status,
    pub(super) before: State,
    pub(super) after: Option<State>,
    pub(super) detail: String,
    pub(super) by: String,
    pub(super) requested_at: Timestamp,
    #[serde(skip)]
    operation: Operation,
}

/// One change of the world as others may see it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) service: crate::catalogue::ServiceName,
    pub(super) kind: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) by: String,
    pub(super) idempotency_key: Option<String>,
}

/// Who asks for what, on which conditions.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    pub(super) by: String,
    pub(super) reason: Option<String>,
    pub(super) idempotency_key: Option<String>,
    pub(super) if_match: Option<u64>,
    pub(super) dry_run: bool,
}

/// A refusal: nothing was done.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal { status, error: error.into() }
    }
}

#[derive(Default)]
struct Book {
    order: Vec<String>,
    records: BTreeMap<String, watch::Sender<Record>>,
    by_key: BTreeMap<String, String>,
    changes: Vec<Change>,
    last: u64,
}

/// The register of operations and changes.
#[derive(Default)]
pub(super) struct Registry {
    book: Mutex<Book>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<Record> {
        let book = self.lock();
        book.order
            .iter()
            .rev()
            .filter_map(|id| book.records.get(id))
            .map(|record| record.borrow().clone())
            .collect()
    }

    /// Finds an operation by its idempotency key or id.
    pub(super) fn find(&self, key: &str) -> Option<Record> {
        let book = self.lock();
        let id = book.by_key.get(key).map_or(key, String::as_str);
        book.records.get(id).map(|record| record.borrow().clone())
    }

    pub(super) fn changes_since(&self, since: Option<Timestamp>) -> Vec<Change> {
        let book = self.lock();
        book.changes.iter().filter(|change| since.is_none_or(|since| change.at >= since)).cloned().collect()
    }

    pub(super) fn add_change(&self, change: Change) {
        let mut book = self.lock();
        book.changes.push(change);
        let surplus = book.changes.len().saturating_sub(REMEMBERED_MAX);
        book.changes.drain(..surplus);
    }

    fn update(&self, id: &str, record: Record) {
        if let Some(sender) = self.lock().records.get(id) {
            sender.send_replace(record);
        }
    }
}

/// Performs an operation, or answers with the record of the first one that had the same key.
pub(super) async fn submit(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    operation: Operation,
    terms: Terms,
) -> Result<Record, Refusal> {
    let mut result = match register(world, fleet, operation, terms)? {
        Registered::DryRun(record) => return Ok(*record),
        Registered::Running(result) => result,
    };
    // The sender lives in the register, which is never emptied below the running operations.
    let done = result.wait_for(|record| record.status != Status::Running).await;
    done.map(|record| record.clone())
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the operation's record is gone"))
}

enum Registered {
    DryRun(Box<Record>),
    Running(watch::Receiver<Record>),
}

fn register(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    operation: Operation,
    terms: Terms,
) -> Result<Registered, Refusal> {
    check_texts(&terms)?;
    let mut book = world.operations.lock();
    if let Some(known) =
        terms.idempotency_key.as_ref().filter(|_| !terms.dry_run).and_then(|key| book.by_key.get(key))
    {
        return repeat(&book, known, fleet, &operation);
    }
    let (before, after) = check(fleet, &operation, terms.if_match)?;
    book.last += 1;
    let id = format!("op-{}", book.last);
    let mut record = Record {
        id: id.clone(),
        idempotency_key: terms.idempotency_key.clone(),
        service: fleet.service,
        op: operation.name(),
        status: Status::Running,
        before,
        after: None,
        detail: "running".to_owned(),
        by: terms.by.clone(),
        requested_at: Timestamp::now(),
        operation: operation.clone(),
    };
    if terms.dry_run {
        record.status = Status::DryRun;
        record.after = Some(after);
        record.detail = "checked; nothing was changed".to_owned();
        return Ok(Registered::DryRun(Box::new(record)));
    }
    let Ok(busy) = Arc::clone(&fleet.busy).try_lock_owned() else {
        let error =
            format!("busy: another operation is changing {}; try again when it is done", fleet.service);
        return Err(Refusal::new(StatusCode::CONFLICT, error));
    };
    let (sender, result) = watch::channel(record.clone());
    book.records.insert(id.clone(), sender);
    book.order.push(id.clone());
    if let Some(key) = &terms.idempotency_key {
        book.by_key.insert(key.clone(), id.clone());
    }
    forget_oldest(&mut book);
    drop(book);
    let (world, fleet) = (Arc::clone(world), Arc::clone(fleet));
    // Goes on when the client goes away: an operation is never left half done.
    tokio::spawn(async move {
        let finished = perform::perform(&world, &fleet, record, &operation, &terms).await;
        drop(busy);
        world.operations.update(&id, finished);
    });
    Ok(Registered::Running(result))
}

fn repeat(book: &Book, known: &str, fleet: &Fleet, operation: &Operation) -> Result<Registered, Refusal> {
    let gone =
        || Refusal::new(StatusCode::CONFLICT, "this idempotency key was used by an operation long ago");
    let sender = book.records.get(known).ok_or_else(gone)?;
    let first = sender.borrow();
    if first.service != fleet.service || first.operation != *operation {
        let error = format!(
            "this idempotency key belongs to {} of {} with another body; use a new key",
            first.op, first.service
        );
        return Err(Refusal::new(StatusCode::CONFLICT, error));
    }
    drop(first);
    Ok(Registered::Running(sender.subscribe()))
}

fn forget_oldest(book: &mut Book) {
    while book.order.len() > REMEMBERED_MAX {
        let oldest = book.order.remove(0);
        book.records.remove(&oldest);
        book.by_key.retain(|_, id| *id != oldest);
    }
}

fn check_texts(terms: &Terms) -> Result<(), Refusal> {
    let texts = [Some(&terms.by), terms.reason.as_ref(), terms.idempotency_key.as_ref()];
    if texts.into_iter().flatten().any(|text| text.chars().count() > TEXT_CHARS_MAX) {
        let error =
            format!("Idempotency-Key, X-Actor and reason may have at most {TEXT_CHARS_MAX} characters");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
    }
    Ok(())
}

/// Checks an operation against the present state: what is, and what would be.
fn check(fleet: &Fleet, operation: &Operation, if_match: Option<u64>) -> Result<(State, State), Refusal> {
    let state = fleet.lock();
    let before = state.snapshot();
    if let Some(expected) = if_match.filter(|expected| *expected != state.generation) {
        let error = format!(
            "precondition failed: {} is at generation {}, not {expected}; read it again",
            fleet.service, state.generation
        );
        return Err(Refusal::new(StatusCode::PRECONDITION_FAILED, error));
    }
    let mut after = before.clone();
    after.generation += 1;
    match operation {
        Operation::Deploy { version } => after.version = known_build(&state, version)?,
        Operation::Rollback { to } => after.version = rollback_target(&state, to.as_deref())?,
        Operation::Restart | Operation::PoolRestart => {}
        Operation::Scale { replicas } => after.replicas = within("replicas", *replicas, REPLICAS_MAX)?,
        Operation::PoolResize { size } => after.pool_size = within("size", *size, POOL_MAX)?,
        Operation::Circuit { open } => after.circuit_open = *open,
    }
    Ok((before, after))
}

fn within(name: &str, value: u32, max: u32) -> Result<u32, Refusal> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    Err(Refusal::new(StatusCode::BAD_REQUEST, format!("{name} must be between 1 and {max}, not {value}")))
}

fn known_build(state: &FleetState, version: &str) -> Result<String, Refusal> {
    if state.build(version).is_some() {
        return Ok(version.to_owned());
    }
    let names: Vec<&str> = state.builds.iter().map(|build| build.name.as_str()).collect();
    let error = format!("unknown version `{version}`; built are {}", names.join(", "));
    Err(Refusal::new(StatusCode::NOT_FOUND, error))
}

/// The version that a rollback goes to: the one that served before, or one of the history.
pub(super) fn rollback_target(state: &FleetState, to: Option<&str>) -> Result<String, Refusal> {
    let Some(version) = to else {
        let none = || {
            Refusal::new(StatusCode::CONFLICT, "no version served before the current one; name one with `to`")
        };
        return state.lineage.last().cloned().ok_or_else(none);
    };
    known_build(state, version)?;
    if version == state.version.name {
        let error = format!("{version} is serving already; use restart to replace its processes");
        return Err(Refusal::new(StatusCode::CONFLICT, error));
    }
    if state.deployments.iter().any(|deployment| deployment.version == version) {
        return Ok(version.to_owned());
    }
    let error = format!("{version} has never been deployed here; use deploy");
    Err(Refusal::new(StatusCode::CONFLICT, error))
}

/// The contract's answer for one operation.
pub(super) fn answer(record: &Record) -> Value {
    serde_json::to_value(record).unwrap_or_else(|error| json!({"error": error.to_string()}))
}
