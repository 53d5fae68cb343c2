//! Nezha: one CSV file per pod and day, latencies per call, one list of injected faults per day.

use super::writer::{Draft, Rows};
use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::civil::DateTime;
use midwatch_eval::rca::{Truth, TruthVerdict};
use midwatch_model::Cause;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Seconds before the fault that count as normal, and after it that are handed in: the faults of a day are some eight
/// minutes apart.
const BEFORE_S: i64 = 180;
const AFTER_S: i64 = 240;

/// Seconds after the last fault of a day until all is normal again, and for how long it is looked at then.
const SETTLES_S: i64 = 1800;
const FREE_S: i64 = 5 * 3600;

#[derive(Deserialize)]
struct Injected {
    inject_time: String,
    inject_pod: String,
    inject_type: String,
}

/// One sample: time, component, metric, value.
struct Sample {
    at: i64,
    component: String,
    metric: String,
    value: String,
}

/// Metrics of one folder, and who calls whom.
#[derive(Default)]
struct Day {
    samples: Vec<Sample>,
    edges: Vec<(String, String)>,
    frontend: Option<String>,
}

/// Converts every fault of every day below a folder.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let mut made = 0;
    for list in fault_lists(from)? {
        let day_folder = list.parent().context("a file lies in a folder")?;
        let name = day_folder.file_name().context("a day has a name")?;
        let day = read(&day_folder.join("metric"))?;
        let text = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
        let hours: BTreeMap<String, Vec<Injected>> = serde_json::from_str(&text)?;
        let faults: Vec<Injected> = hours.into_values().flatten().collect();
        let last = faults.iter().filter_map(|fault| seconds(&fault.inject_time)).max().unwrap_or_default();
        for (number, fault) in faults.iter().enumerate() {
            let folder = to.join(format!("{}-{:02}", name.display(), number + 1));
            one(fault, &day, last)?.write(&folder, &truth(fault))?;
            made += 1;
        }
    }
    Ok(made)
}

fn truth(fault: &Injected) -> Truth {
    let kind = match fault.inject_type.as_str() {
        cpu if cpu.contains("cpu") => Some(Cause::CpuSaturation),
        delay if delay.contains("delay") => Some(Cause::LatencySpike),
        "return" | "exception" => Some(Cause::ErrorRateSpike),
        _ => None,
    };
    let components = vec![fault.inject_pod.clone()];
    Truth { verdict: TruthVerdict::RootCause, components, change: None, kind, decoys: vec![] }
}

fn fault_lists(from: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for day in std::fs::read_dir(from.join("rca_data")).context("there is no rca_data")? {
        for entry in std::fs::read_dir(day?.path())? {
            let path = entry?.path();
            if path.display().to_string().ends_with("fault_list.json") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(folder: &Path) -> Result<Day> {
    let mut day = Day::default();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let pods: Vec<String> = files.iter().filter_map(|path| pod_of(path)).collect();
    for file in &files {
        let name = file.file_name().unwrap_or_default().display().to_string();
        match (pod_of(file), name.as_str()) {
            (Some(pod), _) => wide(file, &mut day, |column| Some((pod.clone(), column.to_owned())))?,
            (None, "front_service.csv") => {
                day.frontend =
                    pods.iter().find(|pod| pod.starts_with("frontend") || pod.contains("ui-")).cloned();
                let pod = day.frontend.clone();
                wide(file, &mut day, |column| Some((pod.clone()?, format!("service {column}"))))?;
            }
            (None, "source_50.csv") => calls(file, &mut day, &pods, "latency seen by")?,
            (None, "destination_50.csv") => calls(file, &mut day, &pods, "latency served to")?,
            (None, "dependency.csv") => day.edges = dependencies(file, &pods)?,
            _ => {}
        }
    }
    Ok(day)
}

fn pod_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.strip_suffix("_metric.csv")?.to_owned())
}

/// The pod of a service.
fn pod<'a>(pods: &'a [String], service: &str) -> Option<&'a String> {
    pods.iter().find(|pod| pod.strip_prefix(service).is_some_and(|rest| rest.starts_with('-')))
}

/// Latencies per call: columns are `caller_callee`; the callee is what they tell of.
fn calls(file: &Path, day: &mut Day, pods: &[String], what: &str) -> Result<()> {
    wide(file, day, |column| {
        let (caller, callee) = column.split_once('_')?;
        Some((pod(pods, callee)?.clone(), format!("{what} {caller}")))
    })
}

fn dependencies(file: &Path, pods: &[String]) -> Result<Vec<(String, String)>> {
    let mut reader = csv::Reader::from_path(file)?;
    let mut edges = Vec::new();
    for record in reader.records() {
        let record = record?;
        if let (Some(caller), Some(callee)) = (pod(pods, &record[0]), pod(pods, &record[1])) {
            edges.push((caller.clone(), callee.clone()));
        }
    }
    Ok(edges)
}

/// A file with the time in its first column: its text, since the number beside it is unreliable.
fn wide(file: &Path, day: &mut Day, name: impl Fn(&str) -> Option<(String, String)>) -> Result<()> {
    const NO_METRICS: [&str; 6] = ["Time", "time", "TimeStamp", "timestamp", "PodName", "ServiceName"];
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file)?;
    let names: Vec<Option<(String, String)>> = {
        let header = reader.headers().with_context(|| file.display().to_string())?;
        header.iter().map(|column| if NO_METRICS.contains(&column) { None } else { name(column) }).collect()
    };
    for record in reader.records() {
        let record = record.with_context(|| file.display().to_string())?;
        let Some(at) = record.get(0).and_then(|text| seconds(text.get(..19)?)) else { continue };
        for (value, name) in record.iter().zip(&names) {
            if let Some((component, metric)) = name.clone() {
                day.samples.push(Sample { at, component, metric, value: value.to_owned() });
            }
        }
    }
    Ok(())
}

/// `2022-08-22 03:51:19`, in UTC.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let time: DateTime = text.replace(' ', "T").parse().ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_second())
}

/// The minute that a time is nearest to: polls wander by some seconds.
pub(super) fn minute(seconds: i64) -> i64 {
    (seconds + 30).div_euclid(60) * 60
}

fn one(fault: &Injected, day: &Day, last_fault: i64) -> Result<Draft> {
    let at = seconds(&fault.inject_time).with_context(|| format!("`{}` is no time", fault.inject_time))?;
    // The hours after the last fault of the day, when what it left behind is over.
    let free = last_fault + SETTLES_S..last_fault + SETTLES_S + FREE_S;
    let around = at - BEFORE_S..at + AFTER_S;
    let mut metrics = Rows::default();
    for sample in day.samples.iter().filter(|sample| around.contains(&sample.at) || free.contains(&sample.at))
    {
        metrics.add(&sample.at.to_string(), &sample.component, &sample.metric, &sample.value);
    }
    let service = day.frontend.clone().context("there is no front_service.csv with its pod")?;
    Ok(Draft {
        incident: json!({
            "alert": {
                "service": service,
                "title": "latency or errors of the front service are out of their bounds",
                "class": "latency_spike",
                "labels": { "metric": "service LatencyP95(s)" },
            },
            "detected_at": stamp(at),
            "baseline": [
                { "from": stamp(free.start), "to": stamp(free.end - 1) },
                { "from": stamp(around.start), "to": stamp(at - 1) },
            ],
        }),
        metrics,
        topology: day.edges.clone(),
        ..Draft::default()
    })
}

fn stamp(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
