//! The supervisor: starts the world, keeps it running, and is its control plane, broker, traffic and load balancer.

mod control_api;
mod control_metrics;
mod dashboard;
pub mod fault_type;
mod faults;
mod files;
mod fleet;
mod lab_api;
mod load;
mod log_file;
mod operations;
mod perform;
mod process;
mod proxy;
mod rollout;
mod watchdog;
mod world;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::join_all;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use rand::Rng;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::broker::{self, Broker};
use crate::catalogue::ServiceName;
use crate::cli::UpArgs;
use crate::client::HttpClient;
use crate::midwatch_toml::{LabAddresses, midwatch_toml, prometheus_yml};
use fleet::Fleet;
use world::World;

/// How long open connections may hold up the end.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Runs the lab until SIGTERM or SIGINT.
pub async fn up(args: UpArgs, prefix: Vec<String>) -> anyhow::Result<()> {
    if !args.listen.ip().is_loopback() {
        bail!(
            "--listen {}: the lab can crash its services on request and listens on loopback only; use 127.0.0.1",
            args.listen
        );
    }
    if args.die_with_parent {
        prctl::set_pdeathsig(Signal::SIGTERM).context("ask the kernel for the parent's death signal")?;
    }
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!("listen on {}; choose another port with --listen or 0 for a free one", args.listen)
    })?;
    // Signals count from here on, so that a stop during the start leaves nothing behind.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let dir = prepare_directory(&args.dir)?;
    let password = ops_password(&dir, args.ops_password)?;
    let mut servers = JoinSet::new();
    let world = build_world(dir, args.seed, prefix, &listener, &password, &mut servers).await?;
    serve(&mut servers, &world, listener, main_router(&world));
    let outcome = tokio::select! {
        outcome = run(&world) => outcome,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    stop_everything(&world).await;
    // Servers have been told to stop; a connection that stays open does not keep the lab alive.
    let _ = tokio::time::timeout(STOP_GRACE, async { while servers.join_next().await.is_some() {} }).await;
    outcome
}

/// Starts all processes and the traffic, announces the lab, and goes on until it is cancelled.
async fn run(world: &Arc<World>) -> anyhow::Result<()> {
    let fleets: Vec<&Arc<Fleet>> = world.fleets.values().collect();
    let started = join_all(fleets.into_iter().map(|fleet| rollout::scale(world, fleet, 1))).await;
    started.into_iter().collect::<anyhow::Result<Vec<()>>>().context("start the services")?;
    let mut tasks = load::start(world);
    tasks.spawn(watchdog::watch(Arc::clone(world)));
    announce(world).await?;
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Writes the files for those who watch the lab; `midwatch.toml` comes last and means "ready".
async fn announce(world: &World) -> anyhow::Result<()> {
    files::write_pids(world);
    files::write_atomically(&world.dir.join("prometheus.yml"), &prometheus_yml(&world.url), 0o644)?;
    let midwatch_port = free_port().await?;
    let services = world.fleets.values().map(|fleet| (fleet.service, fleet.address.clone())).collect();
    let text =
        midwatch_toml(&LabAddresses { dir: &world.dir, supervisor: &world.url, midwatch_port, services });
    files::write_atomically(&world.dir.join("midwatch.toml"), &text, 0o644)?;
    println!("lab is up: {} services, one process each", world.fleets.len());
    println!("  supervisor  {}", world.url);
    println!(
        "  dashboard   {}/  (user ops, password in {})",
        world.url,
        world.dir.join("ops-password").display()
    );
    println!("  next        midwatch serve -c {}", world.dir.join("midwatch.toml").display());
    Ok(())
}

/// A port that was free a moment ago; the midwatch server says so if it no longer is.
async fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

fn prepare_directory(dir: &Path) -> anyhow::Result<PathBuf> {
    let create =
        |dir: &Path| std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()));
    create(dir)?;
    let dir = dir.canonicalize().with_context(|| format!("find {}", dir.display()))?;
    // What an earlier lab left would say "ready" too soon, and its messages have the same numbers.
    remove(std::fs::remove_file(dir.join("midwatch.toml"))).context("remove the old midwatch.toml")?;
    remove(std::fs::remove_dir_all(dir.join("data"))).context("remove the old data")?;
    create(&dir.join("data"))?;
    create(&dir.join("logs"))?;
    Ok(dir)
}

