//! Knowledge: search, documents, and what is learnt from incidents once somebody has reviewed it.

use super::incidents::named;
use crate::access::KeyName;
use crate::query::Asked;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Path, Query, State};
use midwatch_engine::{Collection, Question, ReviewRequest, Written};
use midwatch_model::IncidentId;
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest question, characters: what is longer is a document.
const QUESTION_CHARS_MAX: usize = 2000;

/// Candidates of a list at most.
const CANDIDATES_MAX: u32 = 100;

/// What was written down about something, by words and, where the model is installed, by meaning.
#[utoipa::path(get, path = "/api/v1/knowledge/search", tag = "knowledge",
    params(("q" = String, Query, description = "what is looked for"),
        ("collection" = Option<String>, Query, description = "incidents (5 at most), runbooks (8 sections) or services; default: all"),
        ("service" = Option<String>, Query, description = "only what is about this service, or about any"),
        ("anomaly_type" = Option<String>, Query, description = "a cause or a metric, such as memory_leak or queue_lag"),
        ("limit" = Option<usize>, Query, description = "hits of each collection")),
    responses((status = 200, description = "`hits` best first within each collection, `by` words or words_and_meaning", body = Object), (status = 400)))]
pub(crate) async fn search(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, ApiError> {
    let asked = Asked::of(query, &["q", "collection", "service", "anomaly_type", "limit"])?;
    let text = asked.text("q").filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| ApiError::bad_request("say what is looked for: `q` must not be empty"))?;
    if text.chars().count() > QUESTION_CHARS_MAX {
        return Err(ApiError::bad_request(format!(
            "`q` is longer than {QUESTION_CHARS_MAX} characters; ask shorter"
        )));
    }
    let question = Question {
        text,
        collection: asked.value::<Collection>("collection")?,
        service: asked.text("service"),
        anomaly_type: asked.text("anomaly_type"),
        limit: asked.text("limit").map(|_| asked.limit(1)).transpose()?,
    };
    Ok(Json(json!(api.engine.search_knowledge(&question).await?)))
}

/// Every document: what ships with midwatch, what was added, what was learnt.
#[utoipa::path(get, path = "/api/v1/knowledge", tag = "knowledge", responses((status = 200, body = Object)))]
pub(crate) async fn list(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "documents": api.engine.list_knowledge() }))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddBody {
    by: String,
    /// Name and Markdown of each.
    #[schema(value_type = Vec<Object>)]
    documents: Vec<Written>,
}

/// Adds documents; all of them or none. One with the id of an older one takes its place.
#[utoipa::path(post, path = "/api/v1/knowledge", tag = "knowledge", request_body = AddBody,
    responses((status = 200, body = Object), (status = 400, description = "what is wrong with which document, in which line"), (status = 503)))]
pub(crate) async fn add(
    State(api): State<Api>,
    key: Option<Extension<KeyName>>,
    body: Result<Json<AddBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(body) = body?;
    by_somebody(&body.by)?;
    let added = api.engine.add_knowledge(&body.documents, &named(key, &body.by)).await?;
    Ok(Json(json!({ "added": added })))
}

/// One document as a whole, in Markdown; of a service also what was promised and who is on call.
#[utoipa::path(get, path = "/api/v1/knowledge/{collection}/{id}", tag = "knowledge",
    params(("collection" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = Object), (status = 400), (status = 404)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let parsed: Collection = collection.parse().map_err(|error: String| ApiError::bad_request(error))?;
    let missing = || {
        ApiError::not_found(format!(
            "there is no document {collection}/{id}; `midwatch knowledge list` shows those there are"
        ))
    };
    let document = api.engine.document(parsed, &id).ok_or_else(missing)?;
    Ok(Json(json!({ "document": document })))
}

/// Takes a document away. What ships with midwatch stays.
#[utoipa::path(delete, path = "/api/v1/knowledge/{collection}/{id}", tag = "knowledge",
    params(("collection" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404), (status = 409, description = "it ships with midwatch")))]
pub(crate) async fn remove(
    State(api): State<Api>,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let parsed: Collection = collection.parse().map_err(|error: String| ApiError::bad_request(error))?;
    api.engine.remove_knowledge(parsed, &id).await?;
    Ok(Json(json!({ "removed": format!("{collection}/{id}") })))
}

/// Reads all documents anew and makes the vectors that are missing.
#[utoipa::path(post, path = "/api/v1/knowledge/reindex", tag = "knowledge", responses((status = 200, body = Object)))]
pub(crate) async fn reindex(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!(api.engine.reindex_knowledge().await?)))
}

/// Closed incidents that wait for a review before anything is learnt from them, the last one first.
#[utoipa::path(get, path = "/api/v1/knowledge/candidates", tag = "knowledge", responses((status = 200, body = Object)))]
pub(crate) async fn candidates(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "candidates": api.engine.candidates(CANDIDATES_MAX).await? })))
}

/// What would be learnt from one incident.
#[utoipa::path(get, path = "/api/v1/knowledge/candidates/{id}", tag = "knowledge", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404), (status = 409, description = "it is not closed")))]
pub(crate) async fn candidate(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!(api.engine.candidate(&IncidentId::new(id)).await?)))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewBody {
    accept: bool,
    by: String,
    #[serde(default)]
    reason: String,
    /// The document as you would have it; as midwatch wrote it if absent.
    markdown: Option<String>,
}

/// A person's answer to a candidate.
#[utoipa::path(post, path = "/api/v1/knowledge/candidates/{id}", tag = "knowledge", params(("id" = String, Path)),
    request_body = ReviewBody,
    responses((status = 200, body = Object), (status = 400), (status = 404), (status = 409, description = "it was reviewed already, or is not closed")))]
pub(crate) async fn review(
    State(api): State<Api>,
    Path(id): Path<String>,
    body: Result<Json<ReviewBody>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(ReviewBody { accept, by, reason, markdown }) = body?;
    by_somebody(&by)?;
    let request = ReviewRequest { accept, by, reason, markdown };
    let origin = api.engine.review(&IncidentId::new(&id), request).await?;
    Ok(Json(json!({ "incident": id, "accepted": accept, "origin": origin })))
}

fn by_somebody(by: &str) -> Result<(), ApiError> {
    if by.trim().is_empty() {
        return Err(ApiError::bad_request("say who does it: `by` must not be empty"));
    }
    Ok(())
}
