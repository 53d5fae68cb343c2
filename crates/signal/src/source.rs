//! Alert sources: each vendor's payload becomes alerts of one shape.
//!
//! A source is a module with one parse function, a variant and a match arm here. What a payload says is data: nothing in
//! it is looked up, expanded or obeyed.

mod alertmanager;
mod entity;
mod generic;
mod service;

pub use entity::entity_of;
pub use generic::GenericAlert;
pub use service::{cause_of, service_of, signal_of, title_of};

use midwatch_model::{Alert, Labels, Severity, Timestamp, after};
use serde::de::DeserializeOwned;

/// Largest body of one request, bytes. Prometheus sends 64 alerts at once, about 64 KB; a storm through a relay is larger.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Most alerts of one request.
pub const BATCH_MAX: usize = 10_000;
/// Most labels or annotations of one alert.
pub const LABELS_MAX: usize = 128;
/// Longest label name or value, characters.
pub const LABEL_CHARS_MAX: usize = 4096;

/// Where alerts come from.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// Our own schema, `docs/schemas/alert.schema.json`.
    Generic,
    /// The webhook of Alertmanager, version 4.
    Alertmanager,
    /// Prometheus and amtool, over the Alertmanager API v2.
    AlertmanagerV2,
}

impl Source {
    /// The sources that `POST /api/v1/ingest/{source}` reads, by name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::readable().find(|source| source.name() == name)
    }

    /// Any source, by name.
    #[must_use]
    pub fn any(name: &str) -> Option<Self> {
        <Self as strum::VariantArray>::VARIANTS.iter().copied().find(|source| source.name() == name)
    }

    /// The sources that may be named.
    pub fn readable() -> impl Iterator<Item = Self> {
        let all = <Self as strum::VariantArray>::VARIANTS.iter().copied();
        // The API v2 has an address of its own.
        all.filter(|source| *source != Source::AlertmanagerV2)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with the body as a whole. Alerts that cannot be used one by one are told in [`Parsed::refused`].
    pub fn parse(self, body: &[u8]) -> Result<Parsed, PayloadError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(PayloadError::TooLarge { bytes: body.len() });
        }
        let parsed = match self {
            Source::Generic => generic::parse(body)?,
            Source::Alertmanager => alertmanager::parse_webhook(body)?,
            Source::AlertmanagerV2 => alertmanager::parse_postable(body)?,
        };
        match parsed.told.len() + parsed.refused.len() {
            0..=BATCH_MAX => Ok(parsed),
            found => Err(PayloadError::TooMany { found, max: BATCH_MAX }),
        }
    }
}

/// Why a body cannot be used. The text is meant for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("the body has {bytes} bytes; at most {BODY_BYTES_MAX} are allowed")]
    TooLarge { bytes: usize },
    #[error("the body is not what {source_name} sends: {reason}")]
    Malformed { source_name: &'static str, reason: String },
    #[error("the body has {found} alerts; at most {max} are allowed")]
    TooMany { found: usize, max: usize },
    #[error("alert {index}: {reason}")]
    Alert { index: usize, reason: String },
}

/// What a body held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    pub told: Vec<Told>,
    /// Alerts that cannot be used: their place in the body, and why.
    pub refused: Vec<(usize, String)>,
}

/// An alert as its sender tells it, before the gaps are filled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub labels: Labels,
    pub annotations: Labels,
    pub starts_at: Option<Timestamp>,
    /// When it was or will be over, if the sender says.
    pub ends_at: Option<Timestamp>,
    /// Whether the sender says that it is over.
    pub resolved: bool,
    pub generator_url: String,
    /// The sender's own word for how bad it is.
    pub severity: Option<String>,
}

impl Told {
    /// Fills the gaps: a missing start is now, a missing end is `resolve_timeout_s` from now unless it is told again.
    ///
    /// # Errors
    /// Why it cannot be an alert.
    pub fn settle(mut self, source: Source, now: Timestamp, resolve_timeout_s: f64) -> Result<Alert, String> {
        self.labels.retain(|_, value| !value.is_empty());
        check_labels("label", &self.labels)?;
        check_labels("annotation", &self.annotations)?;
        if self.labels.is_empty() {
            return Err("it has no labels".into());
        }
        if self.resolved {
            let ended = self.ends_at.filter(|at| *at <= now).unwrap_or(now);
            self.ends_at = Some(self.starts_at.map_or(ended, |starts_at| ended.max(starts_at.min(now))));
            self.starts_at = self.starts_at.map(|starts_at| starts_at.min(now));
        }
        let starts_at = self.starts_at.or(self.ends_at).unwrap_or(now);
        let ends_at = self.ends_at.unwrap_or_else(|| after(now, resolve_timeout_s));
        if ends_at < starts_at {
            // A start in the future without an end lasts until it is told again.
            if self.ends_at.is_some() {
                return Err("it ends before it starts".into());
            }
        }
        let word = self.severity.as_deref().or_else(|| self.labels.get("severity").map(String::as_str));
        Ok(Alert {
            source: source.name().to_owned(),
            severity: word.and_then(Severity::from_word).unwrap_or_default(),
            annotations: self.annotations,
            starts_at,
            ends_at: ends_at.max(starts_at),
            timeout: self.ends_at.is_none(),
            generator_url: self.generator_url,
            updated_at: now,
            labels: self.labels,
        })
    }
}

fn check_labels(what: &str, labels: &Labels) -> Result<(), String> {
    if labels.len() > LABELS_MAX {
        return Err(format!("it has {} {what}s; at most {LABELS_MAX} are allowed", labels.len()));
    }
    for (name, value) in labels {
        if name.is_empty() {
            return Err(format!("a {what} has no name"));
        }
        if name.chars().count().max(value.chars().count()) > LABEL_CHARS_MAX {
            let shown: String = name.chars().take(40).collect();
            return Err(format!("{what} `{shown}` is longer than {LABEL_CHARS_MAX} characters"));
        }
    }
    Ok(())
}

fn decode<T: DeserializeOwned>(source: Source, body: &[u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(body)
        .map_err(|error| PayloadError::Malformed { source_name: source.name(), reason: error.to_string() })
}

/// Go's zero time means that there is none.
fn real(at: Option<Timestamp>) -> Option<Timestamp> {
    at.filter(|at| at.as_second() > GO_ZERO_S)
}

/// 0001-01-01T00:00:00Z, seconds since 1970.
const GO_ZERO_S: i64 = -62_135_596_800;
