//! What a reading means before anything judges it: inside its bounds, or replaced by the last good one, or missing.

use midwatch_model::Sample;
use serde::{Deserialize, Serialize};

/// An unusable reading is bridged by the last good one at most so often in a row; at a poll every 15 s the gap is then
/// 45 s, after which "no change" would be a claim and not a guess.
pub const SUBSTITUTIONS_MAX: u8 = 3;

/// The last usable value of a series and how often it has stood in since.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastGood {
    pub value: f64,
    pub substituted: u8,
}

/// What a reading is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub enum Normalised {
    /// A usable reading.
    Measured(f64),
    /// Outside what is physically possible: brought to the nearest bound.
    Clamped { value: f64, was: f64 },
    /// Not a number or infinite: the last good value stands in, for the so-manieth time.
    Substituted { value: f64, times: u8 },
    /// Not a number, and no good value is recent enough to stand in.
    Missing,
}

/// Normalises one reading: clamps to `Metric::bounds`; NaN and infinities become the last good value, at most
/// [`SUBSTITUTIONS_MAX`] times in a row.
pub fn normalise(sample: &Sample, last_good: Option<LastGood>) -> Normalised {
    if !sample.value.is_finite() {
        return match last_good {
            Some(good) if good.substituted < SUBSTITUTIONS_MAX => {
                Normalised::Substituted { value: good.value, times: good.substituted + 1 }
            }
            _ => Normalised::Missing,
        };
    }
    let (low, high) = sample.metric.bounds();
    let value = sample.value.clamp(low, high);
    // A reading of exactly the bound is left as it is; `==` is meant.
    if value == sample.value {
        Normalised::Measured(value)
    } else {
        Normalised::Clamped { value, was: sample.value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::{Metric, Timestamp};

    #[test]
    fn readings_are_clamped_bridged_or_missing() {
        let good = |substituted| Some(LastGood { value: 0.25, substituted });
        for (metric, value, last, expected) in [
            (Metric::ErrorRate, 0.5, None, Normalised::Measured(0.5)),
            (Metric::ErrorRate, 1.5, None, Normalised::Clamped { value: 1.0, was: 1.5 }),
            (Metric::LatencyP99, -3.0, None, Normalised::Clamped { value: 0.0, was: -3.0 }),
            (Metric::Cpu, f64::NAN, None, Normalised::Missing),
            (Metric::Cpu, f64::NAN, good(0), Normalised::Substituted { value: 0.25, times: 1 }),
            (Metric::Cpu, f64::INFINITY, good(2), Normalised::Substituted { value: 0.25, times: 3 }),
            (Metric::Cpu, f64::NAN, good(3), Normalised::Missing),
            (Metric::Cpu, 0.4, good(3), Normalised::Measured(0.4)),
        ] {
            let sample = Sample { service: "s".into(), metric, value, at: Timestamp::UNIX_EPOCH };
            assert_eq!(normalise(&sample, last), expected, "{metric} {value}");
        }
    }
}
