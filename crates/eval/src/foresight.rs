//! Forecasts of failures, graded by what happened: on simulated windows of graphs that were never trained on, and on two days
//! of a real shop, the first to learn from and the second to be graded by.

mod linear;
mod minutes;
mod series;
pub mod watch;
mod windows;

use anyhow::{Result, bail};
use std::path::Path;

/// Grades forecasts on a file of windows or on a folder of series.
///
/// # Errors
/// It is neither, or cannot be read.
pub fn run(data: &Path, candidates: Option<&Path>, json: bool) -> Result<String> {
    if data.is_file() {
        let Some(candidates) = candidates else {
            bail!("name the folder of candidates that `midwatch train` wrote with --candidates");
        };
        return windows::run(data, candidates, json);
    }
    if data.join("train/series.csv").is_file() {
        return minutes::run(data, json);
    }
    bail!(
        "{} is neither a file of windows (`midwatch train generate`) nor a folder with train/series.csv and test/series.csv \
         (`cargo xtask convert nezha-forecast IN OUT`)",
        data.display()
    )
}
