//! Running other programs.

use anyhow::{Context as _, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A command without what cargo has told this program about itself: some build scripts depend on that, and would build
/// anew whatever the same cargo, called by hand, has built already.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    let about_us = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| about_us(name)) {
        command.env_remove(name);
    }
    command
}

/// The cargo that runs this.
pub fn cargo_program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Runs a program to its end with this one's standard streams; its exit code is the answer.
pub fn run(program: &Path, args: &[&str], more: &[String]) -> Result<ExitCode> {
    run_with(program, args, more, &[])
}

/// Runs a program to its end, with further variables in its environment.
pub fn run_with(
    program: &Path,
    args: &[&str],
    more: &[String],
    variables: &[(&str, &OsStr)],
) -> Result<ExitCode> {
    let status = command(program)
        .args(args)
        .args(more)
        .envs(variables.iter().copied())
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Runs cargo to its end.
pub fn cargo(args: &[&str], more: &[String]) -> Result<ExitCode> {
    run(&cargo_program(), args, more)
}

/// Runs cargo and fails if it fails.
pub fn cargo_ok(args: &[&str]) -> Result<()> {
    if cargo(args, &[])? != ExitCode::SUCCESS {
        bail!("cargo {} failed", args.join(" "));
    }
    Ok(())
}

/// Builds midwatch for release and says where it is.
pub fn release_binary() -> Result<PathBuf> {
    cargo_ok(&["build", "--release", "--locked", "-p", "midwatch"])?;
    Ok(target_dir()?.join("release/midwatch"))
}

/// Where cargo builds.
pub fn target_dir() -> Result<PathBuf> {
    let output =
        command(&cargo_program()).args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    Ok(metadata["target_directory"].as_str().context("cargo metadata has no target directory")?.into())
}

/// Whether a program can be found.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
