//! Requests to vendors: made by pure functions without the secrets that they need, and sent with them.

use super::template::{Template, Templates};
use super::{NotifyError, Told};
use crate::error::excerpt;
use crate::http::{Ask, parse_url, shown};
use crate::secret::Secret;
use crate::{ConnectorError, Http};
use midwatch_model::bulletin::Bulletin;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::time::Duration;

/// Largest answer that is read of a vendor: what is looked for in it stands in some kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What is to be told, and where it was told before.
pub(super) struct Page<'a> {
    pub bulletin: &'a Bulletin,
    pub templates: &'a Templates,
    /// What the vendor gave back before, such as a message's id; null for the first time.
    pub thread: &'a Value,
}

impl Page<'_> {
    pub fn text(&self, template: Template) -> String {
        self.templates.render(template, self.bulletin)
    }

    /// Whether the vendor refused the rich form before.
    pub fn is_plain(&self) -> bool {
        self.thread["plain"] == true
    }
}

/// Where a request goes.
pub(super) enum Address {
    Plain(Url),
    /// Whoever knows the URL may post: it is the secret.
    Secret(Secret),
}

/// Where the secret goes that a request needs.
pub(super) enum Key<'a> {
    None,
    Bearer(&'a Secret),
    /// Behind such a word, in the header `authorization`.
    Authorization(&'static str, &'a Secret),
    /// The same as a bearer and in the header `token`, which Slack's published schema asks for.
    Token(&'a Secret),
    /// In a field of the body.
    Field(&'static str, &'a Secret),
}

/// One request, without its secrets.
pub(super) struct Request<'a> {
    /// What it is for, by which its answer is understood.
    pub what: &'static str,
    pub method: Method,
    pub address: &'a Address,
    /// Segments after the address's path.
    pub path: Vec<String>,
    pub query: Vec<(&'static str, String)>,
    pub headers: Vec<(&'static str, String)>,
    pub key: Key<'a>,
    pub body: Value,
    /// Whether the body goes out as a form: its fields, with lists and objects as JSON.
    pub is_form: bool,
}

impl<'a> Request<'a> {
    pub fn post(what: &'static str, address: &'a Address, key: Key<'a>, body: Value) -> Self {
        let (path, query, headers) = (Vec::new(), Vec::new(), Vec::new());
        Self { what, method: Method::POST, address, path, query, headers, key, body, is_form: false }
    }

    pub fn at(mut self, path: &[&str]) -> Self {
        self.path = path.iter().map(|segment| (*segment).to_owned()).collect();
        self
    }

    pub fn by(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn secrets(&self) -> Vec<&Secret> {
        let key = match &self.key {
            Key::None => None,
            Key::Bearer(secret)
            | Key::Token(secret)
            | Key::Authorization(_, secret)
            | Key::Field(_, secret) => Some(*secret),
        };
        let address = match self.address {
            Address::Plain(_) => None,
            Address::Secret(secret) => Some(secret),
        };
        key.into_iter().chain(address).collect()
    }

    fn url(&self) -> Result<Url, ConnectorError> {
        let base = match self.address {
            Address::Plain(url) => url.clone(),
            Address::Secret(secret) => parse_url("the address", secret.expose())?,
        };
        let segments: Vec<&str> = self.path.iter().map(String::as_str).collect();
        Ok(if segments.is_empty() { base } else { crate::http::join(&base, &segments) })
    }

    /// The URL as people may see it.
    pub fn shown_url(&self) -> String {
        let Ok(url) = self.url() else { return "an address that cannot be read".to_owned() };
        match self.address {
            Address::Plain(_) => shown(&url),
            Address::Secret(_) => format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or_default()),
        }
    }

    /// The request as people may see it.
    pub fn shown(&self) -> Value {
        let mut body = self.body.clone();
        if let Key::Field(field, _) = self.key {
            body[field] = "[redacted]".into();
        }
        json!({ "method": self.method.as_str(), "url": self.shown_url(), "body": body })
    }
}

/// Why a vendor did not take a request.
pub(super) struct Refused {
    /// In the vendor's words.
    pub reason: String,
    /// What is remembered of the thread from now on, if it changes.
    pub thread: Option<Value>,
}

impl Refused {
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), thread: None }
    }
}

/// Somebody who is told over HTTP.
pub(super) trait Vendor: Send + Sync {
    /// What is sent, in order. At most the last of them may do something twice if it is sent twice.
    fn requests<'a>(&'a self, page: &Page<'_>) -> Vec<Request<'a>>;

    /// Takes up what an answer with 2xx says, such as the id of what was made.
    ///
    /// # Errors
    /// When the answer says that it was not taken.
    fn understood(&self, _what: &str, _answer: &Value, _thread: &mut Value) -> Result<(), Refused> {
        Ok(())
    }

    /// What is done about another status than 2xx: the thread as it is from now on, if that changes.
    fn refused(&self, _what: &str, _status: u16, _thread: &Value) -> Option<Value> {
        None
    }

