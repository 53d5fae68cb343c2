//! Scores on labelled data: `cargo xtask eval <what>`.
//!
//! Owns: reading data sets of others, scoring what the stages make of them, and printing chance beside every figure.
//! Must never: hand a label to a stage. Inputs and labels are read into different types, and only scorers get the second.

mod convert;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Scores on labelled data.
#[derive(Parser)]
#[command(name = "eval", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    eval: Eval,
}

/// What can be scored.
#[derive(Subcommand)]
enum Eval {
    /// Alert storms: is each one incident with the right root first, and do two at once stay two?
    Storms(FolderArgs),
    /// Root causes: does an investigation name the right component, change and kind?
    Rca(FolderArgs),
    /// Log templates: are lines of one statement, and only those, put together, and how fast?
    Logs(LogsArgs),
    /// Retrieval: is the page that somebody needs the first one that is found?
    Retrieval(RetrievalArgs),
    /// Anomalies of single series, by the profiles of the Numenta Anomaly Benchmark.
    Anomaly(FolderArgs),
    /// Forecasts of failures: on a file of simulated windows, or on series of two days of a shop.
    Foresight(ForesightArgs),
    /// Forecasts of simulated productions, watched tick by tick as real ones are.
    Watch(WatchArgs),
    /// Turns a third-party data set into incident bundles with a truth beside each.
    Convert(ConvertArgs),
}

#[derive(clap::Args)]
struct FolderArgs {
    /// A folder in midwatch's format; without it, the sets that are known are converted from --data first.
    dir: Option<PathBuf>,
    /// The folder that holds the data sets; default: `shared/data` beside the repository.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct RetrievalArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// A folder with the model.safetensors and the tokenizer.json of all-MiniLM-L6-v2.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

#[derive(clap::Args)]
struct ForesightArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// For a file of windows: the folder of candidates that `midwatch train` wrote.
    #[arg(long, value_name = "DIR")]
    candidates: Option<PathBuf>,
}

#[derive(clap::Args)]
struct WatchArgs {
    /// A folder with model.safetensors and model.json; without it, the model that ships.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Lives in which something goes wrong.
    #[arg(long, default_value_t = 60)]
    runs: usize,
    /// Hours in which nothing does.
    #[arg(long, default_value_t = 20)]
    healthy_hours: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct LogsArgs {
    /// A folder of labelled logs; without it, `loghub` below --data is converted first.
    dir: Option<PathBuf>,
    /// The folder that holds the data sets; default: `shared/data` beside the repository.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Measure Drain3 on the same lines (needs python3 and pip).
    #[arg(long)]
    drain3: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ConvertArgs {
    /// Which data set it is.
    set: convert::Set,
    /// The folder that holds it.
    from: PathBuf,
    /// The folder that gets the bundles.
    to: PathBuf,
}

fn main() -> ExitCode {
    match Cli::parse().eval {
        Eval::Storms(args) => {
            say(on(&args, convert::Set::Storms, "alert-storms", midwatch_eval::storms::run))
        }
        Eval::Rca(args) => say(rca(&args)),
        Eval::Logs(args) => say(logs(&args)),
        Eval::Retrieval(args) => {
            let score =
                |dir: &Path, json: bool| midwatch_eval::retrieval::run(dir, args.model.as_deref(), json);
            say(on(&args.folder, convert::Set::Runbooks, "runbooks", score))
        }
        Eval::Foresight(args) => {
            let score =
                |dir: &Path, json: bool| midwatch_eval::foresight::run(dir, args.candidates.as_deref(), json);
            say(on(&args.folder, convert::Set::NezhaForecast, "nezha-online-boutique", score))
        }
        Eval::Watch(args) => {
            let WatchArgs { runs, healthy_hours, seed, .. } = args;
            let plan = midwatch_eval::foresight::watch::Plan { runs, healthy_hours, seed };
            say(midwatch_eval::foresight::watch::run(args.model.as_deref(), &plan, args.json))
        }
        Eval::Anomaly(args) => say(on(&args, convert::Set::Nab, "nab", midwatch_eval::anomaly::run)),
        Eval::Convert(args) => say(convert::run(args.set, &args.from, &args.to)),
    }
}

fn rca(args: &FolderArgs) -> anyhow::Result<String> {
    if let Some(dir) = &args.dir {
        return midwatch_eval::rca::run(dir, args.json);
    }
    let bundles = tempfile::tempdir()?;
    convert::known(&args.data.clone().unwrap_or_else(default_data), bundles.path())?;
    midwatch_eval::rca::run(bundles.path(), args.json)
}

fn logs(args: &LogsArgs) -> anyhow::Result<String> {
    if let Some(dir) = &args.dir {
        return midwatch_eval::logs::run(dir, args.drain3, args.json);
    }
    let logs = tempfile::tempdir()?;
    let data = args.data.clone().unwrap_or_else(default_data);
    convert::run(convert::Set::Loghub, &data.join("loghub"), logs.path())?;
    midwatch_eval::logs::run(logs.path(), args.drain3, args.json)
}

/// Scores a folder in our format, or a set that is converted first.
fn on(
    args: &FolderArgs,
    set: convert::Set,
    name: &str,
    score: impl Fn(&Path, bool) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    if let Some(dir) = &args.dir {
        return score(dir, args.json);
    }
    let converted = tempfile::tempdir()?;
    let data = args.data.clone().unwrap_or_else(default_data);
    convert::run(set, &data.join(name), converted.path())?;
    score(converted.path(), args.json)
}

fn say(outcome: anyhow::Result<String>) -> ExitCode {
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn default_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")
}
