//! Anomalies of single series, scored as the Numenta Anomaly Benchmark does (Lavin and Ahmad, ICMLA 2015).

mod nab;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use midwatch_series::Novelty;
use nab::{Profile, Series, probation, score_of};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

/// A row of `series.csv`.
#[derive(Deserialize)]
struct Sample {
    timestamp: Timestamp,
    value: f64,
}

/// A stretch in which something is wrong; an entry of `windows.json`.
#[derive(Deserialize)]
struct Window {
    from: Timestamp,
    to: Timestamp,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Report {
    series: Vec<Row>,
    samples: usize,
    windows: usize,
    profiles: Vec<Scored>,
    us_per_sample: f64,
}

#[derive(Serialize)]
struct Row {
    name: String,
    windows: usize,
    /// At the threshold of the standard profile.
    found: usize,
    alarms: usize,
}

/// A profile's score at its best threshold for all series together: 0 is a detector that says nothing, 100 perfect.
#[derive(Serialize)]
struct Scored {
    profile: &'static str,
    score: f64,
    threshold: f64,
    /// Of a detector that draws its scores.
    chance: f64,
}

/// Judges every series below a folder: each a folder with `series.csv` (`timestamp,value`) and `windows.json` (`from`, `to`).
///
/// # Errors
/// There is no such series, or one cannot be read.
pub fn run(folder: &Path, json: bool) -> Result<String> {
    let series = below(folder)?;
    if series.is_empty() {
        bail!(
            "there is no labelled series below {}; one is a folder with series.csv (timestamp,value) and windows.json (from, to)",
            folder.display()
        );
    }
    let report = measure(&series);
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(report.render()) }
}

fn below(folder: &Path) -> Result<Vec<Series>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        folders.push(entry.with_context(|| folder.display().to_string())?.path());
    }
    folders.sort();
    folders.retain(|folder| folder.join("series.csv").is_file() && folder.join("windows.json").is_file());
    folders.iter().map(|folder| read(folder)).collect()
}

fn read(folder: &Path) -> Result<Series> {
    let (samples, windows) = (folder.join("series.csv"), folder.join("windows.json"));
    let mut rows = csv::Reader::from_path(&samples).with_context(|| samples.display().to_string())?;
    let rows: Vec<Sample> =
        rows.deserialize().collect::<Result<_, _>>().with_context(|| samples.display().to_string())?;
    let text = std::fs::read_to_string(&windows).with_context(|| windows.display().to_string())?;
    let found: Vec<Window> = serde_json::from_str(&text).with_context(|| windows.display().to_string())?;
    let place = |window: &Window| {
        let from = rows.iter().position(|row| row.timestamp >= window.from)?;
        let to = rows.iter().rposition(|row| row.timestamp <= window.to)?;
        (from <= to).then_some((from, to))
    };
    Ok(Series {
        name: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        windows: found.iter().filter_map(place).collect(),
        per_day: per_day(&rows),
        values: rows.into_iter().map(|row| row.value).collect(),
    })
}

/// Samples a day, by the step that is usual between two.
fn per_day(rows: &[Sample]) -> Option<usize> {
    let mut steps: Vec<i64> =
        rows.windows(2).map(|pair| pair[1].timestamp.as_second() - pair[0].timestamp.as_second()).collect();
    steps.sort_unstable();
    let step = *steps.get(steps.len() / 2)?;
    usize::try_from(24 * 3600 / step.max(1)).ok()
}

fn measure(series: &[Series]) -> Report {
    let samples = series.iter().map(|series| series.values.len()).sum();
    let began = Instant::now();
    let scores: Vec<Vec<f64>> = series.iter().map(judge).collect();
    let us = began.elapsed().as_secs_f64() * 1e6;
    let drawn: Vec<Vec<f64>> = series.iter().map(nab::drawn).collect();
    let scored = |profile: &Profile| {
        let (score, threshold) = nab::best(series, &scores, profile);
        Scored { profile: profile.name, score, threshold, chance: nab::best(series, &drawn, profile).0 }
    };
    let profiles: Vec<Scored> = nab::PROFILES.iter().map(scored).collect();
    let threshold = profiles.first().map_or(0.0, |standard| standard.threshold);
    let row = |(series, scores): (&Series, &Vec<f64>)| {
        let result = score_of(series, scores, threshold, &nab::PROFILES[0]);
        Row {
            name: series.name.clone(),
            windows: series.windows.len(),
            found: result.found,
            alarms: result.alarms,
        }
    };
    Report {
        series: series.iter().zip(&scores).map(row).collect(),
        samples,
        windows: series.iter().map(|series| series.windows.len()).sum(),
        profiles,
        us_per_sample: us / samples as f64,
    }
}

/// The detector sees numbers and how many there are a day, and nothing else.
fn judge(series: &Series) -> Vec<f64> {
    let mut novelty = Novelty::new(series.per_day, probation(series.values.len()));
    series.values.iter().map(|value| novelty.push(*value).score).collect()
}

impl Report {
    fn render(&self) -> String {
        let mut text = format!("{:<60} {:>7} {:>6} {:>7}\n", "series", "windows", "found", "alarms");
        for row in &self.series {
            let _ = writeln!(text, "{:<60} {:>7} {:>6} {:>7}", row.name, row.windows, row.found, row.alarms);
        }
        let _ = writeln!(
            text,
            "\n{} series, {} samples, {} windows; {:.1} µs a sample",
            self.series.len(),
            self.samples,
            self.windows,
            self.us_per_sample
        );
        for scored in &self.profiles {
            let _ = writeln!(
                text,
                "{:<20} {:>5.1} at {:.2} (chance {:.1})",
                scored.profile, scored.score, scored.threshold, scored.chance
            );
        }
        text.push_str("NAB score: 0 says nothing, 100 is perfect; one threshold for all series, the best of each profile.");
        text
    }
}
