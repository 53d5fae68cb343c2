//! Rolling statistics of many series: time per point and error against exact arithmetic.

use crate::numbers::{Random, Times, show};
use crate::table::Row;
use anyhow::Result;
use midwatch_series::{DEFAULT_CAPACITY, Rolling};
use std::hint::black_box;
use std::time::Instant;

const SERIES: usize = 100_000;

/// Rounds that are timed, each one point for every series.
const ROUNDS: usize = 60;

/// Points of every series in the comparison with exact arithmetic.
const POINTS_CHECKED: usize = 5_000;

pub fn run() -> Result<Vec<Row>> {
    let error = worst_error();
    Ok(vec![
        Row::new("rolling update and z-score, 100k series, per point", show(per_point()), "≤ 50 ns"),
        Row::new("largest relative error of mean and deviation", format!("{error:.1e}"), "≤ 1e-9"),
    ])
}

/// Median over the rounds of the time that one point takes, update and z-score together.
fn per_point() -> std::time::Duration {
    let mut random = Random::new(1);
    let mut series = vec![Rolling::default(); SERIES];
    // More values than a cache line's worth and fewer than a cache: reading them must not be what is measured.
    let values: Vec<f64> = (0..4096).map(|_| 100.0 + 10.0 * random.normal()).collect();
    let mut at = 0;
    let mut round = || {
        let started = Instant::now();
        for one in &mut series {
            at = (at + 1) & 4095;
            let value = values[at];
            black_box(one.z(value, 0.01));
            let _ = black_box(one.push(value));
        }
        started.elapsed()
    };
    for _ in 0..DEFAULT_CAPACITY {
        round();
    }
    let times = Times::new((0..ROUNDS).map(|_| round()).collect());
    times.percentile(50.0) / SERIES as u32
}

/// The largest error over series that are hard for sums: large offsets, jumps, and spikes that come and go.
fn worst_error() -> f64 {
    let mut random = Random::new(2);
    let shapes: [fn(usize, f64) -> f64; 4] = [
        |_, noise| 100.0 + 10.0 * noise,
        |_, noise| 1e9 + noise,
        |point, noise| if point % 500 < 250 { noise } else { 1e6 + noise },
        |point, noise| if point % 97 == 0 { 1e8 } else { 50.0 + noise },
    ];
    let mut worst = 0.0f64;
    for shape in shapes {
        let mut rolling = Rolling::default();
        for point in 0..POINTS_CHECKED {
            let _ = rolling.push(shape(point, random.normal()));
            let window: Vec<f64> = rolling.values().collect();
            if window.len() > 1 {
                worst = worst.max(error(&rolling, &window));
            }
        }
    }
    worst
}

/// Error of mean and deviation against two passes over the window.
fn error(rolling: &Rolling, window: &[f64]) -> f64 {
    let count = window.len() as f64;
    let first = window[0];
    let mean = first + window.iter().map(|v| v - first).sum::<f64>() / count;
    let std = (window.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0)).sqrt();
    // An error of the mean is measured in deviations where these are larger: that is what a z-score would show.
    let of_mean = (rolling.mean() - mean).abs() / mean.abs().max(std);
    let of_std = (rolling.std() - std).abs() / std;
    of_mean.max(of_std)
}
