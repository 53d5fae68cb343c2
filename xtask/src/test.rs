//! The README's test command.

use crate::{machine, shell};
use anyhow::Result;
use std::process::ExitCode;

/// Sets up, runs every test, and says which suites could not run and why.
pub fn run() -> Result<ExitCode> {
    let missing = machine::set_up();
    let tests = shell::cargo(&["test", "--workspace", "--features", "midwatch/full", "--locked", "--no-fail-fast", "--all-targets"], &[])?;
    // `--all-targets` leaves out documentation; the compile-fail tests that guard authorisation live there.
    let docs = shell::cargo(&["test", "--workspace", "--locked", "--doc"], &[])?;
    for tool in &missing {
        println!("skipped: {}: `{}` is not installed (Debian package {})", tool.suite, tool.program, tool.package);
    }
    Ok(if tests == ExitCode::SUCCESS { docs } else { tests })
}
