//! What is foreseen, how earlier forecasts were graded, and questions to the model.

use crate::query::Asked;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use midwatch_engine::{Ask, ForecastAnswer, LedgerRow, PredictBody, Shown};
use midwatch_model::ServiceName;
use serde_json::{Value, json};

/// What is foreseen now, likeliest first: probability of a breach within the horizon, minutes, confidence, tier, what holds an
/// alarm back, and the alarm that stands.
#[utoipa::path(get, path = "/api/v1/forecasts", tag = "forecasts",
    responses((status = 200, body = Object), (status = 503, description = "nothing is foreseen; why")))]
pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    shown(api.engine.forecasts())
}

/// How forecasts were graded by what happened, for each model and service, with how far the inputs have drifted.
#[utoipa::path(get, path = "/api/v1/forecasts/ledger", tag = "forecasts",
    params(("format" = Option<String>, Query, description = "json or csv")),
    responses((status = 200, body = Object), (status = 400)))]
pub(crate) async fn ledger(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let asked = Asked::of(query, &["format"])?.word::<String>("format", &["json", "csv"])?;
    let report = api.engine.ledger();
    match asked.as_deref() {
        None | Some("json") => Ok(Json(report).into_response()),
        Some("csv") => Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&report.rows)).into_response()),
        Some(other) => Err(ApiError::bad_request(format!("format is `{other}`, not one of json, csv"))),
    }
}

/// Columns of the export.
const COLUMNS: &str = "model,service,forecasts,base_rate,brier,ece,hits,missed,false_alarms,averted,unknown,precision,\
                       precision_low,recall,median_lead_s\n";

fn csv(rows: &[LedgerRow]) -> String {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.6}"));
    let row = |row: &LedgerRow| {
        let s = &row.summary;
        let service = row.service.as_ref().map_or("", |service| service.as_str());
        let counts = [s.hits, s.missed, s.false_alarms, s.averted, s.unknown].map(|count| count.to_string());
        let shares = [s.precision, s.precision_low, s.recall, s.median_lead_s].map(number);
        let probabilities = [s.base_rate, s.brier, s.ece].map(number);
        format!(
            "{},{service},{},{},{},{}\n",
            row.model,
            s.forecasts,
            probabilities.join(","),
            counts.join(","),
            shares.join(",")
        )
    };
    std::iter::once(COLUMNS.to_owned()).chain(rows.iter().map(row)).collect()
}

/// When memory, connection pools and CPU of each service will be full, soonest first, with an interval, and how its incidents a
/// week have moved. Rests on what the source of metrics has kept, three weeks at most.
#[utoipa::path(get, path = "/api/v1/capacity", tag = "forecasts",
    params(("service" = Option<String>, Query, description = "only this service; without it, the first 50")),
    responses((status = 200, body = Object), (status = 404, description = "the service is not watched")))]
pub(crate) async fn capacity(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, ApiError> {
    let service = Asked::of(query, &["service"])?.text("service").map(ServiceName::new);
    Ok(Json(json!(api.engine.capacity(service.as_ref()).await?)))
}

/// Asks the model: without a body from live state, with `window` from that (docs/foresight.md), with `changed` or
/// `removed_edges` from live state as it would be then. Nothing is recorded and nothing follows.
#[utoipa::path(post, path = "/api/v1/predict", tag = "forecasts", request_body = Option<Object>,
    responses((status = 200, body = Object), (status = 400), (status = 503)))]
pub(crate) async fn predict(State(api): State<Api>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let body: PredictBody = if body.is_empty() {
        PredictBody::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            ApiError::bad_request(format!(
                "the body is no question: {error}; docs/foresight.md shows what can be asked"
            ))
        })?
    };
    let asked = Ask::try_from(body).map_err(ApiError::bad_request)?;
    shown(api.engine.predict(asked).await)
}

fn shown(answer: Result<Shown, ForecastAnswer>) -> Result<Json<Value>, ApiError> {
    match answer {
        Ok(shown) => Ok(Json(json!(shown))),
        Err(why @ (ForecastAnswer::Nobody(_) | ForecastAnswer::NothingRead | ForecastAnswer::Thread)) => {
            Err(ApiError::unavailable(why.to_string()))
        }
        Err(wrong) => Err(ApiError::bad_request(wrong.to_string())),
    }
}