fn remove(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn ops_password(dir: &Path, given: Option<String>) -> anyhow::Result<String> {
    if given.as_deref().is_some_and(str::is_empty) {
        bail!("--ops-password is empty");
    }
    let password = given.unwrap_or_else(|| secret(24));
    files::write_atomically(&dir.join("ops-password"), &format!("{password}\n"), 0o600)?;
    Ok(password)
}

/// Random letters and digits.
fn secret(length: usize) -> String {
    let mut random = rand::rng();
    (0..length).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect()
}

async fn build_world(
    dir: PathBuf,
    seed: u64,
    prefix: Vec<String>,
    listener: &TcpListener,
    password: &str,
    servers: &mut JoinSet<()>,
) -> anyhow::Result<Arc<World>> {
    let url = format!("http://{}", listener.local_addr()?);
    let (broker_listener, broker_url) = loopback().await?;
    let (mut fleets, mut proxies) = (BTreeMap::new(), Vec::new());
    for service in ServiceName::ALL {
        let (listener, address) = loopback().await?;
        let fleet = Arc::new(Fleet::new(service, address));
        proxies.push((listener, Arc::clone(&fleet)));
        fleets.insert(service, fleet);
    }
    let logs = ServiceName::ALL
        .into_iter()
        .map(|service| (service, log_file::LogFile::new(&dir.join("logs"), service.as_str())))
        .collect();
    let world = Arc::new(World {
        seed,
        command: (std::env::current_exe().context("find this executable")?, prefix),
        token: secret(32),
        client: HttpClient::new(),
        url,
        broker: Arc::new(Broker::default()),
        broker_url,
        fleets,
        logs,
        operations: operations::Registry::default(),
        faults: faults::Register::default(),
        load: load::Load::new(),
        sessions: dashboard::Sessions::new(password)?,
        stopping: AtomicBool::new(false),
        stop: watch::Sender::new(false),
        pids_lock: Mutex::new(()),
        dir,
    });
    for (listener, fleet) in proxies {
        serve(servers, &world, listener, proxy::router(Arc::clone(&world), fleet));
    }
    serve(servers, &world, broker_listener, broker::router(Arc::clone(&world.broker)));
    Ok(world)
}

async fn loopback() -> anyhow::Result<(TcpListener, String)> {
    let listener =
        TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.context("bind a port")?;
    let address = format!("http://{}", listener.local_addr()?);
    Ok((listener, address))
}

fn main_router(world: &Arc<World>) -> axum::Router {
    control_api::router(Arc::clone(world))
        .merge(lab_api::router(Arc::clone(world)))
        .merge(dashboard::router(Arc::clone(world)))
        .fallback(not_found)
}

async fn not_found() -> operations::Refusal {
    let error = "no such resource; see docs/lab.md for the API";
    operations::Refusal::new(axum::http::StatusCode::NOT_FOUND, error)
}

fn serve(servers: &mut JoinSet<()>, world: &Arc<World>, listener: TcpListener, router: axum::Router) {
    let mut stop = world.stop.subscribe();
    servers.spawn(async move {
        let stopped = async move {
            // An error means that the lab is gone, which is a stop as well.
            let _ = stop.changed().await;
        };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            eprintln!("a server of the lab ended: {error}");
        }
    });
}

/// Stops the traffic, then every process by its pid.
async fn stop_everything(world: &Arc<World>) {
    world.stopping.store(true, Ordering::SeqCst);
    world.stop.send_replace(true);
    let instances: Vec<_> = world.fleets.values().flat_map(|fleet| fleet.live_instances()).collect();
    join_all(instances.iter().map(|instance| process::stop(instance))).await;
    files::write_pids(world);
}
