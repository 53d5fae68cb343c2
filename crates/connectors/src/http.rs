//! The one HTTP client: timeouts, size limits, no redirects, redacted errors.
//!
//! Must never follow a redirect, talk to anything but http(s), use a proxy from the environment, or keep a body beyond
//! its limit in memory.

use crate::ConnectorError;
use crate::egress::{self, Egress};
use crate::error::excerpt;
use crate::retry_after;
use reqwest::{Method, Url};
use std::time::{Duration, SystemTime};

/// Largest response that is read; a metrics page of 50,000 series is about 5 MB.
pub const RESPONSE_BYTES_MAX: usize = 8 << 20;

/// Seconds until a connection must stand. Networks inside one site connect in milliseconds; three lost SYN packets
/// already take this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The shared client.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    /// Where it may go, if not everywhere.
    egress: Option<Egress>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    /// Seconds that it asks to wait before the next request.
    pub retry_after_s: Option<f64>,
    pub body: Vec<u8>,
}

/// One request.
pub(crate) struct Ask<'a> {
    pub method: Method,
    pub url: &'a Url,
    pub timeout: Duration,
    pub bearer: Option<&'a str>,
    pub headers: Vec<(&'static str, String)>,
    pub query: Vec<(&'static str, String)>,
    pub json: Option<&'a serde_json::Value>,
    /// A body as it is, in place of `json`.
    pub body: Option<Vec<u8>>,
    /// Largest answer that is read.
    pub bytes_max: usize,
    /// What errors call the URL, where the URL itself is a secret.
    pub shown: Option<String>,
}

impl<'a> Ask<'a> {
    pub fn get(url: &'a Url, timeout: Duration) -> Self {
        Self {
            method: Method::GET,
            url,
            timeout,
            bearer: None,
            headers: Vec::new(),
            query: Vec::new(),
            json: None,
            body: None,
            bytes_max: RESPONSE_BYTES_MAX,
            shown: None,
        }
    }
}

impl Http {
    /// A client with the ring provider for TLS and the web's roots.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, ConnectorError> {
        Self::with(None)
    }

    /// A client that goes anywhere but where clouds keep their metadata.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn within_networks() -> Result<Self, ConnectorError> {
        Self::guarded(Egress { private: true })
    }

    /// A client that goes only where messages to people may go.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn guarded(egress: Egress) -> Result<Self, ConnectorError> {
        Self::with(Some(egress))
    }

    fn with(egress: Option<Egress>) -> Result<Self, ConnectorError> {
        // Somebody may have installed the same provider before; either way there is one now.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder();
        let builder = match egress {
            Some(egress) => builder.dns_resolver(egress::resolver(egress)),
            None => builder,
        };
        let client = builder
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("midwatch/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ConnectorError::Config {
                field: "tls".to_owned(),
                problem: error.to_string(),
            })?;
        Ok(Self { client, egress })
    }

    /// Sends one request and reads the whole answer, within the timeout and the size limit.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, ConnectorError> {
        let shown = ask.shown.unwrap_or_else(|| shown(ask.url));
        // An address that stands in the URL is not looked up.
        if let Some(refusal) = self.egress.and_then(|egress| egress.refusal_of(ask.url)) {
            return Err(ConnectorError::Unreachable { url: shown, reason: format!("refused: {refusal}") });
        }
        let mut request = self.client.request(ask.method, ask.url.clone()).timeout(ask.timeout);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        if let Some(token) = ask.bearer {
            request = request.bearer_auth(token);
        }
        if !ask.query.is_empty() {
            request = request.query(&ask.query);
        }
        if let Some(json) = ask.json {
            request = request.json(json);
        }
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|error| failed(&shown, &error, ask.timeout))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(reqwest::header::RETRY_AFTER);
        let retry_after =
            retry_after.and_then(|value| retry_after::parse(value.to_str().ok()?, SystemTime::now()));
        let retry_after_s = retry_after.map(|wait| wait.as_secs_f64());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&shown, &error, ask.timeout))? {
            if body.len() + chunk.len() > ask.bytes_max {
                return Err(ConnectorError::TooLarge { url: shown, limit_bytes: ask.bytes_max });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after_s, body })
    }

    /// Like [`Http::ask`], and anything but a 2xx is an error.
    pub(crate) async fn ask_ok(&self, ask: Ask<'_>) -> Result<Answer, ConnectorError> {
        let url = ask.shown.clone().unwrap_or_else(|| shown(ask.url));
        let answer = self.ask(ask).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        Err(ConnectorError::Status { url, status: answer.status, excerpt: answer.excerpt() })
    }
}

impl Answer {
    /// The body as one short, redacted line.
    pub fn excerpt(&self) -> String {
        // Invalid UTF-8 is replaced; only the beginning is shown anyway.
        excerpt(&String::from_utf8_lossy(&self.body[..self.body.len().min(4096)]))
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self, source_name: &str) -> Result<T, ConnectorError> {
        serde_json::from_slice(&self.body).map_err(|error| ConnectorError::Decode {
            source_name: source_name.to_owned(),
            reason: error.to_string(),
        })
    }
}

/// Sorts a failure by whether the request can have arrived.
fn failed(url: &str, error: &reqwest::Error, timeout: Duration) -> ConnectorError {
    let url = url.to_owned();
    if error.is_connect() || error.is_builder() {
        return ConnectorError::Unreachable { url, reason: root_of(error) };
    }
    if error.is_timeout() {
        return ConnectorError::NoAnswer {
            url,
            reason: format!("timed out after {:.1} s", timeout.as_secs_f64()),
        };
    }
    ConnectorError::NoAnswer { url, reason: root_of(error) }
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn root_of(error: &reqwest::Error) -> String {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    excerpt(&root.to_string())
}

/// A URL as errors show it: without user, password, query or secrets in the path.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    // Both only fail for URLs without a host, which have nothing to hide there.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    excerpt(url.as_str())
}

/// An http(s) URL from the configuration or from discovery.
pub(crate) fn parse_url(field: &str, text: &str) -> Result<Url, ConnectorError> {
    let wrong = |problem: String| ConnectorError::Config { field: field.to_owned(), problem };
    let url =
        Url::parse(text).map_err(|error| wrong(format!("`{}` is not a URL: {error}", excerpt(text))))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong(format!("`{}` must be an http:// or https:// URL", excerpt(text))));
    }
    // It would stand in every dump of the configuration and in every message about the address.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "has a user or a password in it; no secret stands in an address: leave it out, and use the fields for credentials"
                .to_owned(),
        ));
    }
    Ok(url)
}

/// `base` with path segments appended, each percent-encoded.
pub(crate) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Fails only for URLs that cannot be a base, which parse_url has refused.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
