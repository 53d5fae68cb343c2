//! The supervisor's private channel, `/-/…`: sets and reads the state of this process.
//!
//! Without the token nothing here exists: the answer is the same as for any unknown path.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::{json, to_value};

use super::App;
use super::handlers::answer;
use crate::launch::{
    CacheCorruption, ConsumerWedge, FleetFacts, PoolSize, ProcessState, StorageDegradation, StuckJob,
    TOKEN_HEADER,
};

/// Bodies on this channel are a few numbers.
const BODY_BYTES_MAX: usize = 4 * 1024;

pub(super) async fn respond(app: &Arc<App>, request: Request) -> Response {
    let token = request.headers().get(TOKEN_HEADER).and_then(|value| value.to_str().ok());
    if token != Some(app.spec.token.as_str()) {
        return answer(StatusCode::NOT_FOUND, &json!({"error": "no such resource"}));
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.unwrap_or_default();
    let clear = method == Method::DELETE;
    let done = match path.as_str() {
        "/-/state" => return answer(StatusCode::OK, &to_value(state(app)).unwrap_or_default()),
        "/-/storage" => {
            word::<StorageDegradation>(clear, &body).map(|degradation| app.storage.degrade(degradation))
        }
        "/-/cache" => word::<CacheCorruption>(clear, &body).map(|corruption| app.cache.corrupt(corruption)),
        "/-/consumer" => word::<ConsumerWedge>(clear, &body).map(|wedge| app.consumer.set_wedge(wedge)),
        "/-/job" => word::<StuckJob>(clear, &body).map(|job| set_job(app, job)),
        "/-/pool" => serde_json::from_slice::<PoolSize>(&body).map(|pool| app.storage.pool.resize(pool.size)),
        "/-/pool-restart" => {
            app.log.info("closing all database connections", json!({"in_use": app.storage.pool.in_use()}));
            app.storage.pool.close_all();
            Ok(())
        }
        "/-/fleet" => serde_json::from_slice::<FleetFacts>(&body).map(|facts| {
            app.replicas.store(u64::from(facts.replicas), Ordering::Relaxed);
            app.restarts.store(facts.restarts, Ordering::Relaxed);
        }),
        _ => return answer(StatusCode::NOT_FOUND, &json!({"error": "no such resource"})),
    };
    match done {
        Ok(()) => answer(StatusCode::OK, &json!({"status": "ok"})),
        Err(error) => answer(StatusCode::BAD_REQUEST, &json!({"error": error.to_string()})),
    }
}

/// The new state, or none if the old one is to be cleared.
fn word<T: DeserializeOwned>(clear: bool, body: &[u8]) -> Result<Option<T>, serde_json::Error> {
    if clear { Ok(None) } else { serde_json::from_slice(body).map(Some) }
}

fn set_job(app: &Arc<App>, job: Option<StuckJob>) {
    // A process has at most one such job: a new one replaces the old.
    app.storage.pool.close_all();
    if let Some(job) = job {
        let pool = Arc::clone(&app.storage.pool);
        // The job ends with its connections or with the process; nobody waits for it, as with any stuck job.
        tokio::spawn(async move { pool.run_stuck_job(job).await });
    }
}

fn state(app: &App) -> ProcessState {
    ProcessState {
        storage_degraded: app.storage.is_degraded(),
        cache_corrupted: app.cache.is_corrupted(),
        job_stuck: app.storage.pool.job_running(),
        consumer_wedged: app.consumer.is_wedged(),
    }
}
