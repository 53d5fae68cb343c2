//! Simulated productions watched as real ones are: tick by tick, through the live window, the gates and the alarms, graded by the
//! same ledger. Nothing is chosen by what happens: every tick of every life counts.

mod round;
mod tally;

use anyhow::{Context, Result};
use midwatch_prediction::model::Model;
use midwatch_prediction::simulate::{Course, Production};
use serde::Serialize;
use std::path::Path;
use tally::{Row, Tally};

/// What is watched.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Lives in which something goes wrong.
    pub runs: usize,
    /// Lives of an hour each in which nothing does.
    pub healthy_hours: usize,
    pub seed: u64,
}

/// Ticks of an hour, and of the time before it in which the watch warms up.
const HOUR_TICKS: usize = 1800;
const WARM_UP_TICKS: usize = 60;

/// Horizons that a troubled life lasts: quiet, trouble that grows for up to one and a half, and one to see what alarms come to.
const TROUBLED_HORIZONS: usize = 4;

/// Services of a production, as in training.
const SERVICES: (usize, usize) = (4, 14);

#[derive(Serialize)]
struct Report {
    model: String,
    horizon_s: f64,
    runs: usize,
    healthy_hours: usize,
    rows: Vec<Row>,
}

/// Watches productions with a model, the one that ships unless another is named.
///
/// # Errors
/// The model cannot be used.
pub fn run(model: Option<&Path>, plan: &Plan, json: bool) -> Result<String> {
    let model = match model {
        Some(folder) => read(folder)?,
        None => Model::shipped()?,
    };
    let horizon = model.meta.horizon_ticks;
    let mut tallies = Tally::all();
    let troubled =
        Course { ticks: TROUBLED_HORIZONS * horizon as usize, services: SERVICES, trouble: Some(horizon) };
    for number in 0..plan.runs {
        let production = Production::new(&troubled, plan.seed, number as u64);
        round::watch(&model, &production, &mut tallies, tally::Life::Troubled)?;
        eprint!("\rrun {} of {} ", number + 1, plan.runs);
    }
    let healthy = Course { ticks: HOUR_TICKS + WARM_UP_TICKS, services: SERVICES, trouble: None };
    for number in 0..plan.healthy_hours {
        let production = Production::new(&healthy, plan.seed, (plan.runs + number) as u64);
        round::watch(&model, &production, &mut tallies, tally::Life::Healthy)?;
        eprint!("\rhealthy hour {} of {} ", number + 1, plan.healthy_hours);
    }
    eprintln!();
    let report = Report {
        model: model.meta.kind.title().to_owned(),
        horizon_s: f64::from(horizon) * round::TICK_S,
        runs: plan.runs,
        healthy_hours: plan.healthy_hours,
        rows: tallies.iter().map(Tally::row).collect(),
    };
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(report.render()) }
}

fn read(folder: &Path) -> Result<Model> {
    let file = |name: &str| folder.join(name);
    let weights = std::fs::read(file("model.safetensors"))
        .with_context(|| format!("{} has no model.safetensors", folder.display()))?;
    let about = std::fs::read_to_string(file("model.json"))
        .with_context(|| format!("{} has no model.json", folder.display()))?;
    Ok(Model::from_files(&weights, &about)?)
}

impl Report {
    fn render(&self) -> String {
        let head = format!(
            "{} simulated lives in which something goes wrong and {} healthy hours, watched by the {} tick by tick; horizon {:.0} min.\n\n",
            self.runs,
            self.healthy_hours,
            self.model,
            self.horizon_s / 60.0
        );
        self.rows.iter().fold(head, |text, row| text + &row.render())
    }
}
