//! A language model's opinion on a bundle: asked, or taken from a record.

use crate::cli::ModelArgs;
use crate::config::Config;
use crate::exit::Usage;
use anyhow::{Context as _, Result, anyhow};
use midwatch_connectors::{Llm, LlmConfig};
use midwatch_diagnosis::agent::{Limits, told};
use midwatch_diagnosis::bundle::Bundle;
use midwatch_engine::agent::{Assisted, Brain, Subject, Told, fallback_sentence, investigate, limits, tell};
use midwatch_engine::{Advisor, Consulted};
use midwatch_model::llm::{CallRecord, Tier};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Asks whoever the arguments name; `None` if they name nobody.
pub async fn ask(bundle: &Bundle, args: &ModelArgs) -> Result<Option<(Assisted, Vec<Told>)>> {
    let (brain, config) = match (&args.replay, args.llm) {
        // What was within its limits then is so again; prices are on record.
        (Some(file), _) => (Brain::Record(read(file)?), LlmConfig::default()),
        (None, true) => configured(args.config.as_deref())?,
        (None, false) => return Ok(None),
    };
    let limits = if args.replay.is_some() { unlimited() } else { limits(&config) };
    let deadline = Duration::from_secs_f64(config.deadline_s);
    let known = Consulted::shipped()?;
    let mut opinion = investigate(Subject::Folder, bundle, &known, &brain, limits, deadline).await;
    let mut words = Vec::new();
    for tier in told::TIERS.into_iter().filter(|_| args.words) {
        words.push(tell(tier, bundle, &known, &brain, limits, deadline, &mut opinion).await);
    }
    if let Some(file) = &args.record {
        write(file, &opinion.calls)?;
    }
    Ok(Some((opinion, words)))
}

/// The model that a configuration, or else the environment, names.
///
/// # Errors
/// When none is named there.
pub fn configured(file: Option<&Path>) -> Result<(Brain, LlmConfig)> {
    let config = match file {
        Some(file) => Config::load(file)?.llm,
        None => Config::of_environment()?.llm,
    };
    Ok((Brain::Model(Box::new(model(&config)?)), config))
}

/// The same with its limits.
///
/// # Errors
/// When none is named there.
pub fn advisor(file: Option<&Path>) -> Result<Advisor> {
    let (brain, config) = configured(file)?;
    Ok(Advisor::new(brain, limits(&config), Duration::from_secs_f64(config.deadline_s)))
}

fn model(config: &LlmConfig) -> Result<Llm> {
    let missing = "no language model is configured: set provider in [llm] of --config FILE, or MIDWATCH_LLM__PROVIDER and \
                   MIDWATCH_LLM__MODEL; see docs/llm.md";
    Llm::new(config)?.ok_or_else(|| anyhow!(Usage(missing.to_owned())))
}

/// A replay costs nothing; how many rounds there can be is bounded anyway.
fn unlimited() -> Limits {
    Limits { tokens_max: u64::MAX, calls_max: u32::MAX, cost_max: f64::MAX, ..Limits::default() }
}

fn read(file: &Path) -> Result<Vec<CallRecord>> {
    let wrong = |what: String| anyhow!(Usage(format!("{}: {what}", file.display())));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                wrong(format!(
                    "line {}: {error}; make it with `midwatch investigate DIR --llm --record FILE`",
                    number + 1
                ))
            })
        })
        .collect()
}

fn write(file: &Path, calls: &[CallRecord]) -> Result<()> {
    let mut text = String::new();
    for call in calls {
        let _ = writeln!(text, "{}", serde_json::to_string(call)?);
    }
    std::fs::write(file, text).with_context(|| format!("cannot write the record {}", file.display()))
}

/// What became of the model's verdict, for a person.
pub fn words((opinion, told): &(Assisted, Vec<Told>)) -> String {
    let mut text = opinion.conclusion.fell_back.as_ref().map_or_else(
        || "The model's verdict was checked and merged with that of the numbers.".to_owned(),
        fallback_sentence,
    );
    for (component, why) in &opinion.conclusion.struck {
        let _ = write!(text, "\nStruck: a claim about {component}: {why}");
    }
    for told in told {
        let title = match told.tier {
            Tier::Classify => "Class of the alert",
            Tier::Impact => "Impact",
            Tier::Plan => "Plan",
            Tier::Investigate | Tier::Postmortem => "Summary",
        };
        let by = told
            .fell_back
            .as_ref()
            .map_or("by the model, not checked".to_owned(), |why| format!("without the model: {why}"));
        let _ = write!(text, "\n\n{title} ({by})\n  {}", told.text.replace('\n', "\n  "));
    }
    text
}
