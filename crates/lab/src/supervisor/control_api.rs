//! The control plane's HTTP API, `/api/v1/control/…`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::fleet::{Fleet, describe};
use super::operations::{self, Operation, Refusal, Terms};
use super::world::World;
use crate::catalogue::ServiceName;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": self.error}))).into_response()
    }
}

type Answer = Result<Json<Value>, Refusal>;

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/api/v1/control/services", get(list))
        .route("/api/v1/control/services/{service}", get(show))
        .route("/api/v1/control/services/{service}/deployments", get(deployments))
        .route("/api/v1/control/services/{service}/{op}", post(operate))
        .route("/api/v1/control/changes", get(changes))
        .route("/api/v1/control/operations", get(all_operations))
        .route("/api/v1/control/operations/{key}", get(one_operation))
        .route("/api/v1/control/sd", get(service_discovery))
        .route("/metrics", get(super::control_metrics::expose))
        .with_state(world)
}

/// Finds a service by name, or says which there are.
pub(super) fn fleet<'a>(world: &'a World, name: &str) -> Result<&'a Arc<Fleet>, Refusal> {
    let unknown = || {
        let error = format!("unknown service `{name}`; the services are {}", ServiceName::listing());
        Refusal::new(StatusCode::NOT_FOUND, error)
    };
    ServiceName::parse(name).map(|service| world.fleet(service)).ok_or_else(unknown)
}

async fn list(State(world): State<Arc<World>>) -> Json<Value> {
    let services: Vec<Value> = world.fleets.values().map(|fleet| describe(fleet)).collect();
    Json(json!({"services": services}))
}

async fn show(State(world): State<Arc<World>>, Path(name): Path<String>) -> Answer {
    Ok(Json(describe(fleet(&world, &name)?)))
}

async fn deployments(State(world): State<Arc<World>>, Path(name): Path<String>) -> Answer {
    let state = fleet(&world, &name)?.lock();
    let newest = state.deployments.len().saturating_sub(1);
    let rows: Vec<Value> = state
        .deployments
        .iter()
        .enumerate()
        .rev()
        .map(|(index, row)| {
            json!({"version": row.version, "deployed_at": row.deployed_at, "by": row.by, "reason": row.reason,
                "current": index == newest})
        })
        .collect();
    Ok(Json(json!({"deployments": rows})))
}

#[derive(Deserialize)]
struct Since {
    since: Option<String>,
}

async fn changes(State(world): State<Arc<World>>, Query(query): Query<Since>) -> Answer {
    let malformed = |error| {
        let error = format!("`since` must be an RFC 3339 time such as 2026-01-31T12:00:00Z: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, error)
    };
    let since = query.since.map(|text| text.parse::<Timestamp>()).transpose().map_err(malformed)?;
    Ok(Json(json!({"changes": world.operations.changes_since(since)})))
}

async fn all_operations(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({"operations": world.operations.all()}))
}

async fn one_operation(State(world): State<Arc<World>>, Path(key): Path<String>) -> Answer {
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, format!("no operation has the key or id `{key}`"));
    world.operations.find(&key).map(|record| Json(operations::answer(&record))).ok_or_else(unknown)
}

async fn operate(
    State(world): State<Arc<World>>,
    Path((name, op)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let fleet = Arc::clone(fleet(&world, &name)?);
    let (operation, mut terms) = parse(&op, &body)?;
    terms.by = header(&headers, "x-actor")?.unwrap_or_else(|| "anonymous".to_owned());
    terms.idempotency_key = header(&headers, "idempotency-key")?;
    terms.if_match = header(&headers, "if-match")?.map(|text| generation(&text)).transpose()?;
    let record = operations::submit(&world, &fleet, operation, terms).await?;
    Ok(Json(operations::answer(&record)))
}

fn header(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|text| !text.is_empty());
    let malformed = || Refusal::new(StatusCode::BAD_REQUEST, format!("header {name} must be plain text"));
    text.map(|text| Some(text.to_owned())).ok_or_else(malformed)
}

fn generation(text: &str) -> Result<u64, Refusal> {
    let malformed =
        |_| Refusal::new(StatusCode::BAD_REQUEST, "If-Match must be a service's generation, a number");
    text.trim_matches('"').parse().map_err(malformed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployBody {
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollbackBody {
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleBody {
    replicas: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResizeBody {
    size: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CircuitBody {
    open: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyBody {}

fn parse(op: &str, body: &[u8]) -> Result<(Operation, Terms), Refusal> {
    let bad = |error: String| Refusal::new(StatusCode::BAD_REQUEST, error);
    let mut fields: Map<String, Value> = if body.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(body)
            .map_err(|error| bad(format!("the body must be a JSON object: {error}")))?
    };
    let dry_run = match fields.remove("dry_run") {
        None => false,
        Some(Value::Bool(dry_run)) => dry_run,
        Some(_) => return Err(bad("`dry_run` must be true or false".to_owned())),
    };
    let reason = match fields.remove("reason") {
        None | Some(Value::Null) => None,
        Some(Value::String(reason)) => Some(reason),
        Some(_) => return Err(bad("`reason` must be a text".to_owned())),
    };
    let rest = Value::Object(fields);
    let operation = match op {
        "deploy" => {
            Operation::Deploy { version: typed::<DeployBody>(op, rest, "{\"version\":\"v1.2.3\"}")?.version }
        }
        "rollback" => {
            Operation::Rollback { to: typed::<RollbackBody>(op, rest, "{} or {\"to\":\"v1.2.3\"}")?.to }
        }
        "restart" => typed::<EmptyBody>(op, rest, "{}").map(|_| Operation::Restart)?,
        "scale" => Operation::Scale { replicas: typed::<ScaleBody>(op, rest, "{\"replicas\":3}")?.replicas },
        "pool_resize" => Operation::PoolResize { size: typed::<ResizeBody>(op, rest, "{\"size\":16}")?.size },
        "pool_restart" => typed::<EmptyBody>(op, rest, "{}").map(|_| Operation::PoolRestart)?,
        "circuit" => Operation::Circuit { open: typed::<CircuitBody>(op, rest, "{\"open\":true}")?.open },
        _ => {
            let error = format!("unknown operation `{op}`; the operations are {}", Operation::NAMES);
            return Err(Refusal::new(StatusCode::NOT_FOUND, error));
        }
    };
    Ok((operation, Terms { dry_run, reason, ..Terms::default() }))
}

fn typed<T: DeserializeOwned>(op: &str, fields: Value, example: &str) -> Result<T, Refusal> {
    let wrong = |error| {
        let error = format!("{op}: {error}; the body is {example}, optionally with dry_run and reason");
        Refusal::new(StatusCode::BAD_REQUEST, error)
    };
    serde_json::from_value(fields).map_err(wrong)
}

async fn service_discovery(State(world): State<Arc<World>>) -> Json<Value> {
    let host = |url: &str| url.trim_start_matches("http://").to_owned();
    let mut groups = Vec::new();
    for fleet in world.fleets.values() {
        for instance in fleet.live_instances() {
            groups.push(json!({"targets": [host(&instance.address)],
                "labels": {"service": fleet.service, "instance": instance.id}}));
        }
    }
    groups.push(json!({"targets": [host(&world.url)], "labels": {"job": "control-plane"}}));
    Json(Value::Array(groups))
}
