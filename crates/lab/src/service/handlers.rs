//! The process's HTTP surface: one entry for clients, health, metrics and the private channel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::dependency::Reply;
use super::operations::{Operation, perform};
use super::{App, health, metrics, private};

/// A request that takes this many times its objective is worth a line.
const SLOW_FACTOR: f64 = 2.0;
/// Queue delay of the CPU budget that is worth a line.
const CPU_DELAY_WARN_MS: f64 = 100.0;
/// The service's own deadline for a request.
const REQUEST_DEADLINE: Duration = Duration::from_secs(12);

pub(super) async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let path = request.uri().path();
    match path {
        "/health" => health::respond(&app).await,
        "/metrics" => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render(&app)).into_response()
        }
        _ if path.starts_with("/-/") => private::respond(&app, request).await,
        _ => serve(&app, request).await,
    }
}

/// Serves a client's request and accounts for it.
async fn serve(app: &App, request: Request) -> Response {
    let begun = Instant::now();
    let uri = request.uri();
    let known = Operation::parse(app.service(), uri.path(), uri.query());
    let route = uri.path().split('/').nth(1).unwrap_or_default().to_owned();
    if !matches!(*request.method(), Method::GET | Method::POST) {
        return answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "use GET or POST"}));
    }
    let (status, body) = match known {
        None => (StatusCode::NOT_FOUND, json!({"error": "no such resource"})),
        Some((operation, customer)) => {
            let work = perform(app, operation, customer);
            match tokio::time::timeout(REQUEST_DEADLINE, work).await {
                Ok(Ok(Reply::Answered)) => (StatusCode::OK, json!({"status": "ok", "customer": customer})),
                Ok(Ok(Reply::Degraded)) => {
                    (StatusCode::OK, json!({"status": "ok", "customer": customer, "degraded": true}))
                }
                Ok(Err(failure)) => {
                    app.log.error(
                        &failure.reason,
                        json!({"route": route, "status": failure.status.as_u16(), "duration_ms": ms(begun)}),
                    );
                    (failure.status, json!({"error": failure.reason}))
                }
                Err(_) => {
                    app.log.error(
                        "request deadline exceeded",
                        json!({"route": route, "duration_ms": ms(begun)}),
                    );
                    (StatusCode::GATEWAY_TIMEOUT, json!({"error": "request deadline exceeded"}))
                }
            }
        }
    };
    account(app, &route, status, begun);
    answer(status, &body)
}

fn account(app: &App, route: &str, status: StatusCode, begun: Instant) {
    app.metrics.request(status.as_u16(), begun.elapsed());
    app.memory.after_request();
    let slow_ms = app.profile.slo_p99_ms * SLOW_FACTOR;
    if ms(begun) > slow_ms {
        app.log.warn(
            "slow request",
            json!({"route": route, "status": status.as_u16(), "duration_ms": ms(begun).round(), "objective_ms": app.profile.slo_p99_ms,
                "db_in_use": app.storage.pool.in_use(), "db_max": app.storage.pool.size(),
                "cpu_queue_ms": app.cpu.queue_delay_ms().round()}),
        );
    }
    let delay_ms = app.cpu.queue_delay_ms();
    if delay_ms > CPU_DELAY_WARN_MS {
        app.log.warn(
            "work is waiting for cpu: the process is at its cpu limit",
            json!({"queue_delay_ms": delay_ms.round(), "cpu_limit_cores": app.cpu.limit_cores()}),
        );
    }
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
