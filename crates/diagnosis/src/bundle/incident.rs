//! `incident.json`: what is known when an investigation begins.

use super::{BundleError, Fault, Ms};
use midwatch_model::{Cause, Severity, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;

const FILE: &str = super::FILES[0];

/// What was noticed, when, and when all was normal.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// At least one.
    pub alerts: Vec<BundleAlert>,
    pub detected_at: Ms,
    /// Components to look at; all that telemetry names if empty.
    pub services: Vec<String>,
    /// Windows in which all was normal; may be empty.
    pub baseline: Vec<Span>,
}

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Ms,
    pub to: Ms,
}

impl Span {
    /// Whether the time lies within.
    #[must_use]
    pub fn holds(&self, at: Ms) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

/// One alert, as `POST /api/v1/ingest/generic` takes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleAlert {
    pub service: String,
    pub title: String,
    #[serde(default)]
    pub severity: Option<Severity>,
    #[serde(default)]
    pub status: AlertStatus,
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub class: Option<Cause>,
    #[serde(default)]
    pub id: Option<String>,
}

impl BundleAlert {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

/// Whether the sender's condition still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    #[default]
    Firing,
    Resolved,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    alert: Option<BundleAlert>,
    alerts: Option<Vec<BundleAlert>>,
    detected_at: serde_json::Value,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    baseline: Vec<RawSpan>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpan {
    from: serde_json::Value,
    to: serde_json::Value,
}

pub(super) fn parse(text: &str) -> Result<Incident, BundleError> {
    let wrong = |fault| BundleError::new(FILE, fault);
    let raw: Raw = serde_json::from_str(text).map_err(|why| wrong(Fault::Json(why.to_string())))?;
    let alerts = match (raw.alert, raw.alerts) {
        (Some(_), Some(_)) => return Err(wrong(Fault::AlertAndAlerts)),
        (Some(alert), None) => vec![alert],
        (None, Some(alerts)) if !alerts.is_empty() => alerts,
        (None, _) => return Err(wrong(Fault::NoAlert)),
    };
    for named in alerts.iter().map(|alert| &alert.service).chain(&raw.services) {
        super::name(named).map_err(wrong)?;
    }
    let span = |raw: &RawSpan| {
        let span = Span { from: super::time::of_json(&raw.from)?, to: super::time::of_json(&raw.to)? };
        if span.to < span.from { Err(Fault::WindowBackwards) } else { Ok(span) }
    };
    Ok(Incident {
        alerts,
        detected_at: super::time::of_json(&raw.detected_at).map_err(wrong)?,
        services: raw.services,
        baseline: raw.baseline.iter().map(span).collect::<Result<_, _>>().map_err(wrong)?,
    })
}
