//! A small HTTP/1.1 client for loopback addresses: one pooled connector, whole bodies, a deadline per call.
//!
//! Owns how the lab's parts talk to each other. It never follows redirects and reads at most `BODY_MAX_BYTES`.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest answer that is read; the broker's full batches stay well below.
const BODY_MAX_BYTES: usize = 8 * 1024 * 1024;

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| CallError::Decode(error.to_string()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum CallError {
    /// No connection: nothing of the request was sent.
    Connect(String),
    /// The connection broke after the request may have been sent.
    Broken(String),
    Timeout(Duration),
    Decode(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Connect(error) => write!(f, "cannot connect: {error}"),
            CallError::Broken(error) => write!(f, "connection broke: {error}"),
            CallError::Timeout(after) => write!(f, "timed out after {} ms", after.as_millis()),
            CallError::Decode(error) => write!(f, "answer does not decode: {error}"),
        }
    }
}

impl std::error::Error for CallError {}

/// The client; clones share one connection pool.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: Client<HttpConnector, Body>,
}

impl Default for HttpClient {
    fn default() -> Self {
        HttpClient::new()
    }
}

impl HttpClient {
    pub fn new() -> HttpClient {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        let inner = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        HttpClient { inner }
    }

    /// Sends a request and reads the whole answer, within `timeout`.
    pub async fn send(&self, request: Request<Body>, timeout: Duration) -> Result<Answer, CallError> {
        let exchange = async {
            let response = self.inner.request(request).await.map_err(|error| {
                let text = error_chain(&error);
                if error.is_connect() { CallError::Connect(text) } else { CallError::Broken(text) }
            })?;
            let (parts, body) = response.into_parts();
            let collected = Limited::new(body, BODY_MAX_BYTES)
                .collect()
                .await
                .map_err(|error| CallError::Broken(error.to_string()))?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: collected.to_bytes() })
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(CallError::Timeout(timeout)))
    }

    pub async fn get(&self, url: &str, timeout: Duration) -> Result<Answer, CallError> {
        self.send(build(Method::GET, url, &[], Body::empty())?, timeout).await
    }

    /// Sends `body` as JSON with extra headers.
    pub async fn send_json<T: Serialize>(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &T,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let bytes = serde_json::to_vec(body).map_err(|error| CallError::Decode(error.to_string()))?;
        let mut request = build(method, url, headers, Body::from(bytes))?;
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        self.send(request, timeout).await
    }
}

/// Builds a request; a malformed address or header counts as a failure to connect.
pub fn build(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Result<Request<Body>, CallError> {
    let mut builder = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).map_err(|error| CallError::Connect(format!("{url}: {error}")))
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
