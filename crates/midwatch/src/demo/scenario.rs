//! What can be broken, and where it makes sense.

use crate::exit::Usage;
use anyhow::{Context as _, Result};
use midwatch_lab::catalogue::ServiceName;
use midwatch_lab::supervisor::fault_type::FaultType;
use midwatch_model::Cause;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

/// A scenario: the fault that is asked of the lab and the verdict that midwatch should reach by itself.
pub struct Scenario {
    /// The lab's name of the fault; `None` for the quiet scenario.
    pub fault: Option<&'static str>,
    pub service: String,
    pub cause: Option<Cause>,
}

/// Cause, the lab's fault that leads to it, and the service that it is shown on by default.
const SCENARIOS: [(Cause, &str, &str); 9] = [
    (Cause::LatencySpike, "latency", "payment-service"),
    (Cause::ErrorRateSpike, "error_rate", "order-service"),
    (Cause::CpuSaturation, "cpu", "api-gateway"),
    (Cause::MemoryLeak, "memory_leak", "notification-service"),
    (Cause::DbConnectionExhaustion, "db_connections", "payment-service"),
    (Cause::ConsumerLag, "consumer_lag", "notification-service"),
    (Cause::DeploymentFailure, "bad_deployment", "user-service"),
    (Cause::CrashLoop, "crash_loop", "inventory-service"),
    (Cause::TrafficSpike, "traffic_spike", "api-gateway"),
];

impl Scenario {
    pub fn choose(name: Option<&str>, service: Option<&str>, seed: u64) -> Result<Self> {
        if name == Some("none") {
            return Ok(Self { fault: None, service: String::new(), cause: None });
        }
        let (cause, fault, default) = match name {
            Some(name) => *SCENARIOS.iter().find(|(cause, _, _)| cause.name() == name).ok_or_else(|| {
                let known = SCENARIOS.map(|(cause, _, _)| cause.name()).join(", ");
                Usage(format!("`{name}` is not a scenario; known: {known}, none"))
            })?,
            None => SCENARIOS[StdRng::seed_from_u64(seed).random_range(0..SCENARIOS.len())],
        };
        let service = service.unwrap_or(default).to_owned();
        let place = ServiceName::parse(&service).ok_or_else(|| {
            Usage(format!("`{service}` is not a service of the lab; known: {}", ServiceName::listing()))
        })?;
        if FaultType::parse(fault).is_some_and(|fault| !fault.fits(place)) {
            return Err(Usage(format!(
                "{} makes no sense on {service}: it consumes no queue; use {default}",
                cause.name()
            ))
            .into());
        }
        Ok(Self { fault: Some(fault), service, cause: Some(cause) })
    }
}

/// Seconds between two disturbances of the quiet scenario.
pub const DISTURB_EVERY_S: f64 = 45.0;

/// Does something harmless: a good version deployed, a rolling restart, or traffic up to 2× within 60 s and back.
pub async fn disturb(http: &reqwest::Client, lab: &str, round: usize) -> Result<String> {
    let post = async |path: String, body: serde_json::Value| -> Result<()> {
        let answer =
            http.post(format!("{lab}{path}")).json(&body).send().await.context("the lab does not answer")?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        anyhow::ensure!(status.is_success(), "the lab refused: {text}");
        Ok(())
    };
    let service = ServiceName::ALL[(round / 4) % ServiceName::ALL.len()].as_str();
    match round % 4 {
        0 => {
            post("/api/v1/lab/traffic".into(), json!({ "factor": 2.0, "over_s": 60 })).await?;
            Ok("traffic rises to 2× over 60 s".into())
        }
        1 => {
            let url = format!("{lab}/api/v1/lab/versions/{service}");
            let versions: serde_json::Value = http.get(url).send().await?.json().await?;
            let version =
                versions["harmless_next"].as_str().context("the lab names no harmless version")?.to_owned();
            post(format!("/api/v1/control/services/{service}/deploy"), json!({ "version": version })).await?;
            Ok(format!("{service} {version} deployed"))
        }
        2 => {
            post("/api/v1/lab/traffic".into(), json!({ "factor": 1.0, "over_s": 60 })).await?;
            Ok("traffic falls back over 60 s".into())
        }
        _ => {
            post(format!("/api/v1/control/services/{service}/restart"), json!({})).await?;
            Ok(format!("{service} restarted, one instance after the other"))
        }
    }
}
