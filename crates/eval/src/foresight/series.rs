//! A day of minutes: what every service showed, and when the objective was breached.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Minutes that a forecast looks back, the present one included.
pub const LAGS: usize = 10;

/// Minutes within which a breach counts.
pub const AHEAD: usize = 5;

/// The objective is what 95 % of the first day's minutes keep.
const KEPT: f64 = 0.95;

/// A day, minute by minute; NaN is what was not measured.
pub struct Day {
    /// Of each service and metric its minutes.
    pub series: BTreeMap<(String, String), Vec<f64>>,
    /// What the objective is about. Read by who labels, and by nobody else.
    target: Vec<f64>,
}

/// A minute at which a forecast is made, and whether a breach follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    pub minute: usize,
    pub fails: bool,
}

#[derive(Deserialize)]
struct Row {
    at: i64,
    service: String,
    metric: String,
    value: f64,
}

#[derive(Deserialize)]
struct Target {
    at: i64,
    value: f64,
}

impl Day {
    /// Reads `series.csv` and `target.csv`.
    pub fn read(folder: &Path) -> Result<Self> {
        let rows: Vec<Row> = rows(&folder.join("series.csv"))?;
        let targets: Vec<Target> = rows_of_target(folder)?;
        let (Some(first), Some(last)) =
            (targets.iter().map(|t| t.at).min(), targets.iter().map(|t| t.at).max())
        else {
            bail!("{} holds no minute", folder.join("target.csv").display());
        };
        let minutes = usize::try_from((last - first) / 60 + 1).context("minutes")?;
        let place = |at: i64| usize::try_from((at - first) / 60).ok().filter(|m| at >= first && *m < minutes);
        let mut day = Self { series: BTreeMap::new(), target: vec![f64::NAN; minutes] };
        for row in rows {
            let series =
                day.series.entry((row.service, row.metric)).or_insert_with(|| vec![f64::NAN; minutes]);
            if let Some(minute) = place(row.at) {
                series[minute] = row.value;
            }
        }
        for target in targets {
            if let Some(minute) = place(target.at) {
                day.target[minute] = target.value;
            }
        }
        Ok(day)
    }

    /// The objective that most of this day's minutes keep.
    pub fn objective(&self) -> f64 {
        let mut values: Vec<f64> = self.target.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let place = KEPT * (values.len().max(1) - 1) as f64;
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        low + (high - low) * place.fract()
    }

    /// Minutes with a whole history and a whole future that are not in breach themselves.
    pub fn moments(&self, objective: f64) -> Vec<Moment> {
        let last = self.target.len().saturating_sub(AHEAD);
        let moment = |minute: usize| {
            let now = self.target[minute];
            let ahead = &self.target[minute + 1..=minute + AHEAD];
            let fails = ahead.iter().any(|value| *value > objective);
            (now.is_finite() && now <= objective).then_some(Moment { minute, fails })
        };
        (LAGS - 1..last).filter_map(moment).collect()
    }
}

fn rows<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    reader.deserialize().collect::<Result<_, _>>().with_context(|| path.display().to_string())
}

fn rows_of_target(folder: &Path) -> Result<Vec<Target>> {
    rows(&folder.join("target.csv"))
}

/// Who calls whom.
pub fn graph(folder: &Path) -> Result<Vec<(String, String)>> {
    rows(&folder.join("graph.csv"))
}
