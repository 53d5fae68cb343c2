//! Forecasts as they are kept: what was foreseen of whom, which alarms that raised, and what then happened.

use crate::ServiceName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How grave a forecast is: the rungs of the safety ladder.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Tier {
    /// To be known.
    Low,
    /// To be warned of.
    Medium,
    /// To be woken for.
    High,
    Critical,
}

impl Tier {
    /// The tier of a probability; below 30 % there is none.
    #[must_use]
    pub fn of(probability: f64) -> Option<Self> {
        let all = <Tier as strum::VariantArray>::VARIANTS;
        all.iter().rev().copied().find(|tier| probability >= tier.begins_at())
    }

    /// The least probability of the tier.
    #[must_use]
    pub fn begins_at(self) -> f64 {
        match self {
            Tier::Low => 0.30,
            Tier::Medium => 0.50,
            Tier::High => 0.70,
            Tier::Critical => 0.90,
        }
    }
}

impl std::str::FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::one_of(<Tier as strum::VariantArray>::VARIANTS, "a tier", text)
    }
}

/// What was foreseen of every service at one moment. A line a minute of these is what forecasts are graded by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Foretold {
    /// The first characters of the digest of the model's weights.
    pub model: String,
    pub horizon_s: f64,
    /// Probability of a breach within the horizon in thousandths. A service that is in breach, or of which too little was
    /// read, is not among them.
    pub permille: BTreeMap<ServiceName, u16>,
}

/// A failure that is foreseen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Alarm {
    pub service: ServiceName,
    pub tier: Tier,
    /// Of a breach within the horizon, 0–1.
    pub probability: f64,
    /// How far the probability can be believed, 0–1.
    pub confidence: f64,
    /// Until the breach, if there is one.
    pub minutes: f64,
    pub horizon_s: f64,
    /// The first characters of the digest of the model's weights.
    pub model: String,
    /// The way that the failure will probably take, this service first.
    pub path: Vec<ServiceName>,
    /// What moved, a sentence each, what raises the probability most first.
    pub moved: Vec<String>,
}

/// How an alarm ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AlarmEnd {
    /// The service breached its objective.
    CameTrue,
    /// Something was done about it, and the probability fell.
    Averted,
    /// The probability fell by itself.
    Passed,
    /// The horizon is over without a breach.
    Expired,
    /// Nothing more is read of the service, or forecasts were switched off: nobody knows.
    Lost,
}

/// What shows that a service does not keep its objective.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Breach {
    Latency,
    Errors,
    /// No instance of it answers.
    Down,
}

/// What is put on record of forecasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema, strum::IntoStaticStr)]
#[serde(tag = "event", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ForecastEvent {
    Foretold(Foretold),
    AlarmRaised(Alarm),
    /// The probability has reached another tier.
    AlarmTurned {
        service: ServiceName,
        tier: Tier,
        probability: f64,
    },
    AlarmEnded {
        service: ServiceName,
        end: AlarmEnd,
        reason: String,
    },
    ObjectiveBreached {
        service: ServiceName,
        by: Breach,
        reason: String,
    },
    /// The service has kept its objective again for a while.
    ObjectiveMet {
        service: ServiceName,
    },
}

impl ForecastEvent {
    /// The snake-case tag, for filters and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_on_the_rung_that_it_has_reached() {
        let expected = [
            (0.0, None),
            (0.2999, None),
            (0.3, Some(Tier::Low)),
            (0.5, Some(Tier::Medium)),
            (0.7, Some(Tier::High)),
            (0.8999, Some(Tier::High)),
            (0.9, Some(Tier::Critical)),
            (f64::NAN, None),
        ];
        for (probability, tier) in expected {
            assert_eq!(Tier::of(probability), tier, "{probability}");
        }
    }
}
