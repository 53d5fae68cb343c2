//! What people do with an incident beside deciding: take it up, give it away, put it off, merge it, split it, write its
//! postmortem anew.

use super::incidents::caller;
use crate::access::KeyName;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Path, State};
use midwatch_model::decision::Way;
use midwatch_model::{IncidentId, SignalId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Letters of a name or a reason at most: a sentence, not a document.
const TEXT_MAX: usize = 1000;

type Answer = Result<Json<Value>, ApiError>;
type Body<T> = Result<Json<T>, JsonRejection>;
type Key = Option<Extension<KeyName>>;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcknowledgeBody {
    /// Who takes it up. Where approvers are configured, an API key says by itself whose it is.
    by: String,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignBody {
    by: String,
    /// Who answers for it from now on; absent or null for nobody in particular.
    #[serde(default)]
    to: Option<String>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnoozeBody {
    by: String,
    /// RFC 3339; within the next 7 days.
    #[schema(value_type = String)]
    until: Timestamp,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeBody {
    by: String,
    /// The incident that goes on for both.
    into: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitBody {
    by: String,
    /// The signals that become an incident of their own.
    signals: Vec<String>,
    #[serde(default)]
    reason: String,
}

/// A person takes an incident up: nobody is told the same of it again, news is told as before.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge", tag = "incidents", params(("id" = String, Path)),
    request_body = AcknowledgeBody, responses((status = 200, body = Object), (status = 404), (status = 409, description = "it is over")))]
pub(crate) async fn acknowledge(
    State(api): State<Api>,
    key: Key,
    Path(id): Path<String>,
    body: Body<AcknowledgeBody>,
) -> Answer {
    let Json(body) = body?;
    let (by, how) = (who(&api, key, &body.by)?, "the dashboard, the command line or the API");
    api.engine.acknowledge(&IncidentId::new(&id), &by, how).await?;
    Ok(Json(json!({ "incident": id, "acknowledged": by })))
}

/// Says who answers for an incident.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/assign", tag = "incidents", params(("id" = String, Path)),
    request_body = AssignBody, responses((status = 200, body = Object), (status = 404), (status = 409, description = "it is over")))]
pub(crate) async fn assign(
    State(api): State<Api>,
    key: Key,
    Path(id): Path<String>,
    body: Body<AssignBody>,
) -> Answer {
    let Json(body) = body?;
    let by = who(&api, key, &body.by)?;
    let to = body.to.as_deref().map(str::trim).filter(|to| !to.is_empty());
    short(to.unwrap_or_default(), "to")?;
    api.engine.assign(&IncidentId::new(&id), to, &by).await?;
    Ok(Json(json!({ "incident": id, "assignee": to })))
}

/// Nobody is told of an incident for a while, but for its end. It is a silence on the incident's name.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/snooze", tag = "incidents", params(("id" = String, Path)),
    request_body = SnoozeBody, responses((status = 200, body = Object), (status = 400, description = "not within the next 7 days"),
        (status = 404), (status = 409, description = "it is over")))]
pub(crate) async fn snooze(
    State(api): State<Api>,
    key: Key,
    Path(id): Path<String>,
    body: Body<SnoozeBody>,
) -> Answer {
    let Json(body) = body?;
    let by = who(&api, key, &body.by)?;
    short(&body.reason, "reason")?;
    api.engine.snooze(&IncidentId::new(&id), body.until, &by, &body.reason).await?;
    Ok(Json(json!({ "incident": id, "snoozed_until": body.until })))
}

/// Makes one of two incidents: what this one knows goes to the other, which is diagnosed anew, and this one is closed.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/merge", tag = "incidents", params(("id" = String, Path)),
    request_body = MergeBody, responses((status = 200, body = Object), (status = 404),
        (status = 409, description = "one of them is over, or something was done about this one")))]
pub(crate) async fn merge(
    State(api): State<Api>,
    key: Key,
    Path(id): Path<String>,
    body: Body<MergeBody>,
) -> Answer {
    let Json(body) = body?;
    let by = who(&api, key, &body.by)?;
    short(&body.reason, "reason")?;
    let into = IncidentId::new(&body.into);
    api.engine.merge(&IncidentId::new(&id), &into, &by, &body.reason).await?;
    Ok(Json(json!({ "incident": id, "merged_into": into })))
}

/// Makes two of one incident: these signals are a new one, and both are diagnosed anew.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/split", tag = "incidents", params(("id" = String, Path)),
    request_body = SplitBody, responses((status = 200, description = "`incident` is the new one", body = Object), (status = 404),
        (status = 400, description = "these are not some of its signals"),
        (status = 409, description = "it is over, or something was done about it")))]
pub(crate) async fn split(
    State(api): State<Api>,
    key: Key,
    Path(id): Path<String>,
    body: Body<SplitBody>,
) -> Answer {
    let Json(body) = body?;
    let by = who(&api, key, &body.by)?;
    short(&body.reason, "reason")?;
    let signals: BTreeSet<SignalId> = body.signals.into_iter().map(SignalId::new).collect();
    let to = api.engine.split(&IncidentId::new(&id), &signals, &by, &body.reason).await?;
    Ok(Json(json!({ "incident": to, "split_from": id })))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviseBody {
    by: String,
    /// The whole postmortem, Markdown.
    text: String,
    /// `postmortem_digest` of the text that this one was made of.
    base: String,
}

/// Writes the postmortem anew. The text is on the journal, with secrets masked.
#[utoipa::path(put, path = "/api/v1/incidents/{id}/postmortem", tag = "incidents", params(("id" = String, Path)),
    request_body = ReviseBody, responses((status = 200, description = "`postmortem_digest` of the text as it was taken", body = Object),
        (status = 404), (status = 409, description = "there is none yet, or somebody else has written it anew meanwhile")))]
pub(crate) async fn revise(
    State(api): State<Api>,
    key: Key,
    Path(id): Path<String>,
    body: Body<ReviseBody>,
) -> Answer {
    let Json(body) = body?;
    let by = who(&api, key, &body.by)?;
    let digest = api.engine.revise(&IncidentId::new(&id), &body.text, &body.base, &by).await?;
    Ok(Json(json!({ "incident": id, "postmortem_digest": digest })))
}

/// Who is on record.
fn who(api: &Api, key: Key, by: &str) -> Result<String, ApiError> {
    let by = by.trim();
    if by.is_empty() {
        return Err(ApiError::bad_request("say who you are: `by` must not be empty"));
    }
    short(by, "by")?;
    let caller = caller(api, key, by);
    Ok(match caller.way {
        Way::Local => caller.id,
        _ => caller.to_string(),
    })
}

fn short(text: &str, field: &str) -> Result<(), ApiError> {
    if text.chars().count() <= TEXT_MAX {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("`{field}` is longer than {TEXT_MAX} letters")))
}
