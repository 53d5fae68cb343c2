//! The detectors' configuration as it is written in the file.

use midwatch_model::Metric;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a series remembers what is normal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselineKind {
    /// The last `baseline_samples` samples, all of equal weight.
    #[default]
    Window,
    /// Exponentially weighted with `ewma_alpha`.
    Ewma,
}

/// When a series counts as anomalous. The defaults are for a poll every 15 s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectionConfig {
    /// Samples of the rolling baseline, 5–10000.
    pub baseline_samples: u32,
    /// Samples that a baseline needs before its series is judged at all, 2–`baseline_samples`.
    pub min_samples: u32,
    /// How normal is remembered: `window` or `ewma`.
    pub baseline: BaselineKind,
    /// Weight of the newest sample where `baseline = "ewma"`, above 0 and at most 1.
    pub ewma_alpha: f64,
    /// Standard deviations above the baseline's mean from which a sample is suspicious.
    pub sigma: f64,
    /// How many of the last `n` samples must be suspicious for a signal.
    pub m: u32,
    /// How many samples are looked at for a signal, at most 64; also how many normal ones in a row end a suspicion.
    pub n: u32,
    /// Seconds within which a series that has signalled does not signal again.
    pub dedup_s: f64,
    /// Samples of the trend test, 4–256.
    pub trend_samples: u32,
    /// Missed polls after which a series counts as stale.
    pub stale_polls: u32,
    /// Window of the rate expressions in the queries that evidence quotes, seconds; the telemetry's `rate_window_s`.
    pub rate_window_s: f64,
    /// Rules per metric. What is not named here keeps its built-in value.
    pub rules: BTreeMap<Metric, Rule>,
}

impl Default for DetectionConfig {
    fn default() -> Self {
        Self {
            // Twelve and a half minutes of polls: the deviation's own error is 10 %.
            baseline_samples: 50,
            // Five minutes: the deviation's own error is 16 %, good enough together with floors.
            min_samples: 20,
            baseline: BaselineKind::Window,
            // Weighs about as many samples as a window of 50: 2 / (50 + 1).
            ewma_alpha: 0.04,
            // One sample in 160 of a normal series lies beyond; three of five do so once in 400,000.
            sigma: 2.5,
            m: 3,
            n: 5,
            // Five minutes: longer than a deployment takes to settle, shorter than two incidents are apart.
            dedup_s: 300.0,
            // Three minutes: the smallest stretch in which a leak of minutes shows beyond doubt (z up to 4.5).
            trend_samples: 12,
            stale_polls: 3,
            rate_window_s: 60.0,
            rules: BTreeMap::new(),
        }
    }
}

/// What makes a reading of one metric suspicious, besides its distance in standard deviations. All that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// The value must exceed this, in the metric's unit. For `up`: a value at or below it is suspicious.
    pub floor: Option<f64>,
    /// The value must exceed the baseline's mean times this.
    pub min_ratio: Option<f64>,
    /// The value must exceed the baseline's mean plus this, in the metric's unit.
    pub min_delta: Option<f64>,
    /// Suspicious samples needed for a signal, in place of the general `m`.
    pub m: Option<u32>,
    /// Samples looked at for a signal, in place of the general `n`.
    pub n: Option<u32>,
    /// The standard deviation counts as at least this, in the metric's unit.
    pub std_floor_abs: Option<f64>,
    /// The standard deviation counts as at least this share of the mean.
    pub std_floor_rel: Option<f64>,
    /// Look for a steady climb, too; without this, only metrics with a built-in trend rule do.
    pub trend: Option<TrendRule>,
}

/// When a climb is suspicious. All that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrendRule {
    /// Rise within the trend window, in the metric's unit.
    pub min_rise: Option<f64>,
    /// Mann–Kendall z of the climb.
    pub min_z: Option<f64>,
    /// The value must exceed this, in the metric's unit.
    pub floor: Option<f64>,
    /// Where the resource ends; the climb must reach it within `horizon_s`.
    pub limit: Option<f64>,
    /// Seconds within which the climb must reach `limit`.
    pub horizon_s: Option<f64>,
}

/// What is wrong with a detection configuration, and the fix.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    #[error("detection.{field} is {value}; it must be {expected}")]
    OutOfRange { field: String, value: f64, expected: &'static str },
    #[error("detection.{field}: m is {m} but only n = {n} samples are looked at; lower m or raise n")]
    MoreThanLookedAt { field: String, m: u32, n: u32 },
}

/// The bit mask that remembers verdicts has so many bits.
pub(super) const N_MAX: u32 = 64;

