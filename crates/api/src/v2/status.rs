//! What kind of server answers.

use super::time;
use crate::Api;
use axum::Json;
use axum::extract::State;
use midwatch_model::after;
use serde_json::{Value, json};

/// The one receiver that every alert goes to: the incident.
pub(super) const RECEIVER: &str = "midwatch";

pub(super) async fn status(State(api): State<Api>) -> Json<Value> {
    let health = api.engine.health().await;
    let started_at = after(api.engine.now(), -health.uptime_s);
    Json(json!({
        "cluster": { "status": "disabled", "peers": [] },
        "config": { "original": api.config.shown.to_string() },
        "uptime": time(started_at),
        "versionInfo": {
            "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "",
            "version": api.config.version,
        },
    }))
}

pub(super) async fn receivers() -> Json<Value> {
    Json(json!([{ "name": RECEIVER }]))
}
