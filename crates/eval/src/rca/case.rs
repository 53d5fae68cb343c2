//! One labelled bundle, and what came of it.

use super::baseline;
use super::figures::rank_of;
use super::truth::{Truth, TruthVerdict};
use anyhow::{Context, Result};
use midwatch_diagnosis::bundle::Bundle;
use midwatch_diagnosis::investigate::{Answer, VerdictKind, investigate};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A bundle with a truth.
pub struct Case {
    pub name: String,
    pub set: String,
    folder: PathBuf,
}

/// A case that says nothing about midwatch, since it cannot be used.
#[derive(Clone, Debug, Serialize)]
pub struct Unscored {
    pub case: String,
    pub why: String,
}

/// What came out, beside what a coin and a plain n-sigma rule make of the same case.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub case: String,
    pub set: String,
    /// Place of the first right component, ties counted as the worst of them; `None` if it is not ranked or there is none.
    pub rank: Option<usize>,
    pub n_sigma_rank: Option<usize>,
    /// Components that could have been named.
    pub candidates: usize,
    /// Right ones among them.
    pub right: usize,
    pub verdict_right: bool,
    /// `None` where the truth does not say.
    pub kind_right: Option<bool>,
    /// `None` where the bundle has no changes.
    pub change_right: Option<bool>,
    /// Whether the truth is a change.
    pub by_change: bool,
    pub decoy_hit: bool,
    /// Changes that could have been named.
    pub changes: usize,
    pub fault: bool,
    pub confidence: f64,
    pub named: Option<String>,
    pub elapsed_ms: f64,
}

/// Every bundle with a truth at or below a folder, in order of their paths.
pub fn below(folder: &Path) -> Result<Vec<Case>> {
    let mut found = Vec::new();
    search(folder, &mut found)?;
    found.sort();
    Ok(found.into_iter().map(|path| named(folder, path)).collect())
}

fn named(root: &Path, folder: PathBuf) -> Case {
    let name = folder.strip_prefix(root).unwrap_or(&folder).display().to_string();
    let set = name.split_once('/').map_or(String::new(), |(set, _)| set.to_owned());
    Case { name, set, folder }
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("truth.json").is_file() && folder.join("incident.json").is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        // A link may lead anywhere, and back.
        if entry.file_type()?.is_dir() {
            search(&entry.path(), found)?;
        }
    }
    Ok(())
}

impl Case {
    /// Investigates the bundle and only then looks at the truth.
    pub fn run(&self) -> Result<Outcome> {
        let bundle = crate::folder::read(&self.folder)?;
        let started = Instant::now();
        let answer = investigate(&bundle).answer;
        let elapsed_ms = started.elapsed().as_secs_f64() * 1000.0;
        let path = self.folder.join("truth.json");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let truth: Truth = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Ok(self.judge(&bundle, &answer, &truth, elapsed_ms))
    }

    fn judge(&self, bundle: &Bundle, answer: &Answer, truth: &Truth, elapsed_ms: f64) -> Outcome {
        let fault = truth.verdict == TruthVerdict::RootCause;
        let ranking: Vec<(&str, f64)> =
            answer.ranked.iter().map(|r| (r.component.as_str(), r.confidence)).collect();
        let first = answer.ranked.first();
        let candidates = baseline::candidates(bundle);
        let change = first.and_then(|first| first.change.as_deref());
        let root_cause = answer.verdict == VerdictKind::RootCause;
        Outcome {
            case: self.name.clone(),
            set: self.set.clone(),
            rank: fault.then(|| rank_of(&ranking, &truth.components)).flatten(),
            n_sigma_rank: fault.then(|| rank_of(&baseline::n_sigma(bundle), &truth.components)).flatten(),
            right: candidates.iter().filter(|c| truth.components.contains(c)).count(),
            candidates: candidates.len(),
            verdict_right: if fault { root_cause } else { answer.verdict == VerdictKind::NoFault },
            kind_right: truth.kind.map(|kind| first.is_some_and(|first| first.kind == kind)),
            change_right: (!bundle.changes.is_empty() && fault)
                .then(|| root_cause && change == truth.change.as_deref()),
            by_change: truth.change.is_some(),
            decoy_hit: change.is_some_and(|change| truth.decoys.iter().any(|decoy| decoy == change)),
            changes: bundle.changes.len(),
            fault,
            confidence: first.map_or(0.0, |first| first.confidence),
            named: first.map(|first| first.component.clone()),
            elapsed_ms,
        }
    }
}
