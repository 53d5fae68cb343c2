//! Checks: what shows whether a service does its work, besides its health endpoint and the series that signalled.

use crate::EvidenceSource;
use serde::{Deserialize, Serialize};

/// One look at a service that an operator declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// A PromQL expression, each series of which has to lie within the bounds. No series is no answer.
    Promql {
        query: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<f64>,
    },
    /// A CloudWatch alarm that has to be OK. One without enough data is no answer.
    CloudwatchAlarm { alarm: String },
    /// The rollout has to be through: every instance is of the version that is wanted, and ready.
    Rollout {},
    /// A Lambda alias has to send all calls to one published version.
    Alias {},
}

impl Check {
    /// Whether it shows how the service does, and not only what was made of it: a rollout that is through says that a change
    /// has arrived, and not that it has helped.
    #[must_use]
    pub fn shows_service(&self) -> bool {
        matches!(self, Check::Promql { .. } | Check::CloudwatchAlarm { .. })
    }

    /// Where its answer comes from.
    #[must_use]
    pub fn source(&self) -> EvidenceSource {
        if self.shows_service() { EvidenceSource::ServiceMetrics } else { EvidenceSource::ControlPlane }
    }

    /// The question, so that it can be asked again.
    #[must_use]
    pub fn query(&self) -> String {
        match self {
            Check::Promql { query, .. } => query.clone(),
            Check::CloudwatchAlarm { alarm } => format!("CloudWatch alarm {alarm}"),
            Check::Rollout {} => "rollout".to_owned(),
            Check::Alias {} => "alias".to_owned(),
        }
    }

    /// What is wrong with it as it is written, and the fix.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        match self {
            Check::Promql { query, .. } if query.trim().is_empty() => Some("has an empty query"),
            Check::Promql { at_most: None, at_least: None, .. } => Some("needs at_most or at_least"),
            Check::CloudwatchAlarm { alarm } if alarm.is_empty() => Some("names no alarm"),
            _ => None,
        }
    }

    /// Whether a value lies within the bounds; no number lies nowhere.
    #[must_use]
    pub fn allows(&self, value: f64) -> bool {
        match self {
            Check::Promql { at_most, at_least, .. } => {
                at_most.is_none_or(|most| value <= most) && at_least.is_none_or(|least| value >= least)
            }
            _ => false,
        }
    }
}
