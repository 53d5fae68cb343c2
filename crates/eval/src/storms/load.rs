//! Files become storms and truths. A storm has no field that a label could get into.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the grouping may know of a storm.
#[derive(Clone, Debug, Deserialize)]
pub struct Storm {
    pub alerts: Vec<FiredAlert>,
    pub groups: Vec<Object>,
    /// Lists of groups that are the same thing.
    #[serde(default, deserialize_with = "or_none")]
    pub aliases: Vec<Vec<String>>,
}

/// An alert and the group on which it fires. Its description is not read: whoever wrote it knew the fault.
#[derive(Clone, Debug, Deserialize)]
pub struct FiredAlert {
    #[serde(rename = "id")]
    pub name: String,
    pub group_id: Option<String>,
}

/// A group: an object of a cluster. Its id is its name; its filters are not read.
#[derive(Clone, Debug, Deserialize)]
pub struct Object {
    pub id: String,
    pub kind: String,
    pub namespace: Option<String>,
}

/// What only the scorer may know: the labelled groups.
#[derive(Clone, Debug)]
pub struct Truth {
    pub roots: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Labels {
    groups: Vec<Labelled>,
}

#[derive(Deserialize)]
struct Labelled {
    id: String,
    #[serde(default)]
    root_cause: bool,
}

/// A storm with its truth, which are kept apart up to here and from here on.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub storm: Storm,
    pub truth: Truth,
}

fn or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<String>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether a folder holds files that storms may be in.
#[must_use]
pub fn holds_files(folder: &Path) -> bool {
    json_files(folder).is_ok_and(|files| !files.is_empty())
}

fn json_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

/// Reads every JSON file of a folder, by name.
///
/// # Errors
/// Which file cannot be read, and why; or that there is none.
pub fn load(folder: &Path) -> Result<Vec<Case>> {
    let files = json_files(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    if files.is_empty() {
        bail!("{} holds no JSON file", folder.display());
    }
    files.iter().map(|path| read(path).with_context(|| format!("cannot read {}", path.display()))).collect()
}

fn read(path: &Path) -> Result<Case> {
    let text = std::fs::read_to_string(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    parse(name, &text)
}

pub fn parse(name: String, text: &str) -> Result<Case> {
    let storm: Storm = serde_json::from_str(text)?;
    let labels: Labels = serde_json::from_str(text)?;
    let roots = labels.groups.into_iter().filter(|group| group.root_cause).map(|group| group.id).collect();
    Ok(Case { name, storm, truth: Truth { roots } })
}
