//! The way of an incident through the stages: runs, evidence, audit. Where a workflow of somebody's runs in it, its steps are
//! part of that. Also what is asked before one runs: a rehearsal, an outline.

use super::incidents::{detail, load};
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use midwatch_engine::workflow::Subject;
use midwatch_incident::Incident;
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_model::workflow::{PlannedRun, RunEvent, RunOutcome};
use midwatch_model::{Cause, Evidence, IncidentId, ServiceName, Severity};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Entries of the audit at most.
const AUDIT_MAX: usize = 1000;

/// One run per incident: its state and the artifacts that its stages have made so far.
#[utoipa::path(get, path = "/api/v1/workflow/runs", tag = "workflow", responses((status = 200, body = Object)))]
pub(crate) async fn runs(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let mut runs = Vec::new();
    for row in api.engine.store.incidents(false, 100).await? {
        let artifacts = api.engine.store.artifacts(&row.id).await?;
        let kinds: Vec<_> = artifacts.iter().map(|a| a.kind).collect();
        runs.push(json!({
            "id": row.id, "incident": row.id, "state": row.state, "opened_at": row.opened_at, "artifacts": kinds,
            "workflows": workflows(&api, &row.id).await?,
        }));
    }
    Ok(Json(json!({ "runs": runs })))
}

/// One run with its artifacts, in the order in which they were made.
#[utoipa::path(get, path = "/api/v1/workflow/runs/{id}", tag = "workflow", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn run(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let (journal, incident) = load(&api.engine, &id).await?;
    let artifacts = api.engine.store.artifacts(&id).await?;
    let detail = detail(&api.engine, &journal, &incident).await?;
    let steps: Vec<Value> = journal.lines().iter().filter_map(run_step).collect();
    let plan = incident.plan.as_ref().and_then(|(plan, _)| plan.run.as_ref());
    Ok(Json(json!({
        "id": id, "incident": detail, "artifacts": artifacts,
        "workflow": plan.map(|run| &run.workflow), "workflow_steps": steps,
    })))
}

/// What happened in a workflow's run, with its sentence.
fn run_step(line: &Line) -> Option<Value> {
    match &line.entry {
        Entry::Workflow { run, event } => {
            Some(json!({ "run": run, "at": line.at, "what": event.sentence(), "event": event }))
        }
        _ => None,
    }
}

/// The workflows that have run for an incident, by name, and how they ended.
async fn workflows(api: &Api, id: &str) -> Result<Vec<Value>, ApiError> {
    let stream = StreamId::Incident(IncidentId::new(id));
    let Some(journal) = api.engine.store.read_intact(&stream).await? else { return Ok(Vec::new()) };
    let mut all: Vec<Value> = Vec::new();
    for line in journal.lines() {
        match &line.entry {
            Entry::Workflow { run, event: RunEvent::Started { workflow, reason } } => {
                all.push(json!({ "run": run, "workflow": workflow, "reason": reason, "outcome": null }));
            }
            Entry::Workflow { run, event: RunEvent::Ended { outcome, .. } } => {
                for known in all.iter_mut().filter(|known| known["run"] == json!(run)) {
                    known["outcome"] = json!(outcome);
                }
            }
            _ => {}
        }
    }
    // One that was left where it was has no end of its own on record.
    let last = Incident::fold(journal.lines()).and_then(|incident| incident.run);
    let replaced = all.len().saturating_sub(1);
    for known in all.iter_mut().take(replaced).filter(|known| known["outcome"].is_null()) {
        known["outcome"] = json!(RunOutcome::Abandoned);
    }
    if let (Some(last), Some((outcome, _))) = (all.last_mut(), last.and_then(|run| run.ended)) {
        last["outcome"] = json!(outcome);
    }
    Ok(all)
}

/// A workflow that is tried out.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RehearsalBody {
    /// The name of its file: `.yaml` and `.yml` are workflows, everything else is a runbook.
    file: String,
    text: String,
    service: String,
    cause: Cause,
    #[serde(default)]
    severity: Severity,
}

/// Goes through a workflow without acting: looks are taken, actions are only told.
#[utoipa::path(post, path = "/api/v1/workflow/rehearsals", tag = "workflow", request_body = RehearsalBody,
    responses((status = 200, body = Object), (status = 400, description = "it is no workflow; each problem with its line"),
        (status = 404, description = "no such service")))]
