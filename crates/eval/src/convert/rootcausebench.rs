//! RootCauseBench: frozen incidents with alert, logs, metrics, traces, commits with diffs, deploys and flags.

use super::writer::{Draft, Rows};
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use midwatch_eval::rca::{Truth, TruthVerdict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Share of the time before the alert that counts as normal, and minutes that it takes at least.
const NORMAL_SHARE: f64 = 0.15;
const NORMAL_MIN: i64 = 10;

#[derive(Deserialize)]
struct Label {
    root_cause_commit: String,
    first_failing_service: String,
    #[serde(default)]
    decoy_deploy_commits: Vec<String>,
}

/// Converts every scenario in a folder.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let mut made = 0;
    let mut folders: Vec<_> =
        std::fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.join("data/alert.json").is_file()) {
        made += 1;
        // The folders are named after the answer.
        one(folder, &to.join(format!("case-{made:02}"))).with_context(|| folder.display().to_string())?;
    }
    Ok(made)
}

fn json_of(path: &Path) -> Result<Value> {
    if !path.is_file() {
        return Ok(Value::Null);
    }
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn list(path: &Path) -> Result<Vec<Value>> {
    Ok(json_of(path)?.as_array().cloned().unwrap_or_default())
}

fn one(folder: &Path, to: &Path) -> Result<()> {
    let data = folder.join("data");
    let (metrics, first) = metrics(&data.join("metrics.csv"))?;
    let deploys = list(&data.join("context/deploys.json"))?;
    let draft = Draft {
        incident: incident(&json_of(&data.join("alert.json"))?, first)?,
        metrics,
        logs: logs(&data.join("logs.ndjson"))?,
        traces: list(&data.join("traces.json"))?,
        changes: changes(&data, &deploys)?,
        ..Draft::default()
    };
    draft.write(to, &truth(&folder.join("ground_truth.json"), &deploys)?)
}

fn incident(alert: &Value, first: Option<Timestamp>) -> Result<Value> {
    let text = |field: &str| alert[field].as_str().unwrap_or_default();
    let fired: Timestamp = text("fired_at").parse()?;
    let from = first.unwrap_or(fired - SignedDuration::from_hours(1));
    let normal = fired.duration_since(from).mul_f64(NORMAL_SHARE).max(SignedDuration::from_mins(NORMAL_MIN));
    let title = format!("{} {}", text("summary"), text("detail"));
    Ok(json!({
        "alert": {
            "service": text("service"),
            "title": title.trim(),
            "labels": { "metric": text("metric"), "monitor": text("monitor") },
        },
        "detected_at": fired.to_string(),
        "baseline": [{ "from": from.to_string(), "to": (from + normal).to_string() }],
    }))
}

fn metrics(path: &Path) -> Result<(Rows, Option<Timestamp>)> {
    let (mut rows, mut first) = (Rows::default(), None);
    if !path.is_file() {
        return Ok((rows, first));
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path)?;
    for record in reader.records() {
        let record = record?;
        let at: Timestamp = record[0].parse()?;
        first = Some(first.map_or(at, |first: Timestamp| first.min(at)));
        rows.add(&record[0], &record[1], &record[2], &record[3]);
    }
    Ok((rows, first))
}

fn logs(path: &Path) -> Result<Vec<Value>> {
    let text = if path.is_file() { std::fs::read_to_string(path)? } else { String::new() };
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn changes(data: &Path, deploys: &[Value]) -> Result<Vec<Value>> {
    let kinds = [
        ("commit", list(&data.join("context/commits.json"))?),
        ("deploy", deploys.to_vec()),
        ("flag", list(&data.join("context/flags.json"))?),
    ];
    let mut all = Vec::new();
    for (kind, records) in kinds {
        for mut record in records {
            record["kind"] = json!(kind);
            all.push(record);
        }
    }
    Ok(all)
}

fn truth(path: &Path, deploys: &[Value]) -> Result<Truth> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let label: Label = serde_json::from_str(&text)?;
    let change = Some(label.root_cause_commit).filter(|commit| commit != "none");
    let deployed = deploys.iter().find(|deploy| deploy["commit_sha"].as_str() == change.as_deref());
    let mut components = vec![label.first_failing_service];
    // Naming where the change was made is as right as naming where it showed first.
    components.extend(
        deployed
            .filter(|_| change.is_some())
            .and_then(|deploy| deploy["service"].as_str())
            .map(str::to_owned),
    );
    components.dedup();
    Ok(Truth {
        verdict: TruthVerdict::RootCause,
        components,
        change,
        kind: None,
        decoys: label.decoy_deploy_commits,
    })
}
