//! The reverse proxy in front of each service: a stable address, round robin, circuit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::fleet::{Fleet, Instance};
use super::world::World;
use crate::client::{Answer, CallError};
use crate::launch::CIRCUIT_HEADER;

/// Longer than any service's own deadline.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(15);
/// Requests in the lab have no bodies worth speaking of.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Other instances that are tried when one refuses the connection.
const ATTEMPTS_MAX: usize = 3;

/// Serves one service's stable address.
pub(super) fn router(world: Arc<World>, fleet: Arc<Fleet>) -> axum::Router {
    axum::Router::new().fallback(entry).with_state((world, fleet))
}

async fn entry(State((world, fleet)): State<(Arc<World>, Arc<Fleet>)>, request: Request) -> Response {
    forward(&world, &fleet, request).await
}

/// Passes one request to the next instance. The lab's own traffic comes in here directly.
pub(super) async fn forward(world: &World, fleet: &Fleet, request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/-/") {
        return reply(StatusCode::NOT_FOUND, &json!({"error": "no such resource"}));
    }
    // Health must stay visible behind an open circuit: it says when the circuit may be closed.
    if fleet.lock().circuit_open && path != "/health" {
        let mut response = reply(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "circuit open"}));
        response.headers_mut().insert(HeaderName::from_static(CIRCUIT_HEADER), HeaderValue::from_static("1"));
        return response;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return reply(StatusCode::PAYLOAD_TOO_LARGE, &json!({"error": "body is too large"}));
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    for _ in 0..ATTEMPTS_MAX {
        let Some(instance) = fleet.enter_next() else { break };
        let _guard = InFlight(&instance);
        let Ok(uri) = format!("{}{path}", instance.address).parse::<Uri>() else {
            return reply(StatusCode::BAD_REQUEST, &json!({"error": "malformed path"}));
        };
        let mut onward = Request::new(Body::from(body.clone()));
        *onward.method_mut() = parts.method.clone();
        *onward.uri_mut() = uri;
        if let Some(kind) = parts.headers.get(header::CONTENT_TYPE) {
            onward.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        match world.client.send(onward, FORWARD_TIMEOUT).await {
            Ok(answer) => return pass_back(answer),
            // Nothing was sent: another instance may take it.
            Err(CallError::Connect(_)) => {}
            Err(CallError::Timeout(_)) => {
                return reply(StatusCode::GATEWAY_TIMEOUT, &json!({"error": "the instance did not answer"}));
            }
            Err(error) => return reply(StatusCode::BAD_GATEWAY, &json!({"error": error.to_string()})),
        }
    }
    let body = json!({"status": "failing", "service": fleet.service, "checks": {"instances": "none ready"}});
    reply(StatusCode::SERVICE_UNAVAILABLE, &body)
}

/// A request that `enter_next` has counted; it counts for as long as this lives.
struct InFlight<'a>(&'a Instance);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

fn pass_back(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    if let Some(kind) = answer.headers.get(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    response
}

fn reply(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
