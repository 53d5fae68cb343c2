//! Our own alert schema: what `POST /api/v1/ingest/generic` takes.
//!
//! Parsing into a type is all that happens here. Titles and labels are data: nothing is looked up, expanded or obeyed.

use midwatch_model::{Cause, ServiceName, Signal, SignalId, SignalKind, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest body of one request. A batch of 1000 alerts with ten labels each is about half of it.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Most alerts of one request.
pub const BATCH_MAX: usize = 1000;
/// Longest title; a sentence, not a log file.
pub const TITLE_CHARS_MAX: usize = 500;
/// Most labels of one alert; Prometheus' own default limit is in the same range.
pub const LABELS_MAX: usize = 64;
/// Longest label name or value, and longest id.
pub const LABEL_CHARS_MAX: usize = 1024;

/// How bad the sender thinks it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Critical,
    High,
    #[default]
    Warning,
    Info,
}

/// Whether the sender's condition still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    #[default]
    Firing,
    Resolved,
}

/// An alert from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// The service that the alert is about: 1–63 letters, digits, `-`, `_` or `.`.
    pub service: ServiceName,
    /// What is wrong, one sentence of at most 500 characters.
    pub title: String,
    /// How bad the sender thinks it is.
    #[serde(default)]
    pub severity: Severity,
    /// Whether the condition still holds.
    #[serde(default)]
    pub status: AlertStatus,
    /// When the condition began (RFC 3339); the time of arrival if absent or in the future.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub starts_at: Option<Timestamp>,
    /// Whatever else the sender knows, at most 64 pairs.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it looks like, from the catalogue of causes; an error rate spike if absent.
    #[serde(default)]
    pub class: Option<Cause>,
    /// The sender's own id of the alert, for deduplication.
    #[serde(default)]
    pub id: Option<String>,
}

/// Why a body is not an alert. The text is meant for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    #[error("the body has {bytes} bytes; at most {BODY_BYTES_MAX} are allowed")]
    BodyTooLarge { bytes: usize },
    #[error("the body is not an alert: {reason}")]
    Malformed { reason: String },
    #[error("the batch has {found} alerts; at most {BATCH_MAX} are allowed")]
    BatchTooLarge { found: usize },
    #[error("`{field}` {problem}")]
    Field { field: &'static str, problem: String },
}

/// Parses one alert.
///
/// # Errors
/// What is wrong with the body, for the sender.
pub fn parse(body: &[u8]) -> Result<Alert, AlertError> {
    let alert: Alert = decode(body)?;
    alert.check()?;
    Ok(alert)
}

/// Parses one alert or an array of them; all or none.
///
/// # Errors
/// What is wrong with the body or its first unusable alert, for the sender.
pub fn parse_batch(body: &[u8]) -> Result<Vec<Alert>, AlertError> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if !is_array {
        return parse(body).map(|alert| vec![alert]);
    }
    let alerts: Vec<Alert> = decode(body)?;
    if alerts.len() > BATCH_MAX {
        return Err(AlertError::BatchTooLarge { found: alerts.len() });
    }
    alerts.iter().try_for_each(Alert::check)?;
    Ok(alerts)
}

fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, AlertError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(AlertError::BodyTooLarge { bytes: body.len() });
    }
    serde_json::from_slice(body).map_err(|error| AlertError::Malformed { reason: error.to_string() })
}

impl Alert {
    fn check(&self) -> Result<(), AlertError> {
        let refuse = |field, problem: String| Err(AlertError::Field { field, problem });
        if !self.service.is_valid() {
            return refuse("service", "must be 1–63 letters, digits, `-`, `_` or `.`".to_owned());
        }
        let title = self.title.chars().count();
        if self.title.trim().is_empty() || title > TITLE_CHARS_MAX {
            return refuse("title", format!("has {title} characters; it needs 1 to {TITLE_CHARS_MAX}"));
        }
        if self.labels.len() > LABELS_MAX {
            return refuse(
                "labels",
                format!("has {} pairs; at most {LABELS_MAX} are allowed", self.labels.len()),
            );
        }
        let too_long = |text: &String| text.chars().count() > LABEL_CHARS_MAX;
        if self.labels.iter().any(|(name, value)| name.is_empty() || too_long(name) || too_long(value)) {
            return refuse(
                "labels",
                format!("has an empty name or a text above {LABEL_CHARS_MAX} characters"),
            );
        }
        if self.id.as_ref().is_some_and(|id| id.is_empty() || too_long(id)) {
            return refuse("id", format!("must have 1 to {LABEL_CHARS_MAX} characters"));
        }
        Ok(())
    }

