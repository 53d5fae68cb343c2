//! Drain3 on the same lines: fetched with pip into a folder of its own, and run by Python.

use super::system::{Score, System};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const VERSION: &str = "0.9.11";

const SCRIPT: &str = include_str!("drain3.py");

/// What Drain3 makes of all systems.
#[derive(Serialize)]
pub(super) struct Measured {
    pub version: &'static str,
    pub accuracy: f64,
    pub lines_per_s: f64,
    pub systems: Vec<Score>,
}

/// What the script says of one system.
#[derive(Deserialize)]
struct Said {
    groups: Vec<u64>,
    seconds: f64,
}

/// Runs it with its defaults.
pub(super) fn measure(systems: &[System]) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    let python = install(folder.path())?;
    let input: Vec<&Vec<String>> = systems.iter().map(|system| &system.lines).collect();
    let said: Vec<Said> = ask(&python, &serde_json::to_vec(&input)?)?;
    if said.len() != systems.len() {
        bail!("Drain3 answered for {} of {} systems", said.len(), systems.len());
    }
    let score = |(system, said): (&System, &Said)| Score {
        accuracy: system.accuracy(&said.groups),
        templates: said.groups.iter().collect::<std::collections::HashSet<_>>().len(),
        lines_per_s: system.lines.len() as f64 / said.seconds,
    };
    let scores: Vec<Score> = systems.iter().zip(&said).map(score).collect();
    let lines: usize = systems.iter().map(|system| system.lines.len()).sum();
    Ok(Measured {
        version: VERSION,
        accuracy: scores.iter().map(|score| score.accuracy).sum::<f64>() / scores.len() as f64,
        lines_per_s: lines as f64 / said.iter().map(|said| said.seconds).sum::<f64>(),
        systems: scores,
    })
}

fn install(folder: &Path) -> Result<std::path::PathBuf> {
    let run = |program: &Path, args: &[&str]| -> Result<()> {
        let output =
            Command::new(program).args(args).output().with_context(|| program.display().to_string())?;
        if !output.status.success() {
            bail!(
                "{} {}: {}",
                program.display(),
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    };
    let environment = folder.join("drain3");
    run(Path::new("python3"), &["-m", "venv", &environment.to_string_lossy()])
        .context("Drain3 needs python3 with venv: apt-get install python3-venv")?;
    let python = environment.join("bin/python");
    run(&python, &["-m", "pip", "install", "--quiet", &format!("drain3=={VERSION}")])
        .context("Drain3 cannot be fetched with pip")?;
    Ok(python)
}

fn ask(python: &Path, input: &[u8]) -> Result<Vec<Said>> {
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("python")?;
    child.stdin.take().context("its input")?.write_all(input).context("its input")?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("Drain3 failed: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("what Drain3 says")
}
