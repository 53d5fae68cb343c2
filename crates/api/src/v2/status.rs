//! What kind of server answers.

use super::time;
use crate::Api;
use axum::Json;
use axum::extract::State;
use midwatch_model::after;
use serde_json::{Value, json};

/// Where alerts go that are routed to nobody: to the incident.
const OWN: &str = "midwatch";

/// The receivers of an alert; clients expect one.
pub(super) fn receivers_or_own(receivers: &[String]) -> Vec<String> {
    if receivers.is_empty() { vec![OWN.to_owned()] } else { receivers.to_vec() }
}

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

pub(super) async fn receivers(State(api): State<Api>) -> Json<Value> {
    let names: Vec<String> =
        api.engine.config.receivers.iter().map(|receiver| receiver.name.clone()).collect();
    Json(receivers_or_own(&names).iter().map(|name| json!({ "name": name })).collect())
}
