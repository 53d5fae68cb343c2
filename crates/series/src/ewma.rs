//! Exponentially weighted mean and variance.

use crate::{Pushed, z_score};
use serde::{Deserialize, Serialize};

/// Mean and variance in which a number's weight falls by `1 − alpha` with each later one.
///
/// The recurrence is West's (1979) in the form of Finch (2009), "Incremental calculation of weighted mean and variance",
/// section 9. Until `1 / alpha` numbers have come, each weighs the same, so that the first one does not dominate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ewma {
    alpha: f64,
    mean: f64,
    variance: f64,
    len: u64,
}

/// Smallest weight of the newest number: below it, the mean would not follow anything within a day of polls.
const ALPHA_MIN: f64 = 1e-4;

impl Ewma {
    /// An empty mean; `alpha` is the newest number's weight, 0–1, and is brought into `1e-4..=1`.
    #[must_use]
    pub fn new(alpha: f64) -> Self {
        let alpha = if alpha.is_nan() { ALPHA_MIN } else { alpha.clamp(ALPHA_MIN, 1.0) };
        Self { alpha, mean: 0.0, variance: 0.0, len: 0 }
    }

    /// Takes a number in.
    pub fn push(&mut self, value: f64) -> Pushed {
        if !value.is_finite() {
            return Pushed::IgnoredNotFinite;
        }
        self.len += 1;
        let weight = self.alpha.max(1.0 / self.len as f64);
        let distance = value - self.mean;
        let step = weight * distance;
        self.mean += step;
        self.variance = (1.0 - weight) * (self.variance + distance * step);
        Pushed::Counted
    }

    /// The weighted mean; 0 before the first number.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The weighted standard deviation, corrected like a sample's while all numbers still weigh the same.
    #[must_use]
    pub fn std(&self) -> f64 {
        let count = (self.len as f64).min(self.span());
        if count < 2.0 { 0.0 } else { (self.variance * count / (count - 1.0)).max(0.0).sqrt() }
    }

    /// How many equally weighted numbers carry as much information: `2 / alpha − 1`.
    fn span(&self) -> f64 {
        2.0 / self.alpha - 1.0
    }

    /// Numbers taken in so far.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the first number's weight no longer matters: after `2 / alpha − 1` numbers.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len as f64 >= self.span()
    }

    /// Distance of `value` from the mean in standard deviations, each at least `std_floor`; within ±[`crate::Z_MAX`].
    #[must_use]
    pub fn z(&self, value: f64, std_floor: f64) -> f64 {
        z_score(value, self.mean, self.std(), std_floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_follows_a_step_and_ignores_what_is_not_finite() {
        let mut ewma = Ewma::new(0.1);
        for _ in 0..100 {
            let _ = ewma.push(10.0);
        }
        assert_eq!((ewma.mean(), ewma.std(), ewma.is_full()), (10.0, 0.0, true));
        assert_eq!(ewma.push(f64::NAN), Pushed::IgnoredNotFinite);
        for _ in 0..100 {
            let _ = ewma.push(20.0);
        }
        assert!((ewma.mean() - 20.0).abs() < 0.01, "{}", ewma.mean());
    }

    proptest! {
        #[test]
        fn before_one_over_alpha_numbers_it_is_the_plain_mean_and_deviation(
            values in proptest::collection::vec(-1e6f64..1e6, 2..50),
        ) {
            let mut ewma = Ewma::new(0.02);
            for value in &values {
                let _ = ewma.push(*value);
            }
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
            prop_assert!((ewma.mean() - mean).abs() < 1e-6);
            prop_assert!((ewma.std() - std).abs() <= 1e-6 + 1e-9 * std);
        }
    }
}
