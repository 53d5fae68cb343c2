//! itbench-hub/ITBench: alert scenarios, one JSON file each.
//!
//! Descriptions, filters, propagations and faults are not converted: whoever wrote them knew the cause.

use anyhow::{Context, Result};
use midwatch_eval::storms::{FiredAlert, Object, STORM, Storm, TRUTH, Truth};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Scenario {
    alerts: Vec<Alert>,
    groups: Vec<Group>,
    aliases: Option<Vec<Vec<String>>>,
}

#[derive(Deserialize)]
struct Alert {
    id: String,
    group_id: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    id: String,
    kind: String,
    namespace: Option<String>,
    #[serde(default)]
    root_cause: bool,
}

/// A folder for each scenario.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let mut files: Vec<_> = std::fs::read_dir(from)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    for path in &files {
        let within = || path.display().to_string();
        let scenario = serde_json::from_str(&std::fs::read_to_string(path).with_context(within)?);
        let (storm, truth) = parted(scenario.with_context(within)?);
        let folder = to.join(path.file_stem().unwrap_or_default());
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        std::fs::write(folder.join(STORM), serde_json::to_string_pretty(&storm)?)?;
        std::fs::write(folder.join(TRUTH), serde_json::to_string_pretty(&truth)?)?;
    }
    Ok(files.len())
}

fn parted(scenario: Scenario) -> (Storm, Truth) {
    let roots =
        scenario.groups.iter().filter(|group| group.root_cause).map(|group| group.id.clone()).collect();
    let alert = |alert: Alert| FiredAlert { name: alert.id, object: alert.group_id };
    let object = |group: Group| Object { name: group.id, kind: group.kind, namespace: group.namespace };
    let storm = Storm {
        alerts: scenario.alerts.into_iter().map(alert).collect(),
        objects: scenario.groups.into_iter().map(object).collect(),
        aliases: scenario.aliases.unwrap_or_default(),
    };
    (storm, Truth { roots })
}
