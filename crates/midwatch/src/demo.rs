//! `midwatch demo`: the lab and the server as child processes, one real fault, and the loop that closes.
//!
//! The demo plays the saboteur and the audience. What it breaks it tells the lab, never the server; what it prints of
//! midwatch's work it reads from the API like any client.

mod beside;
mod narrative;
mod outcome;
mod processes;
mod scenario;

pub use beside::Beside;

use crate::cli::ClientArgs;
use crate::client::{Client, export};
use crate::exit::{DONE, Exit, Usage};
use crate::output::out;
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use midwatch_model::decision::Mode;
use narrative::Narrative;
use outcome::{DemoResult, Follower};
use processes::{Environment, Processes};
use scenario::Scenario;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Seconds in which a fault must be over for a demo to end well, when nothing else is said.
const DURATION_S: f64 = 115.0;

/// Seconds that a demo of quiet lasts, when nothing else is said.
const QUIET_S: f64 = 600.0;

/// How often the API is asked.
const POLL: Duration = Duration::from_millis(250);

/// Arguments of `midwatch demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// Folder for the lab, the journal and the postmortem; default: a new one in the temporary folder.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Cedar policies that narrow what midwatch may do.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What to break: latency_spike, error_rate_spike, cpu_saturation, memory_leak, db_connection_exhaustion,
    /// consumer_lag, deployment_failure, crash_loop, traffic_spike, or none. Default: one at random, told at the end.
    #[arg(long)]
    scenario: Option<String>,
    /// Seconds after which the demo ends in any case.
    #[arg(long, value_name = "S")]
    duration: Option<f64>,
    /// The service to break; default: the scenario's own.
    #[arg(long)]
    service: Option<String>,
    /// Strength of the fault, 0–1.
    #[arg(long, default_value_t = 1.0)]
    magnitude: f64,
    /// shadow, propose or auto.
    #[arg(long, default_value_t = Mode::Auto)]
    mode: Mode,
    /// Seed of the lab's traffic and of the choice of scenario.
    #[arg(long)]
    seed: Option<u64>,
    /// A file of sections to tell the story with.
    #[arg(
        long,
        value_name = "FILE",
        help = "A file with [intro] [scenario] [dashboard_note] [running] [success] [failure] sections to tell the story with"
    )]
    narrative: Option<PathBuf>,
    /// Print one JSON object on standard output at the end.
    #[arg(long)]
    json: bool,
}

/// Prints progress where a person looks, which is not where a program reads.
fn say(text: &str) {
    for line in text.lines() {
        eprintln!("{line}");
    }
}

/// Runs the demo.
pub async fn run(args: DemoArgs) -> Result<Exit> {
    let started = Instant::now();
    let seed = args.seed.unwrap_or_else(rand::random);
    let scenario = Scenario::choose(args.scenario.as_deref(), args.service.as_deref(), seed)?;
    if !(args.magnitude > 0.0 && args.magnitude <= 1.0) {
        return Err(Usage(format!("--magnitude {} is not above 0 and at most 1", args.magnitude)).into());
    }
    if let Some(policy) = &args.policy {
        crate::config::load_policy(policy)?;
    }
    if args.duration.is_some_and(|s| !(s > 0.0 && s <= 86_400.0)) {
        return Err(Usage("--duration must be 1 to 86400 seconds".into()).into());
    }
    let narrative = Narrative::load(args.narrative.as_deref())?;
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("midwatch-demo-{}", std::process::id())),
    };
    say(narrative.intro());
    let mut processes = Processes::start_lab(&dir, seed, Environment::Inherited).await?;
    let config = processes.configure(args.mode, args.policy.as_deref())?;
    processes.start_server(&config).await?;
    say(&format!(
        "The lab runs in {}. Ops dashboard: {} (user ops, password in {})",
        dir.display(),
        processes.lab_url,
        dir.join("ops-password").display()
    ));
    say(&format!(
        "midwatch answers at {}: open it in a browser (for the client commands: export MIDWATCH_URL={0})",
        processes.server_url
    ));
    say(narrative.dashboard_note());

    let client = Client::new(&ClientArgs { url: processes.server_url.clone(), api_key: None, json: false })?;
    let result = tokio::select! {
        result = play(&args, &scenario, &narrative, &processes, &client, started, &dir) => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("stopped by the keyboard")),
    };
    processes.stop().await;
    let (result, exit) = result?;
    if args.json {
        out!("{}", serde_json::to_string(&result)?);
    }
    Ok(exit)
}

