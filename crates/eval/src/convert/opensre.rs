//! OpenSRE: Kubernetes and RDS incidents with recorded answers of tools.

use super::writer::{Draft, Rows};
use anyhow::{Context, Result};
use midwatch_eval::rca::{Truth, TruthVerdict};
use midwatch_model::{Cause, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `answer.yml`.
#[derive(Default, Deserialize)]
struct Expected {
    #[serde(default)]
    required_keywords: Vec<String>,
}

/// `scenario.yml`.
#[derive(Default, Deserialize)]
struct Scenario {
    failure_mode: Option<String>,
    workload_name: Option<String>,
    db_instance_identifier: Option<String>,
    base: Option<String>,
}

/// Converts every scenario below a folder.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let mut folders = Vec::new();
    search(from, &mut folders)?;
    folders.sort();
    for (number, folder) in folders.iter().enumerate() {
        // The folders are named after the answer.
        one(folder, &to.join(format!("case-{:02}", number + 1)))
            .with_context(|| folder.display().to_string())?;
    }
    Ok(folders.len())
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("scenario.yml").is_file() && folder.join("alert.json").is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, found)?;
        }
    }
    Ok(())
}

fn scenario(folder: &Path) -> Result<Scenario> {
    let text = std::fs::read_to_string(folder.join("scenario.yml"))?;
    let mut scenario: Scenario = serde_saphyr::from_str(&text)?;
    // A scenario says only where it differs from its base.
    let base = scenario.base.as_ref().and_then(|base| Some(folder.parent()?.join(base)));
    if let Some(base) = base.filter(|base| base.join("scenario.yml").is_file()) {
        let base = self::scenario(&base)?;
        scenario.workload_name = scenario.workload_name.or(base.workload_name);
        scenario.db_instance_identifier = scenario.db_instance_identifier.or(base.db_instance_identifier);
    }
    Ok(scenario)
}

fn one(folder: &Path, to: &Path) -> Result<()> {
    let mut draft = Draft::default();
    let mut last: Option<Timestamp> = None;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let alert: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("alert.json"))?)?;
    let service = service(&alert);
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "json") && !file.ends_with("alert.json"))
    {
        let answer: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        newest(&answer, &mut last);
        let tool = file.file_stem().unwrap_or_default().display().to_string();
        logs(&answer, &service, &mut draft.logs);
        if !metrics(&answer, &mut draft.metrics) {
            draft.tools.push(json!({ "tool": tool, "arguments": {}, "answer": answer }));
        }
    }
    let detected = last.unwrap_or(Timestamp::UNIX_EPOCH);
    draft.incident = incident(&alert, &service, detected);
    draft.write(to, &truth(&scenario(folder)?, folder)?)
}

/// What the alert is about: a workload or a database instance.
fn service(alert: &Value) -> String {
    let labels = [
        &alert["commonAnnotations"]["db_instance_identifier"],
        &alert["commonLabels"]["workload_name"],
        &alert["commonLabels"]["service"],
    ];
    labels.iter().find_map(|label| label.as_str()).unwrap_or("unknown").to_owned()
}

/// The alert without what the set calls the answer (`*_failure_mode`).
fn incident(alert: &Value, service: &str, detected: Timestamp) -> Value {
    let told = |field: &str| alert["commonAnnotations"][field].as_str().unwrap_or_default();
    let title = format!("{}: {}", alert["title"].as_str().unwrap_or_default(), told("summary"));
    let status = if alert["state"] == "normal" { "resolved" } else { "firing" };
    let severity = match alert["commonLabels"]["severity"].as_str() {
        Some("critical") => "critical",
        Some("info") => "info",
        _ => "warning",
    };
    json!({
        "alert": {
            "service": service,
            "title": title.chars().take(500).collect::<String>(),
            "severity": severity,
            "status": status,
            "labels": { "alertname": alert["commonLabels"]["alertname"].as_str().unwrap_or_default() },
        },
        "detected_at": detected.to_string(),
    })
}

