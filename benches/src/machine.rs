//! The machine that the numbers come from.

use std::process::Command;

/// Cores, compiler, kernel and load in one line.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {}, {}, load {}", said("rustc", &["--version"]), said("uname", &["-sr"]), load())
}

/// Load averages of 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let parts: Vec<&str> = text.split_whitespace().take(3).collect();
    if parts.is_empty() { "unknown".into() } else { parts.join(" ") }
}

/// What a program prints about itself.
fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success());
    output.map_or_else(
        || format!("{program} unknown"),
        |o| String::from_utf8_lossy(&o.stdout).trim().to_owned(),
    )
}
