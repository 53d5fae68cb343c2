//! Incidents, and what people decide about them.

use super::lineage::{told_of_alert, told_of_incident};
use crate::access::{KeyName, SERVERS_KEY};
use crate::dto::{
    ActBody, ActionDto, ActionList, ApprovalBody, ApprovalDto, ApprovalList, IncidentDetail, IncidentPage,
    IncidentSummary, OriginDto, waiting,
};
use crate::query::Asked;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::Extension;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use midwatch_engine::{ActRequest, Engine, Reply};
use midwatch_incident::{Incident, State as IncidentState, suspected_origin};
use midwatch_model::decision::{Caller, Way};
use midwatch_model::journal::{Entry, StreamId, VerifiedJournal};
use midwatch_model::{Cause, IncidentId, PlanHash};
use midwatch_report::{IncidentTelling, incident_headline, why, with_telling};
use midwatch_store::IncidentFilter;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of a list at most.
const LIST_MAX: u32 = 1000;

/// Characters of an `Idempotency-Key` at most.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// Alerts of an incident of which it is asked who was told of them, the oldest first: the first page is among them.
const ALERTS_ASKED_MAX: usize = 32;

pub(super) async fn load(engine: &Engine, id: &str) -> Result<(VerifiedJournal, Incident), ApiError> {
    let journal = engine.store.read(&StreamId::Incident(IncidentId::new(id))).await?;
    match Incident::fold(journal.lines()) {
        Some(incident) => Ok((journal, incident)),
        None => Err(ApiError::not_found(format!("there is no incident {id}"))),
    }
}

/// Everything that is known of an incident.
pub(super) async fn detail(
    engine: &Engine,
    journal: &VerifiedJournal,
    incident: &Incident,
) -> Result<IncidentDetail, ApiError> {
    let children = engine.store.children_of(incident.id.as_str(), LIST_MAX).await?;
    let (_, graph) = engine.services().await;
    let suspected_origin = suspected_origin(incident, &graph)
        .map(|root| OriginDto { entity: root.entity.to_string(), score: root.score });
    let snooze = engine.snooze_of(&incident.id).await;
    let (snoozed_until, snooze) = (snooze.as_ref().map(|one| one.ends_at), snooze.map(|one| one.id));
    let known = IncidentDetail::new(incident, journal.lines(), children);
    Ok(IncidentDetail { suspected_origin, snoozed_until, snooze, ..known })
}

/// What lists of incidents can be asked for.
const FILTERS: [&str; 8] = ["state", "open", "service", "cause", "since", "until", "limit", "cursor"];

/// States in which nobody has to do anything any more.
const OVER: [&str; 3] = ["resolved", "closed", "false_alarm"];

/// Incidents, the last opened first, a page at a time.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents",
    params(("state" = Option<String>, Query), ("open" = Option<bool>, Query, description = "Only those that still need work"),
        ("service" = Option<String>, Query), ("cause" = Option<String>, Query),
        ("since" = Option<String>, Query, description = "Opened at or after, RFC 3339"),
        ("until" = Option<String>, Query, description = "Opened before, RFC 3339"),
        ("limit" = Option<usize>, Query, description = "1 to 1000, default 100"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = IncidentPage), (status = 400)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<IncidentPage>, ApiError> {
    let asked = Asked::of(query, &FILTERS)?;
    let state: Option<IncidentState> = asked.value("state")?;
    let cause: Option<Cause> = asked.value("cause")?;
    let filter = IncidentFilter {
        state: state.map(|state| state.name().to_owned()),
        not_in: if asked.word("open", &["true", "false"])?.unwrap_or(false) { &OVER } else { &[] },
        service: asked.text("service"),
        cause: cause.map(|cause| cause.name().to_owned()),
        since: asked.time("since")?,
        until: asked.time("until")?,
    };
    let found = api.engine.store.incident_page(&filter, asked.cursor()?.as_ref(), asked.limit(100)?).await?;
    let next_cursor = found.next.as_ref().map(ToString::to_string);
    let incidents = found.rows.into_iter().map(IncidentSummary::from).collect();
    Ok(Json(IncidentPage { incidents, next_cursor }))
}

/// One incident with verdict, plan, decisions, effects and timeline.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = IncidentDetail), (status = 404)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let (journal, incident) = load(&api.engine, &id).await?;
    Ok(Json(detail(&api.engine, &journal, &incident).await?))
}

