//! One system's log with a label per line, and how well and how fast its statements are found.

use anyhow::{Context, Result, bail};
use midwatch_series::TemplateMiner;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a log is mined again and again for its speed.
const TIMED_FOR: Duration = Duration::from_millis(300);

/// Lines and, apart from them, what statement each is of.
pub(super) struct System {
    pub name: String,
    pub lines: Vec<String>,
    labels: Vec<String>,
}

/// How it went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Score {
    /// Grouping accuracy (Zhu et al., ICSE-SEIP 2019): share of lines in groups that are exactly a statement's lines.
    pub accuracy: f64,
    pub templates: usize,
    /// On one core, from a miner that knows nothing; reading the file is not counted.
    pub lines_per_s: f64,
}

/// A line of `logs.ndjson`; other fields are not looked at.
#[derive(Deserialize)]
struct LogLine {
    #[serde(alias = "body")]
    msg: String,
}

/// Every labelled log below a folder, or in it.
pub(super) fn below(folder: &Path) -> Result<Vec<System>> {
    let mut folders = vec![folder.to_owned()];
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        folders.push(entry.with_context(|| folder.display().to_string())?.path());
    }
    folders.sort();
    folders.retain(|folder| folder.join("logs.ndjson").is_file() && folder.join("labels.txt").is_file());
    folders.iter().map(|folder| System::read(folder)).collect()
}

impl System {
    fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let line = |(place, text): (usize, &str)| {
            serde_json::from_str::<LogLine>(text)
                .map(|line| line.msg)
                .with_context(|| format!("{}, line {}", folder.join("logs.ndjson").display(), place + 1))
        };
        let lines = read("logs.ndjson")?.lines().enumerate().map(line).collect::<Result<Vec<_>>>()?;
        let labels: Vec<String> = read("labels.txt")?.lines().map(str::to_owned).collect();
        if lines.len() != labels.len() {
            bail!("{}: {} lines have {} labels; each needs one", folder.display(), lines.len(), labels.len());
        }
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, lines, labels })
    }

    pub(super) fn statements(&self) -> usize {
        self.labels.iter().collect::<HashSet<_>>().len()
    }

    /// Finds templates with the defaults. Groups are what they are after the last line.
    pub(super) fn mine(&self) -> Score {
        let mut miner = TemplateMiner::new();
        let ids: Vec<_> = self.lines.iter().map(|line| miner.observe(line)).collect();
        let ids: Vec<_> = ids.into_iter().map(|id| miner.resolve(id)).collect();
        Score {
            accuracy: self.accuracy(&ids),
            templates: ids.iter().collect::<HashSet<_>>().len(),
            lines_per_s: together(std::slice::from_ref(self)),
        }
    }

    pub(super) fn equal_lines(&self) -> f64 {
        self.accuracy(&self.lines)
    }

    pub(super) fn accuracy<G: Eq + Hash>(&self, groups: &[G]) -> f64 {
        let statements: HashSet<Vec<usize>> = places(&self.labels).into_values().collect();
        let right = places(groups).into_values().filter(|lines| statements.contains(lines));
        right.map(|lines| lines.len()).sum::<usize>() as f64 / self.lines.len().max(1) as f64
    }
}

fn places<G: Eq + Hash>(groups: &[G]) -> HashMap<&G, Vec<usize>> {
    let mut places: HashMap<&G, Vec<usize>> = HashMap::new();
    for (place, group) in groups.iter().enumerate() {
        places.entry(group).or_default().push(place);
    }
    places
}

/// Lines per second on one core. Each round begins with nothing known.
pub(super) fn together(systems: &[System]) -> f64 {
    let (mut lines, began) = (0, Instant::now());
    while began.elapsed() < TIMED_FOR {
        for system in systems {
            let mut miner = TemplateMiner::new();
            for line in &system.lines {
                std::hint::black_box(miner.observe(line));
            }
            lines += system.lines.len();
        }
    }
    lines as f64 / began.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_counts_only_if_it_is_exactly_a_statement() {
        let labels = ["a", "a", "b", "c", "c"].map(str::to_owned).to_vec();
        let system = System { name: "x".into(), lines: labels.clone(), labels };
        assert_eq!(system.statements(), 3);
        for (groups, expected) in
            [([1, 1, 2, 3, 3], 1.0), ([1, 1, 1, 3, 3], 0.4), ([1, 2, 3, 4, 4], 0.6), ([1, 1, 1, 1, 1], 0.0)]
        {
            assert!((system.accuracy(&groups) - expected).abs() < 1e-9, "{groups:?}");
        }
    }
}
