//! Starts, watches, revives and stops service processes.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use futures::future::BoxFuture;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};

use super::fleet::{Fleet, Instance};
use super::world::World;
use crate::catalogue::Version;
use crate::launch::{LISTENING, LaunchSpec};

/// How long a new process may take until it listens.
const READY_TIMEOUT: Duration = Duration::from_secs(7);
/// How long requests that a process has accepted may take once it gets no new ones.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(2500);
/// How long a process may take to end after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_millis(2500);
/// Pauses before a crashed process is started again, by crashes in a row.
const BACKOFF_MS: [u64; 3] = [500, 1000, 2000];
/// A process that lived this long has not crashed "in a row".
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// Starts a process and waits until it listens.
pub(super) async fn launch(
    world: &Arc<World>,
    fleet: &Arc<Fleet>,
    slot: &str,
    version: &Version,
) -> anyhow::Result<Arc<Instance>> {
    let spec = spec(world, fleet, slot, version);
    let mut child = spawn(world)?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).context("the new process has no pid")?;
    let mut stdin = child.stdin.take().context("the new process has no standard input")?;
    let mut line = serde_json::to_string(&spec)?;
    line.push('\n');
    let (ready, on_ready) = oneshot::channel();
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(forward_logs(Arc::clone(world), Arc::clone(fleet), stdout, ready));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(forward_errors(
            Arc::clone(world),
            Arc::clone(fleet),
            slot.to_owned(),
            version.name.clone(),
            stderr,
        ));
    }
    let listening = async {
        stdin.write_all(line.as_bytes()).await?;
        drop(stdin);
        on_ready.await.map_err(|_| anyhow!("the process ended before it listened"))
    };
    let address = match tokio::time::timeout(READY_TIMEOUT, listening).await {
        Ok(Ok(address)) => address,
        outcome => {
            // It is gone already or must go.
            let _ = child.kill().await;
            return Err(match outcome {
                Ok(Err(error)) => error,
                _ => anyhow!("the process did not listen within {} s", READY_TIMEOUT.as_secs()),
            }
            .context(format!("start {slot} {}", version.name)));
        }
    };
    let (exit, exited) = watch::channel(false);
    let instance = Arc::new(Instance {
        id: slot.to_owned(),
        pid,
        address,
        version: version.name.clone(),
        started_at: jiff::Timestamp::now(),
        started: Instant::now(),
        planned_stop: AtomicBool::new(false),
        in_flight: AtomicUsize::new(0),
        exited,
        cpu_permille: AtomicU64::new(0),
    });
    tokio::spawn(await_exit(Arc::clone(world), Arc::clone(fleet), Arc::clone(&instance), child, exit));
    Ok(instance)
}

fn spec(world: &World, fleet: &Fleet, slot: &str, version: &Version) -> LaunchSpec {
    let state = fleet.lock();
    let dependencies: BTreeMap<_, _> =
        fleet.service.depends_on().iter().map(|name| (*name, world.fleet(*name).address.clone())).collect();
    LaunchSpec {
        service: fleet.service,
        instance: slot.to_owned(),
        version: version.clone(),
        parent_pid: nix::unistd::getpid().as_raw(),
        token: world.token.clone(),
        database: world.dir.join("data").join(format!("{}.db", fleet.service)).to_string_lossy().into_owned(),
        pool_size: state.pool_size,
        replicas: state.replicas,
        restarts: fleet.restarts(),
        seed: world.seed,
        broker: world.broker_url.clone(),
        dependencies,
    }
}

fn spawn(world: &World) -> anyhow::Result<Child> {
    let (executable, prefix) = &world.command;
    Command::new(executable)
        .args(prefix)
        .arg("service")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: the terminal's Ctrl-C goes to the supervisor, which stops its children in order.
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {}", executable.display()))
}

async fn forward_logs<R: AsyncRead + Unpin>(
    world: Arc<World>,
    fleet: Arc<Fleet>,
    stdout: R,
    ready: oneshot::Sender<String>,
) {
    let mut ready = Some(ready);
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        world.logs[&fleet.service].append(&line);
        if ready.is_some()
            && let Ok(entry) = serde_json::from_str::<Value>(&line)
            && entry["msg"] == LISTENING
            && let Some(address) = entry["address"].as_str()
            && let Some(ready) = ready.take()
        {
            // Nobody waits any more if the process took too long.
            let _ = ready.send(address.to_owned());
        }
    }
}

