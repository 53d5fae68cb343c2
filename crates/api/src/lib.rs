//! The HTTP API: routes, keys, OpenAPI and the API's own data shapes.
//!
//! Owns: what is promised to clients. Must never: act on anything but through the engine's commands, or answer 2xx
//! to an alert that is not durable.

mod access;
mod dashboard;
mod door;
mod dto;
mod error;
mod lab;
mod live;
mod metrics;
mod query;
mod routes;
mod serve;
mod underway;
mod v2;

pub use access::{
    ApiKey, KeyError, KeyRing, Limits, Minted, NamedKey, PASSWORD_CHARS_MIN, Scope, User, hash_password, mint,
};
pub use door::{Proof, Senders};
pub use dto::{
    ActBody, ActionDto, ApprovalBody, ApprovalDto, IncidentDetail, IncidentSummary, StatusDto, TimelineDto,
};

pub use ipnet::IpNet;
pub use routes::slack::SlackDoor;
pub use serve::{Patience, serve};

use access::{Limiter, Refusals, Sessions};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method};
use door::Certificates;
use midwatch_engine::Engine;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Largest body that is read, bytes: a storm of alerts at once. A hundred megabytes are an attack or a mistake.
const BODY_MAX: usize = midwatch_signal::source::BODY_BYTES_MAX;

/// Starts the demo world, or finds it running, and says where its dashboard is; else why not.
pub type StartDemo = Arc<dyn Fn() -> Starting + Send + Sync>;

/// The demo world while it starts: the address of its dashboard, or why there is none.
pub type Starting = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// What the API needs to know besides the engine.
#[derive(Clone)]
pub struct ApiConfig {
    /// The keys of which every call but `/health` must carry one; none only on loopback.
    pub keys: KeyRing,
    /// Who is configured to bring alerts and changes.
    pub senders: Senders,
    /// How presses of buttons in Slack are believed, if they are taken.
    pub slack: Option<SlackDoor>,
    pub limits: Limits,
    /// Proxies that are believed when they say for whom they speak.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins of web pages that may call, beside those that this server serves.
    pub cors_origins: Vec<String>,
    /// The address that is listened on, for checking the Host header while there is no key.
    pub listen: SocketAddr,
    /// The configuration as it is in force, without secrets.
    pub shown: serde_json::Value,
    /// The lab's supervisor, if one is configured.
    pub lab: Option<String>,
    /// What starts the demo world beside this server, where that is built in.
    pub demo: Option<StartDemo>,
    pub version: &'static str,
}

#[derive(Clone)]
pub(crate) struct Api {
    pub engine: Arc<Engine>,
    pub config: Arc<ApiConfig>,
    pub http: reqwest::Client,
    pub limiter: Arc<Limiter>,
    pub certificates: Arc<Certificates>,
    pub sizes: Arc<metrics::Sizes>,
    pub refusals: Arc<Refusals>,
    pub sessions: Arc<Sessions>,
    pub live: Arc<live::Live>,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "midwatch",
    description = "Incidents, their evidence, decisions and actions. Errors are `{\"error\": \"what happened and what to do\"}`."
))]
struct Doc;

/// The router with every route.
pub fn router(engine: Arc<Engine>, config: ApiConfig) -> Router {
    // No redirects: the lab is on this machine and sends none.
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap_or_default();
    let limiter = Arc::new(Limiter::new(config.limits));
    let cors = cors(&config.cors_origins);
    let sessions = Sessions::new(config.listen.port());
    let epoch = format!("{:x}", engine.now().as_millisecond());
    let api = Api {
        engine,
        config: Arc::new(config),
        http,
        limiter,
        certificates: Arc::default(),
        sizes: Arc::default(),
        refusals: Arc::default(),
        sessions: Arc::new(sessions),
        live: Arc::new(live::Live::new(epoch)),
    };
    let (router, doc) = OpenApiRouter::with_openapi(Doc::openapi()).merge(routes::all()).split_for_parts();
    let doc = told_apart(serde_json::to_value(doc).unwrap_or_default());
    router
        .route("/api/v1/openapi.json", axum::routing::get(|| async { axum::Json(doc) }))
        .route(live::PATH, axum::routing::get(live::upgrade))
        .merge(v2::routes())
        .route("/api/v1/lab/{*path}", axum::routing::any(lab::proxy))
        .fallback(dashboard::serve)
        .layer(axum::middleware::from_fn_with_state(api.clone(), access::guard))
        .layer(axum::middleware::from_fn(error::in_shape))
        .layer(axum::middleware::map_response(dashboard::inert))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(error::on_panic))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(tower::util::option_layer(cors))
        .with_state(api)
}

/// Tells browsers which pages may call; without any, nothing is told, and they let none.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let headers = [
        AUTHORIZATION,
        CONTENT_TYPE,
        HeaderName::from_static("x-api-key"),
        HeaderName::from_static("x-source"),
    ];
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers(headers)
            .expose_headers([RETRY_AFTER])
    })
}

/// The OpenAPI document, for generated clients.
#[must_use]
pub fn openapi() -> serde_json::Value {
    let (_, doc) = OpenApiRouter::<Api>::with_openapi(Doc::openapi()).merge(routes::all()).split_for_parts();
    told_apart(serde_json::to_value(doc).unwrap_or_default())
}

/// Gives every operation a name of its own, made of its method and path: handlers of different modules share theirs.
fn told_apart(mut doc: serde_json::Value) -> serde_json::Value {
    for (path, methods) in doc["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            if let Some(id) = operation.get_mut("operationId") {
                let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
                *id = std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_").into();
            }
        }
    }
    doc
}
