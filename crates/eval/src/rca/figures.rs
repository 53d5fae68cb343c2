//! AC@k, Avg@5, chance and bootstrap intervals.

use serde::Serialize;

/// A share with its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Resamples for an interval: enough for two digits.
const RESAMPLES: usize = 2000;

/// Place of the first right name, counted from 1: a tied group counts with its worst member.
pub fn rank_of(ranking: &[(&str, f64)], right: &[String]) -> Option<usize> {
    let best = ranking.iter().filter(|(name, _)| right.iter().any(|r| r == name)).map(|(_, score)| *score);
    let best =
        best.fold(None, |best: Option<f64>, score| Some(best.map_or(score, |best| best.max(score))))?;
    // Of several right names with one score, the others do not stand in the way.
    let before = ranking.iter().filter(|(name, score)| *score >= best && !right.iter().any(|r| r == name));
    Some(before.count() + 1)
}

/// Whether the place counts at `k`: 1 or 0.
pub fn at(rank: Option<usize>, k: usize) -> f64 {
    f64::from(u8::from(rank.is_some_and(|rank| rank <= k)))
}

/// Mean of AC@1 to AC@5 of one case.
pub fn average_at_5(rank: Option<usize>) -> f64 {
    (1..=5).map(|k| at(rank, k)).sum::<f64>() / 5.0
}

/// The chance that one of `right` is among `k` drawn of `all` without looking.
pub fn chance_at(all: usize, right: usize, k: usize) -> f64 {
    let miss: f64 =
        (0..k.min(all)).map(|i| (all.saturating_sub(right + i)) as f64 / (all - i) as f64).product();
    if all == 0 { 0.0 } else { 1.0 - miss }
}

/// The mean of values with its interval; the resamples come from a fixed seed, so that a figure can be repeated.
pub fn figure(values: &[f64]) -> Figure {
    let mean = |values: &mut dyn Iterator<Item = f64>, n: usize| values.sum::<f64>() / n.max(1) as f64;
    let n = values.len();
    let value = mean(&mut values.iter().copied(), n);
    if n == 0 {
        return Figure { value, low: 0.0, high: 0.0 };
    }
    let mut seed = Seed(0x9E37_79B9_7F4A_7C15);
    let mut means: Vec<f64> =
        (0..RESAMPLES).map(|_| mean(&mut (0..n).map(|_| values[seed.below(n)]), n)).collect();
    means.sort_by(f64::total_cmp);
    Figure { value, low: means[RESAMPLES / 40], high: means[RESAMPLES - RESAMPLES / 40 - 1] }
}

/// SplitMix64, from <https://prng.di.unimi.it/splitmix64.c> (public domain).
struct Seed(u64);

impl Seed {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tied_group_counts_with_its_worst_member() {
        let right = ["b".to_owned()];
        assert_eq!(rank_of(&[("a", 2.0), ("b", 1.0), ("c", 1.0), ("d", 0.5)], &right), Some(3));
        assert_eq!(rank_of(&[("b", 2.0), ("a", 1.0)], &right), Some(1));
        assert_eq!(rank_of(&[("a", 1.0)], &right), None);
        let two = ["b".to_owned(), "c".to_owned()];
        assert_eq!(rank_of(&[("a", 2.0), ("b", 1.0), ("c", 1.0)], &two), Some(2));
    }

    #[test]
    fn chance_is_that_of_drawing_without_putting_back() {
        assert!((chance_at(10, 1, 1) - 0.1).abs() < 1e-12);
        assert!((chance_at(10, 1, 5) - 0.5).abs() < 1e-12);
        assert!((chance_at(4, 2, 2) - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!((chance_at(3, 1, 5), chance_at(0, 0, 1)), (1.0, 0.0));
    }

    #[test]
    fn an_interval_holds_the_mean_and_is_the_same_each_time() {
        let values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
        let one = figure(&values);
        assert!(one.low < one.value && one.value < one.high && one == figure(&values));
        assert_eq!(average_at_5(Some(3)), 0.6);
    }
}
