//! Alert storms: how well alerts are grouped and roots are ranked.

mod alone;
mod load;
mod report;
mod scene;
mod seed;
mod speed;
#[cfg(test)]
mod tests;
mod together;

pub use load::{FiredAlert, Object, STORM, Storm, TRUTH, Truth};

use anyhow::Result;
use serde::Serialize;
use std::path::Path;

/// Everything that was measured.
#[derive(Serialize)]
struct Report {
    alone: alone::Alone,
    together: Vec<together::Together>,
    speed: speed::Speed,
}

/// Scores the storms of a folder and renders the report.
///
/// # Errors
/// What cannot be read, and why; or that there is none.
pub fn run(folder: &Path, json: bool) -> Result<String> {
    let storms = load::load(folder)?;
    let report =
        Report { alone: alone::score(&storms), together: together::score(&storms), speed: speed::measure() };
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(report::render(&report)) }
}
