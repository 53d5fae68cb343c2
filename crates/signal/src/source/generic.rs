//! Our own alert schema: what `POST /api/v1/ingest/generic` takes.

use super::{ID_CHARS_MAX, Parsed, PayloadError, Source, Standing, Told, decode};
use midwatch_model::{Cause, Labels, ServiceName, Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// Most alerts of one request.
const BATCH_MAX: usize = 1000;
/// Most labels of one alert; Prometheus' own default limit is in the same range.
const LABELS_MAX: usize = 64;
/// Longest label name or value.
const LABEL_CHARS_MAX: usize = 1024;
/// Longest title; a sentence, not a log file.
const TITLE_CHARS_MAX: usize = 500;

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
#[schemars(rename = "Alert")]
pub struct GenericAlert {
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
    pub labels: Labels,
    /// What it looks like, from the catalogue of causes; an error rate spike if absent.
    #[serde(default)]
    pub class: Option<Cause>,
    /// The sender's own id of the alert, for deduplication.
    #[serde(default)]
    pub id: Option<String>,
}

/// One alert or an array of them; all or none, since one hand wrote them.
pub(super) fn parse(body: &[u8]) -> Result<Parsed, PayloadError> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let alerts: Vec<GenericAlert> =
        if is_array { decode(Source::Generic, body)? } else { vec![decode(Source::Generic, body)?] };
    if alerts.len() > BATCH_MAX {
        return Err(PayloadError::TooMany { found: alerts.len(), max: BATCH_MAX });
    }
    let told = alerts
        .into_iter()
        .enumerate()
        .map(|(index, alert)| alert.told().map_err(|reason| PayloadError::Alert { index, reason }));
    Ok(Parsed::of(told.collect::<Result<_, _>>()?))
}

impl GenericAlert {
    pub(super) fn told(self) -> Result<Told, String> {
        if !self.service.is_valid() {
            return Err("`service` must be 1–63 letters, digits, `-`, `_` or `.`".into());
        }
        let title = self.title.trim();
        let count = self.title.chars().count();
        if title.is_empty() || count > TITLE_CHARS_MAX {
            return Err(format!("`title` has {count} characters; it needs 1 to {TITLE_CHARS_MAX}"));
        }
        if self.id.as_ref().is_some_and(|id| id.is_empty() || id.chars().count() > ID_CHARS_MAX) {
            return Err(format!("`id` must have 1 to {ID_CHARS_MAX} characters"));
        }
        if self.labels.len() > LABELS_MAX {
            return Err(format!(
                "`labels` has {} pairs; at most {LABELS_MAX} are allowed",
                self.labels.len()
            ));
        }
        let too_long = |text: &str| text.chars().count() > LABEL_CHARS_MAX;
        if self.labels.iter().any(|(name, value)| name.is_empty() || too_long(name) || too_long(value)) {
            return Err(format!("`labels` has an empty name or a text above {LABEL_CHARS_MAX} characters"));
        }
        let mut labels = self.labels;
        let mut annotations = Labels::new();
        labels.insert("service", self.service.to_string());
        labels.insert("severity", self.severity.to_string());
        if let Some(cause) = self.class {
            labels.insert(super::service::CAUSE_LABEL, cause.to_string());
        }
        match &self.id {
            // The id is what stays the same; the title may count something. As a label it can be silenced.
            Some(id) => {
                labels.insert("id", id.clone());
                annotations.insert("summary", title.to_owned());
            }
            None => {
                labels.insert("alertname", title.to_owned());
            }
        }
        Ok(Told {
            id: self.id,
            labels,
            annotations,
            starts_at: self.starts_at,
            standing: match self.status {
                AlertStatus::Firing => Standing::Firing,
                AlertStatus::Resolved => Standing::Resolved,
            },
            severity: Some(self.severity.to_string()),
            ..Told::default()
        })
    }
}
