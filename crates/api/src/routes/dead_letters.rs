//! Dead letters: requests that could not be read are kept before they are refused, and can be tried again.

use crate::query::{Asked, page};
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::{Path, Query, State};
use base64::Engine as _;
use midwatch_engine::{Incoming, ReceiveError, Received};
use midwatch_model::Fingerprint;
use midwatch_signal::source::PayloadError;
use midwatch_store::DeadLetter;
use serde_json::{Value, json};

/// Takes a request in. What of it cannot be read is a dead letter before the sender hears so: the answer has its id.
pub(crate) async fn receive(
    api: &Api,
    incoming: Incoming<'_>,
) -> Result<(Received, Option<String>), ApiError> {
    let Incoming { feed, body, sender, .. } = incoming;
    let keep = |reason: String, taken: Vec<Fingerprint>| async move {
        api.engine.keep_letter(feed, sender, body, &reason, taken).await.map(|id| (id, reason))
    };
    match api.engine.take_in(incoming).await {
        Ok(received) if received.refused.is_empty() => Ok((received, None)),
        Ok(received) => {
            let said = received.refused.iter().map(|(index, reason)| format!("alert {index}: {reason}"));
            let (id, reason) = keep(said.collect::<Vec<_>>().join("; "), received.taken.clone()).await?;
            if received.accepted.is_empty() {
                return Err(ApiError::bad_request(reason).with_letter(id));
            }
            Ok((received, Some(id)))
        }
        // It was cut off or would fill the place of many others.
        Err(error @ ReceiveError::Payload(PayloadError::TooLarge { .. })) => Err(error.into()),
        Err(ReceiveError::Payload(error)) => {
            let (id, reason) = keep(error.to_string(), Vec::new()).await?;
            Err(ApiError::bad_request(reason).with_letter(id))
        }
        Err(error) => Err(error.into()),
    }
}

fn shown(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id, "received_at": letter.received_at, "source": letter.source, "sender": letter.sender,
        "intake": letter.intake, "reason": letter.reason, "retried_at": letter.retried_at, "results": letter.results,
    })
}

/// Dead letters, the newest first, a page at a time, without their bodies.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters",
    params(("limit" = Option<usize>, Query, description = "1 to 1000, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, body = Object), (status = 400)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, ApiError> {
    let asked = Asked::of(query, &["limit", "cursor"])?;
    let found = api.engine.store.dead_letters(asked.cursor()?.as_ref(), asked.limit(50)?).await?;
    Ok(Json(page("dead_letters", &found, shown)))
}

/// One dead letter with its body: as text if it is text (`encoding` says so), else in base64.
#[utoipa::path(get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let letter = api.engine.store.dead_letter(&id).await?;
    let letter = letter.ok_or_else(|| {
        ApiError::not_found(format!(
            "there is no dead letter {id}; `midwatch dlq list` shows those there are"
        ))
    })?;
    let mut answer = shown(&letter);
    let (encoding, body) = match String::from_utf8(letter.body.read()?) {
        Ok(text) => ("text", text),
        Err(error) => ("base64", base64::engine::general_purpose::STANDARD.encode(error.as_bytes())),
    };
    answer["encoding"] = encoding.into();
    answer["body"] = body.into();
    Ok(Json(answer))
}

/// Tries a dead letter again, on the way on which it came.
#[utoipa::path(post, path = "/api/v1/dead-letters/{id}/retry", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 200, description = "the ids that it led to", body = Object), (status = 400, description = "it still cannot be used"), (status = 404), (status = 409, description = "it was tried again already"), (status = 503)))]
pub(crate) async fn retry(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let results = api.engine.retry_letter(&id).await?;
    Ok(Json(json!({ "dead_letter": id, "results": results })))
}
