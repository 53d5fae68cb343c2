//! `/ws`: the live view. A snapshot on connect, then an update whenever something changed, looked at every 2 s.
//!
//! Slow consumers are bounded: an update that is not taken within the interval is dropped with the connection, and the
//! client gets a fresh snapshot when it comes back.

use crate::dto::IncidentSummary;
use crate::{Api, error::ApiError};
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Value, json};
use std::time::Duration;

/// How often the view is looked at: the engine's own tick.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Incidents in a view.
const INCIDENTS_MAX: u32 = 100;

/// Looks that may fail in a row before the client is told.
const ERRORS_MAX: u32 = 5;

/// Upgrades a connection. The origin was checked before, as for every call.
pub(crate) async fn upgrade(State(api): State<Api>, ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(move |socket| serve(api, socket))
}

async fn serve(api: Api, mut socket: WebSocket) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let (mut seq, mut last, mut errors) = (0u64, Value::Null, 0u32);
    loop {
        tokio::select! {
            _ = looks.tick() => {
                let message = match view(&api).await {
                    Ok(view) if view == last => continue,
                    Ok(view) => {
                        errors = 0;
                        last = view;
                        let kind = if seq == 0 { "snapshot" } else { "update" };
                        json!({ "type": kind, "seq": seq, "data": last })
                    }
                    Err(_) if errors + 1 < ERRORS_MAX => {
                        errors += 1;
                        continue;
                    }
                    Err(_) => json!({ "type": "error", "seq": seq, "error": "the store cannot be read" }),
                };
                seq += 1;
                let sent = tokio::time::timeout(LOOK_EVERY, socket.send(Message::text(message.to_string()))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
            // Clients only listen; whatever they say is not read, and when they close, this ends.
            said = socket.recv() => if !matches!(said, Some(Ok(_))) { return },
        }
    }
}

async fn view(api: &Api) -> Result<Value, ApiError> {
    let incidents: Vec<IncidentSummary> =
        api.engine.store.incidents(true, INCIDENTS_MAX).await?.into_iter().map(Into::into).collect();
    let graph = crate::routes::graph_of(&api.engine).await;
    let health = api.engine.health().await;
    Ok(json!({
        "graph": graph, "incidents": incidents, "mode": api.engine.config.mode, "dry_run": api.engine.config.dry_run,
        "health": { "status": health.status, "warm_up_ticks_left": health.warm_up_ticks_left },
    }))
}
