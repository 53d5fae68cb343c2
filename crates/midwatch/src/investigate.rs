//! `midwatch investigate` and `midwatch eval`: an incident in a folder, and many of them.

pub mod second_opinion;
mod words;

use crate::cli::{EvalCommand, ModelArgs};
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, out};
use anyhow::{Result, anyhow};
use std::path::Path;
use std::time::Instant;

/// Investigates the bundle in a folder and prints the answer.
pub async fn run(dir: &Path, json: bool, explain: bool, model: &ModelArgs) -> Result<Exit> {
    let bundle = midwatch_eval::folder::read(dir).map_err(|error| anyhow!(Usage(format!("{error:#}"))))?;
    midwatch_model::redact::prepare();
    let started = Instant::now();
    let mut found = midwatch_diagnosis::investigate::investigate(&bundle);
    let opinion = second_opinion::ask(&bundle, model).await?;
    if let Some((opinion, _)) = &opinion {
        found.answer.clone_from(&opinion.conclusion.answer);
    }
    found.answer.elapsed_ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    if json {
        output::json(&found.answer)?;
    } else {
        out!("{}", words::render(&found.answer));
    }
    let about = opinion.as_ref().map_or_else(String::new, second_opinion::words);
    let explained = if explain { words::explain(&found, &bundle.notes) } else { String::new() };
    // Beside JSON, what explains it goes where it does not break a reader.
    for text in [about, explained].iter().filter(|text| !text.is_empty()) {
        if json { eprintln!("{text}") } else { out!("\n{text}") }
    }
    Ok(DONE)
}

/// Scores midwatch on labelled data.
pub fn eval(command: EvalCommand) -> Result<Exit> {
    let report = match command {
        EvalCommand::Rca { dir, json } => midwatch_eval::rca::run(&dir, json),
        EvalCommand::Storms { dir, json } => midwatch_eval::storms::run(&dir, json),
        EvalCommand::Retrieval { dir, model, json } => {
            let model = crate::knowledge::model_of_eval(model);
            midwatch_eval::retrieval::run(&dir, model.as_deref(), json)
        }
        EvalCommand::Anomaly { dir, json } => midwatch_eval::anomaly::run(&dir, json),
        EvalCommand::Foresight { data, candidates, json } => {
            midwatch_eval::foresight::run(&data, candidates.as_deref(), json)
        }
        EvalCommand::Watch { model, runs, healthy_hours, seed, json } => {
            let plan = midwatch_eval::foresight::watch::Plan { runs, healthy_hours, seed };
            midwatch_eval::foresight::watch::run(model.as_deref(), &plan, json)
        }
        EvalCommand::Logs { dir, drain3, json } => midwatch_eval::logs::run(&dir, drain3, json),
    };
    let report = report.map_err(|error| anyhow!(Usage(format!("{error:#}"))))?;
    out!("{report}");
    Ok(DONE)
}
