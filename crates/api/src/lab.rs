//! `/api/v1/lab/*` belongs to the lab's supervisor; it is handed through only while one is configured.

use crate::{Api, error::ApiError};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri, header::CONTENT_TYPE};
use axum::response::Response;

const JSON: &str = "application/json";

pub(crate) async fn proxy(
    State(api): State<Api>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Some(lab) = &api.config.lab else {
        return Err(ApiError::not_found(
            "no lab is configured; set [lab] url to the supervisor that `midwatch lab up` prints",
        ));
    };
    if !midwatch_engine::may_be_probed(lab) {
        return Err(ApiError::bad_gateway(
            "[lab] url leads to what only this machine may ask; set it to the supervisor that `midwatch lab up` prints",
        ));
    }
    let path = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
    let url = format!("{}{path}", lab.trim_end_matches('/'));
    let mut request = api.http.request(method, url).body(body);
    if let Some(kind) = headers.get(CONTENT_TYPE) {
        request = request.header(CONTENT_TYPE, kind);
    }
    let answer = request.send().await.map_err(|e| {
        ApiError::bad_gateway(format!(
            "the lab's supervisor does not answer ({e}); is `midwatch lab up` running?"
        ))
    })?;
    // The lab answers in JSON. Anything else is not handed on as what it says it is: it would be a page of this server's.
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = if kind.starts_with(JSON) { JSON } else { "text/plain; charset=utf-8" };
    let response = Response::builder().status(answer.status()).header(CONTENT_TYPE, kind);
    let bytes = answer.bytes().await.map_err(|e| ApiError::bad_gateway(e.to_string()))?;
    response.body(Body::from(bytes)).map_err(|e| ApiError::bad_gateway(e.to_string()))
}