impl DetectionConfig {
    /// Checks ranges. `Detectors::new` takes any configuration and brings it into range; a program calls this first, so
    /// that a person hears of the mistake.
    ///
    /// # Errors
    /// The first field that is out of range, with what would be in range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |field: &str, value: f64, fits: bool, expected| {
            let error = || ConfigError::OutOfRange { field: field.to_owned(), value, expected };
            if fits { Ok(()) } else { Err(error()) }
        };
        let (samples, least) = (self.baseline_samples, self.min_samples);
        check("baseline_samples", samples.into(), (5..=10_000).contains(&samples), "5 to 10000")?;
        check("min_samples", least.into(), (2..=samples).contains(&least), "2 to baseline_samples")?;
        check(
            "ewma_alpha",
            self.ewma_alpha,
            self.ewma_alpha > 0.0 && self.ewma_alpha <= 1.0,
            "above 0, at most 1",
        )?;
        check("sigma", self.sigma, self.sigma > 0.0 && self.sigma <= 100.0, "above 0, at most 100")?;
        check("dedup_s", self.dedup_s, (0.0..=86_400.0).contains(&self.dedup_s), "0 to 86400 seconds")?;
        check(
            "trend_samples",
            self.trend_samples.into(),
            (4..=256).contains(&self.trend_samples),
            "4 to 256",
        )?;
        check("stale_polls", self.stale_polls.into(), (1..=100).contains(&self.stale_polls), "1 to 100")?;
        let window = self.rate_window_s;
        check("rate_window_s", window, window > 0.0 && window <= 86_400.0, "above 0, at most 86400 seconds")?;
        check_m_of_n(String::from("m"), self.m, self.n)?;
        for (metric, rule) in &self.rules {
            check_m_of_n(format!("rules.{metric}.m"), rule.m.unwrap_or(1), rule.n.unwrap_or(N_MAX))?;
            check_finite(*metric, rule)?;
        }
        Ok(())
    }
}

fn check_m_of_n(field: String, m: u32, n: u32) -> Result<(), ConfigError> {
    if m == 0 || n == 0 || n > N_MAX {
        let value = f64::from(if m == 0 { m } else { n });
        return Err(ConfigError::OutOfRange { field, value, expected: "m and n from 1 to 64" });
    }
    if m > n { Err(ConfigError::MoreThanLookedAt { field, m, n }) } else { Ok(()) }
}

fn check_finite(metric: Metric, rule: &Rule) -> Result<(), ConfigError> {
    let trend = rule.trend.clone().unwrap_or_default();
    let numbers = [
        ("floor", rule.floor),
        ("min_ratio", rule.min_ratio),
        ("min_delta", rule.min_delta),
        ("std_floor_abs", rule.std_floor_abs),
        ("std_floor_rel", rule.std_floor_rel),
        ("trend.min_rise", trend.min_rise),
        ("trend.min_z", trend.min_z),
        ("trend.floor", trend.floor),
        ("trend.limit", trend.limit),
        ("trend.horizon_s", trend.horizon_s),
    ];
    for (name, value) in numbers {
        if let Some(value) = value.filter(|v| !v.is_finite() || *v < 0.0) {
            let field = format!("rules.{metric}.{name}");
            return Err(ConfigError::OutOfRange { field, value, expected: "a number from 0 up" });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_and_a_written_file_are_valid_and_mistakes_are_named() {
        assert_eq!(DetectionConfig::default().validate(), Ok(()));
        for (text, message) in [
            (r#"{"rules":{"queue_lag":{"floor":40,"trend":{"min_rise":10}}}}"#, None),
            (r#"{"min_samples":60}"#, Some("detection.min_samples is 60; it must be 2 to baseline_samples")),
            (
                r#"{"m":6}"#,
                Some("detection.m: m is 6 but only n = 5 samples are looked at; lower m or raise n"),
            ),
            (
                r#"{"rules":{"cpu":{"n":65}}}"#,
                Some("detection.rules.cpu.m is 65; it must be m and n from 1 to 64"),
            ),
            (
                r#"{"rules":{"cpu":{"floor":-1}}}"#,
                Some("detection.rules.cpu.floor is -1; it must be a number from 0 up"),
            ),
        ] {
            let config: DetectionConfig = serde_json::from_str(text).expect(text);
            assert_eq!(config.validate().err().map(|e| e.to_string()).as_deref(), message, "{text}");
        }
        for unknown in [r#"{"sigmas":3}"#, r#"{"rules":{"cpu":{"flor":1}}}"#, r#"{"rules":{"disk":{}}}"#] {
            assert!(serde_json::from_str::<DetectionConfig>(unknown).is_err(), "{unknown}");
        }
    }
}
