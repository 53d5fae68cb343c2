//! Does what an operation says, once it has been checked and registered.

use std::sync::Arc;

use anyhow::bail;
use axum::http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::fleet::Fleet;
use super::operations::{Change, Operation, Record, Status, Terms, rollback_target};
use super::rollout;
use super::world::World;
use crate::catalogue::Version;
use crate::launch::PoolSize;

/// Performs `operation` and returns the finished record. The caller holds the service's lock.
pub(super) async fn perform(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    mut record: Record,
    operation: &Operation,
    terms: &Terms,
) -> Record {
    let outcome = carry_out(world, fleet, operation, terms).await;
    let status = if outcome.is_ok() { Status::Succeeded } else { Status::Failed };
    if outcome.is_ok() {
        fleet.lock().generation += 1;
    }
    let after = fleet.snapshot();
    record.detail = match outcome {
        Ok(detail) => detail,
        Err(error) => format!("{error:#}"),
    };
    record.status = status;
    if status == Status::Succeeded {
        world.operations.add_change(change(&record, &after, operation));
    }
    record.after = Some(after);
    record
}

async fn carry_out(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    operation: &Operation,
    terms: &Terms,
) -> anyhow::Result<String> {
    match operation {
        Operation::Deploy { version } => deploy(world, fleet, version, false, terms).await,
        Operation::Rollback { to } => {
            let target = rollback_target(&fleet.lock(), to.as_deref());
            match target {
                Ok(version) => deploy(world, fleet, &version, true, terms).await,
                Err(refusal) => bail!(refusal.error),
            }
        }
        Operation::Restart => {
            let version = fleet.lock().version.clone();
            rollout::replace(world, fleet, &version).await?;
            Ok(format!("replaced all processes of {}", fleet.service))
        }
        Operation::Scale { replicas } => {
            rollout::scale(world, fleet, *replicas).await?;
            Ok(format!("{} runs {replicas} replicas", fleet.service))
        }
        Operation::PoolResize { size } => {
            let was = std::mem::replace(&mut fleet.lock().pool_size, *size);
            let told = world.tell_all(fleet, Method::POST, "pool", &PoolSize { size: *size }).await;
            if told.0 < told.1 {
                fleet.lock().pool_size = was;
            }
            everyone(told, "resized the pool")
        }
        Operation::PoolRestart => everyone(
            world.tell_all(fleet, Method::POST, "pool-restart", &json!({})).await,
            "closed all connections",
        ),
        Operation::Circuit { open } => {
            fleet.lock().circuit_open = *open;
            Ok(format!("the circuit to {} is {}", fleet.service, circuit(*open)))
        }
    }
}

async fn deploy(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    name: &str,
    rollback: bool,
    terms: &Terms,
) -> anyhow::Result<String> {
    let (version, was): (Option<Version>, String) = {
        let state = fleet.lock();
        (state.build(name).cloned(), state.version.name.clone())
    };
    let Some(version) = version else { bail!("version {name} is no longer built") };
    rollout::replace(world, fleet, &version).await?;
    let default = if rollback { format!("rollback from {was}") } else { format!("release {name}") };
    let reason = terms.reason.clone().unwrap_or(default);
    fleet.lock().record_deployment(version, rollback, &terms.by, reason);
    Ok(format!("{} runs {name}, before it ran {was}", fleet.service))
}

fn everyone((took, all): (usize, usize), what: &str) -> anyhow::Result<String> {
    if took < all {
        bail!("only {took} of {all} instances {what}; the others did not answer");
    }
    Ok(format!("{what} on {all} instances"))
}

fn circuit(open: bool) -> &'static str {
    if open { "open" } else { "closed" }
}

fn change(record: &Record, after: &super::fleet::State, operation: &Operation) -> Change {
    let before = &record.before;
    let (from, to) = match operation {
        Operation::Deploy { .. }
        | Operation::Rollback { .. }
        | Operation::Restart
        | Operation::PoolRestart => (before.version.clone(), after.version.clone()),
        Operation::Scale { .. } => (before.replicas.to_string(), after.replicas.to_string()),
        Operation::PoolResize { .. } => (before.pool_size.to_string(), after.pool_size.to_string()),
        Operation::Circuit { .. } => {
            (circuit(before.circuit_open).into(), circuit(after.circuit_open).into())
        }
    };
    Change {
        id: record.id.replace("op-", "change-"),
        at: Timestamp::now(),
        service: record.service,
        kind: record.op,
        from,
        to,
        by: record.by.clone(),
        idempotency_key: record.idempotency_key.clone(),
    }
}
