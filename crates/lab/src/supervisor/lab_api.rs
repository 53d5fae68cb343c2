//! The lab's own HTTP API, `/api/v1/lab/…`: faults and traffic. Not part of the world that is watched.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::control_api::fleet;
use super::fault_type::FaultType;
use super::faults::{self, Strength};
use super::operations::{self, Operation, Refusal, Terms};
use super::world::World;

/// Longest time after which a fault may be taken out by itself.
const DURATION_S_MAX: f64 = 86_400.0;
/// The ordinary traffic goes up to this factor.
const TRAFFIC_FACTOR_MAX: f64 = 2.0;

type Answer = Result<Json<Value>, Refusal>;

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/api/v1/lab/faults", get(list))
        .route("/api/v1/lab/faults/{service}", post(inject).delete(clear))
        .route("/api/v1/lab/traffic", get(traffic).post(set_traffic))
        .route("/api/v1/lab/versions/{service}", get(versions).post(deploy))
        .with_state(world)
}

async fn list(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({"faults": faults::truths(&world).await}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InjectBody {
    r#type: String,
    magnitude: Option<f64>,
    duration_s: Option<f64>,
    ramp_s: Option<f64>,
    held: Option<bool>,
}

async fn inject(State(world): State<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let service = fleet(&world, &name)?.service;
    let ask: InjectBody = parse(&body, "{\"type\":\"latency\",\"magnitude\":1.0,\"duration_s\":60}")?;
    let kind = fault_type(&ask.r#type)?;
    if !kind.fits(service) {
        let error =
            format!("{kind} makes no sense on {service}: it consumes no queue; use notification-service");
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error));
    }
    let strength = strength(kind, &ask)?;
    let duration = match ask.duration_s {
        None => None,
        Some(seconds) => Some(Duration::from_secs_f64(in_range("duration_s", seconds, 1.0, DURATION_S_MAX)?)),
    };
    let truth = faults::inject(&world, service, kind, strength, duration).await?;
    Ok(Json(json!(truth)))
}

fn strength(kind: FaultType, ask: &InjectBody) -> Result<Strength, Refusal> {
    let refused = |field: &str, why: &str| {
        Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{field} says nothing of {kind}: {why}")))
    };
    if ask.ramp_s.is_some() && !kind.has_ramp() {
        return refused("ramp_s", "such a build fails from its start; leave it out");
    }
    if ask.held.is_some() && kind != FaultType::MemoryLeak {
        return refused("held", "only a memory_leak is held or not; leave it out");
    }
    Ok(Strength {
        magnitude: in_range("magnitude", ask.magnitude.unwrap_or(1.0), f64::MIN_POSITIVE, 1.0)?,
        ramp_s: in_range("ramp_s", ask.ramp_s.unwrap_or(kind.ramp_s()), 0.0, DURATION_S_MAX)?,
        held: ask.held.unwrap_or(true),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearQuery {
    r#type: Option<String>,
}

async fn clear(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<ClearQuery>,
) -> Answer {
    let service = fleet(&world, &name)?.service;
    let kind = query.r#type.as_deref().map(fault_type).transpose()?;
    let cleared = faults::clear(&world, service, kind).await?;
    Ok(Json(json!({"cleared": cleared})))
}

/// The good builds of a service, and the next of them that is not the one that serves: what a harmless deployment
/// would deploy.
async fn versions(State(world): State<Arc<World>>, Path(name): Path<String>) -> Answer {
    let fleet = fleet(&world, &name)?;
    let serving = fleet.lock().version.name.clone();
    let good = fleet.service.good_versions();
    let at = good.iter().position(|version| *version == serving).unwrap_or(0);
    let next = good[(at + 1) % good.len()];
    Ok(Json(json!({"serving": serving, "good": good, "harmless_next": next})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployBody {
    version: String,
}

/// Deploys one of the good builds, as the service's own people would.
async fn deploy(State(world): State<Arc<World>>, Path(name): Path<String>, body: Bytes) -> Answer {
    let fleet = Arc::clone(fleet(&world, &name)?);
    let DeployBody { version } = parse(&body, "{\"version\":\"v1.2.3\"}")?;
    let good = fleet.service.good_versions();
    if !good.contains(&version.as_str()) {
        let error = format!("`{version}` is no good build of {name}; those are {}", good.join(", "));
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error));
    }
    let reason = Some("a harmless deployment".to_owned());
    let terms = Terms { by: faults::DEPLOYER.to_owned(), reason, ..Terms::default() };
    let record = operations::submit(&world, &fleet, Operation::Deploy { version }, terms).await?;
    Ok(Json(operations::answer(&record)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrafficBody {
    factor: f64,
    over_s: Option<f64>,
}

async fn traffic(State(world): State<Arc<World>>) -> Json<Value> {
    Json(json!({"factor": world.load.tide()}))
}

async fn set_traffic(State(world): State<Arc<World>>, body: Bytes) -> Answer {
    let ask: TrafficBody = parse(&body, "{\"factor\":1.5,\"over_s\":60}")?;
    let factor = in_range("factor", ask.factor, 1.0, TRAFFIC_FACTOR_MAX)?;
    let over_s = in_range("over_s", ask.over_s.unwrap_or(60.0), 0.0, DURATION_S_MAX)?;
    world.load.set_tide(factor, over_s);
    Ok(Json(json!({"factor": factor, "over_s": over_s})))
}

fn fault_type(name: &str) -> Result<FaultType, Refusal> {
    let unknown = || {
        let error = format!("unknown fault type `{name}`; the types are {}", FaultType::listing());
        Refusal::new(StatusCode::BAD_REQUEST, error)
    };
    FaultType::parse(name).ok_or_else(unknown)
}

fn in_range(name: &str, value: f64, min: f64, max: f64) -> Result<f64, Refusal> {
    if value.is_finite() && (min..=max).contains(&value) {
        return Ok(value);
    }
    let least = if min == f64::MIN_POSITIVE { "above 0".to_owned() } else { format!("at least {min}") };
    let error = format!("{name} must be {least} and at most {max}, not {value}");
    Err(Refusal::new(StatusCode::BAD_REQUEST, error))
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8], example: &str) -> Result<T, Refusal> {
    let wrong = |error: serde_json::Error| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("{error}; send a JSON body such as {example}"))
    };
    serde_json::from_slice(body).map_err(wrong)
}
