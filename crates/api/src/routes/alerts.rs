//! Alerts: taking them in and saying what became of them.

use super::dead_letters;
use crate::access::Client;
use crate::door::Entrance;
use crate::query::{Asked, page};
use crate::{Api, error::ApiError};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use midwatch_engine::{Engine, Incoming, Received, Subscription};
use midwatch_incident::Flapping;
use midwatch_model::SignalId;
use midwatch_report::{LineageStep, duplicate_of};
use midwatch_store::{AlertFilter, AlertStatus, IntakeRow};
use serde_json::{Value, json};
use std::collections::HashMap;
use strum::VariantNames as _;

/// What whoever sends something again is told.
pub(super) const REPLAYED: &str = "this was taken before; nothing was done now";

/// Takes in alerts. The answer comes after they are durable.
#[utoipa::path(post, path = "/api/v1/ingest/{source}", tag = "alerts",
    params(("source" = String, Path, description = "`generic`: one alert or an array of them, docs/schemas/alert.schema.json; `alertmanager`: its webhook, version 4; a name that is configured; all others: docs/sources.md")),
    request_body(content = Object), responses((status = 202), (status = 400), (status = 401), (status = 404), (status = 413), (status = 429), (status = 503)))]
pub(crate) async fn ingest(
    State(api): State<Api>,
    Extension(entrance): Extension<Entrance>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let admitted = entrance.admit(&api, &headers, &body).await?;
    let incoming = Incoming {
        feed: &entrance.name,
        body: &body,
        sender: &format!("{}{}", admitted.how, client.words()),
        replay_key: admitted.replay_key.as_deref(),
        may_confirm: admitted.may_confirm,
        taken: &[],
    };
    let (received, letter) = dead_letters::receive(&api, incoming).await?;
    Ok((StatusCode::ACCEPTED, Json(answer(&received, letter))))
}

/// The same for senders that cannot be told a path of their own.
#[utoipa::path(post, path = "/webhook", tag = "alerts",
    params(("X-Source" = String, Header, description = "the source, as in the path of /api/v1/ingest/{source}")),
    request_body(content = Object), responses((status = 202), (status = 400), (status = 401), (status = 404), (status = 413), (status = 429), (status = 503)))]
pub(crate) async fn webhook(
    state: State<Api>,
    entrance: Extension<Entrance>,
    client: Extension<Client>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    ingest(state, entrance, client, headers, body).await
}

fn answer(received: &Received, letter: Option<String>) -> Value {
    let refused = received.refused.iter().map(|(index, reason)| json!({ "index": index, "error": reason }));
    let refused: Vec<_> = refused.collect();
    let mut answer = json!({ "accepted": received.accepted, "refused": refused });
    if let Some(letter) = letter {
        answer["dead_letter"] = letter.into();
    }
    if !received.incidents.is_empty() {
        answer["incidents"] = json!(received.incidents);
    }
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

/// What lists of alerts can be asked for.
const FILTERS: [&str; 10] =
    ["status", "severity", "service", "source", "incident", "match", "since", "until", "limit", "cursor"];

fn row(row: &IntakeRow, flapping: &HashMap<SignalId, Flapping>) -> Value {
    let fingerprint = row.alert.as_ref().map(|alert| alert.fingerprint());
    let signal: Value = serde_json::from_slice(&row.payload).unwrap_or(Value::Null);
    json!({
        "id": row.id, "received_at": row.received_at, "source": row.source, "incident": row.incident,
        "service": row.service, "status": row.status(),
        "fingerprint": fingerprint.map(|fingerprint| fingerprint.to_string()),
        "duplicate_of": duplicate_of(&steps_of(row)),
        "flapping": flapping.get(&SignalId::new(&row.id)),
        "signal": signal, "handled": row.done, "handling": row.handling, "alert": row.alert, "told": row.told,
    })
}

/// Alerts and anomalies, the last received first, a page at a time.
///
/// A page may be short, or even empty, and still have a `next_cursor`: expressions among the matchers are looked at for
/// so many rows a page and no more.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts",
    params(("status" = Option<String>, Query, description = "`firing`, `acknowledged`, `suppressed` or `resolved`; anomalies have none"),
        ("severity" = Option<String>, Query, description = "`info`, `warning`, `high` or `critical`"),
        ("service" = Option<String>, Query), ("source" = Option<String>, Query), ("incident" = Option<String>, Query),
        ("match" = Option<Vec<String>>, Query, description = "Matchers such as `team=\"db\",pod=~\"a.*\"`; may be repeated, all must hold"),
        ("since" = Option<String>, Query, description = "Received at or after, RFC 3339"),
        ("until" = Option<String>, Query, description = "Received before, RFC 3339"),
        ("limit" = Option<usize>, Query, description = "1 to 1000, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = Object), (status = 400)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, ApiError> {
    let asked = Asked::of(query, &FILTERS)?;
    let filter = AlertFilter {
        status: asked.word("status", AlertStatus::VARIANTS)?,
        service: asked.text("service"),
        severity: asked.value("severity")?,
        source: asked.text("source"),
        incident: asked.text("incident"),
        fingerprint: None,
        matchers: asked.matchers()?,
        since: asked.time("since")?,
        until: asked.time("until")?,
    };
    let found = api.engine.store.alerts(&filter, asked.cursor()?.as_ref(), asked.limit(50)?).await?;
    let flapping = api.engine.flapping().await;
    Ok(Json(page("alerts", &found, |found| row(found, &flapping))))
}

/// By its id, or by its fingerprint: then its newest episode.
pub(super) async fn find(engine: &Engine, id: &str) -> Result<IntakeRow, ApiError> {
    let found = match id.parse() {
        Ok(fingerprint) => engine.store.newest_episode(fingerprint).await?,
        Err(_) => engine.store.intake(id).await?,
    };
    found.ok_or_else(|| {
        ApiError::not_found(format!("there is no alert {id}; `midwatch alert list` shows those there are"))
    })
}

/// One alert or anomaly, by its id or by its alert's fingerprint.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let flapping = api.engine.flapping().await;
    Ok(Json(row(&find(&api.engine, &id).await?, &flapping)))
}

/// The steps of an intake row.
pub(super) fn steps_of(row: &IntakeRow) -> Vec<LineageStep> {
    row.handling.iter().filter_map(|step| serde_json::from_value(step.clone()).ok()).collect()
}