    /// Whether the sender says that the condition still holds.
    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.status == AlertStatus::Firing
    }

    /// The signal id that the sender's own id and start time stand for: the same alert sent twice is the same signal.
    /// `None` where the sender gives no id.
    #[must_use]
    pub fn signal_id(&self) -> Option<SignalId> {
        let id = self.id.as_ref()?;
        let status = if self.is_firing() { "firing" } else { "resolved" };
        let key = format!("{}\n{id}\n{:?}\n{status}", self.service, self.starts_at);
        let digest = midwatch_model::Evidence::digest_of(key.as_bytes());
        Some(SignalId::new(format!("sig-{}", &digest[..16])))
    }

    /// The alert as a signal that arrived at `now`.
    #[must_use]
    pub fn to_signal(&self, id: SignalId, now: Timestamp) -> Signal {
        Signal {
            id,
            kind: SignalKind::Alert,
            origin: "generic".to_owned(),
            service: self.service.clone(),
            metric: None,
            class: self.class.unwrap_or(Cause::ErrorRateSpike),
            onset_at: self.starts_at.map_or(now, |at| at.min(now)),
            detected_at: now,
            value: 0.0,
            sigma: 0.0,
            baseline: None,
            summary: self.title.trim().to_owned(),
            evidence: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_alert_becomes_a_signal() {
        let body = br#"{"service":"payment-service","title":" p99 above 2 s ","severity":"critical","status":"firing",
            "starts_at":"2026-01-01T00:00:00Z","labels":{"team":"pay"},"class":"latency_spike","id":"a-1"}"#;
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().expect("a time");
        let signal = parse(body).expect("an alert").to_signal("sig-1".into(), now);
        assert_eq!(
            (signal.kind, signal.class, signal.metric),
            (SignalKind::Alert, Cause::LatencySpike, None)
        );
        assert_eq!(
            (signal.summary.as_str(), signal.onset_at.to_string().as_str()),
            ("p99 above 2 s", "2026-01-01T00:00:00Z")
        );
        assert_eq!(signal.series_key(), "payment-service/latency_spike");
    }

    #[test]
    fn a_start_in_the_future_is_now() {
        let alert =
            parse(br#"{"service":"s","title":"t","starts_at":"2999-01-01T00:00:00Z"}"#).expect("an alert");
        assert_eq!(alert.to_signal("sig-1".into(), Timestamp::UNIX_EPOCH).onset_at, Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn unusable_bodies_are_refused_with_a_reason() {
        let long = format!(r#"{{"service":"s","title":"{}"}}"#, "x".repeat(501));
        for (body, part) in [
            ("", "EOF"),
            ("[1]", "not an alert"),
            (r#"{"title":"t"}"#, "missing field `service`"),
            (r#"{"service":"s"}"#, "missing field `title`"),
            (r#"{"service":"s","title":"t","titel":"t"}"#, "unknown field `titel`"),
            (r#"{"service":"../etc","title":"t"}"#, "`service` must be"),
            (r#"{"service":"s","title":"  "}"#, "`title` has 2 characters"),
            (r#"{"service":"s","title":"t","class":"gremlins"}"#, "unknown variant `gremlins`"),
            (r#"{"service":"s","title":"t","severity":"p1"}"#, "unknown variant `p1`"),
            (r#"{"service":"s","title":"t","labels":{"":"x"}}"#, "`labels` has an empty name"),
            (r#"{"service":"s","title":"t","id":""}"#, "`id` must have"),
            (long.as_str(), "501 characters"),
        ] {
            let error = parse_batch(body.as_bytes()).expect_err(body).to_string();
            assert!(error.contains(part), "{body}: {error}");
        }
        assert_eq!(
            parse(&vec![b' '; BODY_BYTES_MAX + 1]),
            Err(AlertError::BodyTooLarge { bytes: BODY_BYTES_MAX + 1 })
        );
    }

    #[test]
    fn a_batch_is_taken_whole_or_not_at_all() {
        let good = r#"{"service":"s","title":"t"}"#;
        assert_eq!(parse_batch(format!(" [{good},{good}]").as_bytes()).map(|a| a.len()), Ok(2));
        assert!(parse_batch(format!(r#"[{good},{{"service":"s","title":""}}]"#).as_bytes()).is_err());
        let many = format!("[{}]", vec![good; BATCH_MAX + 1].join(","));
        assert_eq!(parse_batch(many.as_bytes()), Err(AlertError::BatchTooLarge { found: BATCH_MAX + 1 }));
    }
}