/// Series of CloudWatch; says whether that is what the answer holds.
fn metrics(answer: &Value, rows: &mut Rows) -> bool {
    let single = answer.get("metric_name").is_some().then(|| vec![answer.clone()]);
    let Some(results) = answer["metric_data_results"].as_array().cloned().or(single) else { return false };
    for result in &results {
        let instance =
            result["dimensions"].as_array().into_iter().flatten().find_map(|d| d["Value"].as_str());
        let metric = format!(
            "{}:{}",
            result["metric_name"].as_str().unwrap_or_default(),
            result["stat"].as_str().unwrap_or_default()
        );
        let samples = result["timestamps"]
            .as_array()
            .into_iter()
            .flatten()
            .zip(result["values"].as_array().into_iter().flatten());
        for (at, value) in samples {
            if let (Some(at), Some(instance)) = (at.as_str(), instance) {
                rows.add(at, instance, &metric, &value.to_string());
            }
        }
    }
    true
}

/// Lines of logs, one by one or as one text.
fn logs(answer: &Value, service: &str, lines: &mut Vec<Value>) {
    for line in answer["logs"].as_array().into_iter().flatten() {
        lines.push(json!({
            "timestamp": line["timestamp"], "service": line["service"].as_str().unwrap_or(service),
            "severity_text": line["status"].as_str().unwrap_or_default(), "msg": line["message"].as_str().unwrap_or_default(),
        }));
    }
    for line in answer["logs"].as_str().unwrap_or_default().lines() {
        let Some((at, message)) = line.split_once(' ').filter(|(at, _)| at.parse::<Timestamp>().is_ok())
        else {
            continue;
        };
        let severity = message.split_whitespace().next().filter(|word| word.chars().all(char::is_uppercase));
        lines.push(json!({ "timestamp": at, "service": service, "severity_text": severity.unwrap_or_default(), "msg": message }));
    }
}

/// The newest time that an answer tells.
fn newest(answer: &Value, last: &mut Option<Timestamp>) {
    match answer {
        Value::String(text) => {
            if let Ok(at) = text.parse::<Timestamp>() {
                *last = Some(last.map_or(at, |last| last.max(at)));
            }
        }
        Value::Array(all) => all.iter().for_each(|one| newest(one, last)),
        Value::Object(fields) => fields.values().for_each(|one| newest(one, last)),
        _ => {}
    }
}

fn truth(scenario: &Scenario, folder: &Path) -> Result<Truth> {
    let mode = scenario.failure_mode.as_deref().unwrap_or("healthy");
    if mode == "healthy" {
        return Ok(Truth {
            verdict: TruthVerdict::NoFault,
            components: vec![],
            change: None,
            kind: None,
            decoys: vec![],
        });
    }
    let path = folder.join("answer.yml");
    let text =
        if path.is_file() { std::fs::read_to_string(path)? } else { "required_keywords: []".to_owned() };
    let expected: Expected = serde_saphyr::from_str(&text)?;
    let named = scenario.workload_name.iter().chain(&scenario.db_instance_identifier);
    let mut components: Vec<String> = named.cloned().collect();
    // A replica that lags may be named itself, as may a pod or node that the answer must name.
    let alert: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("alert.json"))?)?;
    components.extend(alert["commonAnnotations"]["read_replica"].as_str().map(str::to_owned));
    components
        .extend(expected.required_keywords.iter().filter(|word| word.matches('-').count() >= 2).cloned());
    Ok(Truth {
        verdict: TruthVerdict::RootCause,
        components,
        change: None,
        kind: kind(mode, &expected.required_keywords),
        decoys: vec![],
    })
}

/// The catalogue's cause for a failure mode of the set.
fn kind(mode: &str, keywords: &[String]) -> Option<Cause> {
    let has = |part: &str| mode.contains(part);
    let names = |word: &str| keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(word));
    Some(match mode {
        _ if has("oom") => Cause::MemoryLeak,
        _ if has("pending") && names("cpu") => Cause::CpuSaturation,
        _ if has("replication") => Cause::ConsumerLag,
        _ if has("connection") => Cause::DbConnectionExhaustion,
        _ if has("storage") || has("disk") => Cause::StorageExhaustion,
        _ if has("cpu") => Cause::CpuSaturation,
        _ if has("image")
            || has("pending")
            || has("probe")
            || has("quota")
            || has("rollout")
            || has("config") =>
        {
            Cause::DeploymentFailure
        }
        _ if has("crash") => Cause::CrashLoop,
        _ if has("dns") || has("node") || has("failover") || has("dependency") => Cause::DependencyFailure,
        _ if has("memory") => Cause::MemoryLeak,
        _ => return None,
    })
}
