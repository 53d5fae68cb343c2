//! `/health`: real checks of what the process needs to do its work.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::consumer::LAG_MAX;
use super::handlers::answer;
use super::{App, memory};
use crate::catalogue::MEMORY_LIMIT_BYTES;

const DB_ACQUIRE_MAX: Duration = Duration::from_millis(200);
const DB_QUERY_MAX: Duration = Duration::from_millis(500);
const ERROR_SHARE_MAX: f64 = 0.20;
/// Times the objective that the recent p99 may reach.
const P99_FACTOR_MAX: f64 = 4.0;
const MEMORY_SHARE_MAX: f64 = 0.85;
const CPU_DELAY_MAX_MS: f64 = 500.0;
/// With fewer recent requests a share or a percentile means nothing.
const REQUESTS_MIN: usize = 10;

#[derive(Default)]
struct Checks {
    results: Map<String, Value>,
    failing: bool,
}

impl Checks {
    fn add(&mut self, name: &str, ok: bool, facts: Value) {
        let mut result = Map::new();
        result.insert("ok".into(), Value::Bool(ok));
        if let Value::Object(facts) = facts {
            result.extend(facts);
        }
        self.failing |= !ok;
        self.results.insert(name.to_owned(), Value::Object(result));
    }
}

pub(super) async fn respond(app: &App) -> Response {
    let mut checks = Checks::default();
    database(app, &mut checks).await;
    traffic(app, &mut checks);
    let used_share = memory::resident_bytes() as f64 / MEMORY_LIMIT_BYTES as f64;
    checks.add(
        "memory",
        used_share < MEMORY_SHARE_MAX,
        json!({"used_percent": percent(used_share), "max_percent": percent(MEMORY_SHARE_MAX)}),
    );
    let delay_ms = app.cpu.queue_delay_ms();
    checks.add(
        "cpu",
        delay_ms < CPU_DELAY_MAX_MS,
        json!({"queue_delay_ms": delay_ms.round(), "max_ms": CPU_DELAY_MAX_MS}),
    );
    if !app.service().consumes_from().is_empty() {
        let lag = app.metrics.queue_lag.load(Ordering::Relaxed);
        checks.add("queue", lag < LAG_MAX, json!({"lag_messages": lag, "max_messages": LAG_MAX}));
    }
    let (status, word) =
        if checks.failing { (StatusCode::SERVICE_UNAVAILABLE, "failing") } else { (StatusCode::OK, "ok") };
    let body = json!({"status": word, "service": app.service(), "instance": app.spec.instance,
        "version": app.spec.version.name, "checks": checks.results});
    answer(status, &body)
}

async fn database(app: &App, checks: &mut Checks) {
    let limit = DB_ACQUIRE_MAX + DB_QUERY_MAX;
    let facts = match tokio::time::timeout(limit, app.storage.probe(DB_ACQUIRE_MAX)).await {
        Ok(Ok(took)) if took < DB_QUERY_MAX => {
            checks.add("database", true, json!({"query_ms": took.as_millis() as u64}));
            return;
        }
        Ok(Ok(took)) => {
            json!({"query_ms": took.as_millis() as u64, "max_ms": DB_QUERY_MAX.as_millis() as u64})
        }
        Ok(Err(super::storage::StorageError::PoolExhausted)) => {
            json!({"error": format!("no connection within {} ms", DB_ACQUIRE_MAX.as_millis()),
                "in_use": app.storage.pool.in_use(), "max": app.storage.pool.size()})
        }
        Ok(Err(error)) => json!({"error": error.to_string()}),
        Err(_) => json!({"error": format!("query took longer than {} ms", DB_QUERY_MAX.as_millis())}),
    };
    checks.add("database", false, facts);
}

fn traffic(app: &App, checks: &mut Checks) {
    let recent = app.metrics.recent();
    let judged = recent.requests >= REQUESTS_MIN;
    checks.add(
        "errors",
        !judged || recent.error_share < ERROR_SHARE_MAX,
        json!({"error_percent": percent(recent.error_share), "max_percent": percent(ERROR_SHARE_MAX), "requests": recent.requests}),
    );
    let max_ms = app.profile.slo_p99_ms * P99_FACTOR_MAX;
    checks.add(
        "latency",
        !judged || recent.p99_ms < max_ms,
        json!({"p99_ms": recent.p99_ms.round(), "max_ms": max_ms}),
    );
}

fn percent(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0
}
