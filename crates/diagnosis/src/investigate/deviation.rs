//! How surprising each series is beside its own normal, in units that any two series share.
//!
//! A sample's surprise is how rare a value as bad is in normal operation (in nats, so that a thousand normal samples can
//! say more than ten), plus the logarithm of how far it lies beyond anything normal. Ranks and ratios only: neither the
//! unit nor the scale of a series matters, a column that hardly ever moves has no spread to divide by and needs none,
//! and a series without much history cannot shout.

use super::class::{self, Bad, Class, Meaning};
use super::onset;
use super::window::{Split, Window};
use crate::bundle::{Bundle, Ms};
use std::collections::BTreeMap;

/// Samples that are enough to believe in: the mean of the most surprising ones counts, not a single outlier.
const TOP_MIN: usize = 2;

/// Share of the incident's samples that count, where there are many: a fault lasts.
const TOP_SHARE: f64 = 0.25;

/// How long before the detection what is judged begins; what is older says when it began.
const ACUTE_MS: Ms = 30 * 60 * 1000;

/// Steps before the first sample of the incident in which normal samples say how it was just before.
const BEFORE_STEPS: f64 = 6.0;

/// What was there from the first sample on may be drift since the baseline as well as the fault: it counts half.
const DRIFT_SHARE: f64 = 0.5;

/// Samples of an incident that are enough to see whether something was there from the start.
const DRIFT_SAMPLES_MIN: usize = 3;

/// Share of its level by which a series that never moved must move to be one spread away.
const CONSTANT_SHARE: f64 = 0.01;

/// Share of a pool from which somebody may come to wait for it.
const CROWDED: f64 = 0.5;

/// Surprise from which a series, or a single sample of it, shows something.
pub const NOTABLE: f64 = 3.0;

/// Normal samples without which nothing is known of what is normal.
const NORMAL_MIN: usize = 5;

/// One series against its normal.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// Index into the bundle's series.
    pub series: usize,
    pub meaning: Meaning,
    /// Median and standard deviation of normal operation.
    pub centre: f64,
    pub spread: f64,
    /// The value that is furthest from normal, in the direction that is bad.
    pub worst: f64,
    /// Whether the worst value lies above the centre.
    pub rose: bool,
    /// How surprising the incident is, in nats; 0 is what normal looks like.
    pub score: f64,
    /// When it left its normal.
    pub onset: Option<Ms>,
    /// The last sample of the incident that is a surprise by itself.
    pub last_seen: Option<Ms>,
}

/// Every series that has both normal samples and samples of the incident, and is its component's own: what several
/// components report with the very same values is of something that they share, and says nothing about which of them.
pub fn all(bundle: &Bundle, window: &Window) -> Vec<Deviation> {
    let splits: Vec<Split> = bundle.metrics.series.iter().map(|series| window.split(series)).collect();
    let mut reporters: BTreeMap<(&str, Vec<u64>), u32> = BTreeMap::new();
    let key = |index: usize| {
        let values = splits[index].incident.iter().map(|value| value.to_bits()).collect();
        (bundle.metrics.series[index].metric.as_str(), values)
    };
    (0..splits.len()).for_each(|index| *reporters.entry(key(index)).or_default() += 1);
    let own = |index: &usize| splits[*index].is_still() || reporters[&key(*index)] == 1;
    let deviation = |index: usize| of(index, &bundle.metrics.series[index].metric, &splits[index], window);
    (0..splits.len()).filter(own).filter_map(deviation).collect()
}

fn of(index: usize, metric: &str, split: &Split, window: &Window) -> Option<Deviation> {
    if split.normal.len() < NORMAL_MIN || split.incident.is_empty() {
        return None;
    }
    let meaning = Meaning::of(metric);
    let (centre, spread) = centre_and_spread(&split.normal, &split.incident);
    let normal = Normal::of(&split.normal, centre, spread, meaning.bad);
    let surprise: Vec<f64> = split.incident.iter().map(|value| normal.surprise(*value)).collect();
    let before: Vec<f64> =
        split.just_before(BEFORE_STEPS).iter().map(|value| normal.surprise(*value)).collect();
    // What began late must not be hidden by hours in which it had not yet begun.
    let acute = split.incident_at.partition_point(|at| *at < window.detected_at - ACUTE_MS);
    let acute = &surprise[acute.min(surprise.len() - 1)..];
    let worst = furthest(&split.incident, &normal);
    let reference = reference(acute, &before);
    let last_seen = surprise.iter().rposition(|surprise| surprise - reference >= NOTABLE);
    let room = if meaning.class == Class::Connections { crowding(metric, split) } else { 1.0 };
    Some(Deviation {
        series: index,
        meaning,
        centre,
        spread,
        worst,
        rose: worst > centre,
        score: room * (top(acute) - reference).max(0.0),
        onset: onset::find(&before, &surprise).map(|at| split.incident_at[at]),
        last_seen: last_seen.map(|at| split.incident_at[at]),
    })
}

