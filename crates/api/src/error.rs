//! Errors as clients see them.

use axum::Json;
use axum::extract::Request;
use axum::extract::rejection::JsonRejection;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use midwatch_engine::{EngineError, ReceiveError, RetryError};
use midwatch_model::redact::redact;
use midwatch_signal::source::PayloadError;
use serde_json::json;

/// Seconds after which a client may try a full, locked or read-only store again.
const RETRY_AFTER_S: u32 = 5;

/// Longest error text of the framework that is kept, bytes; they are one sentence.
const FRAMEWORK_ERROR_BYTES_MAX: usize = 4096;

#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    text: String,
    /// The dead letter that the request was kept as.
    letter: Option<String>,
    /// When to come back, where that is known.
    retry_after_s: Option<u32>,
}

/// What an error says, kept beside its answer for routes that have to say it in another shape.
#[derive(Clone)]
struct Said(String);

/// What an answer says went wrong.
pub(crate) fn said(response: &Response) -> Option<&str> {
    response.extensions().get::<Said>().map(|said| said.0.as_str())
}

impl ApiError {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), letter: None, retry_after_s: None }
    }

    /// The request was kept, and can be tried again once what is wrong is right.
    pub(crate) fn with_letter(self, id: String) -> Self {
        Self { letter: Some(id), ..self }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened and what to do.
    pub(crate) fn text(&self) -> String {
        let kept = self.letter.as_ref().map(|id| format!("; kept as dead letter {id}")).unwrap_or_default();
        format!("{}{kept}", redact(&self.text))
    }

    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    pub(crate) fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    pub(crate) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    pub(crate) fn too_large(text: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    pub(crate) fn timeout(text: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, text)
    }

    pub(crate) fn unavailable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    pub(crate) fn too_many(retry_after_s: u32) -> Self {
        let text = format!("too many requests; come back in {retry_after_s} s, or send more at once");
        Self { retry_after_s: Some(retry_after_s), ..Self::new(StatusCode::TOO_MANY_REQUESTS, text) }
    }

    pub(crate) fn bad_gateway(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, text)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let said = self.text();
        let mut body = json!({ "error": said });
        if let Some(letter) = &self.letter {
            body["dead_letter"] = letter.as_str().into();
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            // The rest of the request is not read: the connection cannot be used for another.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Said(said));
        response
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let status = match &error {
            EngineError::Store(e) if e.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            EngineError::Store(midwatch_store::StoreError::Conflict { .. }) => StatusCode::CONFLICT,
            EngineError::Silence(midwatch_incident::SilenceError::NotFound(_)) => StatusCode::NOT_FOUND,
            EngineError::Silence(_) => StatusCode::BAD_REQUEST,
            EngineError::Store(_)
            | EngineError::Report { .. }
            | EngineError::NotAuthorized(_)
            | EngineError::Unrecorded(_) => StatusCode::INTERNAL_SERVER_ERROR,
            EngineError::NoIncident(_) | EngineError::NoDocument(_) | EngineError::UnknownService(..) => {
                StatusCode::NOT_FOUND
            }
            EngineError::NotWaiting { .. } | EngineError::StalePlan { .. } | EngineError::Refused(_) => {
                StatusCode::CONFLICT
            }
            EngineError::NotApprover(_) => StatusCode::FORBIDDEN,
            EngineError::Target(_) => StatusCode::BAD_GATEWAY,
            EngineError::BadServiceName(_) | EngineError::BadHealthUrl(_) | EngineError::Unfit(_) => {
                StatusCode::BAD_REQUEST
            }
        };
        Self::new(status, error.to_string())
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Payload(error @ PayloadError::TooLarge { .. }) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            ReceiveError::Payload(error) => Self::bad_request(error.to_string()),
            // SNS sends again what was answered so.
            ReceiveError::Unconfirmed(_) => Self::unavailable(error.to_string()),
            ReceiveError::Engine(error) => error.into(),
        }
    }
}

impl From<RetryError> for ApiError {
    fn from(error: RetryError) -> Self {
        let status = match error {
            RetryError::NotFound(_) => StatusCode::NOT_FOUND,
            RetryError::Done { .. } => StatusCode::CONFLICT,
            RetryError::Refused(_) => StatusCode::BAD_REQUEST,
            RetryError::Engine(error) => return error.into(),
        };
        Self::new(status, error.to_string())
    }
}

impl From<midwatch_store::StoreError> for ApiError {
    fn from(error: midwatch_store::StoreError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), format!("the body cannot be read: {}", rejection.body_text()))
    }
}

pub(crate) async fn no_route(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}; see /api/v1/openapi.json", uri.path()))
}

/// Every error in the shape that the clients of its route read, and with a time to come back where that helps.
pub(crate) async fn in_shape(request: Request, next: Next) -> Response {
    let is_alertmanagers = request.uri().path().starts_with("/api/v2/");
    let mut response = in_our_shape(next.run(request).await).await;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from(RETRY_AFTER_S));
    }
    match response.extensions_mut().remove::<Said>() {
        Some(Said(text)) if is_alertmanagers => {
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(CONTENT_LENGTH);
            (parts.status, parts.headers, Json(text)).into_response()
        }
        _ => response,
    }
}

/// Errors that the framework answers by itself (a wrong method, a query that cannot be read) as errors of ours.
async fn in_our_shape(response: Response) -> Response {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !is_error || content_type.is_some_and(|value| !value.starts_with("text/plain")) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, FRAMEWORK_ERROR_BYTES_MAX).await.unwrap_or_default();
    let text = match (parts.status, String::from_utf8_lossy(&body)) {
        (StatusCode::METHOD_NOT_ALLOWED, _) => {
            let allowed = parts.headers.get(ALLOW).and_then(|value| value.to_str().ok()).unwrap_or("none");
            format!("this method is not allowed here; allowed: {allowed}")
        }
        (status, text) if text.is_empty() => status.to_string(),
        (_, text) => text.into_owned(),
    };
    let mut response = ApiError::new(parts.status, text).into_response();
    if let Some(allowed) = parts.headers.get(ALLOW) {
        response.headers_mut().insert(ALLOW, allowed.clone());
    }
    response
}

/// A panic is a bug; the caller hears so, and the process goes on.
pub(crate) fn on_panic(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request handler panicked; please report this");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "midwatch failed at this request; its log says where")
        .into_response()
}
