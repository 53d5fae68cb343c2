//! The Alertmanager API v2, for what speaks it already: Prometheus sends here, amtool and Grafana read here.
//!
//! Field names and answers are Alertmanager's (its `api/v2/openapi.yaml`), not ours.

mod alerts;
mod silences;
mod status;

use crate::Api;
use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use midwatch_engine::EngineError;
use midwatch_incident::SilenceError;
use midwatch_model::Timestamp;

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v2/status", get(status::status))
        .route("/api/v2/receivers", get(status::receivers))
        .route("/api/v2/alerts", get(alerts::list).post(alerts::post))
        .route("/api/v2/alerts/groups", get(alerts::groups))
        .route("/api/v2/silences", get(silences::list).post(silences::post))
        .route("/api/v2/silence/{id}", get(silences::show).delete(silences::expire))
}

/// An error as Alertmanager's clients read it: a JSON string.
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad_request(text: impl std::fmt::Display) -> Self {
        Self(StatusCode::BAD_REQUEST, text.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl From<crate::error::ApiError> for Refusal {
    fn from(error: crate::error::ApiError) -> Self {
        Self(error.status(), error.text())
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let status = match &error {
            EngineError::Silence(SilenceError::NotFound(_)) => StatusCode::NOT_FOUND,
            EngineError::Silence(_) => StatusCode::BAD_REQUEST,
            EngineError::Store(error) if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

/// A time as Alertmanager writes it: RFC 3339 with milliseconds.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Values of a query parameter that may be given several times.
fn all<'a>(query: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// A yes-or-no query parameter.
fn flag(query: &[(String, String)], name: &str, default: bool) -> Result<bool, Refusal> {
    match all(query, name).last() {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|_| Refusal::bad_request(format!("{name} is `{text}`, not true or false")))
        }
    }
}

/// The matchers of all `filter` parameters.
fn filters(query: &[(String, String)]) -> Result<Vec<midwatch_model::Matcher>, Refusal> {
    let mut matchers = Vec::new();
    for text in all(query, "filter") {
        matchers.extend(midwatch_model::label::parse_matchers(text).map_err(Refusal::bad_request)?);
    }
    Ok(matchers)
}
