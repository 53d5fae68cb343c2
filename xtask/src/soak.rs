//! Long runs: every scenario many times, and quiet in which nothing may be found.

use crate::shell;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// What is broken, and where when nothing else is said.
const SCENARIOS: [(&str, &str); 8] = [
    ("latency_spike", "payment-service"),
    ("error_rate_spike", "order-service"),
    ("cpu_saturation", "api-gateway"),
    ("memory_leak", "notification-service"),
    ("db_connection_exhaustion", "payment-service"),
    ("consumer_lag", "notification-service"),
    ("deployment_failure", "user-service"),
    ("crash_loop", "inventory-service"),
];

/// Seconds within which a demo must have recovered, from the start of its process.
const DEMO_S_MAX: f64 = 120.0;

struct Options {
    runs: usize,
    only: Option<String>,
    service: Option<String>,
    quiet_s: f64,
    /// A release build that is there already.
    binary: Option<PathBuf>,
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options { runs: 5, only: None, service: None, quiet_s: 600.0, binary: None };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--runs" => options.runs = value.parse().context("--runs")?,
            "--only" => options.only = Some(value.clone()),
            "--service" => options.service = Some(value.clone()),
            "--quiet-s" => options.quiet_s = value.parse().context("--quiet-s")?,
            "--binary" => options.binary = Some(value.into()),
            other => bail!(
                "`{other}` is not an option of soak: --runs N, --only SCENARIO, --service NAME, --quiet-s S, --binary FILE"
            ),
        }
    }
    Ok(options)
}

/// Runs and prints the share that holds, by scenario.
pub fn run(args: &[String]) -> Result<ExitCode> {
    let options = options(args)?;
    let binary = options.binary.clone().map_or_else(shell::release_binary, Ok)?;
    let mut all_hold = true;
    println!(
        "{:<26} {:>5} {:>9} {:>9} {:>9} {:>9}",
        "scenario", "holds", "detect_s", "verdict_s", "mttr_s", "total_s"
    );
    let chosen =
        SCENARIOS.iter().filter(|(name, _)| options.only.as_deref().is_none_or(|only| only == *name));
    for (scenario, default) in chosen {
        let service = options.service.as_deref().unwrap_or(default);
        let mut held = Vec::new();
        for run in 1..=options.runs {
            let began = Instant::now();
            let demo = demo(&binary, scenario, &["--service", service])?;
            let total = began.elapsed().as_secs_f64();
            let good = demo.code == Some(0)
                && demo.result["cause"] == *scenario
                && demo.result["component"] == service
                && demo.result["incidents"] == 1
                && total <= DEMO_S_MAX;
            if good {
                held.push((demo.result, total));
            } else {
                all_hold = false;
                println!("  run {run}: exit {:?} after {total:.0} s, load {}", demo.code, load());
                demo.keep();
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
        let demo = demo(&binary, "none", &["--duration", &options.quiet_s.to_string()])?;
        let quiet = demo.code == Some(0);
        all_hold &= quiet;
        println!("{:<26} {} for {} s", "none", if quiet { "quiet" } else { "NOT QUIET" }, options.quiet_s);
        if !quiet {
            demo.keep();
        }
    }
    println!("load at the end: {}", load());
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run of the demo, with all that it left behind.
struct Demo {
    code: Option<i32>,
    result: Value,
    story: String,
    dir: tempfile::TempDir,
}

impl Demo {
    /// Tells what happened and keeps the journal and the logs, for a run that missed.
    fn keep(self) {
        println!("  {}", self.result);
        for line in self.story.lines() {
            println!("    {line}");
        }
        println!("  kept in {}", self.dir.keep().display());
    }
}

fn demo(binary: &Path, scenario: &str, more: &[&str]) -> Result<Demo> {
    let dir = tempfile::Builder::new().prefix("midwatch-soak-").tempdir().context("no temporary folder")?;
    let output = Command::new(binary)
        .args(["demo", "--scenario", scenario, "--mode", "auto", "--json", "--dir"])
        .arg(dir.path())
        .args(more)
        .output()
        .context("cannot start midwatch")?;
    let last = output.stdout.split(|b| *b == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    Ok(Demo {
        code: output.status.code(),
        result: serde_json::from_slice(last).unwrap_or(Value::Null),
        story: String::from_utf8_lossy(&output.stderr).into_owned(),
        dir,
    })
}

fn median_of(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or_else(|| "–".into(), |v| format!("{v:.1}"))
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .map_or_else(|_| "unknown".into(), |l| l.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
