//! The sections that are the program's own: server, store, loop, policy, lab.

use midwatch_engine::{Retention, ToldIncidents};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the API listens and who may call it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port. Off loopback an API key is needed.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Where people reach this server; part of what receivers are told. `http://` and `listen` if absent.
    pub external_url: Option<String>,
    /// File that holds the API key (first line). `MIDWATCH_SERVER__API_KEY` takes precedence.
    pub api_key_file: Option<PathBuf>,
    /// The API key itself; meant for the environment, never written to a dump.
    #[serde(skip_serializing)]
    pub api_key: Option<String>,
    /// Requests per second that one address may make, 0 for any number; 5000 if absent, any number where no key is needed.
    pub ip_requests_per_s: Option<u32>,
    /// Requests per second with one key or of one source, 0 for any number; 10000 if absent, likewise.
    pub key_requests_per_s: Option<u32>,
    /// Networks (`10.0.0.0/8`) or addresses of proxies in front: only these are believed when they say in `X-Forwarded-For` or
    /// `Forwarded` for whom they speak. None by default.
    pub trusted_proxies: Vec<String>,
    /// Origins of web pages that may call from a browser, exactly as `https://host:port`; none by default.
    pub cors_origins: Vec<String>,
    /// Connections at a time, from one address half of them; as many as the process may have files open if absent, 8192 at most.
    pub connections_max: Option<usize>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7700)),
            external_url: None,
            api_key_file: None,
            api_key: None,
            ip_requests_per_s: None,
            key_requests_per_s: None,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            connections_max: None,
        }
    }
}

impl ServerConfig {
    pub fn external_url(&self) -> String {
        let own = || format!("http://{}", self.listen);
        self.external_url.as_ref().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
    }
}

/// Where the journal is kept, and for how long what is not the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The SQLite file; created when missing.
    pub path: PathBuf,
    /// Days for which alerts, anomalies and notifications are kept after they ended, with every step of their handling; 0
    /// for ever. The journal is always kept.
    pub retention_days: u32,
    /// Days for which requests with alerts are kept whole, as they came; 0 for ever.
    pub request_retention_days: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        let Retention { records_days, requests_days } = Retention::default();
        Self {
            path: "midwatch.db".into(),
            retention_days: records_days,
            request_retention_days: requests_days,
        }
    }
}

/// What goes through the routing tree beside alerts from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingSection {
    /// Incidents that receivers are told of, as alerts `MidwatchIncident` and `MidwatchNeedsPerson`: `off`; `own`, those
    /// that midwatch's own detectors saw something of, and of the others only that an action waits for approval; `all`.
    pub incidents: ToldIncidents,
}

/// The loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoopConfig {
    /// Seconds between ticks. Ticks between polls work on cached values.
    pub tick_s: f64,
}

impl Default for LoopConfig {
    fn default() -> Self {
        Self { tick_s: 2.0 }
    }
}

/// Cedar policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// A file of Cedar policies. One that only forbids narrows what the guards let through; one that permits anything
    /// allows only what it permits.
    pub file: Option<PathBuf>,
}

/// Runbooks whose steps run, and workflows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunbooksConfig {
    /// Folder with your own: `.md`, `.yaml` and `.yml`, read at start.
    pub dir: Option<PathBuf>,
    /// Names of those that may begin by themselves for an incident that they are for. The gate is asked about each of their
    /// actions. None by default.
    pub enabled: Vec<String>,
}

/// The lab.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabConfig {
    /// The lab supervisor's address; `/api/v1/lab/*` is handed to it only when this is set.
    pub url: Option<String>,
}