/// How much of a pool's surprise counts: nobody waits while half of it is free, however rare it is that any of it is used.
/// 1 where it is not told as a share of the whole.
fn crowding(metric: &str, split: &Split) -> f64 {
    let largest = split.normal.iter().chain(&split.incident).copied().fold(0.0, f64::max);
    let is_share = class::words(metric).iter().any(|word| word == "pool") && (0.0..=1.0).contains(&largest);
    if is_share { (largest / CROWDED).min(1.0) } else { 1.0 }
}

/// The mean of the most surprising samples; too few of them count as if the others were normal.
fn top(surprise: &[f64]) -> f64 {
    let count = TOP_MIN.max((surprise.len() as f64 * TOP_SHARE).ceil() as usize);
    let mut sorted = surprise.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted.iter().take(count).sum::<f64>() / count as f64
}

/// How surprising it already was before the incident: by the samples just before, or by the quietest one within.
fn reference(surprise: &[f64], before: &[f64]) -> f64 {
    if !before.is_empty() {
        return median(&mut before.to_vec());
    }
    let quietest = surprise.iter().copied().fold(f64::MAX, f64::min);
    if surprise.len() < DRIFT_SAMPLES_MIN { 0.0 } else { quietest * DRIFT_SHARE }
}

fn furthest(incident: &[f64], normal: &Normal) -> f64 {
    let badness = |value: &f64| normal.badness(*value);
    incident.iter().copied().max_by(|a, b| badness(a).total_cmp(&badness(b))).unwrap_or(normal.centre)
}

/// Normal values as how bad they are, ascending.
struct Normal {
    centre: f64,
    spread: f64,
    bad: Bad,
    badness: Vec<f64>,
}

impl Normal {
    fn of(values: &[f64], centre: f64, spread: f64, bad: Bad) -> Self {
        let mut normal = Self { centre, spread, bad, badness: Vec::new() };
        let mut badness: Vec<f64> = values.iter().map(|value| normal.badness(*value)).collect();
        badness.sort_by(f64::total_cmp);
        normal.badness = badness;
        normal
    }

    /// Spreads from the centre towards what is bad.
    fn badness(&self, value: f64) -> f64 {
        let z = (value - self.centre) / self.spread;
        match self.bad {
            Bad::Up => z,
            Bad::Down => -z,
            Bad::Either => z.abs(),
        }
    }

    fn surprise(&self, value: f64) -> f64 {
        // Values that differ by rounding alone are equal.
        const ROUNDING: f64 = 1e-9;
        let badness = self.badness(value);
        let as_bad = self.badness.len() - self.badness.partition_point(|normal| *normal < badness - ROUNDING);
        let rarity = ((self.badness.len() + 1) as f64 / (as_bad + 1) as f64).ln();
        let beyond = badness - self.badness.last().copied().unwrap_or(0.0).max(0.0);
        rarity + beyond.max(0.0).ln_1p()
    }
}

/// Median and standard deviation; for a series that never moved, a share of its level, or of what it moved to.
fn centre_and_spread(normal: &[f64], incident: &[f64]) -> (f64, f64) {
    let centre = median(&mut normal.to_vec());
    let square: f64 = normal.iter().map(|value| (value - centre).powi(2)).sum();
    let spread = (square / normal.len() as f64).sqrt();
    if spread > centre.abs() * 1e-9 && spread > 0.0 {
        return (centre, spread);
    }
    let largest = incident.iter().map(|value| (value - centre).abs()).fold(0.0, f64::max);
    let floor = if centre == 0.0 { largest } else { centre.abs() } * CONSTANT_SHARE;
    (centre, if floor > 0.0 { floor } else { 1.0 })
}

/// The median; 0 of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
