//! A signed webhook, by the Standard Webhooks specification 1.0: the receiver can tell that it comes from here
//! (`webhook-signature`), when it was sent (`webhook-timestamp`) and whether it was seen before (`webhook-id`).

use super::{Configured, Notifier, NotifyError, Secrets};
use crate::http::{Ask, parse_url, shown};
use crate::secret::SecretConfig;
use crate::{ConnectorError, Http};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use midwatch_model::{Moment, Telling, Timestamp};
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::time::Duration;

/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// Bytes that the specification allows for a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A URL that is told of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Where to send it.
    pub url: String,
    /// Where the signing secret is, `whsec_` and 24 to 64 bytes in base64. Without one nothing is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretConfig>,
    /// Whether it wants to hear that alerts are over.
    pub send_resolved: bool,
    /// Most alerts of one message; 0 for all. The message says how many were left out.
    pub max_alerts: usize,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self { url: String::new(), secret: None, send_resolved: true, max_alerts: 0, timeout_s: 10.0 }
    }
}

pub(super) struct Webhook {
    url: Url,
    key: Option<Vec<u8>>,
    timeout: Duration,
}

impl Configured for WebhookConfig {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn telling(&self) -> Telling {
        Telling::Alerts
    }

    fn moments(&self) -> Vec<Moment> {
        Vec::new()
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        problems(self, field)
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        let key = if secrets == Secrets::Real { key(self, field)? } else { None };
        let timeout = Duration::from_secs_f64(self.timeout_s);
        Ok(Notifier::Webhook(Webhook { url: parse_url(&format!("{field} url"), &self.url)?, key, timeout }))
    }

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn max_alerts(&self) -> usize {
        self.max_alerts
    }
}

fn wrong(field: &str, name: &str, problem: String) -> ConnectorError {
    ConnectorError::Config { field: format!("{field} {name}"), problem }
}

/// Everything that is wrong with a webhook as it is written; no file is read.
fn problems(config: &WebhookConfig, field: &str) -> Vec<ConnectorError> {
    let in_range = (0.1..=120.0).contains(&config.timeout_s);
    let timeout = (!in_range).then(|| {
        wrong(field, "timeout_s", format!("is {}; it must be 0.1 to 120 seconds", config.timeout_s))
    });
    let secret = config.secret.as_ref().and_then(|secret| secret.problem(&format!("{field} secret")));
    let url = parse_url(&format!("{field} url"), &config.url).err();
    [url, timeout, secret].into_iter().flatten().collect()
}

/// What messages are signed with, if they are.
fn key(config: &WebhookConfig, field: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
    let Some(place) = &config.secret else { return Ok(None) };
    let secret = place.read(&format!("{field} secret"))?;
    key_of(secret.expose()).map(Some).map_err(|problem| wrong(field, "secret", problem))
}

impl Webhook {
    pub async fn notify(
        &self,
        http: &Http,
        id: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<String, NotifyError> {
        let seconds = now.as_second();
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
        ];
        if let Some(key) = &self.key {
            headers.push(("webhook-signature", sign(key, id, seconds, body)));
        }
        let ask = Ask {
            method: Method::POST,
            headers,
            body: Some(body.to_vec()),
            ..Ask::get(&self.url, self.timeout)
        };
        let answer = http.ask(ask).await.map_err(|error| NotifyError::of(&error))?;
        if (200..300).contains(&answer.status) {
            return Ok(format!("{} answered {}", shown(&self.url), answer.status));
        }
        // Gone, or more than it takes: the same again would be answered the same. Everything else may be repaired while
        // the notification waits, a wrong secret or address included.
        let may_retry = !matches!(answer.status, 410 | 413);
        let reason = format!("{} answered {}: {}", shown(&self.url), answer.status, answer.excerpt());
        Err(NotifyError { reason, may_retry, after_s: answer.retry_after_s, thread: None })
    }
}

/// The key in a signing secret.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn key_of(secret: &str) -> Result<Vec<u8>, String> {
    let text = secret.lines().next().unwrap_or_default().trim();
    let problem =
        || "must be whsec_ and 24 to 64 bytes in base64; `openssl rand -base64 32` makes them".to_owned();
    let key = STANDARD.decode(text.strip_prefix(SECRET_PREFIX).unwrap_or(text)).map_err(|_| problem())?;
    if SECRET_BYTES.contains(&key.len()) { Ok(key) } else { Err(problem()) }
}

/// `v1,` and the HMAC-SHA256 of id, time and body in base64.
pub(crate) fn sign(key: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    // An HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of the specification's reference libraries.
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_too_short_or_no_base64_is_refused() {
        for secret in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "short"] {
            assert!(key_of(secret).is_err(), "{secret}");
        }
    }
}
