//! A folder becomes storms and truths: `storm.json` and `truth.json` in a folder each. A storm has no field that a label
//! could get into.

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The file with what the grouping may know.
pub const STORM: &str = "storm.json";

/// The file with what only the scorer may know.
pub const TRUTH: &str = "truth.json";

/// What the grouping may know of a storm.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    pub alerts: Vec<FiredAlert>,
    pub objects: Vec<Object>,
    /// Lists of objects that are the same thing, by name.
    #[serde(default)]
    pub aliases: Vec<Vec<String>>,
}

/// An alert and the name of the object on which it fires, if it says that.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FiredAlert {
    pub name: String,
    #[serde(default)]
    pub object: Option<String>,
}

/// An object of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    pub name: String,
    /// As Kubernetes calls it: `Pod`, `Service`, …
    pub kind: String,
    #[serde(default)]
    pub namespace: Option<String>,
}

/// What only the scorer may know: the objects from which the storm came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    pub roots: BTreeSet<String>,
}

/// A storm with its truth, which are kept apart up to here and from here on.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub storm: Storm,
    pub truth: Truth,
}

/// Reads every storm below a folder, by name.
///
/// # Errors
/// Which file cannot be read, and why; or that there is none.
pub fn load(folder: &Path) -> Result<Vec<Case>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.join(STORM).is_file());
    folders.sort();
    if folders.is_empty() {
        bail!(
            "{} holds no folder with a {STORM}; `cargo xtask convert storms` makes them of ITBench's alert scenarios",
            folder.display()
        );
    }
    folders.iter().map(|folder| case(folder)).collect()
}

fn case(folder: &Path) -> Result<Case> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Case { name, storm: read(&folder.join(STORM))?, truth: read(&folder.join(TRUTH))? })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
}
