//! Mean and variance over the last samples.

use crate::{Pushed, z_score};
use serde::{Deserialize, Serialize};

/// Samples of a rolling baseline where nobody says otherwise: at a poll every 15 s about the last twelve minutes, long
/// enough for a stable standard deviation (its own error is 10 %) and short enough to follow the time of day.
pub const DEFAULT_CAPACITY: usize = 50;

/// The sums are made anew when they have held terms this many times larger than what is left in them. With at most a
/// few hundred roundings of 1.1e-16 since the last refresh, the error then stays below 1e-10 of the variance.
const CANCELLATION_MAX: f64 = 1e3;

/// The sums are also made anew after this many windows, however tame the numbers are.
const WINDOWS_PER_REFRESH: usize = 2;

/// Mean and sample variance of the last `capacity` numbers; O(1) per number.
///
/// Keeps sums of distances from a reference that lies near the mean (shifted-data algorithm; Chan, Golub, LeVeque 1983,
/// "Algorithms for computing the sample variance"), adds what comes and subtracts what goes. Two things would spoil
/// such sums: roundings that pile up, and terms that are much larger than what remains after they left. Both are met
/// by an exact two-pass refresh, which comes seldom enough to be O(1) amortised.
///
/// The layout is one cache line and one allocation of exactly `capacity` numbers, since a server holds 100k of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
#[repr(align(64))]
pub struct Rolling {
    window: Box<[f64]>,
    /// The reference that distances are taken from.
    shift: f64,
    sum: f64,
    sum_of_squares: f64,
    /// Largest `sum_of_squares` since the last refresh.
    peak: f64,
    len: u32,
    /// Where the next number goes; once full, also where the oldest is.
    next: u32,
    since_refresh: u32,
}

impl Default for Rolling {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl Rolling {
    /// An empty window of `capacity` numbers, at least 2 (fewer have no variance) and at most `u32::MAX / 4`.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(2, (u32::MAX / 4) as usize);
        Self {
            window: vec![0.0; capacity].into_boxed_slice(),
            shift: 0.0,
            sum: 0.0,
            sum_of_squares: 0.0,
            peak: 0.0,
            len: 0,
            next: 0,
            since_refresh: 0,
        }
    }

    /// Takes a number in and, when the window is full, lets the oldest go.
    pub fn push(&mut self, value: f64) -> Pushed {
        if !value.is_finite() {
            return Pushed::IgnoredNotFinite;
        }
        if self.len == 0 {
            self.shift = value;
        }
        let at = self.next as usize;
        let slot = &mut self.window[at];
        let arrives = value - self.shift;
        if self.len as usize == at {
            self.len += 1;
            self.sum += arrives;
            self.sum_of_squares += arrives * arrives;
        } else {
            let leaves = *slot - self.shift;
            self.sum += arrives - leaves;
            self.sum_of_squares += arrives * arrives - leaves * leaves;
            // The old term was part of the sum until now, so the larger of the two counts.
            self.peak = self.peak.max(leaves * leaves);
        }
        *slot = value;
        self.next = if at + 1 == self.window.len() { 0 } else { self.next + 1 };
        self.peak = self.peak.max(self.sum_of_squares);
        self.since_refresh += 1;
        if self.needs_refresh() {
            self.refresh();
        }
        Pushed::Counted
    }

    fn needs_refresh(&self) -> bool {
        self.since_refresh as usize >= WINDOWS_PER_REFRESH * self.window.len()
            || self.peak > CANCELLATION_MAX * self.squares_about_mean()
    }

    /// Sum of squared distances from the mean, as the sums give it.
    fn squares_about_mean(&self) -> f64 {
        self.sum_of_squares - self.sum * self.sum / f64::from(self.len.max(1))
    }

    /// Makes the sums anew from the window: first the mean, then the distances from it.
    #[cold]
    fn refresh(&mut self) {
        let values = &self.window[..self.len as usize];
        let count = f64::from(self.len);
        // Distances from the first value make the mean of equal values exactly that value.
        let first = values[0];
        let mean = first + values.iter().map(|v| v - first).sum::<f64>() / count;
        self.shift = if mean.is_finite() { mean } else { first };
        let (sum, squares) =
            values.iter().map(|v| v - self.shift).fold((0.0, 0.0), |(s, q), d| (s + d, q + d * d));
        self.sum = sum;
        self.sum_of_squares = squares;
        self.peak = squares;
        self.since_refresh = 0;
    }

    /// Mean of the window; 0 when it is empty.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.shift + self.sum / f64::from(self.len.max(1))
    }

    /// Sample standard deviation (divisor n − 1); 0 with fewer than two numbers.
    #[must_use]
    pub fn std(&self) -> f64 {
        self.variance().sqrt()
    }

    /// Sample variance (divisor n − 1); 0 with fewer than two numbers.
    #[must_use]
    pub fn variance(&self) -> f64 {
        if self.len < 2 { 0.0 } else { (self.squares_about_mean() / f64::from(self.len - 1)).max(0.0) }
    }

    /// Numbers in the window.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the next number pushes one out.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len as usize == self.window.len()
    }

    #[must_use]
    pub fn capacity(&self) -> usize {
        self.window.len()
    }

    /// Distance of `value` from the mean in standard deviations, each at least `std_floor`; within ±[`crate::Z_MAX`].
    #[must_use]
    pub fn z(&self, value: f64, std_floor: f64) -> f64 {
        z_score(value, self.mean(), self.std(), std_floor)
    }

    /// The numbers in the window, oldest first.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        let split = if self.is_full() { self.next as usize } else { 0 };
        let (newer, older) = self.window[..self.len as usize].split_at(split);
        older.iter().chain(newer).copied()
    }
}

