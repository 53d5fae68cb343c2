//! How far midwatch may go by itself, and who said so.

use super::incidents::caller;
use crate::access::KeyName;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use midwatch_model::decision::{Combination, Mode};
use midwatch_model::{ActionKind, Cause, ServiceName};
use serde::Deserialize;
use serde_json::{Value, json};

/// A level for one combination.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AutonomyBody {
    action: ActionKind,
    service: String,
    cause: Cause,
    level: Mode,
    /// Who decides. Where approvers are configured, an API key says by itself whose it is.
    by: String,
    reason: String,
}

/// Every combination that was tried, set or suggested: level, record and suggestion.
#[utoipa::path(get, path = "/api/v1/autonomy", tag = "autonomy", responses((status = 200, body = Object)))]
pub(crate) async fn show(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let config = &api.engine.config;
    Ok(Json(json!({
        "mode": config.mode, "dry_run": config.dry_run, "loop": config.decision.autonomy_loop,
        "combinations": api.engine.autonomy().await?,
    })))
}

/// Promotes or demotes one combination; on record with who and why.
#[utoipa::path(post, path = "/api/v1/autonomy", tag = "autonomy", request_body = AutonomyBody,
    responses((status = 200, body = Object), (status = 403, description = "whoever asks may not decide on it"),
        (status = 404, description = "no such service"), (status = 409, description = "only a person may ask for the action")))]
pub(crate) async fn set(
    State(api): State<Api>,
    key: Option<Extension<KeyName>>,
    body: Result<Json<AutonomyBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(body) = body?;
    if body.by.trim().is_empty() || body.reason.trim().is_empty() {
        return Err(ApiError::bad_request("say who decides and why: `by` and `reason` must not be empty"));
    }
    let combination =
        Combination { action: body.action, service: ServiceName::new(&body.service), cause: body.cause };
    let by = caller(&api, key, &body.by);
    let standing = api.engine.set_autonomy(&combination, body.level, &by, &body.reason).await?;
    Ok(Json(serde_json::to_value(standing).unwrap_or_default()))
}
