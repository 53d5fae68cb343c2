//! Alerts: taking them in and saying what became of them.

use crate::door::Entrance;
use crate::{Api, error::ApiError};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use midwatch_engine::{Engine, Incoming, Received, Subscription};
use midwatch_model::IncidentId;
use midwatch_model::journal::StreamId;
use midwatch_report::{LineageStep, why};
use midwatch_store::IntakeRow;
use serde::Deserialize;
use serde_json::{Value, json};

/// What whoever sends something again is told.
pub(super) const REPLAYED: &str = "this was taken before; nothing was done now";

/// Takes in alerts. The answer comes after they are durable.
#[utoipa::path(post, path = "/api/v1/ingest/{source}", tag = "alerts",
    params(("source" = String, Path, description = "`generic`: one alert or an array of them, docs/schemas/alert.schema.json; `alertmanager`: its webhook, version 4; a name that is configured; all others: docs/sources.md")),
    request_body(content = Object), responses((status = 202), (status = 400), (status = 401), (status = 404), (status = 413), (status = 429), (status = 503)))]
pub(crate) async fn ingest(
    State(api): State<Api>,
    Extension(entrance): Extension<Entrance>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let admitted = entrance.admit(&api, &headers, &body).await?;
    let incoming = Incoming {
        feed: &entrance.name,
        body: &body,
        sender: &admitted.how,
        replay_key: admitted.replay_key.as_deref(),
        may_confirm: admitted.may_confirm,
    };
    let received = api.engine.take_in(incoming).await?;
    if let (true, Some((index, reason))) = (received.accepted.is_empty(), received.refused.first()) {
        return Err(ApiError::bad_request(format!("alert {index}: {reason}")));
    }
    Ok((StatusCode::ACCEPTED, Json(answer(&received))))
}

/// The same for senders that cannot be told a path of their own.
#[utoipa::path(post, path = "/webhook", tag = "alerts",
    params(("X-Source" = String, Header, description = "the source, as in the path of /api/v1/ingest/{source}")),
    request_body(content = Object), responses((status = 202), (status = 400), (status = 401), (status = 404), (status = 413), (status = 429), (status = 503)))]
pub(crate) async fn webhook(
    state: State<Api>,
    entrance: Extension<Entrance>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    ingest(state, entrance, headers, body).await
}

fn answer(received: &Received) -> Value {
    let refused = received.refused.iter().map(|(index, reason)| json!({ "index": index, "error": reason }));
    let refused: Vec<_> = refused.collect();
    let mut answer = json!({ "accepted": received.accepted, "refused": refused });
    if received.replayed {
        answer["replayed"] = json!(REPLAYED);
    }
    match &received.subscription {
        Some(Subscription::Confirmed) => answer["subscription"] = json!("confirmed"),
        Some(Subscription::Waits { url }) => {
            answer["subscription"] = json!(format!(
                "nothing proves who asks; if it is your topic, confirm it by visiting {url}, and configure auth = \"sns\""
            ));
        }
        None => {}
    }
    answer
}

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    #[serde(default = "fifty")]
    limit: u32,
    incident: Option<String>,
}

fn fifty() -> u32 {
    50
}

fn row(row: &IntakeRow) -> Value {
    let signal: Value = serde_json::from_slice(&row.payload).unwrap_or(Value::Null);
    json!({
        "id": row.id, "received_at": row.received_at, "source": row.source, "incident": row.incident,
        "signal": signal, "handled": row.done, "handling": row.handling, "alert": row.alert, "told": row.told,
    })
}

/// Alerts and anomalies, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts",
    params(("limit" = Option<u32>, Query), ("incident" = Option<String>, Query)),
    responses((status = 200, body = Object)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let rows = api.engine.store.intake_list(query.incident.as_deref(), query.limit.min(1000)).await?;
    Ok(Json(json!({ "alerts": rows.iter().map(row).collect::<Vec<_>>() })))
}

async fn find(engine: &Engine, id: &str) -> Result<IntakeRow, ApiError> {
    engine.store.intake(id).await?.ok_or_else(|| ApiError::not_found(format!("there is no alert {id}")))
}

/// One alert or anomaly.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(row(&find(&api.engine, &id).await?)))
}

/// The steps of an intake row.
pub(super) fn steps_of(row: &IntakeRow) -> Vec<LineageStep> {
    row.handling.iter().filter_map(|step| serde_json::from_value(step.clone()).ok()).collect()
}

/// Why an alert did or did not lead to anything: every step of its way.
#[utoipa::path(get, path = "/api/v1/alerts/{id}/lineage", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn lineage(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let row = find(&api.engine, &id).await?;
    let intake = [(row.id.clone(), steps_of(&row))];
    let lines = match &row.incident {
        Some(incident) => {
            let stream = StreamId::Incident(IncidentId::new(incident));
            api.engine.store.read(&stream).await?.lines().to_vec()
        }
        None => Vec::new(),
    };
    Ok(Json(json!({ "alert": row.id, "incident": row.incident, "steps": why(&lines, &intake, Some(&id)) })))
}
