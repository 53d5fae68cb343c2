//! Long runs: every scenario many times, and quiet in which nothing may be found.

use crate::shell;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const SCENARIOS: [&str; 8] = [
    "latency_spike",
    "error_rate_spike",
    "cpu_saturation",
    "memory_leak",
    "db_connection_exhaustion",
    "consumer_lag",
    "deployment_failure",
    "crash_loop",
];

/// Seconds within which a demo must have recovered, from the start of its process.
const DEMO_S_MAX: f64 = 120.0;

struct Options {
    runs: usize,
    only: Option<String>,
    service: Option<String>,
    quiet_s: f64,
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options { runs: 5, only: None, service: None, quiet_s: 600.0 };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--runs" => options.runs = value.parse().context("--runs")?,
            "--only" => options.only = Some(value.clone()),
            "--service" => options.service = Some(value.clone()),
            "--quiet-s" => options.quiet_s = value.parse().context("--quiet-s")?,
            other => bail!(
                "`{other}` is not an option of soak: --runs N, --only SCENARIO, --service NAME, --quiet-s S"
            ),
        }
    }
    Ok(options)
}

/// Runs and prints the share that holds, by scenario.
pub fn run(args: &[String]) -> Result<ExitCode> {
    let options = options(args)?;
    let binary = shell::release_binary()?;
    let mut all_hold = true;
    println!(
        "{:<26} {:>5} {:>9} {:>9} {:>9} {:>9}",
        "scenario", "holds", "detect_s", "verdict_s", "mttr_s", "total_s"
    );
    for scenario in SCENARIOS.iter().filter(|s| options.only.as_deref().is_none_or(|only| only == **s)) {
        let mut held = Vec::new();
        for run in 0..options.runs {
            let began = Instant::now();
            let (code, result) = demo(&binary, scenario, options.service.as_deref(), &[])?;
            let total = began.elapsed().as_secs_f64();
            let good = code == Some(0)
                && result["cause"] == *scenario
                && result["incidents"] == 1
                && total <= DEMO_S_MAX;
            if good {
                held.push((result, total));
            } else {
                all_hold = false;
                println!("  run {}: exit {code:?} after {total:.0} s, load {}: {result}", run + 1, load());
            }
        }
        let median = |field: &str| median_of(held.iter().filter_map(|(r, _)| r[field].as_f64()).collect());
        let total = median_of(held.iter().map(|(_, t)| *t).collect());
        println!(
            "{scenario:<26} {:>3}/{} {:>9} {:>9} {:>9} {total:>9}",
            held.len(),
            options.runs,
            median("time_to_detect_s"),
            median("time_to_verdict_s"),
            median("mttr_s")
        );
    }
    if options.only.is_none() && options.quiet_s > 0.0 {
        let (code, result) = demo(&binary, "none", None, &["--duration", &options.quiet_s.to_string()])?;
        let quiet = code == Some(0);
        all_hold &= quiet;
        println!(
            "{:<26} {} for {} s: {result}",
            "none",
            if quiet { "quiet" } else { "NOT QUIET" },
            options.quiet_s
        );
    }
    println!("load at the end: {}", load());
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn demo(binary: &Path, scenario: &str, service: Option<&str>, more: &[&str]) -> Result<(Option<i32>, Value)> {
    let mut command = Command::new(binary);
    command.args(["demo", "--scenario", scenario, "--mode", "auto", "--json"]).args(more);
    if let Some(service) = service {
        command.args(["--service", service]);
    }
    let output = command.stderr(Stdio::null()).output().context("cannot start midwatch")?;
    let last = output.stdout.split(|b| *b == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    Ok((output.status.code(), serde_json::from_slice(last).unwrap_or(Value::Null)))
}

fn median_of(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or_else(|| "–".into(), |v| format!("{v:.1}"))
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .map_or_else(|_| "unknown".into(), |l| l.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