async fn forward_errors<R: AsyncRead + Unpin>(
    world: Arc<World>,
    fleet: Arc<Fleet>,
    slot: String,
    version: String,
    stderr: R,
) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        world.logs[&fleet.service].say("ERROR", fleet.service.as_str(), &slot, &version, &line, json!({}));
    }
}

/// Waits for a process's end. An end that nobody planned is a crash, and the slot gets a new process.
async fn await_exit(
    world: Arc<World>,
    fleet: Arc<Fleet>,
    instance: Arc<Instance>,
    mut child: Child,
    exit: watch::Sender<bool>,
) {
    let status = child.wait().await;
    exit.send_replace(true);
    if instance.planned_stop.load(Ordering::SeqCst) || world.is_stopping() {
        return;
    }
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    world.logs[&fleet.service].say(
        "ERROR",
        fleet.service.as_str(),
        &instance.id,
        &instance.version,
        "process exited unexpectedly",
        json!({"exit": status, "uptime_s": instance.started.elapsed().as_secs_f64()}),
    );
    fleet.count_restart(&instance.id);
    world.fleet_changed(&fleet);
    tokio::spawn(reviving(world, fleet, instance));
}

/// `revive` as a boxed future: starting a process leads here again when that process crashes.
fn reviving(world: Arc<World>, fleet: Arc<Fleet>, dead: Arc<Instance>) -> BoxFuture<'static, ()> {
    Box::pin(revive(world, fleet, dead))
}

/// Starts a new process in the slot of a crashed one, again and again with a pause, while the slot is wanted.
async fn revive(world: Arc<World>, fleet: Arc<Fleet>, dead: Arc<Instance>) {
    let mut in_row = if dead.started.elapsed() > STABLE_AFTER { 0 } else { crashes_in_row(&fleet, &dead.id) };
    loop {
        tokio::time::sleep(Duration::from_millis(BACKOFF_MS[in_row.min(BACKOFF_MS.len() - 1)])).await;
        let wanted = |fleet: &Fleet| {
            let state = fleet.lock();
            state.slots.iter().find(|slot| slot.id == dead.id).map(|slot| slot.version.clone())
        };
        let Some(version) = wanted(&fleet) else { return };
        if world.is_stopping() {
            return;
        }
        match launch(&world, &fleet, &dead.id, &version).await {
            Ok(instance) => {
                if !adopt(&fleet, &instance) {
                    stop(&instance).await;
                }
                world.fleet_changed(&fleet);
                return;
            }
            Err(error) => {
                let log = &world.logs[&fleet.service];
                let msg = "process could not be started";
                let facts = json!({"error": format!("{error:#}")});
                log.say("ERROR", fleet.service.as_str(), &dead.id, &version.name, msg, facts);
                in_row += 1;
            }
        }
    }
}

fn crashes_in_row(fleet: &Fleet, slot: &str) -> usize {
    let state = fleet.lock();
    let restarts = state.slots.iter().find(|candidate| candidate.id == slot).map_or(0, |slot| slot.restarts);
    usize::try_from(restarts.saturating_sub(1)).unwrap_or(usize::MAX)
}

/// Puts a new process into its slot; false if the slot is gone.
fn adopt(fleet: &Fleet, instance: &Arc<Instance>) -> bool {
    let mut state = fleet.lock();
    let slot = state.slots.iter_mut().find(|slot| slot.id == instance.id);
    slot.map(|slot| slot.instance = Some(Arc::clone(instance))).is_some()
}

/// Lets a process that gets no new requests finish those it has, then stops it.
pub(super) async fn drain_and_stop(instance: Arc<Instance>) {
    instance.planned_stop.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    while instance.in_flight.load(Ordering::SeqCst) > 0 && Instant::now() < deadline && instance.is_alive() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop(&instance).await;
}

/// SIGTERM, and SIGKILL for one that does not end.
pub(super) async fn stop(instance: &Instance) {
    instance.planned_stop.store(true, Ordering::SeqCst);
    signal(instance, Signal::SIGTERM);
    let mut exited = instance.exited.clone();
    // The sender lives until the process is reaped, so an error also means that it is gone.
    if tokio::time::timeout(STOP_TIMEOUT, exited.wait_for(|exited| *exited)).await.is_err() {
        signal(instance, Signal::SIGKILL);
        let _ = exited.wait_for(|exited| *exited).await;
    }
}

/// Signals a process that has not been reaped yet, so its pid is still its own.
pub(super) fn signal(instance: &Instance, signal: Signal) {
    if instance.is_alive() {
        // An error means that it ended a moment ago.
        let _ = kill(Pid::from_raw(instance.pid), signal);
    }
}
