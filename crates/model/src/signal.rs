//! Signals: everything that can make midwatch look.

use crate::{Cause, Entity, Evidence, Labels, Metric, ServiceName, Severity, SignalId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a signal comes from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Somebody else's alert, taken in over HTTP.
    Alert,
    /// Found by midwatch's own detectors.
    Anomaly,
    /// Nothing is wrong yet; midwatch foresees that it will be.
    Forecast,
}

/// What "normal" was when a series became suspicious. It never changes afterwards: a rolling baseline would learn the
/// fault and call it normal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct FrozenBaseline {
    pub mean: f64,
    /// Standard deviation, not below the metric's noise floor.
    pub std: f64,
    /// Samples that the baseline was made of.
    pub samples: u32,
    /// The value above which a reading is not normal: the larger of the sigma bound and the absolute floor.
    pub bound: f64,
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub frozen_at: Timestamp,
}

impl FrozenBaseline {
    /// Whether a reading is within what was normal when the series became suspicious. One that is not a number never is.
    #[must_use]
    pub fn is_normal(&self, metric: Metric, value: f64) -> bool {
        if metric == Metric::Up { value >= self.bound } else { value <= self.bound }
    }
}

/// A reason to look at a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Signal {
    pub id: SignalId,
    pub kind: SignalKind,
    /// `midwatch` for our own detectors, else the name of the alert source.
    pub origin: String,
    pub service: ServiceName,
    /// The series that moved; an outside alert may not name one.
    pub metric: Option<Metric>,
    /// What the signal by itself looks like; the verdict may differ.
    pub class: Cause,
    /// When the series first left its normal range.
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub onset_at: Timestamp,
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub detected_at: Timestamp,
    pub value: f64,
    /// Distance from the baseline in standard deviations; 0 where no baseline exists.
    pub sigma: f64,
    pub baseline: Option<FrozenBaseline>,
    /// One sentence for a person.
    pub summary: String,
    pub evidence: Option<Evidence>,
    /// The object that an alert's labels name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<Entity>,
    /// The name of the alert, which says what its rule looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_name: Option<String>,
    /// How bad an alert's sender thinks it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Of a forecast: when it would happen, and what it would take with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Ahead>,
}

/// What a forecast says beside its probability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Ahead {
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub expected_at: Timestamp,
    /// The way that the failure will probably take, its own service first.
    pub path: Vec<ServiceName>,
}

impl Signal {
    /// What an incident hears of once: a metric of a service, or for alerts without a metric what they look like and what
    /// they are called, since two rules of one service may tell of different things.
    #[must_use]
    pub fn series_key(&self) -> String {
        let service = &self.service;
        match (self.metric, &self.alert_name) {
            (Some(metric), _) => format!("{service}/{}", metric.name()),
            (None, Some(name)) => format!("{service}/{}/{name}", self.class.name()),
            (None, None) => format!("{service}/{}", self.class.name()),
        }
    }

    /// What an anomaly can be matched by, since nobody gave it labels: its service, its metric, and as `alertname` what
    /// it looks like.
    #[must_use]
    pub fn labels(&self) -> Labels {
        let metric = self.metric.map(|metric| ("metric".to_owned(), metric.name().to_owned()));
        let all = [
            ("service".to_owned(), self.service.to_string()),
            ("alertname".to_owned(), self.class.name().to_owned()),
        ];
        all.into_iter().chain(metric).collect()
    }
}
