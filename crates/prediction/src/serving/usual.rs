//! What is usual for a service, learnt slowly and only while it is well.
//!
//! The detectors' baselines hold a minute or two and would learn a climb that the window has to show.

use crate::window::{NOTHING_READ, Normal, QUANTITIES, Reading};
use serde::{Deserialize, Serialize};

/// Readings that the newest one is weighed against at most: an hour of ticks of two seconds.
const MEMORY: u32 = 1800;

/// Readings from which on something counts as known.
const ENOUGH: u32 = 10;

/// Spreads beyond the mean to which a reading is drawn in: an outlier moves what is usual little.
const SPREADS: f64 = 4.0;

/// Running mean and variance of each quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    quantities: [Running; QUANTITIES],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Running {
    readings: u32,
    mean: f64,
    variance: f64,
}

impl Running {
    /// All readings weigh the same until there are [`MEMORY`]; then the oldest fade.
    fn take(&mut self, value: f64) {
        let spread = self.variance.sqrt();
        // The first readings say what the spread is.
        let value = if self.readings >= 3 * ENOUGH && spread > 0.0 {
            value.clamp(self.mean - SPREADS * spread, self.mean + SPREADS * spread)
        } else {
            value
        };
        self.readings = (self.readings + 1).min(MEMORY);
        let weight = 1.0 / f64::from(self.readings);
        let off = value - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }
}

impl Usual {
    pub fn learn(&mut self, reading: &Reading) {
        let read = self.quantities.iter_mut().zip(reading).filter(|(_, value)| value.is_finite());
        read.for_each(|(running, value)| running.take(f64::from(*value)));
    }

    #[must_use]
    pub fn normal(&self) -> Normal {
        let mut normal = Normal { mean: NOTHING_READ, std: NOTHING_READ };
        for (index, running) in self.quantities.iter().enumerate().filter(|(_, r)| r.readings >= ENOUGH) {
            normal.mean[index] = running.mean as f32;
            normal.std[index] = running.variance.sqrt() as f32;
        }
        normal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(values: impl Iterator<Item = f32>) -> Normal {
        let mut usual = Usual::default();
        values.for_each(|value| usual.learn(&[value; QUANTITIES]));
        usual.normal()
    }

    #[test]
    fn nothing_is_usual_before_ten_readings_and_gaps_do_not_count() {
        assert!(learnt((0..9).map(|_| 1.0)).mean[0].is_nan());
        assert!(learnt((0..18).map(|tick| if tick % 2 == 0 { f32::NAN } else { 1.0 })).mean[0].is_nan());
        assert_eq!(learnt((0..10).map(|_| 1.0)).mean[0], 1.0);
    }

    #[test]
    fn mean_and_spread_are_those_of_the_readings() {
        let normal = learnt((0..1000).map(|tick| if tick % 2 == 0 { 9.0 } else { 11.0 }));
        assert!((normal.mean[0] - 10.0).abs() < 0.01 && (normal.std[0] - 1.0).abs() < 0.01, "{normal:?}");
    }

    #[test]
    fn an_outlier_hardly_moves_what_is_usual_and_a_lasting_change_does() {
        let steady = |tick: u32| if tick.is_multiple_of(2) { 9.0 } else { 11.0 };
        let once = learnt((0..500).map(|tick| if tick == 400 { 1e6 } else { steady(tick) }));
        assert!((once.mean[0] - 10.0).abs() < 0.1, "{once:?}");
        let moved = learnt((0..8000).map(|tick| steady(tick) + if tick < 1000 { 0.0 } else { 10.0 }));
        assert!((moved.mean[0] - 20.0).abs() < 0.5, "{moved:?}");
    }
}