/// How every signal of an incident was handled; `headline` says what was found and whether somebody was paged.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/lineage", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn lineage(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let (journal, _) = load(&api.engine, &id).await?;
    let rows = api.engine.store.intake_list(Some(&id), LIST_MAX).await?;
    let intake: Vec<_> = rows.iter().map(|row| (row.id.clone(), super::alerts::steps_of(row))).collect();
    let told = told_of_incident(&api.engine, &id).await?;
    let mut alerts_told = Vec::new();
    // Rows come newest first, and the first that were told of are asked for.
    for row in rows.iter().rev().filter(|row| row.alert.is_some()).take(ALERTS_ASKED_MAX) {
        alerts_told.extend(told_of_alert(&api.engine, row).await?);
    }
    let route = api.engine.incident_route(&id).await;
    let telling = IncidentTelling { told: &told, alerts_told: &alerts_told, intake: &intake, route };
    let headline = incident_headline(journal.lines(), &telling);
    let steps = with_telling(why(journal.lines(), &intake, None), &told, api.engine.now());
    Ok(Json(json!({ "incident": id, "headline": headline, "steps": steps })))
}

/// The incident as a bundle that `midwatch investigate` reads: the text of each file by its name.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/bundle", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn bundle(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let files = api.engine.incident_files(&IncidentId::new(&id)).await?;
    let files = files.ok_or_else(|| ApiError::not_found(format!("there is no incident {id}")))?;
    Ok(Json(json!({ "incident": id, "files": files })))
}

/// The postmortem as Markdown.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/postmortem", tag = "incidents", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/markdown", body = String), (status = 404)))]
pub(crate) async fn postmortem(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let (journal, incident) = load(&api.engine, &id).await?;
    let wanted = incident.report_digest.as_ref().filter(|_| incident.report_is_revised);
    let revised = journal.lines().iter().rev().find_map(|line| match &line.entry {
        Entry::Revised { text, digest, .. } if Some(digest) == wanted => Some(text.clone()),
        _ => None,
    });
    if let Some(text) = revised {
        return Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text));
    }
    let path = incident.report.ok_or_else(|| {
        ApiError::not_found(format!(
            "{id} has no postmortem yet: it is {} and gets one when it ends",
            incident.state
        ))
    })?;
    let text = tokio::fs::read_to_string(&path).await.map_err(|e| {
        ApiError::not_found(format!("the postmortem was written to {path}, but cannot be read there: {e}"))
    })?;
    Ok(([(CONTENT_TYPE, "text/markdown; charset=utf-8")], text))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FalseAlarmBody {
    by: String,
    #[serde(default)]
    reason: String,
}

/// Marks an incident as a false alarm.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/false-alarm", tag = "incidents", params(("id" = String, Path)),
    request_body = FalseAlarmBody, responses((status = 200), (status = 404), (status = 409)))]
pub(crate) async fn false_alarm(
    State(api): State<Api>,
    key: Option<Extension<KeyName>>,
    Path(id): Path<String>,
    body: Result<Json<FalseAlarmBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(body) = body?;
    let by = caller(&api, key, &body.by);
    api.engine.false_alarm(&IncidentId::new(&id), by, &body.reason).await?;
    Ok(Json(json!({ "incident": id, "state": "false_alarm" })))
}

/// Requests that wait for a person.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "approvals", responses((status = 200, body = ApprovalList)))]
pub(crate) async fn approvals(State(api): State<Api>) -> Result<Json<ApprovalList>, ApiError> {
    let mut approvals = Vec::new();
    for row in api.engine.store.incidents(true, LIST_MAX).await? {
        if row.state == "awaiting_approval" {
            approvals.extend(waiting_of(&api.engine, &row.id).await?);
        }
    }
    Ok(Json(ApprovalList { approvals }))
}

/// What an incident waits for, if it does.
pub(crate) async fn waiting_of(engine: &Engine, id: &str) -> Result<Option<ApprovalDto>, ApiError> {
    Ok(waiting(&load(engine, id).await?.1))
}

/// Approves or denies exactly one plan.
#[utoipa::path(post, path = "/api/v1/approvals", tag = "approvals", request_body = ApprovalBody,
    responses((status = 200, description = "who is on record, and how many have said yes of how many that must", body = Object),
        (status = 403, description = "whoever asks may not decide on it"), (status = 404),
        (status = 409, description = "the plan has changed, or nothing waits")))]
pub(crate) async fn answer(
    State(api): State<Api>,
    key: Option<Extension<KeyName>>,
    body: Result<Json<ApprovalBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(body) = body?;
    if body.by.trim().is_empty() {
        return Err(ApiError::bad_request("say who decides: `by` must not be empty"));
    }
    let yes = match body.decision.as_str() {
        "approve" => true,
        "deny" => false,
        other => {
            return Err(ApiError::bad_request(format!("`{other}` is not a decision; say approve or deny")));
        }
    };
    let answer = Reply {
        incident: IncidentId::new(&body.incident),
        plan: PlanHash::new(&body.plan),
        step: body.step,
        caller: caller(&api, key, &body.by),
        yes,
        reason: body.reason,
    };
    let heard = api.engine.answer(&answer).await?;
    Ok(Json(json!({
        "incident": body.incident, "plan": body.plan, "decision": body.decision, "by": heard.by,
        "again": heard.again, "have": heard.have, "needed": heard.needed,
    })))
}

