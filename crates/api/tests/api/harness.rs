//! A router that requests can be put to, and short words for requests.

use crate::outside::Documents;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use midwatch_api::{ApiConfig, ApiKey, IpNet, KeyRing, Limits, Senders, SlackDoor, StartDemo};
use midwatch_decision::Policy;
use midwatch_engine::{Clock as _, Engine, EngineConfig, Feed, ReportConfig, SequentialIds, VirtualClock};
use midwatch_model::decision::Mode;
use midwatch_store::Store;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// The key of servers that need one.
pub const KEY: &str = "the-whole-key";

/// When the messages of SNS that are kept with the tests are believed.
const NOW: &str = "2027-06-01T12:05:00Z";

pub struct Door {
    pub router: Router,
    pub engine: Arc<Engine>,
    pub outside: Arc<Documents>,
    pub clock: Arc<VirtualClock>,
    _dir: TempDir,
}

/// How a server differs from the plain one.
pub struct Wanted {
    pub keys: KeyRing,
    pub senders: Senders,
    pub slack: Option<SlackDoor>,
    pub demo: Option<StartDemo>,
    pub listen: SocketAddr,
    pub feeds: BTreeMap<String, Feed>,
    pub limits: Limits,
    pub cors_origins: Vec<String>,
    pub trusted_proxies: Vec<IpNet>,
    /// What else is configured.
    pub engine: fn(&mut EngineConfig),
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            keys: KeyRing::new(Some(ApiKey::new(KEY)), Vec::new()).expect("a ring"),
            senders: Senders::default(),
            slack: None,
            demo: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 7700)),
            feeds: BTreeMap::new(),
            limits: Limits::default(),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            engine: |_| {},
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error: {self:?}")).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

impl Door {
    pub async fn open(wanted: Wanted) -> Self {
        // The first client sets up TLS for all of them.
        midwatch_connectors::Http::new().expect("a client");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&dir.path().join("midwatch.db")).await.expect("a store");
        let clock = Arc::new(VirtualClock::starting_at(NOW.parse().expect("a time")));
        let (outside, ids) = (Arc::new(Documents::default()), Arc::new(SequentialIds::from(1)));
        let mut config = engine_config(&dir, wanted.feeds);
        (wanted.engine)(&mut config);
        let engine =
            Engine::open(config, Policy::built_in(), store, outside.clone(), clock.clone(), ids).await;
        let engine = Arc::new(engine.expect("an engine"));
        let api = ApiConfig {
            keys: wanted.keys,
            senders: wanted.senders,
            slack: wanted.slack,
            limits: wanted.limits,
            cors_origins: wanted.cors_origins,
            trusted_proxies: wanted.trusted_proxies,
            listen: wanted.listen,
            shown: serde_json::json!({ "foresight": {} }),
            lab: None,
            demo: wanted.demo,
            version: "test",
        };
        Self { router: midwatch_api::router(engine.clone(), api), engine, outside, clock, _dir: dir }
    }

    pub async fn plain() -> Self {
        Self::open(Wanted::default()).await
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request from an address, with headers.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send_from("10.0.0.1", method, path, headers, body).await
    }

    pub async fn send_from(
        &self,
        from: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:7700");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_vec())).expect("a request");
        let from = SocketAddr::new(from.parse().expect("an address"), 4000);
        request.extensions_mut().insert(ConnectInfo(from));
        self.ask(request).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send(Method::POST, path, headers, body).await
    }

    /// How many alerts the intake log has.
    pub async fn alerts(&self) -> usize {
        self.engine.store.intake_list(None, 1000).await.expect("a readable store").len()
    }

    /// Seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.clock.now().as_second()
    }
}

fn engine_config(dir: &TempDir, feeds: BTreeMap<String, Feed>) -> EngineConfig {
    EngineConfig {
        mode: Mode::Propose,
        dry_run: true,
        tick_s: 2.0,
        poll_interval_s: 2.0,
        rate_window_s: 10.0,
        call_timeout_s: 5.0,
        detection: Default::default(),
        incident: Default::default(),
        dedup: Default::default(),
        flap: Default::default(),
        decision: Default::default(),
        verification: Default::default(),
        workflows: Arc::default(),
        report: ReportConfig { dir: dir.path().join("postmortems") },
        services: Vec::new(),
        resolve_timeout_s: 300.0,
        feeds,
        inhibit_rules: Vec::new(),
        routing: Arc::default(),
        receivers: Vec::new(),
        give_up_after_s: 3600.0,
        told_incidents: Default::default(),
        retention: Default::default(),
        knowledge: Default::default(),
        foresight: Default::default(),
        external_url: "http://midwatch".into(),
    }
}
