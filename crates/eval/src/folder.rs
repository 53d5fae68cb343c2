//! A bundle's folder: its files as text.

use anyhow::{Context, Result, bail};
use midwatch_diagnosis::bundle::{Bundle, BundleText, FILE_BYTES_MAX, FILES};
use std::path::Path;

/// Reads and checks the bundle in a folder.
///
/// # Errors
/// A file that cannot be read, is too large or does not hold what it should; the chain says which and what to do.
pub fn read(folder: &Path) -> Result<Bundle> {
    let text = BundleText {
        incident: text(folder, FILES[0])?.with_context(|| {
            format!(
                "{}: there is no such file; a bundle is a folder with an incident.json",
                folder.join(FILES[0]).display()
            )
        })?,
        metrics: text(folder, FILES[1])?,
        logs: text(folder, FILES[2])?,
        traces: text(folder, FILES[3])?,
        topology: text(folder, FILES[4])?,
        changes: text(folder, FILES[5])?,
        tools: text(folder, FILES[6])?,
    };
    Bundle::parse(&text).with_context(|| format!("the bundle {} cannot be used", folder.display()))
}

fn text(folder: &Path, name: &str) -> Result<Option<String>> {
    let path = folder.join(name);
    let size = match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => bail!("{}: it is not a file", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    if size > FILE_BYTES_MAX {
        bail!(
            "{}: {} MB are more than {} MB; keep the window of the incident and its baseline",
            path.display(),
            size / 1_000_000,
            FILE_BYTES_MAX / 1_000_000
        );
    }
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    // A byte that is no UTF-8 in one log line must not hide the rest.
    Ok(Some(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())))
}
