//! The watch about itself.

use super::incidents::named;
use crate::access::KeyName;
use crate::dto::StatusDto;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use midwatch_engine::{SettingsChange, SettingsError};
use serde::Deserialize;
use serde_json::{Value, json};

/// Whether the watch does its work: tick, staleness, warm-up left. 503 when the loop fails.
#[utoipa::path(get, path = "/health", tag = "watch", responses((status = 200, body = Object), (status = 503)))]
pub(crate) async fn health(State(api): State<Api>) -> (StatusCode, Json<Value>) {
    let health = api.engine.health().await;
    let status = if health.status == "failing" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(serde_json::to_value(health).unwrap_or_default()))
}

/// Mode, health and what waits.
#[utoipa::path(get, path = "/api/v1/status", tag = "watch", responses((status = 200, body = StatusDto)))]
pub(crate) async fn status(State(api): State<Api>) -> Result<Json<StatusDto>, ApiError> {
    let rows = api.engine.store.incidents(true, 1000).await?;
    let over = ["resolved", "closed", "false_alarm"];
    Ok(Json(StatusDto {
        version: api.config.version,
        mode: api.engine.config.mode.to_string(),
        dry_run: api.engine.config.dry_run,
        health: api.engine.health().await,
        unplaced: api.engine.store.intake_waiting().await?,
        open_incidents: rows.iter().filter(|r| !over.contains(&r.state.as_str())).count(),
        waiting_for_approval: rows.iter().filter(|r| r.state == "awaiting_approval").count(),
        services: api.engine.services().await.0.len(),
    }))
}

/// The configuration in force, without secrets.
#[utoipa::path(get, path = "/api/v1/config", tag = "watch", responses((status = 200, body = Object)))]
pub(crate) async fn config(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "config": in_force(&api) }))
}

/// The file's configuration with what was changed since.
fn in_force(api: &Api) -> Value {
    let mut shown = api.config.shown.clone();
    if let (Some(foresight), Value::Object(changed)) =
        (shown["foresight"].as_object_mut(), json!(api.engine.foresight_settings()))
    {
        foresight.extend(changed);
    }
    shown
}

/// What is to be changed while the server runs.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigChange {
    /// Who changes it; goes on record.
    by: String,
    /// `enabled`, `alarm_from`, `confidence_min`, `incidents`; what is absent stays as it is.
    #[schema(value_type = Object)]
    foresight: SettingsChange,
}

/// Changes what may be changed while the server runs: some of `[foresight]`. It is on record and holds through restarts.
#[utoipa::path(patch, path = "/api/v1/config", tag = "watch", request_body = ConfigChange,
    responses((status = 200, body = Object), (status = 400), (status = 503)))]
pub(crate) async fn change_config(
    State(api): State<Api>,
    key: Option<Extension<KeyName>>,
    body: Result<Json<ConfigChange>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(change) = body?;
    if change.by.trim().is_empty() {
        return Err(ApiError::bad_request("say who changes it: `by` must not be empty"));
    }
    match api.engine.change_foresight(change.foresight, &named(key, &change.by)).await {
        Ok(_) => Ok(Json(json!({ "config": in_force(&api) }))),
        Err(SettingsError::Engine(error)) => Err(error.into()),
        Err(wrong) => Err(ApiError::bad_request(wrong.to_string())),
    }
}
