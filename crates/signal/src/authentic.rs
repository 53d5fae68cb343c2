//! Whether a request comes from who it says: vendors' signatures and shared secrets, over the body as it came.
//!
//! Pure: headers, body, secrets and the time are inputs. Comparisons take the same time whatever they compare. A scheme
//! cannot be built without a secret, a signature must cover the timestamp that is trusted, and a header that decides must
//! be there once.

mod header;
mod hmac;
mod secret;
mod sns;
mod standard;
mod token;

pub use crate::sns::signing_cert_url_ok;
pub use header::{HeaderError, HeaderName, Headers};
pub use secret::{Secret, SecretError, Secrets};
pub use sns::{SNS_AGE_S_MAX, Topics, TopicsError, signing_cert_url, verify_sns};
pub use standard::{Signed, sign};

use midwatch_model::Timestamp;

/// Seconds by which a signed timestamp may be off, in either direction: what Slack and Standard Webhooks say.
pub const TOLERANCE_S: i64 = 300;

/// How a sender proves who it is. SNS has a certificate instead of a secret: [`verify_sns`].
#[derive(Clone, Debug)]
pub enum Scheme {
    /// `X-PagerDuty-Signature: v1=<hex>,v1=<hex>`, HMAC-SHA256 of the body. It covers no time, so whoever calls must
    /// remember the ids of events ([`crate::source::Parsed::event_ids`]).
    PagerDuty { secrets: Secrets },
    /// HMAC-SHA256 of `<time>:<body>` in hex. Grafana lets both names be chosen and signs a time only if the timestamp's
    /// header has one.
    Grafana { secrets: Secrets, signature: HeaderName, timestamp: HeaderName },
    /// `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 of the body. It covers no time and no delivery id.
    GitHub { secrets: Secrets },
    /// `X-Slack-Signature: v0=<hex>`, HMAC-SHA256 of `v0:<X-Slack-Request-Timestamp>:<body>`.
    Slack { secrets: Secrets },
    /// `X-Gitlab-Token: <secret>`. It covers nothing of the request.
    GitLab { tokens: Secrets },
    /// Standard Webhooks: `webhook-signature: v1,<base64>` over `<webhook-id>.<webhook-timestamp>.<body>`. The secrets are
    /// made by [`Secret::whsec`].
    StandardWebhooks { secrets: Secrets },
    /// `Authorization: Bearer <token>`.
    Bearer { tokens: Secrets },
    /// `Authorization: Basic <base64 of user:password>`.
    Basic { user: String, passwords: Secrets },
    /// A key in a header of its own.
    ApiKey { header: HeaderName, keys: Secrets },
}

impl Scheme {
    /// Grafana with the names that `docs/sources.md` tells to configure.
    #[must_use]
    pub fn grafana(secrets: Secrets) -> Self {
        Scheme::Grafana {
            secrets,
            signature: HeaderName::of("X-Grafana-Alerting-Signature"),
            timestamp: HeaderName::of("X-Grafana-Alerting-Timestamp"),
        }
    }

    /// Checks a request that arrived at `now`.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, headers: &dyn Headers, body: &[u8], now: Timestamp) -> Result<Verified, Refused> {
        match self {
            Scheme::PagerDuty { secrets } => hmac::pagerduty(secrets, headers, body),
            Scheme::Grafana { secrets, signature, timestamp } => {
                hmac::grafana(secrets, (signature, timestamp), headers, body, now)
            }
            Scheme::GitHub { secrets } => hmac::github(secrets, headers, body),
            Scheme::Slack { secrets } => hmac::slack(secrets, headers, body, now),
            Scheme::StandardWebhooks { secrets } => standard::verify(secrets, headers, body, now),
            Scheme::GitLab { tokens } => token::gitlab(tokens, headers),
            Scheme::Bearer { tokens } => token::bearer(tokens, headers),
            Scheme::Basic { user, passwords } => token::basic(user, passwords, headers),
            Scheme::ApiKey { header, keys } => token::api_key(header, keys, headers),
        }
    }
}

/// A request that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What convinced, for the record: "PagerDuty signature v1 (first secret)".
    pub how: String,
    /// What is the same if the request is sent again and cannot be changed by whoever does so. `None` where nothing of that
    /// kind is signed.
    pub replay_key: Option<String>,
}

/// Why a request is not believed. None of it tells anything of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the header {header} is missing")]
    Missing { header: String },
    #[error("the header {header} is there more than once")]
    Repeated { header: String },
    #[error("the header {header} is not {expected}")]
    Malformed { header: String, expected: &'static str },
    #[error("the secret or signature in the header {header} is not the configured sender's")]
    Mismatch { header: String },
    #[error(
        "it was signed {seconds} s ago; at most {max} are allowed, so send it again or set the sender's clock"
    )]
    TooOld { seconds: i64, max: i64 },
    #[error("it was signed {seconds} s in the future; at most {max} are allowed, so set the sender's clock")]
    TooNew { seconds: i64, max: i64 },
    #[error("the body is no message of SNS: {reason}")]
    NotSns { reason: String },
    #[error("the topic `{topic}` is not among those that are expected")]
    Topic { topic: String },
    #[error("the signing certificate cannot be used: {reason}")]
    Certificate { reason: String },
    #[error("the signature of SNS does not fit the message")]
    SnsMismatch,
}

/// Whether a time that a signature covers is near enough.
fn check_age(seconds: i64, now: Timestamp, old_s_max: i64) -> Result<(), Refused> {
    let age = now.as_second().saturating_sub(seconds);
    if age > old_s_max {
        return Err(Refused::TooOld { seconds: age, max: old_s_max });
    }
    if age < -TOLERANCE_S {
        return Err(Refused::TooNew { seconds: age.saturating_neg(), max: TOLERANCE_S });
    }
    Ok(())
}
