//! Replaces, adds and removes the processes of a service without a gap.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join_all;

use super::fleet::{Fleet, Instance, Slot};
use super::process::{drain_and_stop, launch, stop};
use super::world::World;
use crate::catalogue::Version;

/// Replaces every process by one of `version`: start the new ones, wait until they are ready, switch one by one,
/// drain and stop the old ones. If a new process does not get ready nothing has changed.
pub(super) async fn replace(world: &Arc<World>, fleet: &Arc<Fleet>, version: &Version) -> anyhow::Result<()> {
    let wanted = fleet.lock().slots.len();
    let fresh = launch_many(world, fleet, version, wanted).await?;
    let mut draining = Vec::new();
    for instance in fresh {
        let old = {
            let mut state = fleet.lock();
            let old = if state.slots.is_empty() { None } else { Some(state.slots.remove(0)) };
            state.slots.push(slot(version, instance));
            old
        };
        draining.extend(old.and_then(retire));
    }
    world.fleet_changed(fleet);
    join_all(draining).await;
    super::files::write_pids(world);
    Ok(())
}

/// Brings the service to `replicas` processes. The youngest go first when there are too many.
pub(super) async fn scale(world: &Arc<World>, fleet: &Arc<Fleet>, replicas: u32) -> anyhow::Result<()> {
    let (present, version) = {
        let state = fleet.lock();
        (state.slots.len(), state.version.clone())
    };
    let wanted = replicas as usize;
    let fresh = launch_many(world, fleet, &version, wanted.saturating_sub(present)).await?;
    let surplus = {
        let mut state = fleet.lock();
        state.slots.extend(fresh.into_iter().map(|instance| slot(&version, instance)));
        state.replicas = replicas;
        let keep = wanted.min(state.slots.len());
        state.slots.split_off(keep)
    };
    world.fleet_changed(fleet);
    join_all(surplus.into_iter().filter_map(retire)).await;
    super::files::write_pids(world);
    Ok(())
}

fn slot(version: &Version, instance: Arc<Instance>) -> Slot {
    Slot { id: instance.id.clone(), version: version.clone(), restarts: 0, instance: Some(instance) }
}

/// A slot that gets no more requests: its process is to be drained and stopped.
fn retire(slot: Slot) -> Option<impl Future<Output = ()>> {
    let instance = slot.instance?;
    instance.planned_stop.store(true, Ordering::SeqCst);
    Some(drain_and_stop(instance))
}

async fn launch_many(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    version: &Version,
    count: usize,
) -> anyhow::Result<Vec<Arc<Instance>>> {
    let ids: Vec<String> = {
        let mut state = fleet.lock();
        (0..count).map(|_| state.new_slot_id(fleet.service)).collect()
    };
    let launched = join_all(ids.iter().map(|id| launch(world, fleet, id, version))).await;
    let (mut ready, mut failure) = (Vec::new(), None);
    for result in launched {
        match result {
            Ok(instance) => ready.push(instance),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        None => Ok(ready),
        Some(error) => {
            join_all(ready.iter().map(|instance| stop(instance))).await;
            Err(error)
        }
    }
}
