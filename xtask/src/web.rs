//! The dashboard: built from its lock file before the binary that embeds it.

use crate::shell;
use anyhow::{Context as _, Result};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What cannot run without it.
pub const TESTS: &str = "in_a_real_chromium";

/// What the dashboard is made of, within its folder.
const SOURCES: [&str; 7] =
    ["src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").join("web")
}

/// Builds the dashboard if it was not built from these very sources, so that a binary is not built anew for nothing.
///
/// # Errors
/// Why it cannot be, in a sentence. A binary that is built then says so where the dashboard would be.
pub fn build() -> Result<(), String> {
    if !shell::has("npm") {
        return Err("`npm` is not installed (Debian packages nodejs and npm)".to_owned());
    }
    let web = folder();
    let wanted = digest(&web).map_err(|error| format!("{error:#}"))?;
    let (note, modules) = (web.join("dist/.built"), web.join("node_modules"));
    let is_built = std::fs::read_to_string(&note).is_ok_and(|known| known == wanted);
    if is_built && modules.is_dir() {
        return Ok(());
    }
    eprintln!("building the dashboard");
    npm(&web, &["ci", "--no-audit", "--no-fund"])?;
    npm(&web, &["run", "build"])?;
    // Written last, so that half a build never passes for one.
    std::fs::write(note, wanted).map_err(|error| error.to_string())
}

fn npm(web: &Path, args: &[&str]) -> Result<(), String> {
    let output = Command::new("npm").args(args).current_dir(web).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("npm cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Err(format!("`npm {}` failed in {}:\n{}", args.join(" "), web.display(), said.join("\n")))
}

fn digest(web: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        take(&web.join(source), &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn take(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        return paths.iter().try_for_each(|path| take(path, hasher));
    }
    path.hash(hasher);
    std::fs::read(path).with_context(|| path.display().to_string())?.hash(hasher);
    Ok(())
}
