//! What the operator sets about forecasts.

use super::ObjectiveConfig;
use midwatch_model::Tier;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Forecasts of failures while midwatch watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForesightConfig {
    /// Whether anything is foreseen at all.
    pub enabled: bool,
    /// Seconds within which a breach counts, 60–86400. The model looks back two fifteenths of it; where that is less than 60 polls
    /// of telemetry, the horizon is longer, and every answer says how long.
    pub horizon_s: f64,
    /// Folder with `model.safetensors` and `model.json`, as `midwatch train -o` writes it; without it, the model that ships.
    pub model: Option<PathBuf>,
    /// Go on with a network that has learnt nothing where there is no usable model: its forecasts are shown, and nothing
    /// follows from them.
    pub allow_untrained_model: bool,
    /// The least tier that raises an alarm: low (30 %), medium (50 %), high (70 %) or critical (90 %).
    pub alarm_from: Tier,
    /// The least confidence of a forecast that raises an alarm, 0–1.
    pub confidence_min: f64,
    /// Whether an alarm opens an incident. Without, alarms are graded and shown only: look at the ledger before you are woken.
    pub incidents: bool,
    /// The lower confidence bound of the record's precision from which midwatch may act on a forecast by itself, 0–1.
    pub precision_min: f64,
    /// What a service promises: a forecast is about breaking it.
    pub objective: ObjectiveConfig,
}

impl Default for ForesightConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            horizon_s: 900.0,
            model: None,
            allow_untrained_model: false,
            alarm_from: Tier::Medium,
            confidence_min: 0.7,
            incidents: false,
            precision_min: 0.8,
            objective: ObjectiveConfig::default(),
        }
    }
}

/// What is wrong with the configuration, and the fix.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("foresight.{field} is {value}; it must be {expected}")]
pub struct ForesightConfigError {
    pub field: &'static str,
    pub value: f64,
    pub expected: &'static str,
}

impl ForesightConfig {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<ForesightConfigError> {
        let share = "0 to 1";
        let checks = [
            ("horizon_s", self.horizon_s, (60.0, 86_400.0), "60 to 86400"),
            ("confidence_min", self.confidence_min, (0.0, 1.0), share),
            ("precision_min", self.precision_min, (0.0, 1.0), share),
            ("objective.error_rate", self.objective.error_rate, (0.0, 1.0), share),
            ("objective.latency_factor", self.objective.latency_factor, (1.0, 1000.0), "1 to 1000"),
            ("objective.latency_ms", self.objective.latency_ms, (0.0, 3.6e6), "0 to 3600000"),
        ];
        let wrong =
            checks.into_iter().filter(|(_, value, (least, most), _)| !(least..=most).contains(&value));
        wrong.map(|(field, value, _, expected)| ForesightConfigError { field, value, expected }).collect()
    }
}

/// What may be changed while the server runs; the rest needs a restart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub enabled: bool,
    pub alarm_from: Tier,
    pub confidence_min: f64,
    pub incidents: bool,
}

impl From<&ForesightConfig> for Settings {
    fn from(config: &ForesightConfig) -> Self {
        let ForesightConfig { enabled, alarm_from, confidence_min, incidents, .. } = *config;
        Self { enabled, alarm_from, confidence_min, incidents }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_named_with_what_does() {
        assert_eq!(ForesightConfig::default().problems(), []);
        let odd = ForesightConfig { horizon_s: 1.0, confidence_min: f64::NAN, ..ForesightConfig::default() };
        let said: Vec<String> = odd.problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "foresight.horizon_s is 1; it must be 60 to 86400",
                "foresight.confidence_min is NaN; it must be 0 to 1"
            ]
        );
    }
}
