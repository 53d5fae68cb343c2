//! What another policy would have done with recorded incidents.

use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use midwatch_model::decision::Mode;
use serde::Deserialize;
use serde_json::Value;

/// Longest stretch, seconds: ten years, which is more than any store keeps.
const SINCE_S_MAX: f64 = 315_576_000.0;

/// Another policy, and since when it is tried.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BacktestBody {
    /// Cedar; empty for the built-in policy.
    policy: String,
    /// Seconds before now.
    since_s: f64,
    /// Another mode, too.
    #[serde(default)]
    mode: Option<Mode>,
}

/// Replays recorded incidents' decisions through another policy. Nothing is changed and nothing is done.
#[utoipa::path(post, path = "/api/v1/backtests", tag = "policy", request_body = BacktestBody,
    responses((status = 200, body = Object), (status = 400, description = "the policy cannot be used")))]
pub(crate) async fn run(
    State(api): State<Api>,
    body: Result<Json<BacktestBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(body) = body?;
    if !(0.0..=SINCE_S_MAX).contains(&body.since_s) {
        return Err(ApiError::bad_request(format!("since_s must be 0 to {SINCE_S_MAX} seconds")));
    }
    let policy = midwatch_engine::read_policy(&body.policy).map_err(ApiError::bad_request)?;
    let found = api.engine.backtest(&policy, body.since_s, body.mode).await?;
    Ok(Json(serde_json::to_value(found).unwrap_or_default()))
}
