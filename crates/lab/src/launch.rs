//! What the supervisor hands to a service process on its standard input, and the private words they exchange.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogue::{ServiceName, Version};

/// Header that carries the private channel's token.
pub const TOKEN_HEADER: &str = "x-lab-token";
/// Header by which a proxy says that the circuit to a service is open.
pub const CIRCUIT_HEADER: &str = "x-circuit-open";
/// Log message that announces an instance's address; the supervisor waits for it.
pub const LISTENING: &str = "listening";

/// Everything a service process needs to know, written to its standard input as one line of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LaunchSpec {
    pub service: ServiceName,
    pub instance: String,
    pub version: Version,
    pub parent_pid: i32,
    /// Secret of the channel `/-/…`; only the supervisor has it.
    pub token: String,
    /// Path of the service's SQLite file, shared by its replicas.
    pub database: String,
    pub pool_size: u32,
    pub replicas: u32,
    pub restarts: u64,
    pub seed: u64,
    pub broker: String,
    /// Stable proxy address of each dependency.
    pub dependencies: BTreeMap<ServiceName, String>,
}

/// Body of `POST /-/storage`: every storage round trip takes up to `slowdown` times as long.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct StorageDegradation {
    pub slowdown: f64,
    pub ramp_s: f64,
}

/// Body of `POST /-/cache`: up to `share` of the cache's entries hold bytes that do not decode.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct CacheCorruption {
    pub share: f64,
    pub ramp_s: f64,
}

/// Body of `POST /-/job`: a background job that holds up to `share` of the connection pool.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct StuckJob {
    pub share: f64,
    pub ramp_s: f64,
}

/// Body of `POST /-/consumer`: the worker stops acknowledging and requeues up to `backlog` deliveries.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ConsumerWedge {
    pub backlog: u64,
    pub ramp_s: f64,
}

/// Body of `POST /-/pool`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct PoolSize {
    pub size: u32,
}

/// Body of `POST /-/fleet`: what the process reports about its service.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct FleetFacts {
    pub replicas: u32,
    pub restarts: u64,
}

/// Answer of `GET /-/state`: what state this process is in right now.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct ProcessState {
    pub storage_degraded: bool,
    pub cache_corrupted: bool,
    pub job_stuck: bool,
    pub consumer_wedged: bool,
}
