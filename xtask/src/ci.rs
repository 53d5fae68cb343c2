//! What a change must pass.

use crate::{shell, test};
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;

/// Format, clippy, documentation, tests; licences and unused dependencies where their tools can be had.
pub fn run() -> Result<ExitCode> {
    shell::cargo_ok(&["fmt", "--all", "--check"])?;
    shell::cargo_ok(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "midwatch/full",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])?;
    shell::cargo_ok(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"])?;
    let tests = test::run()?;
    let mut skipped = Vec::new();
    for (tool, args) in
        [("cargo-deny", vec!["check", "bans", "licenses", "sources"]), ("cargo-shear", vec![])]
    {
        if !shell::has(tool) {
            skipped.push(format!("skipped: {tool} is not installed"));
            continue;
        }
        // cargo-deny takes the global option before its command.
        let code = shell::run(Path::new(tool), &args, &[])?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    for line in skipped {
        println!("{line}");
    }
    Ok(tests)
}