    /// What it gives back when it is first told, made up, for previews.
    fn example(&self) -> Value {
        Value::Null
    }

    fn timeout(&self) -> Duration;
}

/// Sends what a vendor is to be told, once.
pub(super) async fn send(vendor: &dyn Vendor, page: &Page<'_>, http: &Http) -> Result<Told, NotifyError> {
    let mut thread = page.thread.clone();
    let mut said = Vec::new();
    for request in vendor.requests(page) {
        let answer = ask(&request, http, vendor.timeout()).await.map_err(|mut error| {
            error.thread = changed(page.thread, &thread).or(error.thread);
            error
        })?;
        said.push(format!("{} answered {}", request.shown_url(), answer.status));
        let refused = if (200..300).contains(&answer.status) {
            vendor.understood(request.what, &answer.body, &mut thread).err()
        } else {
            let reason = format!("{}{}", answer.status, answer.said);
            Some(Refused { reason, thread: vendor.refused(request.what, answer.status, &thread) })
        };
        if let Some(Refused { reason, thread: after }) = refused {
            let known = after.or_else(|| changed(page.thread, &thread));
            return Err(NotifyError {
                reason: format!("{} answered {}", request.shown_url(), masked(&request, &reason)),
                // Gone, or more than it takes: the same again would be answered the same.
                may_retry: !matches!(answer.status, 410 | 413),
                after_s: answer.retry_after_s,
                thread: known,
            });
        }
    }
    let thread = changed(page.thread, &thread);
    Ok(Told { answer: if said.is_empty() { "nothing to send".to_owned() } else { said.join("; ") }, thread })
}

fn changed(before: &Value, after: &Value) -> Option<Value> {
    (before != after).then(|| after.clone())
}

fn masked(request: &Request<'_>, text: &str) -> String {
    let masked = request.secrets().iter().fold(text.to_owned(), |text, secret| secret.masked(&text));
    // Of an address that is a secret, each part is one.
    let parts = match request.address {
        Address::Plain(_) => Vec::new(),
        Address::Secret(url) => url.parts(),
    };
    parts.iter().fold(masked, |text, part| part.masked(&text))
}

/// What a vendor said.
struct Answer {
    status: u16,
    retry_after_s: Option<f64>,
    body: Value,
    /// An excerpt with a colon before it, without secrets.
    said: String,
}

async fn ask(request: &Request<'_>, http: &Http, timeout: Duration) -> Result<Answer, NotifyError> {
    let failed = |error: &ConnectorError| {
        let mut failed = NotifyError::of(error);
        failed.reason = masked(request, &failed.reason);
        failed
    };
    let url = request.url().map_err(|error| failed(&error))?;
    let (mut headers, mut body) = (request.headers.clone(), request.body.clone());
    match &request.key {
        Key::None => {}
        Key::Bearer(secret) => headers.push(("authorization", format!("Bearer {}", secret.expose()))),
        Key::Authorization(word, secret) => {
            headers.push(("authorization", format!("{word} {}", secret.expose())));
        }
        Key::Token(secret) => {
            headers.push(("authorization", format!("Bearer {}", secret.expose())));
            headers.push(("token", secret.expose().to_owned()));
        }
        Key::Field(field, secret) => body[*field] = secret.expose().into(),
    }
    let (content_type, bytes) = match request.is_form {
        true => ("application/x-www-form-urlencoded", form(&body).into_bytes()),
        false => ("application/json", serde_json::to_vec(&body).unwrap_or_default()),
    };
    headers.push(("content-type", content_type.to_owned()));
    let ask = Ask {
        method: request.method.clone(),
        headers,
        query: request.query.clone(),
        body: Some(bytes),
        bytes_max: ANSWER_BYTES_MAX,
        shown: Some(request.shown_url()),
        ..Ask::get(&url, timeout)
    };
    let answer = http.ask(ask).await.map_err(|error| failed(&error))?;
    // A secret first, the rest of what looks like one afterwards: a cut could leave half of it.
    let text = masked(request, &String::from_utf8_lossy(&answer.body[..answer.body.len().min(4096)]));
    let said = excerpt(&text);
    Ok(Answer {
        status: answer.status,
        retry_after_s: answer.retry_after_s,
        body: serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
        said: if said.is_empty() { String::new() } else { format!(": {said}") },
    })
}

/// The fields of a body as a form.
fn form(body: &Value) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in body.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    form.finish()
}

/// What is wrong with a timeout.
pub(super) fn wrong_timeout(timeout_s: f64, field: &str) -> Option<ConnectorError> {
    let in_range = (0.1..=120.0).contains(&timeout_s);
    let problem = || format!("is {timeout_s}; it must be 0.1 to 120 seconds");
    (!in_range).then(|| ConnectorError::Config { field: format!("{field} timeout_s"), problem: problem() })
}

/// Something that is wrong with a field.
pub(super) fn wrong(field: &str, name: &str, problem: impl Into<String>) -> ConnectorError {
    ConnectorError::Config { field: format!("{field} {name}"), problem: problem.into() }
}
