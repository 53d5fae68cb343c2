//! The way of an incident through the stages: runs, evidence, audit.

use super::incidents::{detail, load};
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::{Path, Query, State};
use midwatch_model::journal::StreamId;
use serde::Deserialize;
use serde_json::{Value, json};

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
    Ok(Json(json!({ "id": id, "incident": detail, "artifacts": artifacts })))
}

/// The evidence that a run's verdict rests on, each piece with its query.
#[utoipa::path(get, path = "/api/v1/workflow/evidence/{id}", tag = "workflow", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn evidence(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (_, incident) = load(&api.engine, &id).await?;
    let mut evidence: Vec<_> = incident.signals.iter().filter_map(|s| s.evidence.clone()).collect();
    evidence.extend(incident.verdict.map(|v| v.evidence).unwrap_or_default());
    Ok(Json(json!({ "incident": id, "evidence": evidence })))
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
