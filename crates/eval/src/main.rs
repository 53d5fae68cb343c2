//! Scores on labelled data: `cargo xtask eval <what>`.
//!
//! Owns: reading data sets of others, scoring what the stages make of them, and printing chance beside every figure.
//! Must never: hand a label to a stage. Inputs and labels are read into different types, and only scorers get the second.

mod storms;

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
    Storms(Args),
}

#[derive(clap::Args)]
struct Args {
    /// The folder that holds the data sets; default: `shared/data` beside the repository.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The data is not there, as with any other wrong use.
const NO_DATA: u8 = 2;

fn main() -> ExitCode {
    let Cli { eval: Eval::Storms(args) } = Cli::parse();
    let data = args.data.unwrap_or_else(default_data);
    let inside = data.join("alert-storms");
    // Whoever names the folder of the storms itself means it.
    let folder = if !inside.is_dir() && storms::holds_files(&data) { data } else { inside };
    if !folder.is_dir() {
        eprintln!(
            "there are no alert storms in {}: name the folder that holds `alert-storms/` with --data DIR; the set is the \
             alert scenarios of itbench-hub/ITBench (Apache-2.0), one JSON file each",
            folder.display()
        );
        return ExitCode::from(NO_DATA);
    }
    match storms::run(&folder, args.json) {
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
