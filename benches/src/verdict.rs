//! The deterministic verdict: from a gathered input to ranked hypotheses with evidence.

mod fleet;

use crate::numbers::{Times, show};
use crate::table::Row;
use anyhow::{Context as _, Result, ensure};
use fleet::Fleet;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Each size is timed for so long, at least once.
const TIME_FOR: Duration = Duration::from_secs(3);

/// Verdicts of one size at most.
const RUNS_MAX: usize = 5_000;

pub fn run() -> Result<Vec<Row>> {
    Ok(vec![
        timed("6 services, 8 signals", &Fleet::shop())?,
        timed("500 services, 60 signals", &Fleet::large())?,
    ])
}

fn timed(what: &str, fleet: &Fleet) -> Result<Row> {
    let verdict = fleet.diagnose();
    let root = verdict.root().context("no conclusive verdict")?;
    ensure!(root.component == *fleet.broken(), "{} was blamed, not {}", root.component, fleet.broken());
    let began = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || (began.elapsed() < TIME_FOR && times.len() < RUNS_MAX) {
        let started = Instant::now();
        black_box(fleet.diagnose());
        times.push(started.elapsed());
    }
    let runs = times.len();
    let times = Times::new(times);
    let measured = format!(
        "p50 {}, p95 {}, max {} ({runs} runs)",
        show(times.percentile(50.0)),
        show(times.percentile(95.0)),
        show(times.max())
    );
    Ok(Row::new(format!("verdict, {what}"), measured, "≤ 1 s p95, gathering included"))
}
