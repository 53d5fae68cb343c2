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
}

const ALL: [Longer; 3] = [
    Longer {
        name: "alertmanager",
        package: "midwatch",
        test: &["--features", "full", "--test", "midwatch", "--", "differential"],
        count: "MIDWATCH_TEST_CASES",
        default: 10_000,
    },
    Longer {
        name: "kills",
        package: "midwatch",
        test: &["--features", "full", "--test", "midwatch", "--", "killed", "--test-threads=1"],
        count: "MIDWATCH_TEST_KILLS",
        default: 200,
    },
    Longer {
        name: "fuzz",
        package: "midwatch-signal",
        test: &["--test", "source", "--", "random_bodies"],
        count: "MIDWATCH_TEST_FUZZ",
        default: 100_000,
    },
];

pub fn by_name(name: &str) -> Option<&'static Longer> {
    ALL.iter().find(|longer| longer.name == name)
}

impl Longer {
    /// `args`: how often, and the first seed.
    pub fn run(&self, args: &[String]) -> Result<ExitCode> {
        let count =
            args.first().map_or(Ok(self.default), |text| text.parse()).context("how often is a number")?;
        let seed: u64 = args.get(1).map_or(Ok(1), |text| text.parse()).context("the seed is a number")?;
        let status = shell::command(&shell::cargo_program())
            .args(["test", "--release", "--locked", "-p", self.package])
            .args(self.test)
            .arg("--nocapture")
            .env(self.count, count.to_string())
            .env("MIDWATCH_TEST_SEED", seed.to_string())
            .status()
            .context("cannot start cargo")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
