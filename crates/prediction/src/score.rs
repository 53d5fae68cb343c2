//! How good forecasts are: ranking, probabilities, calibration, and how sure these figures are.

use crate::random::Random;
use serde::{Deserialize, Serialize};

/// A forecast and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Graded {
    /// Probability of a failure, 0–1.
    pub probability: f64,
    pub failed: bool,
    /// Which windows are drawn together in a resample: services of a window share their fate.
    pub block: usize,
}

/// A figure with its 95 % bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// What is said of a set of forecasts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    pub auc_roc: f64,
    pub auc_pr: f64,
    pub brier: f64,
    /// Expected calibration error over ten bins of equal width.
    pub ece: f64,
    pub log_loss: f64,
    /// Share of failures: what AUC-PR is by chance.
    pub base_rate: f64,
    pub count: usize,
}

/// Bins of a reliability plot.
pub const BINS: usize = 10;

/// Resamples of an interval: enough for two digits.
const RESAMPLES: usize = 1000;

/// All figures of some forecasts; NaN where one of the classes is missing.
#[must_use]
pub fn scores(graded: &[Graded]) -> Scores {
    let count = graded.len();
    let mean = |of: &dyn Fn(&Graded) -> f64| graded.iter().map(of).sum::<f64>() / count.max(1) as f64;
    let outcome = |g: &Graded| f64::from(u8::from(g.failed));
    let loss = |g: &Graded| {
        let p = g.probability.clamp(1e-6, 1.0 - 1e-6);
        -(if g.failed { p } else { 1.0 - p }).ln()
    };
    Scores {
        auc_roc: auc_roc(graded),
        auc_pr: auc_pr(graded),
        brier: mean(&|g| (g.probability - outcome(g)).powi(2)),
        ece: ece(graded),
        log_loss: mean(&loss),
        base_rate: mean(&outcome),
        count,
    }
}

/// The chance that a failure was thought likelier than what is none; ties count half.
#[must_use]
pub fn auc_roc(graded: &[Graded]) -> f64 {
    let mut sorted: Vec<&Graded> = graded.iter().collect();
    sorted.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let (mut below, mut wins, mut failures) = (0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.probability == b.probability) {
        let failed = tied.iter().filter(|g| g.failed).count() as f64;
        let well = tied.len() as f64 - failed;
        wins += failed * (below + well / 2.0);
        below += well;
        failures += failed;
    }
    wins / (failures * below)
}

/// Average precision: the mean of the precision at each failure, tied ones together.
#[must_use]
pub fn auc_pr(graded: &[Graded]) -> f64 {
    let mut sorted: Vec<&Graded> = graded.iter().collect();
    sorted.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.probability == b.probability) {
        let failed = tied.iter().filter(|g| g.failed).count() as f64;
        seen += tied.len() as f64;
        found += failed;
        sum += failed * found / seen;
    }
    sum / found
}

/// A bin of a reliability plot: mean probability, share that failed, how many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub said: f64,
    pub happened: f64,
    pub count: usize,
}

/// The bins that hold anything, by probability.
#[must_use]
pub fn reliability(graded: &[Graded]) -> Vec<Bin> {
    let mut bins = vec![(0.0, 0.0, 0usize); BINS];
    for g in graded {
        let bin = &mut bins[((g.probability * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + g.probability, bin.1 + f64::from(u8::from(g.failed)), bin.2 + 1);
    }
    let full = bins.into_iter().filter(|bin| bin.2 > 0);
    full.map(|(said, failed, count)| Bin {
        said: said / count as f64,
        happened: failed / count as f64,
        count,
    })
    .collect()
}

/// How far what was said is from what happened, over the bins, by how many are in each.
#[must_use]
pub fn ece(graded: &[Graded]) -> f64 {
    let bins = reliability(graded);
    let apart = bins.iter().map(|bin| (bin.said - bin.happened).abs() * bin.count as f64).sum::<f64>();
    apart / graded.len().max(1) as f64
}

/// A figure of the forecasts with an interval from drawing blocks with putting back.
#[must_use]
pub fn bootstrap(graded: &[Graded], seed: u64, figure: impl Fn(&[Graded]) -> f64) -> Interval {
    let value = figure(graded);
    let blocks: Vec<&[Graded]> = graded.chunk_by(|a, b| a.block == b.block).collect();
    let mut random = Random::of(seed, &[3]);
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sample: Vec<Graded> =
                (0..blocks.len()).flat_map(|_| blocks[random.below(blocks.len())]).copied().collect();
            figure(&sample)
        })
        .filter(|figure| figure.is_finite())
        .collect();
    interval(value, &mut drawn)
}

