//! One service process: what `lab service` runs.
//!
//! Owns the process's start, its background tasks and its graceful end. It learns everything about itself from the
//! `LaunchSpec` on its standard input and must never know why the supervisor wants something.

mod cache;
mod config_read;
mod consumer;
mod cpu;
mod dependency;
mod handlers;
mod health;
mod logs;
mod memory;
mod metrics;
mod operations;
mod pool;
mod private;
mod publisher;
mod release;
mod storage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::catalogue::{Profile, ServiceName};
use crate::client::HttpClient;
use crate::launch::{LISTENING, LaunchSpec};

/// How long the tasks of a process may take to end after it was asked to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// The parts of one service process.
pub(crate) struct App {
    spec: LaunchSpec,
    profile: Profile,
    started: Instant,
    started_at_unix_s: f64,
    log: logs::Logger,
    metrics: metrics::Metrics,
    cpu: cpu::Governor,
    storage: storage::Storage,
    cache: cache::Cache,
    dependencies: dependency::Dependencies,
    publisher: publisher::Publisher,
    consumer: consumer::ConsumerState,
    memory: memory::Memory,
    release: release::Release,
    replicas: AtomicU64,
    restarts: AtomicU64,
}

impl App {
    fn service(&self) -> ServiceName {
        self.spec.service
    }
}

/// Runs one service process until it is told to stop. The supervisor starts it; it is of no use by hand.
pub async fn run() -> anyhow::Result<()> {
    let spec = config_read::read_spec()?;
    config_read::die_with(spec.parent_pid)?;
    let app = Arc::new(assemble(spec).await?);
    let listener =
        TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.context("bind a loopback port")?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = background_tasks(&app, &stopped);
    app.log.info(
        LISTENING,
        json!({"address": format!("http://{address}"), "pid": std::process::id(), "pool_size": app.spec.pool_size}),
    );
    let router = axum::Router::new().fallback(handlers::handle).with_state(Arc::clone(&app));
    let mut on_stop = stopped.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = on_stop.changed().await;
    });
    let serving = tokio::spawn(async move { server.await });
    wait_for_stop_signal().await?;
    app.log.info("shutting down", json!({"uptime_s": app.started.elapsed().as_secs()}));
    stop.send_replace(true);
    let finish = async {
        while tasks.join_next().await.is_some() {}
        serving.await
    };
    // Keep-alive connections may outlive the grace period; the process ends all the same.
    let _ = tokio::time::timeout(STOP_GRACE, finish).await;
    Ok(())
}

async fn assemble(spec: LaunchSpec) -> anyhow::Result<App> {
    let profile = spec.service.profile();
    let log = logs::Logger::new(spec.service.as_str(), &spec.instance, &spec.version.name);
    let storage = storage::Storage::open(&spec, profile.latency).await.context("open the database")?;
    let client = HttpClient::new();
    let clock = jiff::Timestamp::now();
    Ok(App {
        profile,
        started: Instant::now(),
        started_at_unix_s: clock.as_millisecond() as f64 / 1000.0,
        metrics: metrics::Metrics::new(spec.service),
        cpu: cpu::Governor::start(profile.cpu_limit_cores),
        storage,
        cache: cache::Cache::new(),
        dependencies: dependency::Dependencies::new(client.clone(), spec.dependencies.clone()),
        publisher: publisher::Publisher::new(client.clone(), spec.broker.clone()),
        consumer: consumer::ConsumerState::new(client, spec.broker.clone()),
        memory: memory::Memory::new(spec.version.behaviour.leak),
        release: release::Release::new(spec.version.behaviour),
        replicas: AtomicU64::new(u64::from(spec.replicas)),
        restarts: AtomicU64::new(spec.restarts),
        log,
        spec,
    })
}

fn background_tasks(app: &Arc<App>, stopped: &watch::Receiver<bool>) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(memory::watch(Arc::clone(app), stopped.clone()));
    tasks.spawn(cache::maintain(Arc::clone(app), stopped.clone()));
    tasks.spawn(storage::housekeep(Arc::clone(app), stopped.clone()));
    if !app.service().consumes_from().is_empty() {
        tasks.spawn(consumer::consume(Arc::clone(app), stopped.clone()));
    }
    if let Some(after_s) = app.spec.version.behaviour.crash_after_s {
        tasks.spawn(release::crash_later(Arc::clone(app), after_s, stopped.clone()));
    }
    tasks
}

async fn wait_for_stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Waits `period`, or returns false at once when the process is to stop.
async fn tick(stopped: &mut watch::Receiver<bool>, period: Duration) -> bool {
    tokio::select! {
        _ = stopped.changed() => false,
        () = tokio::time::sleep(period) => !*stopped.borrow(),
    }
}

/// How far a ramp that began at `since` has come: 0 to 1.
fn ramp(since: Instant, ramp_s: f64) -> f64 {
    if ramp_s <= 0.0 { 1.0 } else { (since.elapsed().as_secs_f64() / ramp_s).clamp(0.0, 1.0) }
}

/// Adds to a counter; a metric needs no ordering.
fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
