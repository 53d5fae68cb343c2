//! Nezha's two days as minutes of every service, to foresee when its front service gets slow.

use super::nezha::{minute, seconds};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What is graded: the front service's 95th percentile.
const TARGET: &str = "LatencyP95(s)";

/// Columns of a pod that are one of the quantities that midwatch foresees by: name, and its unit in ours.
const QUANTITIES: [(&str, &str, f64); 4] = [
    ("PodServerLatencyP99(s)", "latency_p99", 1000.0),
    ("PodWorkload(Ops)", "request_rate", 1.0),
    ("CpuUsageRate(%)", "cpu", 0.01),
    ("MemoryUsageRate(%)", "memory", 0.01),
];

/// Columns that say nothing of a service: texts, and what is always 0 in this set.
const LEFT_OUT: [&str; 7] =
    ["Time", "time", "TimeStamp", "timestamp", "PodName", "ServiceName", "PodSuccessRate(%)"];

/// Values by minute, service and metric; several of one minute are averaged.
#[derive(Default)]
struct Day {
    values: BTreeMap<(i64, String, String), (f64, u32)>,
    target: BTreeMap<i64, f64>,
}

impl Day {
    fn add(&mut self, at: i64, service: &str, metric: &str, value: f64) {
        let sum = self.values.entry((at, service.to_owned(), metric.to_owned())).or_default();
        *sum = (sum.0 + value, sum.1 + 1);
    }
}

/// Writes `train` (the first day) and `test` (the second) with `series.csv` and `target.csv`, and `graph.csv`.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let mut days: Vec<PathBuf> = std::fs::read_dir(from.join("rca_data"))
        .context("there is no rca_data")?
        .map(|entry| Ok(entry?.path().join("metric")))
        .collect::<Result<_>>()?;
    days.sort();
    let mut graph = String::new();
    for (folder, name) in days.iter().zip(["train", "test"]) {
        let day = read(folder)?;
        let out = to.join(name);
        std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
        write(&day, &out)?;
        graph = edges(&folder.join("dependency.csv"))?;
    }
    std::fs::write(to.join("graph.csv"), graph).with_context(|| to.display().to_string())?;
    Ok(days.len().min(2))
}

fn write(day: &Day, out: &Path) -> Result<()> {
    let mut series = "at,service,metric,value\n".to_owned();
    for ((at, service, metric), (sum, count)) in &day.values {
        let _ = writeln!(series, "{at},{service},{metric},{}", sum / f64::from(*count));
    }
    let mut target = "at,value\n".to_owned();
    for (at, value) in &day.target {
        let _ = writeln!(target, "{at},{value}");
    }
    std::fs::write(out.join("series.csv"), series).with_context(|| out.display().to_string())?;
    std::fs::write(out.join("target.csv"), target).with_context(|| out.display().to_string())
}

fn read(folder: &Path) -> Result<Day> {
    let mut day = Day::default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.as_str() {
            "front_service.csv" => each(&file, |at, column, value| front(&mut day, at, column, value))?,
            "destination_50.csv" => each(&file, |at, column, value| {
                if let Some((_, callee)) = column.split_once('_') {
                    day.add(at, callee, "latency_p50", 1000.0 * value);
                }
            })?,
            _ => {
                if let Some(service) = name.strip_suffix("_metric.csv").and_then(|pod| pod.split('-').next())
                {
                    each(&file, |at, column, value| pod(&mut day, at, service, column, value))?;
                }
            }
        }
    }
    Ok(day)
}

fn front(day: &mut Day, at: i64, column: &str, value: f64) {
    match column {
        TARGET => {
            day.target.insert(at, value);
            day.add(at, "frontend", column, value);
        }
        "LatencyP50(s)" => day.add(at, "frontend", "latency_p50", 1000.0 * value),
        "SuccessRate(%)" => day.add(at, "frontend", "error_rate", 1.0 - value / 100.0),
        other => day.add(at, "frontend", &format!("front {other}"), value),
    }
}

fn pod(day: &mut Day, at: i64, service: &str, column: &str, value: f64) {
    match QUANTITIES.iter().find(|(name, ..)| *name == column) {
        Some((_, quantity, factor)) => day.add(at, service, quantity, factor * value),
        None => day.add(at, service, column, value),
    }
}

/// Every number of a file with its minute and column.
fn each(file: &Path, mut take: impl FnMut(i64, &str, f64)) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file)?;
    let header = reader.headers().with_context(|| file.display().to_string())?.clone();
    for record in reader.records() {
        let record = record.with_context(|| file.display().to_string())?;
        let Some(at) = record.get(0).and_then(|text| seconds(text.get(..19)?)) else { continue };
        for (column, value) in header.iter().zip(&record).filter(|(column, _)| !LEFT_OUT.contains(column)) {
            if let Some(value) = value.parse().ok().filter(|value: &f64| value.is_finite()) {
                take(minute(at), column, value);
            }
        }
    }
    Ok(())
}

/// Calls between services; the file also names nodes by their addresses, and the load generator.
fn edges(file: &Path) -> Result<String> {
    let mut reader = csv::Reader::from_path(file).with_context(|| file.display().to_string())?;
    let mut graph = "from,to\n".to_owned();
    for record in reader.records() {
        let record = record?;
        if record[1].ends_with("service") {
            let _ = writeln!(graph, "{},{}", &record[0], &record[1]);
        }
    }
    Ok(graph)
}
