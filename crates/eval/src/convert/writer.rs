//! A bundle on its way to a folder.

use anyhow::{Context, Result};
use midwatch_eval::rca::Truth;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The files of one bundle.
#[derive(Default)]
pub struct Draft {
    pub incident: Value,
    pub metrics: Rows,
    pub logs: Vec<Value>,
    pub traces: Vec<Value>,
    pub topology: Vec<(String, String)>,
    pub changes: Vec<Value>,
    pub tools: Vec<Value>,
}

/// Rows of `metrics.csv`.
#[derive(Clone, Default)]
pub struct Rows(String);

impl Rows {
    /// Adds a sample; what was not measured is left out.
    pub fn add(&mut self, at: &str, component: &str, metric: &str, value: &str) {
        let number = value.trim().parse::<f64>().is_ok_and(f64::is_finite);
        if number {
            let _ = writeln!(self.0, "{at},{},{},{}", quoted(component), quoted(metric), value.trim());
        }
    }

    /// Adds all rows of another.
    pub fn extend(&mut self, other: &Rows) {
        self.0.push_str(&other.0);
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

impl Draft {
    /// Writes the files that have content, and the truth beside them.
    pub fn write(&self, folder: &Path, truth: &Truth) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        put(folder.join("incident.json"), &serde_json::to_string_pretty(&self.incident)?)?;
        put(folder.join("truth.json"), &serde_json::to_string_pretty(truth)?)?;
        if !self.metrics.0.is_empty() {
            put(folder.join("metrics.csv"), &format!("timestamp,service,metric,value\n{}", self.metrics.0))?;
        }
        if !self.logs.is_empty() {
            put(
                folder.join("logs.ndjson"),
                &self.logs.iter().map(|line| format!("{line}\n")).collect::<String>(),
            )?;
        }
        if !self.topology.is_empty() {
            let edge =
                |(caller, callee): &(String, String)| format!("{},{}\n", quoted(caller), quoted(callee));
            let edges: String = self.topology.iter().map(edge).collect();
            put(folder.join("topology.csv"), &format!("caller,callee\n{edges}"))?;
        }
        for (name, values) in
            [("traces.json", &self.traces), ("changes.json", &self.changes), ("tools.json", &self.tools)]
        {
            if !values.is_empty() {
                put(folder.join(name), &serde_json::to_string_pretty(values)?)?;
            }
        }
        Ok(())
    }
}

fn put(path: PathBuf, text: &str) -> Result<()> {
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}
