//! Services and their graph.

use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use midwatch_engine::Engine;
use midwatch_model::Metric;
use midwatch_model::journal::Registration;
use serde_json::{Value, json};

/// Watched services with the present state of their series, and what their documents promise.
#[utoipa::path(get, path = "/api/v1/services", tag = "services", responses((status = 200, body = Object)))]
pub(crate) async fn list(State(api): State<Api>) -> Json<Value> {
    let (services, _) = api.engine.services().await;
    let series = api.engine.series().await;
    let rows: Vec<Value> = services
        .iter()
        .map(|service| {
            let own = series.iter().filter(|s| s.service.as_str() == service.name);
            let metrics: serde_json::Map<String, Value> = own
                .map(|s| {
                    let value = json!({
                        "value": s.value, "at": s.at, "sigma": s.sigma, "suspicious": s.suspicious,
                        "stale": s.stale, "normal_up_to": s.baseline.map(|b| b.bound),
                    });
                    (s.metric.name().to_owned(), value)
                })
                .collect();
            let facts = api.engine.service_document(&service.name).and_then(|document| document.facts);
            json!({ "registration": service, "metrics": metrics, "facts": facts })
        })
        .collect();
    Json(json!({ "services": rows }))
}

/// Registers a service and its edges; it is kept through restarts.
#[utoipa::path(post, path = "/api/v1/services", tag = "services", request_body = Registration,
    responses((status = 201), (status = 400), (status = 503)))]
pub(crate) async fn register(
    State(api): State<Api>,
    body: Result<Json<Registration>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(registration) = body?;
    api.engine.register(registration.clone()).await?;
    Ok((StatusCode::CREATED, Json(json!({ "registered": registration }))))
}

/// Takes a registered service off the list of what is watched; what was recorded of it stays.
#[utoipa::path(delete, path = "/api/v1/services/{name}", tag = "services", params(("name" = String, Path)),
    responses((status = 204), (status = 404), (status = 409), (status = 503)))]
pub(crate) async fn unregister(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.engine.unregister(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The service graph with the health of each node, and what is foreseen of it.
#[utoipa::path(get, path = "/api/v1/graph", tag = "services", responses((status = 200, body = Object)))]
pub(crate) async fn graph(State(api): State<Api>) -> Json<Value> {
    Json(graph_of(&api.engine).await)
}

pub(crate) async fn graph_of(engine: &Engine) -> Value {
    let (_, graph) = engine.services().await;
    let series = engine.series().await;
    let foreseen = engine.forecasts().ok();
    let nodes: Vec<Value> = graph
        .services()
        .map(|service| {
            let mut own = series.iter().filter(|s| s.service == *service).peekable();
            let health = if own.peek().is_none() {
                "unknown"
            } else if own.clone().all(|s| s.stale) {
                "stale"
            } else if own.any(|s| s.suspicious) {
                "abnormal"
            } else {
                "normal"
            };
            let forecast = foreseen.as_ref().and_then(|shown| shown.of(service));
            let rate =
                series.iter().find(|s| s.service == *service && s.metric == Metric::RequestRate && !s.stale);
            let rate = rate.map(|s| coarse(s.value));
            json!({ "service": service, "health": health, "forecast": forecast, "rate": rate })
        })
        .collect();
    json!({ "nodes": nodes, "edges": graph.edges().collect::<Vec<_>>() })
}

/// Two digits: what a line's width can show, and no new view for everybody with every poll that differs in the third.
fn coarse(rate: f64) -> f64 {
    if !rate.is_finite() || rate <= 0.0 {
        return 0.0;
    }
    let unit = 10f64.powi(rate.log10().floor() as i32 - 1);
    let rounded = (rate / unit).round() * unit;
    // Powers of ten below one are not exact.
    (rounded * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_rate_keeps_two_digits() {
        let cases = [
            (0.0, 0.0),
            (-1.0, 0.0),
            (f64::NAN, 0.0),
            (0.0123, 0.012),
            (1.26, 1.3),
            (99.6, 100.0),
            (12_345.0, 12_000.0),
        ];
        for (rate, shown) in cases {
            assert_eq!(super::coarse(rate), shown, "{rate}");
        }
    }
}
