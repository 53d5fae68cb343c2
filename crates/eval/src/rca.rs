//! Root causes: does an investigation name the right component, change and kind, and does it say when nothing is wrong?

mod baseline;
mod case;
pub(crate) mod figures;
mod report;
mod truth;

pub use truth::{Truth, TruthVerdict};

use anyhow::{Result, bail};
use std::path::Path;

/// Runs every bundle below a folder that has a `truth.json`, and renders what came out.
///
/// # Errors
/// There is no such bundle, or none of them can be used.
pub fn run(folder: &Path, json: bool) -> Result<String> {
    let cases = case::below(folder)?;
    if cases.is_empty() {
        bail!(
            "there is no bundle with a truth.json below {}; a bundle is a folder with an incident.json, see docs/schemas",
            folder.display()
        );
    }
    midwatch_model::redact::prepare();
    let (mut outcomes, mut unscored) = (Vec::new(), Vec::new());
    for case in &cases {
        match case.run() {
            Ok(outcome) => outcomes.push(outcome),
            Err(why) => unscored.push(case::Unscored { case: case.name.clone(), why: format!("{why:#}") }),
        }
    }
    if let ([], [first, ..]) = (&*outcomes, &*unscored) {
        bail!("none of {} cases can be used; {}: {}", unscored.len(), first.case, first.why);
    }
    let report = report::Report::of(&outcomes, unscored);
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(report::render(&report)) }
}
