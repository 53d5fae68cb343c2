//! `midwatch serve` and `midwatch run --once`.

use crate::config::Config;
use crate::exit::{DONE, Exit, FAILED, Usage};
use crate::output::out;
use anyhow::{Context as _, Result};
use midwatch_api::{ApiConfig, Patience};
use midwatch_connectors::{Llm, QdrantConfig, VectorIndex, World};
use midwatch_decision::Policy;
use midwatch_engine::agent::{Brain, limits};
use midwatch_engine::{Advisor, Engine, SystemClock, SystemIds};
use midwatch_model::Workflow;
use midwatch_signal::CriticalPatterns;
use midwatch_store::Store;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// How long open requests and the running tick may take to end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// Ends this process when its parent ends, so that a killed demo leaves nothing behind.
pub fn die_with_parent() -> Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
        .context("cannot be tied to the parent process")
}

/// Says what keeps an enabled workflow from doing what it says, or lets it do what nobody meant.
fn warn_of_workflows(workflows: &[Workflow], config: &Config, policy: &Policy) {
    let silent = policy.silent_on_runbooks();
    if !workflows.is_empty() && !silent.is_empty() {
        let policies = silent.join(", ");
        tracing::warn!(%policies, "these policies name Agent and do not hold for workflows, which ask as Runbook; say `unless {{ principal is Human }}` to mean both (docs/policy.md)");
    }
    for workflow in workflows {
        let acts = workflow.steps.iter().filter_map(|step| Some((step, step.act.as_ref()?.action)));
        for (step, action) in acts {
            let class = action.safety_class();
            let named = format!("{class:?}").to_lowercase();
            if !config.decision.allowed_classes.contains(&class) {
                tracing::warn!(
                    workflow = workflow.name,
                    step = step.id,
                    "the step cannot be done: {action} is {named}, which [decision] allowed_classes does not name"
                );
            }
        }
    }
}

async fn open(config: &Config) -> Result<(Arc<Engine>, Arc<World>)> {
    let policy = config.load_policy()?;
    let workflows = crate::runbook::enabled(&config.runbooks);
    warn_of_workflows(workflows.as_deref().unwrap_or_default(), config, &policy);
    crate::config::at_once(workflows.err().unwrap_or_default())?;
    config.notes().iter().for_each(|note| tracing::warn!("{note}"));
    let patterns = CriticalPatterns::new(&[])?;
    let world = World::new(&config.connectors(), &config.services)
        .map_err(|e| Usage(e.to_string()))?
        .with_critical_matcher(Box::new(move |line| patterns.classify(line).is_some()));
    let store = Store::open(&config.store.path).await?;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds::default()));
    let world = Arc::new(world);
    let mut engine = Engine::open(config.engine(), policy, store, world.clone(), clock, ids).await?;
    if let Some(qdrant) = &config.knowledge.qdrant {
        engine.compare_vectors_in(vector_index(qdrant)?);
    }
    Ok((Arc::new(engine), world))
}

/// Looks at CloudWatch alarms, if that is asked for.
#[cfg(feature = "aws")]
fn look_at_alarms(
    work: &mut JoinSet<()>,
    config: &Config,
    (engine, world): (&Arc<Engine>, Arc<World>),
    stopped: &watch::Receiver<bool>,
) {
    let every_s = config.aws.as_ref().map_or(0.0, |aws| aws.alarms_poll_s);
    if every_s > 0.0 {
        let every = Duration::from_secs_f64(every_s);
        work.spawn(crate::alarms::look(world, engine.clone(), every, stopped.clone()));
    }
}

#[cfg(not(feature = "aws"))]
fn look_at_alarms(_: &mut JoinSet<()>, _: &Config, _: (&Arc<Engine>, Arc<World>), _: &watch::Receiver<bool>) {
}

#[cfg(feature = "qdrant")]
fn vector_index(config: &QdrantConfig) -> Result<Arc<dyn VectorIndex>> {
    let wrong = |error: midwatch_connectors::ConnectorError| Usage(error.to_string());
    let http = midwatch_connectors::Http::within_networks().map_err(wrong)?;
    Ok(Arc::new(midwatch_connectors::Qdrant::new(http, config).map_err(wrong)?))
}

#[cfg(not(feature = "qdrant"))]
fn vector_index(_: &QdrantConfig) -> Result<Arc<dyn VectorIndex>> {
    let text = "[knowledge.qdrant] is set, but this midwatch was built without it: build it with `--features qdrant`";
    Err(Usage(text.into()).into())
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let text = match error.kind() {
            std::io::ErrorKind::AddrInUse => format!(
                "{address} is taken by another process; stop it, or set [server] listen (or MIDWATCH_SERVER__LISTEN) to another port"
            ),
            _ => format!("cannot listen on {address}: {error}"),
        };
        Usage(text).into()
    })
}

