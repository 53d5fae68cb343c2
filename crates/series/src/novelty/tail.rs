//! How rare a number is among those before it.

use std::collections::VecDeque;

/// Numbers that are remembered.
const MEMORY: usize = 3000;

/// Numbers before which nothing is rare.
const KNOWN_MIN: usize = 50;

/// Share of numbers below which the tail begins.
const TAIL_FROM: f64 = 0.98;

/// Most that is said, −log₁₀: a number cannot be rarer than memory can tell by any honest measure, but an order among the
/// rare is wanted.
const SURPRISE_MAX: f64 = 300.0;

/// The last numbers, and the same in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    last: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl Tail {
    /// −log₁₀ of the share of numbers that are as large. Above the tail's beginning an exponential is fitted (peaks over a
    /// threshold, Pickands 1975, with shape 0), so that what was never seen has an order, too.
    pub(super) fn surprise(&self, number: f64) -> f64 {
        let all = self.sorted.len();
        if all < KNOWN_MIN {
            return 0.0;
        }
        let (_, tail) = self.sorted.split_at((all as f64 * TAIL_FROM) as usize);
        let [from, ..] = tail else { return 0.0 };
        if number <= *from {
            let below = self.sorted.partition_point(|other| *other < number);
            return -((all - below + 1) as f64 / (all + 2) as f64).log10();
        }
        let excess = tail.iter().map(|other| other - from).sum::<f64>() / tail.len() as f64;
        // A tail without any spread: everything above it is as rare as can be said.
        let excess = excess.max(1e-9 + from.abs() * 1e-6);
        let share = tail.len() as f64 / all as f64;
        (-share.log10() + (number - from) / excess * std::f64::consts::LOG10_E).min(SURPRISE_MAX)
    }

    pub(super) fn push(&mut self, number: f64) {
        if self.last.len() == MEMORY
            && let Some(oldest) = self.last.pop_front()
        {
            let place = self.sorted.partition_point(|other| *other < oldest);
            self.sorted.remove(place);
        }
        self.last.push_back(number);
        let place = self.sorted.partition_point(|other| *other < number);
        self.sorted.insert(place, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_is_never_less_surprising() {
        let mut tail = Tail::default();
        assert_eq!(tail.surprise(1e9), 0.0);
        for n in 0..10_000 {
            tail.push(f64::from(n % 100));
        }
        assert_eq!((tail.last.len(), tail.sorted.len()), (MEMORY, MEMORY));
        let surprises: Vec<f64> = (0..300).map(|n| tail.surprise(f64::from(n))).collect();
        assert!(surprises.is_sorted(), "{surprises:?}");
        assert!((surprises[50] - 0.3).abs() < 0.01, "half of all are as large: {}", surprises[50]);
        assert_eq!(tail.surprise(f64::MAX), SURPRISE_MAX);
    }
}
