//! The words around a demo, from a file of sections or built in.

use crate::exit::Usage;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// The sections that a file may have.
const SECTIONS: [&str; 6] = ["intro", "scenario", "dashboard_note", "running", "success", "failure"];

pub struct Narrative(BTreeMap<String, String>);

impl Narrative {
    /// Reads `[section]` headings, each followed by its text.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let mut sections = BTreeMap::new();
        let Some(path) = path else { return Ok(Self(sections)) };
        let text = std::fs::read_to_string(path)
            .map_err(|e| Usage(format!("cannot read the narrative {}: {e}", path.display())))?;
        let mut current: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let heading = line.trim().strip_prefix('[').and_then(|l| l.strip_suffix(']'));
            if let Some(name) = heading {
                if !SECTIONS.contains(&name) {
                    let known = SECTIONS.join("] [");
                    let at = format!("{}:{}", path.display(), index + 1);
                    return Err(Usage(format!("{at}: [{name}] is not a section; known: [{known}]")).into());
                }
                current = Some(name.to_owned());
            } else if let Some(name) = &current {
                let text: &mut String = sections.entry(name.clone()).or_default();
                text.push_str(line);
                text.push('\n');
            } else if !line.trim().is_empty() {
                let at = format!("{}:{}", path.display(), index + 1);
                return Err(Usage(format!("{at}: text before the first [section]")).into());
            }
        }
        Ok(Self(sections))
    }

    fn get<'a>(&'a self, name: &str, built_in: &'a str) -> &'a str {
        self.0.get(name).map_or(built_in, |text| text.trim_end())
    }

    pub fn intro(&self) -> &str {
        self.get("intro", "Starting six real services with traffic, and midwatch to watch over them.")
    }

    pub fn scenario(&self, built_in: &str) -> String {
        self.get("scenario", built_in).to_owned()
    }

    pub fn dashboard_note(&self) -> &str {
        self.get("dashboard_note", "")
    }

    pub fn running(&self) -> &str {
        self.get("running", "midwatch sees only metrics, logs, health and the control plane. Watching …")
    }

    pub fn success(&self) -> &str {
        self.get("success", "")
    }

    pub fn failure(&self) -> &str {
        self.get("failure", "")
    }
}
