//! PetShop: wide CSV files with three header rows, fault-free time beside the issues, a call graph as a matrix.

use super::writer::{Draft, Rows};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use midwatch_eval::rca::{Truth, TruthVerdict};
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Target {
    target: TargetMetric,
    root_cause: Root,
}

#[derive(Deserialize)]
struct TargetMetric {
    node: String,
    metric: String,
    agg: String,
    timestamp: f64,
}

#[derive(Deserialize)]
struct Root {
    node: String,
}

/// Fault-free time of one load level.
struct Normal {
    rows: Rows,
    first: f64,
    last: f64,
    edges: Vec<(String, String)>,
}

/// Converts every issue below a folder.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let mut issues = Vec::new();
    search(from, &mut issues)?;
    issues.sort();
    let mut level: Option<(PathBuf, Normal)> = None;
    for issue in &issues {
        let root = level_of(issue)?;
        if level.as_ref().is_none_or(|(known, _)| *known != root) {
            level = Some((root.clone(), normal(&root)?));
        }
        let (root, normal) = level.as_ref().context("the level was just read")?;
        let name = issue.strip_prefix(root.parent().unwrap_or(root)).unwrap_or(issue);
        one(issue, normal, &to.join(name.display().to_string().replace('/', "-")))?;
    }
    Ok(issues.len())
}

fn search(folder: &Path, issues: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("target.json").is_file() && folder.join("metrics.csv").is_file() {
        issues.push(folder.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, issues)?;
        }
    }
    Ok(())
}

/// The nearest folder above that holds the fault-free time.
fn level_of(issue: &Path) -> Result<PathBuf> {
    let found = issue.ancestors().find(|folder| folder.join("noissue/metrics.csv").is_file());
    found
        .map(Path::to_owned)
        .with_context(|| format!("there is no noissue/metrics.csv above {}", issue.display()))
}

fn normal(level: &Path) -> Result<Normal> {
    let (rows, first, last) = rows(&level.join("noissue/metrics.csv"))?;
    Ok(Normal { rows, first, last, edges: edges(&level.join("graph.csv"))? })
}

/// Samples of a wide file, with its first and last time.
fn rows(path: &Path) -> Result<(Rows, f64, f64)> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path)?;
    let records =
        reader.records().collect::<Result<Vec<_>, _>>().with_context(|| path.display().to_string())?;
    let [nodes, metrics, statistics, data @ ..] = records.as_slice() else {
        bail!("{} has no three header rows", path.display());
    };
    let (mut rows, mut first, mut last) = (Rows::default(), f64::MAX, f64::MIN);
    for record in data {
        let Some(at) = record.get(0).and_then(|at| at.parse::<f64>().ok()) else { continue };
        (first, last) = (first.min(at), last.max(at));
        for (column, value) in record.iter().enumerate().skip(1) {
            let metric = format!("{}:{}", &metrics[column], &statistics[column]);
            rows.add(&format!("{at:.0}"), &nodes[column], &metric, value);
        }
    }
    Ok((rows, first, last))
}

/// A row calls the columns that have a 1 in it.
fn edges(path: &Path) -> Result<Vec<(String, String)>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path)?;
    let records =
        reader.records().collect::<Result<Vec<_>, _>>().with_context(|| path.display().to_string())?;
    let [names, rows @ ..] = records.as_slice() else { bail!("{} is empty", path.display()) };
    let calls = rows.iter().flat_map(|row| {
        let to = row
            .iter()
            .zip(names)
            .skip(1)
            .filter(|(cell, _)| cell.parse::<f64>().is_ok_and(|cell| cell != 0.0));
        to.map(|(_, name)| (row[0].to_owned(), name.to_owned()))
    });
    Ok(calls.collect())
}

fn one(issue: &Path, normal: &Normal, to: &Path) -> Result<()> {
    let path = issue.join("target.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let Target { target, root_cause } =
        serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let (during, ..) = rows(&issue.join("metrics.csv"))?;
    let mut metrics = normal.rows.clone();
    metrics.extend(&during);
    let class = if target.metric == "latency" { "latency_spike" } else { "error_rate_spike" };
    let draft = Draft {
        incident: json!({
            "alert": {
                "service": target.node,
                "title": format!("{} {} of {} is out of its bounds", target.agg, target.metric, target.node),
                "class": class,
                "labels": { "metric": format!("{}:{}", target.metric, target.agg) },
            },
            "detected_at": stamp(target.timestamp),
            "baseline": [{ "from": stamp(normal.first), "to": stamp(normal.last) }],
        }),
        metrics,
        topology: normal.edges.clone(),
        ..Draft::default()
    };
    let truth = Truth {
        verdict: TruthVerdict::RootCause,
        components: vec![root_cause.node],
        change: None,
        kind: None,
        decoys: vec![],
    };
    draft.write(to, &truth)
}

fn stamp(seconds: f64) -> String {
    Timestamp::from_second(seconds as i64).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
