//! NAB: series with the windows in which something is wrong.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// A folder per series, its windows in a file of their own.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let labels = from.join("windows.json");
    if !labels.is_file() {
        return Ok(0);
    }
    let text = std::fs::read_to_string(&labels).with_context(|| labels.display().to_string())?;
    let windows: BTreeMap<String, Vec<[String; 2]>> =
        serde_json::from_str(&text).with_context(|| labels.display().to_string())?;
    let mut made = 0;
    for (name, windows) in windows {
        let series = from.join("data").join(&name);
        if series.is_file() {
            one(&series, &windows, &to.join(name.replace('/', "-").trim_end_matches(".csv")))?;
            made += 1;
        }
    }
    Ok(made)
}

fn one(series: &Path, windows: &[[String; 2]], to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    let mut rows = csv::Reader::from_path(series).with_context(|| series.display().to_string())?;
    let mut text = "timestamp,value\n".to_owned();
    for row in rows.records() {
        let row = row.with_context(|| series.display().to_string())?;
        if let (Some(at), Some(value)) = (row.get(0), row.get(1)) {
            text.push_str(&format!("{},{value}\n", utc(at)));
        }
    }
    let windows: Vec<_> =
        windows.iter().map(|[from, to]| serde_json::json!({ "from": utc(from), "to": utc(to) })).collect();
    std::fs::write(to.join("series.csv"), text).with_context(|| to.display().to_string())?;
    std::fs::write(to.join("windows.json"), serde_json::to_string_pretty(&windows)?)
        .with_context(|| to.display().to_string())
}

/// Its times have no zone.
fn utc(time: &str) -> String {
    format!("{}Z", time.trim().replace(' ', "T"))
}
