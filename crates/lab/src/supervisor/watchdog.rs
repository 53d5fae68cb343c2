//! Watches the processes from outside: kills one that exceeds its memory limit, measures CPU use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::fleet::{Fleet, Instance};
use super::process::signal;
use super::world::World;
use crate::catalogue::MEMORY_LIMIT_BYTES;
use crate::procfs;

const PERIOD: Duration = Duration::from_millis(500);
/// Weight of the newest look at a process's CPU use: smooths over about three seconds.
const CPU_WEIGHT: f64 = 0.15;

struct Seen {
    at: Instant,
    cpu: Duration,
    share: f64,
}

pub(super) async fn watch(world: Arc<World>) {
    let mut stop = world.stop.subscribe();
    let mut seen: BTreeMap<i32, Seen> = BTreeMap::new();
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let mut present = Vec::new();
        for fleet in world.fleets.values() {
            for instance in fleet.live_instances() {
                present.push(instance.pid);
                limit_memory(&world, fleet, &instance);
                measure_cpu(fleet, &instance, &mut seen);
            }
        }
        seen.retain(|pid, _| present.contains(pid));
    }
}

fn limit_memory(world: &World, fleet: &Fleet, instance: &Instance) {
    let used = procfs::resident_bytes(&instance.pid.to_string()).unwrap_or(0);
    if used <= MEMORY_LIMIT_BYTES {
        return;
    }
    fleet.oom_kills.fetch_add(1, Ordering::Relaxed);
    let facts = json!({"used_bytes": used, "limit_bytes": MEMORY_LIMIT_BYTES, "pid": instance.pid});
    let log = &world.logs[&fleet.service];
    log.say(
        "ERROR",
        fleet.service.as_str(),
        &instance.id,
        &instance.version,
        "OOMKilled: memory limit exceeded",
        facts,
    );
    signal(instance, Signal::SIGKILL);
}

fn measure_cpu(fleet: &Fleet, instance: &Instance, seen: &mut BTreeMap<i32, Seen>) {
    let (Some(cpu), now) = (procfs::cpu_time(instance.pid), Instant::now()) else { return };
    let before = seen.entry(instance.pid).or_insert(Seen { at: now, cpu, share: 0.0 });
    let elapsed = now.duration_since(before.at).as_secs_f64();
    if elapsed <= 0.0 {
        return;
    }
    let cores = cpu.saturating_sub(before.cpu).as_secs_f64() / elapsed;
    let share = before.share + CPU_WEIGHT * (cores / fleet.service.profile().cpu_limit_cores - before.share);
    *before = Seen { at: now, cpu, share };
    instance.cpu_permille.store((share * 1000.0) as u64, Ordering::Relaxed);
}
