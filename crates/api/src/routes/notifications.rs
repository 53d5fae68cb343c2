//! Who is told, and how that goes.

use crate::query::Asked;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use midwatch_model::IncidentId;
use midwatch_model::redact::redact;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Notifications that a list has at most.
const LISTED_MAX: usize = 500;

/// Who is told that this is a test.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestBody {
    /// A receiver's name, or one of its targets such as `ops/slack/0`; everybody if absent.
    #[serde(default)]
    receiver: Option<String>,
}

/// How it goes to tell each receiver, and the newest notifications with every attempt, newest first.
#[utoipa::path(get, path = "/api/v1/notifications/status", tag = "notifications",
    params(("limit" = Option<usize>, Query)), responses((status = 200, body = Object), (status = 400)))]
pub(crate) async fn status(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, ApiError> {
    let limit = Asked::of(query, &["limit"])?.limit(50)?.min(LISTED_MAX);
    let engine = &api.engine;
    let waiting: BTreeMap<String, u64> = engine.store.notifications_waiting().await?.into_iter().collect();
    let mut tallies = engine.tallies();
    for receiver in &engine.config.receivers {
        for integration in &receiver.integrations {
            tallies.entry(integration.target.clone()).or_default();
        }
    }
    let targets = tallies.iter().map(|(target, tally)| {
        json!({
            "target": target, "delivered": tally.delivered, "retried": tally.retried, "failed": tally.failed,
            "waiting": waiting.get(target).copied().unwrap_or(0),
            "failing": tally.failing.as_ref().map(ToString::to_string),
        })
    });
    let targets: Vec<Value> = targets.collect();
    let mut notifications = Vec::new();
    for one in engine.store.notifications(u32::try_from(limit).unwrap_or(u32::MAX)).await? {
        let attempts = engine.store.attempts_of(&one.id).await?;
        let each = attempts.iter().map(|attempt| {
            json!({ "attempt": attempt.attempt, "at": attempt.at, "state": attempt.state.to_string(), "answer": attempt.answer })
        });
        notifications.push(json!({
            "id": one.id, "target": one.target, "topic": redact(&one.group_key), "why": one.why,
            "created_at": one.created_at, "state": one.state.to_string(), "attempts": one.attempts,
            "next_at": one.next_at, "ended_at": one.ended_at, "answer": one.answer, "tried": each.collect::<Vec<_>>(),
        }));
    }
    Ok(Json(json!({ "targets": targets, "notifications": notifications })))
}

/// Tells receivers that this is a test, now, and says how it went; it is on record like every other notification.
#[utoipa::path(post, path = "/api/v1/notifications/test", tag = "notifications", request_body = TestBody,
    responses((status = 200, body = Object), (status = 404, description = "no such receiver"), (status = 503)))]
pub(crate) async fn test(
    State(api): State<Api>,
    body: Result<Json<TestBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(body) = body?;
    let results = api.engine.test_receivers(body.receiver.as_deref()).await?;
    if results.is_empty() {
        let names: Vec<&str> =
            api.engine.config.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        return Err(ApiError::not_found(format!(
            "there is nobody of that name to tell; receivers are {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        )));
    }
    let shown = results.iter().map(
        |result| json!({ "target": result.target, "delivered": result.delivered, "answer": result.answer }),
    );
    Ok(Json(json!({ "results": shown.collect::<Vec<_>>() })))
}

/// What is told of an incident, turn by turn, before it takes a vendor's shape.
#[utoipa::path(get, path = "/api/v1/notifications/preview/{incident}", tag = "notifications",
    params(("incident" = String, Path)), responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn preview(
    State(api): State<Api>,
    Path(incident): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = IncidentId::new(incident);
    let bulletins = api.engine.bulletins_of(&id).await?;
    let missing = || {
        ApiError::not_found(format!(
            "there is no incident {id}; `midwatch incident list` shows those there are"
        ))
    };
    let bulletins = bulletins.ok_or_else(missing)?;
    Ok(Json(json!({ "incident": id, "bulletins": bulletins })))
}
