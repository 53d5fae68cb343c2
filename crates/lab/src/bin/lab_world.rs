//! Runs the lab by itself, without the rest of midwatch: `lab-world up --dir /tmp/lab`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    midwatch_lab::cli::run(midwatch_lab::cli::Args::parse(), &[])
}
