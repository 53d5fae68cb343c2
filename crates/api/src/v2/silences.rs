//! Silences.

use super::{Refusal, filters, time};
use crate::Api;
use crate::access::KeyName;
use crate::routes::named;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use midwatch_incident::WantedSilence;
use midwatch_model::silence::{Silence, SilenceState};
use midwatch_model::{Matcher, Timestamp};
use serde_json::{Value, json};

fn shown(silence: &Silence, now: Timestamp) -> Value {
    json!({
        "id": silence.id,
        "status": { "state": silence.state(now) },
        "matchers": silence.matchers,
        "startsAt": time(silence.starts_at),
        "endsAt": time(silence.ends_at),
        "updatedAt": time(silence.updated_at),
        "createdBy": silence.created_by,
        "comment": silence.comment,
    })
}

/// Whether a silence has the matcher's label, and a matcher on it that the filter's condition holds for.
fn has(silence: &Silence, filter: &Matcher) -> bool {
    let values: Vec<&str> =
        silence.matchers.iter().filter(|m| m.name() == filter.name()).map(Matcher::value).collect();
    if values.is_empty() { filter.accepts("") } else { values.into_iter().any(|value| filter.accepts(value)) }
}

/// Active ones first, those that end soonest on top; then pending, then expired, the latest on top.
fn order(a: &Silence, b: &Silence, now: Timestamp) -> std::cmp::Ordering {
    let states = a.state(now).cmp(&b.state(now));
    states.then_with(|| match a.state(now) {
        SilenceState::Active => a.ends_at.cmp(&b.ends_at),
        SilenceState::Pending => a.starts_at.cmp(&b.starts_at),
        SilenceState::Expired => b.ends_at.cmp(&a.ends_at),
    })
}

pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let (now, filters) = (api.engine.now(), filters(&query)?);
    let mut silences = api.engine.silences().await;
    silences.retain(|silence| filters.iter().all(|filter| has(silence, filter)));
    silences.sort_by(|a, b| order(a, b, now).then_with(|| a.id.cmp(&b.id)));
    Ok(Json(silences.iter().map(|silence| shown(silence, now)).collect()))
}

pub(super) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let silences = api.engine.silences().await;
    let silence = silences.iter().find(|silence| silence.id == id);
    let silence =
        silence.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("there is no silence {id}")))?;
    Ok(Json(shown(silence, api.engine.now())))
}

pub(super) async fn post(
    State(api): State<Api>,
    key: Option<Extension<KeyName>>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let mut wanted: WantedSilence = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad_request(format!("the body is not a silence: {error}")))?;
    wanted.created_by = named(key, &wanted.created_by);
    let silence = api.engine.silence(wanted).await?;
    Ok(Json(json!({ "silenceID": silence.id })))
}

pub(super) async fn expire(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    api.engine.expire_silence(&id).await?;
    Ok(StatusCode::OK)
}
