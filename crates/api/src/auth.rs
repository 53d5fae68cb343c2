//! Who may call.

use crate::{Api, error::ApiError};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use midwatch_model::Evidence;

/// An API key, kept as its SHA-256, so that comparing it tells nothing by its timing and dumping it shows nothing.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Evidence::digest_of(key.as_bytes()))
    }

    fn is(&self, key: &str) -> bool {
        Evidence::digest_of(key.as_bytes()) == self.0
    }
}

/// Lets a call through or answers it here.
pub(crate) async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    match refusal(&api, &request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

fn refusal(api: &Api, request: &Request) -> Option<ApiError> {
    if request.uri().path() == "/health" {
        return None;
    }
    let header = |name| request.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    // A browser says which page asks; only pages that this server itself served may.
    if let Some(origin) = header(ORIGIN.as_str()) {
        let host = header(HOST.as_str()).unwrap_or_default();
        if origin != format!("http://{host}") && origin != format!("https://{host}") {
            return Some(ApiError::forbidden(format!("the origin `{origin}` may not call this server")));
        }
    }
    if let Some(key) = &api.config.key {
        let bearer = header(AUTHORIZATION.as_str()).and_then(|v| v.strip_prefix("Bearer "));
        let known = bearer.or_else(|| header("x-api-key")).is_some_and(|given| key.is(given));
        return (!known).then(|| {
            ApiError::unauthorized("send the API key as `Authorization: Bearer …` or `X-API-Key: …`")
        });
    }
    // Without a key only this machine may call, and not by way of a name that a web page made resolve to it.
    let host = header(HOST.as_str()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let own = api.config.listen.ip().to_string();
    let local = matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name == own;
    (!local).then(|| {
        ApiError::forbidden(format!(
            "the host `{host}` is not this machine; set an API key to serve other names"
        ))
    })
}
