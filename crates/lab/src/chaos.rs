//! `lab chaos`: a random fault on a random service every few minutes, cleared after a while.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::Method;
use clap::Args;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::catalogue::ServiceName;
use crate::client::HttpClient;
use crate::supervisor::fault_type::FaultType;

const CALL_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Args)]
pub struct ChaosArgs {
    /// Base address of the lab's supervisor.
    #[arg(long)]
    pub url: String,
    /// Shortest time between two faults.
    #[arg(long, default_value_t = 300)]
    pub min_s: u64,
    /// Longest time between two faults.
    #[arg(long, default_value_t = 600)]
    pub max_s: u64,
    /// Seed of the choices; random without it.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Faults to inject before the command ends; without end by default.
    #[arg(long)]
    pub count: Option<u64>,
    /// Seconds after which a fault is cleared; 0 leaves it.
    #[arg(long, default_value_t = 180)]
    pub clear_after_s: u64,
}

pub async fn run(args: ChaosArgs) -> anyhow::Result<()> {
    if args.min_s > args.max_s {
        bail!("--min-s {} is larger than --max-s {}", args.min_s, args.max_s);
    }
    let mut random = args.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
    let client = HttpClient::new();
    let base = args.url.trim_end_matches('/');
    let mut injected = 0;
    while args.count.is_none_or(|count| injected < count) {
        let pause_s = random.random_range(args.min_s..=args.max_s);
        println!("next fault in {pause_s} s");
        tokio::time::sleep(Duration::from_secs(pause_s)).await;
        let (service, fault) = choose(&mut random);
        let magnitude = f64::from(random.random_range(5..=10_u32)) / 10.0;
        inject(&client, base, service, fault, magnitude, args.clear_after_s).await?;
        injected += 1;
    }
    Ok(())
}

/// A random fault that makes sense on a random service.
fn choose(random: &mut StdRng) -> (ServiceName, FaultType) {
    let pairs: Vec<(ServiceName, FaultType)> = ServiceName::ALL
        .into_iter()
        .flat_map(|service| FaultType::ALL.into_iter().map(move |fault| (service, fault)))
        .filter(|(service, fault)| fault.fits(*service))
        .collect();
    // The list is not empty: every service has faults that fit.
    pairs.choose(random).copied().unwrap_or((ServiceName::PaymentService, FaultType::Latency))
}

async fn inject(
    client: &HttpClient,
    base: &str,
    service: ServiceName,
    fault: FaultType,
    magnitude: f64,
    clear_after_s: u64,
) -> anyhow::Result<()> {
    let url = format!("{base}/api/v1/lab/faults/{service}");
    let mut body = json!({"type": fault, "magnitude": magnitude});
    if clear_after_s > 0 {
        body["duration_s"] = json!(clear_after_s);
    }
    let answer = client
        .send_json(Method::POST, &url, &[], &body, CALL_TIMEOUT)
        .await
        .with_context(|| format!("no answer from the lab at {base}; is `midwatch lab up` running there?"))?;
    println!("{} {service} {fault} magnitude {magnitude}: {}", jiff::Timestamp::now(), answer.status);
    if !answer.status.is_success() {
        println!("  {}", answer.text());
    }
    Ok(())
}
