//! Health endpoints: what a service says of itself when asked directly.

use crate::egress::Egress;
use crate::error::excerpt;
use crate::http::{Answer, Ask, parse_url};
use crate::{ConnectorError, Http, Probe};
use midwatch_model::{ServiceName, Timestamp};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A health endpoint that needs longer is not healthy: Kubernetes' probes give up after one second by default.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks a health endpoint once. A service that does not answer is unhealthy; a question that could not be asked (bad
/// URL, unknown host, an answer that says the URL is wrong) leaves health unknown.
pub(crate) async fn probe(http: &Http, service: &ServiceName, url: &str, now: Timestamp) -> Probe {
    let started = Instant::now();
    let (healthy, status, detail) = match parse_url("health", url) {
        Err(error) => (None, None, error.to_string()),
        Ok(parsed) => match http.ask(Ask::get(&parsed, TIMEOUT)).await {
            Ok(answer) => {
                let (healthy, detail) = judge(&answer);
                (healthy, Some(answer.status), detail)
            }
            Err(error) => (unanswered(&error), None, error.to_string()),
        },
    };
    Probe {
        service: service.clone(),
        url: excerpt(url),
        healthy,
        status,
        detail,
        elapsed_ms: started.elapsed().as_secs_f64() * 1000.0,
        at: now,
    }
}

/// Whether a URL may be asked for a service's health: over HTTP, and not where a cloud keeps its metadata or nobody answers. A
/// name that leads there is refused when it is looked up.
#[must_use]
pub fn may_be_probed(url: &str) -> bool {
    parse_url("health", url).is_ok_and(|url| Egress { private: true }.refusal_of(&url).is_none())
}

fn judge(answer: &Answer) -> (Option<bool>, String) {
    match answer.status {
        200..300 => (Some(true), format!("answered {}", answer.status)),
        429 | 500..600 => (Some(false), format!("answered {}: {}", answer.status, failing_checks(answer))),
        other => (None, format!("answered {other}: the health URL may be wrong: {}", answer.excerpt())),
    }
}

fn unanswered(error: &ConnectorError) -> Option<bool> {
    match error {
        // Not being able to resolve a name says something about us, not about the service.
        ConnectorError::Unreachable { reason, .. } if is_our_fault(reason) => None,
        ConnectorError::Unreachable { .. } | ConnectorError::NoAnswer { .. } => Some(false),
        _ => None,
    }
}

fn is_our_fault(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    // We did not ask at all.
    if reason.starts_with("refused: ") {
        return true;
    }
    ["dns", "lookup", "name or service not known", "resolve", "builder"]
        .iter()
        .any(|word| reason.contains(word))
}

/// The failing entries of a `checks` object or array, which is how health endpoints commonly report; else the body's
/// beginning.
fn failing_checks(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let named = |name: &str, check: &Value| (!passes(check)).then(|| format!("{name}: {}", said(check)));
    let failing: Vec<String> = match &body["checks"] {
        Value::Object(checks) => checks.iter().filter_map(|(name, check)| named(name, check)).collect(),
        Value::Array(checks) => checks
            .iter()
            .filter_map(|check| named(check["name"].as_str().unwrap_or("check"), check))
            .collect(),
        _ => Vec::new(),
    };
    if failing.is_empty() { answer.excerpt() } else { excerpt(&failing.join("; ")) }
}

fn passes(check: &Value) -> bool {
    let verdict = if check.is_object() {
        ["status", "ok", "healthy"].iter().map(|key| &check[key]).find(|v| !v.is_null()).unwrap_or(check)
    } else {
        check
    };
    match verdict {
        Value::Bool(passes) => *passes,
        Value::String(text) => {
            matches!(text.to_ascii_lowercase().as_str(), "ok" | "pass" | "up" | "healthy" | "true")
        }
        _ => false,
    }
}

fn said(check: &Value) -> String {
    let detail = ["detail", "error", "message", "output", "reason", "status"].iter().map(|key| &check[key]);
    detail.filter_map(Value::as_str).next().map_or_else(|| check.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_and_failing_checks_quoted() {
        for (status, body, healthy, part) in [
            (200, "", Some(true), "answered 200"),
            (204, "", Some(true), "answered 204"),
            (
                503,
                r#"{"checks":{"db":{"status":"fail","detail":"pool exhausted"},"cache":"ok"}}"#,
                Some(false),
                ": db: pool exhausted",
            ),
            (503, r#"{"checks":[{"name":"db","ok":false,"error":"timeout"}]}"#, Some(false), ": db: timeout"),
            (500, "password=hunter22 is wrong", Some(false), "[redacted] is wrong"),
            (404, "no such page", None, "may be wrong"),
            (302, "", None, "may be wrong"),
        ] {
            let answer = Answer { status, retry_after_s: None, body: body.as_bytes().to_vec() };
            let (found, detail) = judge(&answer);
            assert_eq!(found, healthy, "{status} {body}");
            assert!(detail.contains(part), "{status} {body}: {detail}");
        }
    }
}
