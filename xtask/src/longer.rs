//! Tests of the test command, run for longer.

use crate::shell;
use anyhow::{Context as _, Result};
use std::process::ExitCode;

/// A test that can be told how often to try.
pub struct Longer {
    name: &'static str,
    package: &'static str,
    /// Arguments that choose the test.
    test: &'static [&'static str],
    /// The variable that says how often.
    count: &'static str,
    default: u64,
    /// Whether it is worth a build with optimisations: not where clocks are virtual.
    release: bool,
}

const ALL: [Longer; 5] = [
    Longer {
        name: "alertmanager",
        package: "midwatch",
        test: &["--features", "full", "--test", "midwatch", "--", "differential"],
        count: "MIDWATCH_TEST_CASES",
        default: 10_000,
        release: true,
    },
    Longer {
        name: "kills",
        package: "midwatch",
        test: &["--features", "full", "--test", "midwatch", "--", "killed", "--test-threads=1"],
        count: "MIDWATCH_TEST_KILLS",
        default: 200,
        release: true,
    },
    Longer {
        name: "fuzz",
        package: "midwatch-signal",
        test: &["--test", "source", "--", "random_bodies"],
        count: "MIDWATCH_TEST_FUZZ",
        default: 100_000,
        release: true,
    },
    // Every action at every point at which it can fail, and a crash at every commit of a workflow's run.
    Longer {
        name: "actions",
        package: "midwatch-engine",
        test: &["--test", "engine", "--", "matrix::", "a_crash_at_any_commit_of_a_run"],
        count: "MIDWATCH_TEST_MATRIX",
        default: 1,
        release: false,
    },
    // Every step of every runbook that ships.
    Longer {
        name: "actions",
        package: "midwatch-action",
        test: &["--test", "workflow", "--", "shipped::"],
        count: "MIDWATCH_TEST_MATRIX",
        default: 1,
        release: false,
    },
];

/// Runs those of that name; `None` if there are none.
pub fn by_name(name: &str, args: &[String]) -> Option<Result<ExitCode>> {
    let all: Vec<&Longer> = ALL.iter().filter(|longer| longer.name == name).collect();
    // Each is run, also if another has failed.
    let ends: Vec<Result<ExitCode>> = all.iter().map(|longer| longer.run(args)).collect();
    ends.into_iter().reduce(|a, b| Ok(if a? == ExitCode::SUCCESS { b? } else { ExitCode::FAILURE }))
}

impl Longer {
    /// `args`: how often, and the first seed.
    fn run(&self, args: &[String]) -> Result<ExitCode> {
        let count =
            args.first().map_or(Ok(self.default), |text| text.parse()).context("how often is a number")?;
        let seed: u64 = args.get(1).map_or(Ok(1), |text| text.parse()).context("the seed is a number")?;
        let status = shell::command(&shell::cargo_program())
            .args(["test", "--locked", "-p", self.package])
            .args(self.release.then_some("--release"))
            .args(self.test)
            .arg("--nocapture")
            .env(self.count, count.to_string())
            .env("MIDWATCH_TEST_SEED", seed.to_string())
            .status()
            .context("cannot start cargo")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