impl PartialEq for Rolling {
    /// Two windows are equal when they hold the same numbers; how the sums were rounded on the way does not count.
    fn eq(&self, other: &Self) -> bool {
        self.capacity() == other.capacity() && self.values().eq(other.values())
    }
}

/// What a snapshot holds: the numbers; the sums are made from them.
#[derive(Serialize, Deserialize)]
struct Stored {
    capacity: usize,
    values: Vec<f64>,
}

/// Largest capacity that a snapshot is believed, so that a damaged one cannot ask for all memory.
const STORED_CAPACITY_MAX: usize = 1 << 20;

impl From<Rolling> for Stored {
    fn from(rolling: Rolling) -> Self {
        Self { capacity: rolling.capacity(), values: rolling.values().collect() }
    }
}

impl TryFrom<Stored> for Rolling {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        if stored.capacity > STORED_CAPACITY_MAX || stored.values.len() > stored.capacity {
            return Err(format!(
                "a window of {} numbers with capacity {} cannot be restored",
                stored.values.len(),
                stored.capacity
            ));
        }
        let mut rolling = Rolling::new(stored.capacity);
        for value in stored.values {
            if rolling.push(value) == Pushed::IgnoredNotFinite {
                return Err("a stored window holds a number that is not finite".to_owned());
            }
        }
        Ok(rolling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Mean and sample standard deviation in two passes, with the distances from the first value.
    fn exact(values: &[f64]) -> (f64, f64) {
        let count = values.len() as f64;
        let mean_distance = values.iter().map(|v| v - values[0]).sum::<f64>() / count;
        let squares: f64 = values.iter().map(|v| (v - values[0] - mean_distance).powi(2)).sum();
        (values[0] + mean_distance, (squares / (count - 1.0)).sqrt())
    }

    fn check(rolling: &Rolling, history: &[f64]) {
        let window = &history[history.len().saturating_sub(rolling.capacity())..];
        assert_eq!(rolling.len(), window.len());
        if window.len() < 2 {
            return;
        }
        let (mean, std) = exact(window);
        let scale = window.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        assert!((rolling.mean() - mean).abs() <= 1e-9 * mean.abs().max(std), "{} {mean}", rolling.mean());
        // What the numbers themselves cannot resolve (a few units in the last place) is nobody's error.
        let resolution = 16.0 * f64::EPSILON * scale;
        assert!((rolling.std() - std).abs() <= 1e-9 * std + resolution, "{} {std}", rolling.std());
    }

    /// A small generator of our own, so that the long runs need no dependency: xorshift64*.
    fn noise(seed: &mut u64) -> f64 {
        *seed ^= *seed >> 12;
        *seed ^= *seed << 25;
        *seed ^= *seed >> 27;
        (seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    #[test]
    fn a_million_updates_stay_exact_at_any_offset() {
        for (offset, spread) in [(0.0, 1.0), (1e9, 1.0), (-1e9, 0.01), (1e9, 1e9), (1e-9, 1e-9)] {
            let mut seed = 42;
            let mut rolling = Rolling::default();
            let mut history = Vec::new();
            for step in 0..1_000_000 {
                let value = offset + spread * noise(&mut seed);
                let _ = rolling.push(value);
                history.push(value);
                if step % 997 == 0 {
                    check(&rolling, &history);
                }
                if history.len() > 10_000 {
                    history.drain(..9_000);
                }
            }
        }
    }

    #[test]
    fn jumps_of_nine_decades_leave_nothing_behind() {
        let mut seed = 7;
        let mut rolling = Rolling::new(20);
        let mut history = Vec::new();
        for step in 0..5_000 {
            let offset = if step % 90 < 45 { 0.0 } else { 1e9 };
            let spike = if step % 37 == 0 { 1e12 } else { 0.0 };
            let value = offset + spike + noise(&mut seed);
            let _ = rolling.push(value);
            history.push(value);
            check(&rolling, &history);
        }
    }

    #[test]
    fn a_flat_series_has_no_spread_at_all() {
        let mut rolling = Rolling::default();
        for _ in 0..1_000 {
            let _ = rolling.push(0.1);
        }
        assert_eq!((rolling.mean(), rolling.std()), (0.1, 0.0));
        assert_eq!(rolling.z(0.1, 0.0), 0.0);
        assert_eq!(rolling.z(0.2, 0.0), crate::Z_MAX);
        assert!((rolling.z(0.2, 0.05) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_finite_is_ignored_and_said_so() {
        let mut rolling = Rolling::new(3);
        let _ = rolling.push(1.0);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(rolling.push(bad), Pushed::IgnoredNotFinite);
        }
        assert_eq!((rolling.len(), rolling.mean()), (1, 1.0));
    }

    #[test]
    fn a_window_keeps_one_cache_line() {
        assert_eq!(size_of::<Rolling>(), 64);
    }

    #[test]
    fn damaged_snapshots_are_refused() {
        for text in [r#"{"capacity":2,"values":[1,2,3]}"#, r#"{"capacity":99999999999,"values":[]}"#, "{}"] {
            assert!(serde_json::from_str::<Rolling>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_match_the_exact_result(
            capacity in 2usize..70,
            values in proptest::collection::vec(-1e9f64..1e9, 1..400),
        ) {
            let mut rolling = Rolling::new(capacity);
            for at in 0..values.len() {
                let _ = rolling.push(values[at]);
                check(&rolling, &values[..=at]);
            }
            let text = serde_json::to_string(&rolling).expect("plain data");
            let restored: Rolling = serde_json::from_str(&text).expect("what was written");
            prop_assert_eq!(&restored, &rolling);
            check(&restored, &values);
        }
    }
}