/// The difference of a figure between two sets of forecasts of the same windows, each resample drawn alike for both.
#[must_use]
pub fn bootstrap_difference(
    one: &[Graded],
    other: &[Graded],
    seed: u64,
    figure: impl Fn(&[Graded]) -> f64,
) -> Interval {
    let blocks = |graded: &[Graded]| -> Vec<Vec<Graded>> {
        graded.chunk_by(|a, b| a.block == b.block).map(<[Graded]>::to_vec).collect()
    };
    let (ones, others) = (blocks(one), blocks(other));
    let mut random = Random::of(seed, &[4]);
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let chosen: Vec<usize> = (0..ones.len()).map(|_| random.below(ones.len())).collect();
            let of = |blocks: &[Vec<Graded>]| -> Vec<Graded> {
                chosen.iter().flat_map(|block| blocks[*block].iter().copied()).collect()
            };
            figure(&of(&ones)) - figure(&of(&others))
        })
        .filter(|difference| difference.is_finite())
        .collect();
    interval(figure(one) - figure(other), &mut drawn)
}

fn interval(value: f64, drawn: &mut [f64]) -> Interval {
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn.get((share * drawn.len() as f64) as usize).or(drawn.last()).copied();
    Interval { value, low: at(0.025).unwrap_or(value), high: at(0.975).unwrap_or(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graded(forecasts: &[(f64, u8)]) -> Vec<Graded> {
        let one = |(block, (probability, failed)): (usize, &(f64, u8))| Graded {
            probability: *probability,
            failed: *failed == 1,
            block,
        };
        forecasts.iter().enumerate().map(one).collect()
    }

    #[test]
    fn areas_are_those_of_the_textbook() {
        // The example of scikit-learn's documentation of both figures.
        let example = graded(&[(0.1, 0), (0.4, 0), (0.35, 1), (0.8, 1)]);
        assert!((auc_roc(&example) - 0.75).abs() < 1e-12);
        assert!((auc_pr(&example) - 0.833_333).abs() < 1e-5);
        let tied = graded(&[(0.5, 0), (0.5, 1), (0.5, 0), (0.5, 1)]);
        assert_eq!((auc_roc(&tied), auc_pr(&tied)), (0.5, 0.5));
    }

    #[test]
    fn calibration_is_how_far_what_was_said_is_from_what_happened() {
        let honest = graded(&[(0.5, 0), (0.5, 1), (1.0, 1), (0.0, 0)]);
        assert_eq!(ece(&honest), 0.0);
        let boastful = graded(&[(0.95, 0), (0.95, 1)]);
        assert!((ece(&boastful) - 0.45).abs() < 1e-12);
        assert_eq!(scores(&honest).brier, 0.125);
    }

    #[test]
    fn intervals_hold_the_figure_and_a_set_does_not_differ_from_itself() {
        let many: Vec<(f64, u8)> =
            (0..200).map(|n| (f64::from(n % 10) / 10.0, u8::from(n % 7 < 3))).collect();
        let many = graded(&many);
        let found = bootstrap(&many, 1, auc_roc);
        assert!(found.low < found.value && found.value < found.high && found.high - found.low < 0.3);
        assert_eq!(bootstrap_difference(&many, &many, 1, auc_roc).high, 0.0);
    }
}