/// Who calls, as far as it is proved. Where nobody is told apart, the name that was given is all that there is.
pub(super) fn caller(api: &Api, key: Option<Extension<KeyName>>, by: &str) -> Caller {
    match key {
        Some(Extension(KeyName(name))) if !api.engine.config.decision.approvers.is_empty() => {
            Caller::new(Way::ApiKey, name)
        }
        key => Caller::from(named(key, by).as_str()),
    }
}

/// The name that goes on record: whoever has a key or a session of their own cannot sign as somebody else alone. The
/// server's own key may be anybody's.
pub(crate) fn named(key: Option<Extension<KeyName>>, by: &str) -> String {
    let by = by.trim();
    match key {
        Some(Extension(KeyName(name))) if name == by => name,
        Some(Extension(KeyName(name))) if name != SERVERS_KEY => format!("{by} (with {name})"),
        _ => by.to_owned(),
    }
}

/// Every action that was intended, newest first.
#[utoipa::path(get, path = "/api/v1/actions", tag = "actions", responses((status = 200, body = ActionList)))]
pub(crate) async fn actions(State(api): State<Api>) -> Result<Json<ActionList>, ApiError> {
    let mut actions = Vec::new();
    for stream in api.engine.store.streams("service/").await? {
        let journal = api.engine.store.read(&stream).await?;
        let mut of_service: BTreeMap<String, ActionDto> = BTreeMap::new();
        for line in journal.lines() {
            match &line.entry {
                Entry::Intended { intent } => {
                    let dto = ActionDto {
                        key: intent.key.to_string(),
                        incident: intent.incident.as_ref().map(ToString::to_string),
                        action: intent.action.clone(),
                        target: intent.action.target().to_string(),
                        by: intent.principal.to_string(),
                        undoes: intent.undoes.as_ref().map(ToString::to_string),
                        undo: intent.undo.clone(),
                        intended_at: line.at,
                        outcome: None,
                    };
                    of_service.insert(dto.key.clone(), dto);
                }
                Entry::Performed { key, outcome, .. } => {
                    if let Some(dto) = of_service.get_mut(key.as_str()) {
                        dto.outcome = Some(outcome.clone());
                    }
                }
                _ => {}
            }
        }
        actions.extend(of_service.into_values());
    }
    actions.sort_by_key(|dto: &ActionDto| std::cmp::Reverse(dto.intended_at));
    Ok(Json(ActionList { actions }))
}

fn idempotency_key(key: &[u8]) -> Result<String, ApiError> {
    let is_plain = (1..=IDEMPOTENCY_KEY_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(key).ok().filter(|_| is_plain);
    text.map(str::to_owned).ok_or_else(|| {
        ApiError::bad_request(format!(
            "Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII characters, such as a UUID"
        ))
    })
}

/// A person's action, through the same gate as midwatch's own. What comes twice with the same `Idempotency-Key` from the same
/// person is done once; the second answer (409) tells what became of the first.
#[utoipa::path(post, path = "/api/v1/actions", tag = "actions", request_body = ActBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 409), (status = 200, description = "the gate's answer and, if it let the action pass, the outcome", body = Object), (status = 404), (status = 502)))]
pub(crate) async fn act(
    State(api): State<Api>,
    key: Option<Extension<KeyName>>,
    headers: HeaderMap,
    body: Result<Json<ActBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(body) = body?;
    if body.by.trim().is_empty() {
        return Err(ApiError::bad_request("say who acts: `by` must not be empty"));
    }
    if !body.action.kind().mutates() {
        return Err(ApiError::bad_request(
            "escalate is what midwatch does; a person acts or calls a colleague",
        ));
    }
    let by = caller(&api, key, &body.by);
    let once = headers.get("idempotency-key").map(|key| idempotency_key(key.as_bytes())).transpose()?;
    let request = ActRequest { action: body.action, by, reason: body.reason, once };
    let engine = api.engine.clone();
    // On its own task: a client that hangs up must not leave an effect without its record.
    let result = tokio::spawn(async move { engine.act(request).await }).await.map_err(|e| {
        ApiError::bad_gateway(format!(
            "the action was interrupted: {e}; `GET /api/v1/actions` shows how far it came"
        ))
    })??;
    Ok(Json(serde_json::to_value(result).unwrap_or_default()))
}
