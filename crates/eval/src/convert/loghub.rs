//! LogHub: 2,000 lines of each system, with the statement that each is of.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;

/// The columns that are used.
#[derive(Deserialize)]
struct Row {
    #[serde(rename = "Content")]
    content: String,
    #[serde(rename = "EventId")]
    event: String,
}

/// A folder per system: what was logged in one file, labels in another.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let mut made = 0;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let folder = entry.with_context(|| from.display().to_string())?.path();
        let Some(name) = folder.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let file = folder.join(format!("{name}_2k.log_structured.csv"));
        if file.is_file() {
            one(&file, &to.join(&name))?;
            made += 1;
        }
    }
    Ok(made)
}

fn one(file: &Path, to: &Path) -> Result<()> {
    let mut rows = csv::Reader::from_path(file).with_context(|| file.display().to_string())?;
    let (mut lines, mut labels) = (String::new(), String::new());
    for row in rows.deserialize::<Row>() {
        let row = row.with_context(|| file.display().to_string())?;
        lines.push_str(&format!("{}\n", serde_json::json!({ "msg": row.content })));
        labels.push_str(&format!("{}\n", row.event));
    }
    std::fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for (name, text) in [("logs.ndjson", lines), ("labels.txt", labels)] {
        let path = to.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
