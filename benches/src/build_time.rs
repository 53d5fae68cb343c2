//! A release build from scratch.

use crate::table::Row;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Builds the binary into an empty target folder. Sources of dependencies that were downloaded before are not
/// downloaded again.
pub fn run() -> Result<Vec<Row>> {
    let target = tempfile::tempdir().context("no temporary folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let started = Instant::now();
    let status = Command::new(cargo)
        .args(["build", "--release", "--locked", "-p", "midwatch", "--target-dir"])
        .arg(target.path())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .status()
        .context("cannot start cargo")?;
    let took = started.elapsed();
    ensure!(status.success(), "the build failed");
    let size = target.path().join("release/midwatch").metadata().map_or(0, |file| file.len());
    let measured = format!("{:.1} min; binary of {:.1} MB", took.as_secs_f64() / 60.0, size as f64 / 1e6);
    Ok(vec![Row::new("release build from scratch", measured, "≤ 15 min")])
}