/// Runs the server until it is told to stop.
pub async fn serve(path: &Path) -> Result<Exit> {
    crate::log::to_stderr();
    let config = Config::load(path)?;
    let (keys, senders) = (config.keys()?, config.senders()?);
    // The port first: a second server must fail before it touches the store.
    let listener = listen(config.server.listen).await?;
    let address = listener.local_addr().context("the listener has an address")?;
    let (engine, world) = open(&config).await?;
    let beside = crate::demo::Beside::default();
    let api = ApiConfig {
        limits: config.limits(&keys),
        trusted_proxies: config.trusted_proxies().map_err(Usage)?,
        keys,
        senders,
        slack: config.slack_door()?,
        cors_origins: config.server.cors_origins.clone(),
        listen: address,
        shown: config.shown()?,
        lab: config.lab.url.clone(),
        demo: beside.starter(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let connections = crate::files::connections(config.server.connections_max);
    let patience = Patience {
        connections,
        connections_per_address: connections.div_ceil(2),
        trusted_proxies: api.trusted_proxies.clone(),
        ..Patience::default()
    };
    let router = midwatch_api::router(engine.clone(), api);
    let (stop, stopped) = watch::channel(false);
    let mut work = JoinSet::new();
    work.spawn(midwatch_engine::run(engine.clone(), stopped.clone()));
    work.spawn(midwatch_engine::tell(engine.clone(), stopped.clone()));
    work.spawn(midwatch_engine::foresee(engine.clone(), stopped.clone()));
    if let Some(advisor) = advisor(&config)? {
        work.spawn(midwatch_engine::advise(engine.clone(), advisor, stopped.clone()));
    }
    look_at_alarms(&mut work, &config, (&engine, world), &stopped);
    work.spawn(midwatch_api::serve(listener, router, stopped, patience));
    tracing::info!(
        server.address = %address, mode = %config.mode, dry_run = config.dry_run, services = config.services.len(),
        "midwatch is on watch"
    );
    let told = tokio::select! {
        told = signal() => told,
        // Nobody would be paged by a server that takes alerts and does nothing else.
        ended = work.join_next() => Err(ended_by_itself(ended)),
    };
    tracing::info!("stopping");
    let _ = stop.send(true);
    let all = async { while work.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_MAX, all).await.is_err() {
        tracing::warn!("some work did not end in time; the journal knows how far it came");
    }
    beside.stop().await;
    engine.store.close().await;
    told.map(|()| DONE)
}

/// Whoever is asked for a second opinion, if anybody is.
fn advisor(config: &Config) -> Result<Option<Advisor>> {
    let llm = Llm::new(&config.llm).map_err(|error| Usage(error.to_string()))?;
    let deadline = Duration::from_secs_f64(config.llm.deadline_s);
    Ok(llm.map(|llm| Advisor::new(Brain::Model(Box::new(llm)), limits(&config.llm), deadline)))
}

fn ended_by_itself(ended: Option<Result<(), JoinError>>) -> anyhow::Error {
    let why = match ended {
        Some(Err(error)) => error.to_string(),
        Some(Ok(())) | None => "it said nothing".to_owned(),
    };
    anyhow::anyhow!(
        "a part of the server has ended by itself ({why}); start it again: nothing that was acknowledged is lost, and please \
         report this"
    )
}

async fn signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// One cycle on the configured source: 0 when it could be read and nothing is open, else 1.
pub async fn once(path: &Path, json: bool) -> Result<Exit> {
    crate::log::to_stderr();
    let config = Config::load(path)?;
    let (engine, _) = open(&config).await?;
    engine.tick().await?;
    let health = engine.health().await;
    let rows = engine.store.incidents(true, 1000).await?;
    let open: Vec<_> = rows.iter().filter(|r| r.state != "resolved").collect();
    let read = health.samples > 0;
    if json {
        let open: Vec<_> = open
            .iter()
            .map(|r| serde_json::json!({"id": r.id, "state": r.state, "summary": r.summary}))
            .collect();
        crate::output::json(
            &serde_json::json!({ "samples": health.samples, "health": health, "open": open }),
        )?;
    } else {
        out!("{} samples read, {} sources failing", health.samples, health.sources_failing.len());
        for failing in &health.sources_failing {
            out!("  {failing}");
        }
        for row in &open {
            out!("{}  {}  {}", row.id, row.state, row.summary);
        }
        if open.is_empty() {
            out!("no open incident");
        }
    }
    Ok(if read && open.is_empty() { DONE } else { FAILED })
}
