//! Calls to other services: a deadline, one retry where nothing was done yet, and a fallback behind an open circuit.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::json;

use super::App;
use super::metrics::Outcome;
use crate::catalogue::ServiceName;
use crate::client::{CallError, HttpClient, build};
use crate::launch::CIRCUIT_HEADER;

/// How long a caller waits for an answer of a dependency.
const CALL_TIMEOUT: Duration = Duration::from_millis(3000);
const RETRY_AFTER: Duration = Duration::from_millis(100);

pub(super) struct Dependencies {
    client: HttpClient,
    addresses: BTreeMap<ServiceName, String>,
}

/// Why a dependency gave no result.
#[derive(Debug)]
pub(super) enum DependencyError {
    Failed(String),
    TimedOut(String),
}

/// What a caller can go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Answered,
    /// The circuit is open: go on without the dependency.
    Degraded,
}

impl Dependencies {
    pub(super) fn new(client: HttpClient, addresses: BTreeMap<ServiceName, String>) -> Dependencies {
        Dependencies { client, addresses }
    }
}

/// Calls `path` on `dependency` and counts how it went.
pub(super) async fn call(app: &App, dependency: ServiceName, path: &str) -> Result<Reply, DependencyError> {
    let begun = Instant::now();
    let result = attempts(app, dependency, path).await;
    let outcome = match &result {
        Ok(Reply::Answered) => Outcome::Ok,
        Ok(Reply::Degraded) => Outcome::Fallback,
        Err(DependencyError::TimedOut(_)) => Outcome::Timeout,
        Err(DependencyError::Failed(_)) => Outcome::Error,
    };
    app.metrics.call(dependency, outcome, begun.elapsed());
    result
}

async fn attempts(app: &App, dependency: ServiceName, path: &str) -> Result<Reply, DependencyError> {
    match attempt(app, dependency, path).await {
        Attempt::Done(reply) => Ok(reply),
        Attempt::Final(error) => Err(error),
        Attempt::Again(reason) => {
            app.log
                .warn("retrying a call to a dependency", json!({"dependency": dependency, "reason": reason}));
            tokio::time::sleep(RETRY_AFTER).await;
            match attempt(app, dependency, path).await {
                Attempt::Done(reply) => Ok(reply),
                Attempt::Final(error) => Err(error),
                Attempt::Again(reason) => Err(DependencyError::Failed(reason)),
            }
        }
    }
}

enum Attempt {
    Done(Reply),
    /// The dependency has not begun: the call may be made again.
    Again(String),
    Final(DependencyError),
}

async fn attempt(app: &App, dependency: ServiceName, path: &str) -> Attempt {
    let Some(address) = app.dependencies.addresses.get(&dependency) else {
        return Attempt::Final(DependencyError::Failed(format!("no address of {dependency} is configured")));
    };
    let sent = match build(Method::POST, &format!("{address}{path}"), &[], Body::empty()) {
        Ok(request) => app.dependencies.client.send(request, CALL_TIMEOUT).await,
        Err(error) => Err(error),
    };
    match sent {
        Ok(answer) if answer.status.is_success() => Attempt::Done(Reply::Answered),
        Ok(answer) if answer.headers.contains_key(CIRCUIT_HEADER) => Attempt::Done(Reply::Degraded),
        Ok(answer) if matches!(answer.status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) => {
            Attempt::Again(format!("upstream {dependency} answered {}", answer.status.as_u16()))
        }
        Ok(answer) => Attempt::Final(DependencyError::Failed(format!(
            "upstream {dependency} answered {}",
            answer.status.as_u16()
        ))),
        Err(CallError::Timeout(after)) => Attempt::Final(DependencyError::TimedOut(format!(
            "upstream {dependency} timed out after {} ms",
            after.as_millis()
        ))),
        Err(CallError::Connect(_)) => Attempt::Again(format!("upstream {dependency} refused the connection")),
        Err(error) => {
            Attempt::Final(DependencyError::Failed(format!("upstream {dependency} failed: {error}")))
        }
    }
}
