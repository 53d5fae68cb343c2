//! Numbers beside those that the design asks for: `cargo xtask bench [NAME]`.
//!
//! Each bench gives rows of one table. None of them is a test: a number says what this machine did under the load that
//! is printed with it.

mod build_time;
mod detectors;
mod foreseen;
mod ingest;
mod journal;
mod lists;
mod live;
mod load;
mod machine;
mod numbers;
mod predict;
mod process;
mod rolling;
mod server;
mod table;
mod verdict;
mod web;

use anyhow::{Result, bail};
use std::process::ExitCode;
use table::Row;

/// A bench: its name on the command line, whether it runs when no name is given, and what it does.
struct Bench {
    name: &'static str,
    by_default: bool,
    run: fn() -> Result<Vec<Row>>,
}

const BENCHES: [Bench; 12] = [
    Bench { name: "rolling", by_default: true, run: rolling::run },
    Bench { name: "detectors", by_default: true, run: detectors::run },
    Bench { name: "journal", by_default: true, run: journal::run },
    Bench { name: "verdict", by_default: true, run: verdict::run },
    Bench { name: "predict", by_default: true, run: predict::run },
    Bench { name: "lists", by_default: true, run: lists::run },
    Bench { name: "live", by_default: true, run: live::run },
    Bench { name: "server", by_default: true, run: server::run },
    // Needs an Alertmanager, and some minutes.
    Bench { name: "ingest", by_default: false, run: ingest::run },
    // Needs Node.js and Chromium, and ten minutes.
    Bench { name: "web", by_default: false, run: web::run },
    // Hours of a lab: `cargo xtask soak foresight`.
    Bench { name: "foreseen", by_default: false, run: foreseen::run },
    // Minutes of compiling on every core.
    Bench { name: "build", by_default: false, run: build_time::run },
];

fn main() -> ExitCode {
    // A second caller of this loses nothing; without the first, no client can be made.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let filter = std::env::args().nth(1);
    match run(filter.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the benches whose name contains the filter, or the default ones.
fn run(filter: Option<&str>) -> Result<()> {
    let chosen: Vec<&Bench> = BENCHES
        .iter()
        .filter(|bench| filter.map_or(bench.by_default, |part| bench.name.contains(part)))
        .collect();
    if chosen.is_empty() {
        bail!("no bench is called that; known: {}", BENCHES.map(|bench| bench.name).join(", "));
    }
    println!("{}", machine::describe());
    let mut rows = Vec::new();
    for bench in chosen {
        eprintln!("running {} …", bench.name);
        rows.extend((bench.run)()?);
    }
    print!("{}", table::render(&rows));
    println!("load at the end: {}", machine::load());
    Ok(())
}
