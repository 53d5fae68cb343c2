//! Maintenance: planned time in which nothing is opened and nobody is paged.

use super::incidents::named;
use crate::access::KeyName;
use crate::query::Asked;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use midwatch_incident::WantedSilence;
use midwatch_model::label::{MatchOp, parse_matchers};
use midwatch_model::silence::{Silence, SilenceKind, SilenceState};
use midwatch_model::{Matcher, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

/// Planned work: of a service, of what has certain labels, or both.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaintenanceBody {
    #[serde(default)]
    service: Option<String>,
    /// Such as `cluster="eu-1"`; all must hold.
    #[serde(default)]
    matchers: Vec<String>,
    /// Now if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    starts_at: Option<Timestamp>,
    #[schema(value_type = String)]
    ends_at: Timestamp,
    by: String,
    reason: String,
}

impl MaintenanceBody {
    fn matchers(&self) -> Result<Vec<Matcher>, ApiError> {
        let wrong = |error: &dyn std::fmt::Display| ApiError::bad_request(error.to_string());
        let service = self.service.as_ref().map(|name| Matcher::new("service", MatchOp::Equal, name));
        let mut matchers: Vec<Matcher> = service.transpose().map_err(|e| wrong(&e))?.into_iter().collect();
        for text in &self.matchers {
            matchers.extend(parse_matchers(text).map_err(|e| wrong(&e))?);
        }
        Ok(matchers)
    }
}

fn shown(maintenance: &Silence, now: Timestamp) -> Value {
    json!({
        "id": maintenance.id, "state": maintenance.state(now), "starts_at": maintenance.starts_at,
        "ends_at": maintenance.ends_at, "by": maintenance.created_by, "reason": maintenance.comment,
        "matchers": maintenance.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Maintenance that is or will be, the one that begins first on top; with `expired=true` also what was.
#[utoipa::path(get, path = "/api/v1/maintenance", tag = "maintenance", params(("expired" = Option<bool>, Query)),
    responses((status = 200, body = Object), (status = 400)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, ApiError> {
    let expired = Asked::of(query, &["expired"])?.word("expired", &["true", "false"])?.unwrap_or(false);
    let now = api.engine.now();
    let mut all = api.engine.silences().await;
    all.retain(|one| one.kind == SilenceKind::Maintenance);
    all.retain(|one| expired || one.state(now) != SilenceState::Expired);
    all.sort_by(|a, b| (a.starts_at, &a.id).cmp(&(b.starts_at, &b.id)));
    Ok(Json(json!({ "maintenance": all.iter().map(|one| shown(one, now)).collect::<Vec<_>>() })))
}

/// Plans maintenance: meanwhile neither alerts nor midwatch's own anomalies about it open an incident or page anybody.
#[utoipa::path(post, path = "/api/v1/maintenance", tag = "maintenance", request_body = MaintenanceBody,
    responses((status = 201, body = Object), (status = 400), (status = 503)))]
pub(crate) async fn add(
    State(api): State<Api>,
    key: Option<Extension<KeyName>>,
    body: Result<Json<MaintenanceBody>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(body) = body?;
    if body.by.trim().is_empty() || body.reason.trim().is_empty() {
        return Err(ApiError::bad_request("say who works and on what: `by` and `reason` must not be empty"));
    }
    let now = api.engine.now();
    let wanted = WantedSilence {
        id: None,
        matchers: body.matchers()?,
        starts_at: body.starts_at.unwrap_or(now),
        ends_at: body.ends_at,
        created_by: named(key, &body.by),
        comment: body.reason,
        kind: SilenceKind::Maintenance,
    };
    let maintenance = api.engine.silence(wanted).await?;
    Ok((StatusCode::CREATED, Json(shown(&maintenance, now))))
}

/// Ends maintenance now. What fires still is handled after all.
#[utoipa::path(delete, path = "/api/v1/maintenance/{id}", tag = "maintenance", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 400, description = "it is over"), (status = 404)))]
pub(crate) async fn end(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let known = api.engine.silences().await;
    if !known.iter().any(|one| one.id == id && one.kind == SilenceKind::Maintenance) {
        return Err(ApiError::not_found(format!(
            "there is no maintenance {id}; `midwatch maintenance list` shows what there is"
        )));
    }
    let ended = api.engine.expire_silence(&id).await?;
    Ok(Json(shown(&ended, api.engine.now())))
}
