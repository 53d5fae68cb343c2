//! Counts of how forecasts and alarms were graded, and what they come to.

use super::{AlarmGrade, Summary};
use crate::score::Bin;
pub use midwatch_series::wilson_low;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Bins of the calibration curve: tenths.
const BINS: usize = 10;

/// Lead times that are kept for the median, the newest.
const LEADS: usize = 200;

/// How forecasts of a service by a model were graded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grades {
    forecasts: u64,
    failed: u64,
    squares: f64,
    /// Of each tenth how many forecasts, the sum of their probabilities, how many came true.
    bins: [(u64, f64, u64); BINS],
    pub hits: u64,
    pub missed: u64,
    pub false_alarms: u64,
    pub averted: u64,
    pub unknown: u64,
    leads_s: VecDeque<f64>,
}

impl Grades {
    pub(super) fn forecast(&mut self, probability: f64, failed: bool) {
        let happened = f64::from(u8::from(failed));
        self.forecasts += 1;
        self.failed += u64::from(failed);
        self.squares += (probability - happened).powi(2);
        let bin = &mut self.bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + 1, bin.1 + probability, bin.2 + u64::from(failed));
    }

    pub(super) fn alarm(&mut self, grade: AlarmGrade, lead_s: Option<f64>) {
        match grade {
            AlarmGrade::Hit => self.hits += 1,
            AlarmGrade::FalseAlarm => self.false_alarms += 1,
            AlarmGrade::Averted => self.averted += 1,
            AlarmGrade::Unknown => self.unknown += 1,
        }
        self.leads_s.extend(lead_s);
        if self.leads_s.len() > LEADS {
            self.leads_s.pop_front();
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.forecasts += other.forecasts;
        self.failed += other.failed;
        self.squares += other.squares;
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            *bin = (bin.0 + more.0, bin.1 + more.1, bin.2 + more.2);
        }
        self.hits += other.hits;
        self.missed += other.missed;
        self.false_alarms += other.false_alarms;
        self.averted += other.averted;
        self.unknown += other.unknown;
        self.leads_s.extend(&other.leads_s);
    }

    /// The lower confidence bound of the precision; `None` before the first alarm was graded.
    #[must_use]
    pub fn precision_low(&self) -> Option<f64> {
        wilson_low(self.hits, self.hits + self.false_alarms)
    }

    pub(super) fn summary(&self) -> Summary {
        let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
        let curve: Vec<Bin> = self.bins.iter().filter(|bin| bin.0 > 0).map(bin).collect();
        let apart = curve.iter().map(|bin| (bin.said - bin.happened).abs() * bin.count as f64).sum::<f64>();
        let any = self.forecasts > 0;
        Summary {
            forecasts: self.forecasts,
            base_rate: share(self.failed, self.forecasts),
            brier: any.then(|| self.squares / self.forecasts as f64),
            ece: any.then(|| apart / self.forecasts as f64),
            calibration: curve,
            hits: self.hits,
            missed: self.missed,
            false_alarms: self.false_alarms,
            averted: self.averted,
            unknown: self.unknown,
            precision: share(self.hits, self.hits + self.false_alarms),
            precision_low: self.precision_low(),
            recall: share(self.hits, self.hits + self.missed),
            median_lead_s: median(self.leads_s.iter().copied().collect()),
        }
    }
}

fn bin((count, said, happened): &(u64, f64, u64)) -> Bin {
    let of = |sum: f64| sum / *count as f64;
    Bin { said: of(*said), happened: of(*happened as f64), count: *count as usize }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_the_textbook() {
        let expected = [
            (0, 0, None),
            (0, 10, Some(0.0)),
            (10, 10, Some(0.7225)),
            (16, 16, Some(0.8064)),
            (81, 100, Some(0.7222)),
        ];
        for (part, all, bound) in expected {
            let found = wilson_low(part, all);
            let close = match (found, bound) {
                (Some(a), Some(b)) => (a - b).abs() < 5e-4,
                (a, b) => a == b,
            };
            assert!(close, "{part} of {all}: {found:?}, not {bound:?}");
        }
    }
}
