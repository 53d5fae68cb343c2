//! The watch about itself.

use crate::dto::StatusDto;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
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
    Json(json!({ "config": api.config.shown }))
}