pub(crate) async fn rehearse(
    State(api): State<Api>,
    body: Result<Json<RehearsalBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(body) = body?;
    let read = midwatch_engine::workflow::read(&body.file, &body.text).map_err(|errors| {
        ApiError::bad_request(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let workflow = read.ok_or_else(|| {
        ApiError::bad_request(format!(
            "{} has no steps that run; docs/runbooks.md says how to write them",
            body.file
        ))
    })?;
    let subject = Subject {
        service: ServiceName::new(&body.service),
        cause: body.cause,
        severity: body.severity,
        confidence: 1.0,
        labels: Vec::new(),
    };
    let rehearsal = api.engine.rehearse(&workflow, &subject).await?;
    Ok(Json(json!({ "workflow": workflow.name, "lines": rehearsal.lines, "outcome": rehearsal.outcome })))
}

#[derive(Deserialize)]
pub(crate) struct OutlineQuery {
    cause: Cause,
    service: Option<String>,
}

/// A draft of a runbook from what helped in earlier incidents; `text` is null where nothing has.
#[utoipa::path(get, path = "/api/v1/workflow/outline", tag = "workflow",
    params(("cause" = String, Query), ("service" = Option<String>, Query)),
    responses((status = 200, body = Object)))]
pub(crate) async fn outline(
    State(api): State<Api>,
    Query(query): Query<OutlineQuery>,
) -> Result<Json<Value>, ApiError> {
    let service = query.service.map(ServiceName::new);
    let (text, incidents) = api.engine.outline(query.cause, service.as_ref()).await?;
    Ok(Json(json!({ "text": text, "incidents": incidents })))
}

/// What a workflow's run has looked at, with the query.
fn seen(planned: &PlannedRun, line: &Line) -> Option<Value> {
    let Entry::Workflow { run, event: RunEvent::StepEnded { step, end, detail, outputs } } = &line.entry
    else {
        return None;
    };
    let declared = planned.workflow.steps.iter().find(|known| known.id == *step && *run == planned.id)?;
    let query = match (&declared.check, declared.look) {
        (Some(check), _) => check.query(),
        (None, Some(look)) => format!("{look:?}").to_lowercase(),
        (None, None) => return None,
    };
    Some(
        json!({ "step": step, "at": line.at, "query": query, "end": end, "detail": detail, "outputs": outputs }),
    )
}

/// The evidence that a run's verdict rests on, each piece with its query; `looks` are those that a workflow took.
#[utoipa::path(get, path = "/api/v1/workflow/evidence/{id}", tag = "workflow", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn evidence(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (journal, incident) = load(&api.engine, &id).await?;
    let run = incident.plan.as_ref().and_then(|(plan, _)| plan.run.as_ref());
    let looks: Vec<Value> =
        run.map_or_else(Vec::new, |run| journal.lines().iter().filter_map(|line| seen(run, line)).collect());
    Ok(Json(json!({ "incident": id, "evidence": all_evidence(&incident), "looks": looks })))
}

/// What its signals and its verdict rest on.
fn all_evidence(incident: &Incident) -> Vec<Evidence> {
    let of_signals = incident.signals.iter().filter_map(|signal| signal.evidence.clone());
    of_signals.chain(incident.verdict.iter().flat_map(|verdict| verdict.evidence.clone())).collect()
}

/// What a piece of evidence says when its question is asked again.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgainDto {
    metric: String,
    /// Pairs of milliseconds since 1970 and value, oldest first.
    #[schema(value_type = Vec<Vec<f64>>)]
    points: Vec<(i64, f64)>,
    digest: String,
    /// Whether it is the very answer that the verdict rests on.
    matches: bool,
    /// Whether the window is still kept from its beginning; if not, that the answer is another one says nothing.
    whole: bool,
}

/// Asks for one piece of evidence again, over its own window, and says whether the answer is still the same.
#[utoipa::path(get, path = "/api/v1/workflow/evidence/{id}/{evidence}", tag = "workflow",
    params(("id" = String, Path), ("evidence" = String, Path)),
    responses((status = 200, body = AgainDto), (status = 404, description = "no such evidence, or none that can be asked for again")))]
pub(crate) async fn again(
    State(api): State<Api>,
    Path((id, wanted)): Path<(String, String)>,
) -> Result<Json<AgainDto>, ApiError> {
    let (_, incident) = load(&api.engine, &id).await?;
    let known = all_evidence(&incident);
    let evidence = known.iter().find(|evidence| evidence.id.as_str() == wanted);
    let evidence = evidence.ok_or_else(|| ApiError::not_found(format!("{id} has no evidence {wanted}")))?;
    let again = api.engine.ask_again(evidence).await.ok_or_else(|| {
        ApiError::not_found(
            "this was no question about a series; what it saw is gone, only its digest is kept",
        )
    })?;
    Ok(Json(AgainDto {
        metric: again.metric.name().to_owned(),
        points: again.samples.iter().map(|(at, value)| (at.as_millisecond(), *value)).collect(),
        digest: again.digest,
        matches: again.matches,
        whole: again.whole,
    }))
}

#[derive(Deserialize)]
pub(crate) struct AuditQuery {
    role: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// Everything that was written to any stream, newest first.
#[utoipa::path(get, path = "/api/v1/workflow/audit", tag = "workflow",
    params(("role" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Object)))]
pub(crate) async fn audit(
    State(api): State<Api>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Value>, ApiError> {
    let mut rows = Vec::new();
    for stream in api.engine.store.streams("").await? {
        let journal = api.engine.store.read(&stream).await?;
        let name = match &stream {
            StreamId::Incident(id) => id.to_string(),
            other => other.to_string(),
        };
        for (index, line) in journal.lines().iter().enumerate() {
            let role = format!("{:?}", line.role).to_lowercase();
            if query.role.as_ref().is_none_or(|r| *r == role) {
                rows.push((line.at, json!({ "stream": name, "seq": index + 1, "at": line.at, "role": role, "entry": line.entry })));
            }
        }
    }
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    rows.truncate(query.limit.unwrap_or(200).min(AUDIT_MAX));
    Ok(Json(json!({ "audit": rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>() })))
}