async fn play(
    args: &DemoArgs,
    scenario: &Scenario,
    narrative: &Narrative,
    processes: &Processes,
    client: &Client,
    started: Instant,
    dir: &Path,
) -> Result<(DemoResult, Exit)> {
    wait_until_warm(client, started).await?;
    let http = reqwest::Client::new();
    let Some(fault) = scenario.fault else {
        let for_s = args.duration.unwrap_or(QUIET_S);
        return quiet(&http, processes, client, for_s, started).await;
    };
    if args.scenario.is_some() {
        say(&narrative
            .scenario(&format!("Breaking {}: {} at magnitude {}", scenario.service, fault, args.magnitude)));
    } else {
        say(&narrative.scenario("Breaking something now; what it was is told at the end."));
    }
    let body = json!({ "type": fault, "magnitude": args.magnitude });
    let url = format!("{}/api/v1/lab/faults/{}", processes.lab_url, scenario.service);
    let answer = http.post(url).json(&body).send().await.context("the lab does not answer")?;
    if !answer.status().is_success() {
        let text = answer.text().await.unwrap_or_default();
        return Err(Usage(format!("the lab refuses this fault: {text}")).into());
    }
    let injected_at = jiff::Timestamp::now();
    say(narrative.running());
    let deadline = args.duration.unwrap_or(DURATION_S);
    let mut follower = Follower::new(injected_at, started);
    while started.elapsed().as_secs_f64() < deadline {
        match follower.look(client, &scenario.service).await {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => follower.server_gone(&error, processes),
        }
        tokio::time::sleep(POLL).await;
    }
    let truth: Value =
        http.get(format!("{}/api/v1/lab/faults", processes.lab_url)).send().await?.json().await?;
    let (mut result, exit) = follower.result(&truth, scenario, args.mode);
    result.bundle = hand_over(client, result.incident_id.as_deref(), dir).await;
    let told = outcome::told(&result, scenario, fault, exit);
    let closing = if exit == DONE { narrative.success() } else { narrative.failure() };
    say(&format!("{closing}\n{told}"));
    Ok((result, exit))
}

/// Writes the incident as a bundle beside its postmortem, and says where. A demo ends well without it.
async fn hand_over(client: &Client, incident: Option<&str>, dir: &Path) -> Option<String> {
    let (id, dir) = (incident?, dir.join("bundles").join(incident?));
    match export::write(client, id, &dir).await {
        Ok(_) => Some(dir.display().to_string()),
        Err(error) => {
            say(&format!("the incident could not be written as a bundle: {error:#}"));
            None
        }
    }
}

/// The detectors need a baseline before anything is broken.
async fn wait_until_warm(client: &Client, started: Instant) -> Result<()> {
    let mut told = false;
    loop {
        let health = client.get("/health").await;
        if let Ok(health) = &health
            && health["warm_up_ticks_left"].as_u64() == Some(0)
        {
            return Ok(());
        }
        if !told {
            say("midwatch is learning what normal looks like …");
            told = true;
        }
        if started.elapsed() > Duration::from_secs(120) {
            bail!(
                "midwatch did not warm up within 120 s: {}",
                health.map_or_else(|e| e.to_string(), |h| h.to_string())
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Harmless deployments and ordinary traffic changes; nothing may come of them.
async fn quiet(
    http: &reqwest::Client,
    processes: &Processes,
    client: &Client,
    for_s: f64,
    started: Instant,
) -> Result<(DemoResult, Exit)> {
    say(&format!(
        "Nothing is broken. For {for_s:.0} s there are harmless deployments and ordinary traffic changes."
    ));
    let began = Instant::now();
    let mut round = 0usize;
    while began.elapsed().as_secs_f64() < for_s {
        let disturbance = scenario::disturb(http, &processes.lab_url, round).await;
        say(&format!(
            "{:>6.1} s  {}",
            started.elapsed().as_secs_f64(),
            disturbance.unwrap_or_else(|e| e.to_string())
        ));
        round += 1;
        let next = began + Duration::from_secs_f64((round as f64 * scenario::DISTURB_EVERY_S).min(for_s));
        tokio::time::sleep_until(next.into()).await;
    }
    let incidents = client.get("/api/v1/incidents").await?;
    let list = incidents["incidents"].as_array().cloned().unwrap_or_default();
    for incident in &list {
        say(&format!("incident: {} {}", incident["id"], incident["summary"]));
    }
    let result = DemoResult::quiet(list.first());
    let exit = if list.is_empty() { DONE } else { crate::exit::FAILED };
    say(if list.is_empty() {
        "No incident, as it should be."
    } else {
        "There were incidents although nothing was broken."
    });
    Ok((result, exit))
}
