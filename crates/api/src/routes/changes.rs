//! Changes: what deployers tell that they did.

use crate::door::{Entrance, Goods};
use crate::{Api, error::ApiError};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use midwatch_engine::IncomingChanges;
use midwatch_model::{Change, ServiceName, Timestamp, after};
use serde::Deserialize;
use serde_json::{Value, json};

/// Changes that a list has at most.
const LIST_MAX: u32 = 1000;

/// Seconds back from which changes are listed if nothing else is asked for: a day.
const SINCE_S: f64 = 86_400.0;

/// Takes in changes. The answer comes after they are durable.
#[utoipa::path(post, path = "/api/v1/changes", tag = "changes",
    params(("source" = Option<String>, Query, description = "`generic` (default), `github`, `gitlab`, `argocd`, or a name that is configured; the header X-Source says the same")),
    request_body(content = Object), responses((status = 202), (status = 400), (status = 401), (status = 413), (status = 503)))]
pub(crate) async fn receive(
    State(api): State<Api>,
    Extension(entrance): Extension<Entrance>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Goods::Changes(source) = entrance.goods else {
        return Err(ApiError::not_found("alerts go to /api/v1/ingest"));
    };
    let admitted = entrance.admit(&api, &headers, &body).await?;
    let incoming = IncomingChanges {
        name: &entrance.name,
        source,
        event: source.event_header().and_then(|name| headers.get(name)?.to_str().ok()),
        body: &body,
        replay_key: admitted.replay_key.as_deref(),
    };
    let received = api.engine.receive_changes(incoming).await?;
    let mut answer = json!({ "accepted": received.accepted });
    if received.replayed {
        answer["replayed"] = json!(super::alerts::REPLAYED);
    }
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    service: Option<ServiceName>,
    since: Option<Timestamp>,
    limit: Option<u32>,
}

/// Changes that were told, newest first.
#[utoipa::path(get, path = "/api/v1/changes", tag = "changes",
    params(("service" = Option<String>, Query), ("since" = Option<String>, Query, description = "RFC 3339; default: a day ago"), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<Change>)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let services: Vec<ServiceName> = query.service.into_iter().collect();
    let since = query.since.unwrap_or_else(|| after(api.engine.now(), -SINCE_S));
    let limit = query.limit.unwrap_or(100).min(LIST_MAX);
    let changes = api.engine.changes(&services, since, limit).await?;
    Ok(Json(json!({ "changes": changes })))
}
