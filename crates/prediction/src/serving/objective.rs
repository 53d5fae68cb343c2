//! What a service promises, and whether it keeps it. The same rule as in training, so that a forecast is about the same thing.

use crate::window::{Normal, Quantity, Reading};
use midwatch_model::Breach;
use serde::{Deserialize, Serialize};

/// A service is in breach when it is beyond its objective in so many of the last five ticks.
const BREACH_OF_FIVE: u32 = 3;

/// Ticks without one beyond the objective after which a breach is over: what flaps within a minute is one breach.
const WELL_TICKS: u32 = 30;

/// What is added to the factor's product, milliseconds: three times next to nothing is next to nothing.
const LATENCY_MARGIN_MS: f64 = 20.0;

/// When a service breaks its promise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveConfig {
    /// A p99 latency beyond so many times the usual one (and 20 ms more) is a breach, 1–1000.
    pub latency_factor: f64,
    /// Milliseconds up to which a p99 latency is never a breach.
    pub latency_ms: f64,
    /// An error rate so far above the usual one is a breach, 0–1.
    pub error_rate: f64,
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        // Those of the simulator that the shipped model learnt from.
        Self { latency_factor: 3.0, latency_ms: 0.0, error_rate: 0.05 }
    }
}

impl ObjectiveConfig {
    /// What a reading breaks, in words; `None` where it keeps everything or says nothing.
    #[must_use]
    pub fn broken(&self, reading: &Reading, normal: &Normal, up: Option<f32>) -> Option<(Breach, String)> {
        if up.is_some_and(|up| up <= 0.0) {
            return Some((Breach::Down, "no instance of it answers".to_owned()));
        }
        let of = |quantity: Quantity| {
            let (value, usual) = (reading[quantity as usize], normal.mean[quantity as usize]);
            (value.is_finite() && usual.is_finite()).then_some((value, f64::from(usual)))
        };
        if let Some((errors, usual)) = of(Quantity::ErrorRate) {
            let most = usual + self.error_rate;
            if f64::from(errors) >= most {
                return Some((Breach::Errors, told(Quantity::ErrorRate, errors, most)));
            }
        }
        let (latency, usual) = of(Quantity::LatencyP99)?;
        let most = (usual * self.latency_factor + LATENCY_MARGIN_MS).max(self.latency_ms);
        (f64::from(latency) >= most).then(|| (Breach::Latency, told(Quantity::LatencyP99, latency, most)))
    }

    /// Whether anything is promised of a service: neither its latency nor its errors may ever be read.
    #[must_use]
    pub fn applies(&self, normal: &Normal) -> bool {
        [Quantity::LatencyP99, Quantity::ErrorRate].iter().any(|q| normal.mean[*q as usize].is_finite())
    }
}

fn told(quantity: Quantity, value: f32, most: f64) -> String {
    format!("{} {}, objective {}", quantity.title(), quantity.show(value), quantity.show(most as f32))
}

/// How a service has kept its objective lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    /// The last ticks, newest in the lowest bit; set where it was beyond its objective.
    beyond: u8,
    well_ticks: u32,
    pub in_breach: bool,
}

/// What a tick changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Breached,
    Met,
}

impl Kept {
    pub fn breached() -> Self {
        Self { in_breach: true, ..Self::default() }
    }

    /// Takes a tick.
    pub fn tick(&mut self, beyond: bool) -> Change {
        self.beyond = (self.beyond << 1 | u8::from(beyond)) & 0b1_1111;
        self.well_ticks = if beyond { 0 } else { self.well_ticks + 1 };
        if !self.in_breach && self.beyond.count_ones() >= BREACH_OF_FIVE {
            self.in_breach = true;
            return Change::Breached;
        }
        if self.in_breach && self.well_ticks >= WELL_TICKS {
            self.in_breach = false;
            return Change::Met;
        }
        Change::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::NOTHING_READ;

    fn check(latency: f32, errors: f32, up: Option<f32>, expected: Option<Breach>) {
        let (mut reading, mut normal) = (NOTHING_READ, Normal { mean: NOTHING_READ, std: NOTHING_READ });
        normal.mean[Quantity::LatencyP99 as usize] = 100.0;
        normal.mean[Quantity::ErrorRate as usize] = 0.01;
        reading[Quantity::LatencyP99 as usize] = latency;
        reading[Quantity::ErrorRate as usize] = errors;
        let broken = ObjectiveConfig::default().broken(&reading, &normal, up);
        assert_eq!(broken.map(|(by, _)| by), expected, "{latency} ms, {errors}, {up:?}");
    }

    #[test]
    fn a_breach_is_far_beyond_what_is_usual() {
        check(319.0, 0.059, Some(1.0), None);
        check(320.0, 0.0, None, Some(Breach::Latency));
        check(100.0, 0.061, None, Some(Breach::Errors));
        check(f32::NAN, f32::NAN, Some(0.0), Some(Breach::Down));
        check(f32::NAN, f32::NAN, None, None);
    }

    #[test]
    fn what_is_promised_in_milliseconds_is_no_breach_below_them() {
        let objective = ObjectiveConfig { latency_ms: 800.0, ..ObjectiveConfig::default() };
        let normal = Normal { mean: [100.0; 8], std: [1.0; 8] };
        let mut reading = NOTHING_READ;
        reading[Quantity::LatencyP99 as usize] = 700.0;
        assert_eq!(objective.broken(&reading, &normal, None), None);
        reading[Quantity::LatencyP99 as usize] = 900.0;
        let told = objective.broken(&reading, &normal, None).expect("a breach").1;
        assert_eq!(told, "p99 latency 900 ms, objective 800 ms");
    }

    #[test]
    fn one_tick_is_no_breach_and_one_well_tick_no_end() {
        let mut kept = Kept::default();
        let mut take = |ticks: &[bool]| ticks.iter().map(|beyond| kept.tick(*beyond)).collect::<Vec<_>>();
        assert!(!take(&[true, false, true, false, false]).contains(&Change::Breached));
        assert_eq!(take(&[true, true]), [Change::Nothing, Change::Breached]);
        assert_eq!(take(&[false; 29]), [Change::Nothing; 29]);
        assert_eq!(take(&[false]), [Change::Met]);
    }
}
