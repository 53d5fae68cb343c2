//! Log templates: are lines of one statement, and only those, put together, and how fast?

mod drain3;
mod system;

use crate::rca::figures::{Figure, figure};
use anyhow::{Result, bail};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use system::{Score, System};

/// Everything that was measured.
#[derive(Serialize)]
struct Report {
    systems: Vec<Row>,
    /// Mean of the systems' accuracies.
    accuracy: Figure,
    /// The same, of lines that are equal put together.
    equal_lines: f64,
    lines_per_s: f64,
    drain3: Option<drain3::Measured>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    lines: usize,
    statements: usize,
    #[serde(flatten)]
    score: Score,
    /// Grouping accuracy of equal lines put together.
    equal_lines: f64,
    drain3: Option<Score>,
}

/// Mines the lines of every system below a folder: each a folder with `logs.ndjson` and `labels.txt`, a label per line.
///
/// `beside_drain3` also measures Drain3 on the same lines (it is fetched with pip).
///
/// # Errors
/// There is no such system, one cannot be read, or Drain3 cannot be run.
pub fn run(folder: &Path, beside_drain3: bool, json: bool) -> Result<String> {
    let systems = system::below(folder)?;
    if systems.is_empty() {
        bail!(
            "there is no labelled log below {}; one is a folder with logs.ndjson (`msg` or `body` per line) and labels.txt (the \
             same number of lines, each the name of a statement)",
            folder.display()
        );
    }
    let drain3 = beside_drain3.then(|| drain3::measure(&systems)).transpose()?;
    let report = Report::of(&systems, drain3);
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(report.render()) }
}

impl Report {
    fn of(systems: &[System], drain3: Option<drain3::Measured>) -> Self {
        let rows: Vec<Row> = systems
            .iter()
            .enumerate()
            .map(|(place, system)| Row {
                name: system.name.clone(),
                lines: system.lines.len(),
                statements: system.statements(),
                score: system.mine(),
                equal_lines: system.equal_lines(),
                drain3: drain3.as_ref().map(|measured| measured.systems[place].clone()),
            })
            .collect();
        let accuracies: Vec<f64> = rows.iter().map(|row| row.score.accuracy).collect();
        Self {
            accuracy: figure(&accuracies),
            equal_lines: rows.iter().map(|row| row.equal_lines).sum::<f64>() / rows.len() as f64,
            lines_per_s: system::together(systems),
            systems: rows,
            drain3,
        }
    }

    fn render(&self) -> String {
        let mut text = format!(
            "{:<16} {:>7} {:>10}  {:>8} {:>9} {:>11}  {:>11}",
            "log", "lines", "statements", "accuracy", "templates", "lines/s", "equal lines"
        );
        if self.drain3.is_some() {
            let _ = write!(text, "  {:>8} {:>9}", "Drain3", "lines/s");
        }
        for row in &self.systems {
            let _ = write!(
                text,
                "\n{:<16} {:>7} {:>10}  {:>8.3} {:>9} {:>11.0}  {:>11.3}",
                row.name,
                row.lines,
                row.statements,
                row.score.accuracy,
                row.score.templates,
                row.score.lines_per_s,
                row.equal_lines
            );
            if let Some(drain3) = &row.drain3 {
                let _ = write!(text, "  {:>8.3} {:>9.0}", drain3.accuracy, drain3.lines_per_s);
            }
        }
        let Figure { value, low, high } = self.accuracy;
        let _ = write!(
            text,
            "\n\ngrouping accuracy, mean of {}: {value:.3} [{low:.3}–{high:.3}] with one set of defaults; equal lines put together: \
             {:.3}\nlines/s on one core, all systems: {:.0}",
            self.systems.len(),
            self.equal_lines,
            self.lines_per_s
        );
        if let Some(drain3) = &self.drain3 {
            let _ = write!(
                text,
                "\nDrain3 {} with its defaults, same lines: {:.3}, {:.0} lines/s; midwatch is {:.0}× as fast",
                drain3.version,
                drain3.accuracy,
                drain3.lines_per_s,
                self.lines_per_s / drain3.lines_per_s
            );
        }
        text.push_str(
            "\nA group counts with all of its lines if it holds the lines of one statement, all of them and no others.",
        );
        text
    }
}
