//! prometheus-operator/runbooks: a page per alert; what the alert's description says is the question.
//!
//! The alert's name and the page's title are taken out of both, or finding the page would be a matter of spelling.

use anyhow::{Context, Result};
use regex::Regex;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Page {
    id: String,
    text: String,
}

/// What is used of a query.
#[derive(Deserialize)]
struct Asked {
    alert: String,
    description: String,
    gold: String,
}

/// One folder with pages and questions.
pub fn convert(from: &Path, to: &Path) -> Result<usize> {
    let (docs, queries) = (from.join("docs.jsonl"), from.join("queries.jsonl"));
    if !docs.is_file() || !queries.is_file() {
        return Ok(0);
    }
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    let (mut pages, mut questions) = (String::new(), String::new());
    for line in read(&docs)?.lines() {
        let page: Page = serde_json::from_str(line).with_context(|| docs.display().to_string())?;
        let text = stripped(&page)?;
        pages.push_str(&format!("{}\n", serde_json::json!({ "id": page.id, "text": text })));
    }
    let template = Regex::new(r"\{\{.*?\}\}")?;
    for line in read(&queries)?.lines() {
        let asked: Asked = serde_json::from_str(line).with_context(|| queries.display().to_string())?;
        let text = without(&template.replace_all(&asked.description, " "), &asked.alert)?;
        questions.push_str(&format!("{}\n", serde_json::json!({ "text": text, "gold": asked.gold })));
    }
    std::fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for (name, text) in [("docs.jsonl", pages), ("queries.jsonl", questions)] {
        std::fs::write(to.join(name), text).with_context(|| to.join(name).display().to_string())?;
    }
    Ok(1)
}

/// The page without front matter, headings of the first level and the alert's name.
fn stripped(page: &Page) -> Result<String> {
    let text = page.text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    let text = text.map_or(page.text.as_str(), |(_, body)| body);
    let text: String =
        text.lines().filter(|line| !line.starts_with("# ")).flat_map(|line| [line, "\n"]).collect();
    without(&text, page.id.rsplit('/').next().unwrap_or_default())
}

fn without(text: &str, name: &str) -> Result<String> {
    let name = Regex::new(&format!("(?i){}", regex::escape(name)))?;
    Ok(name.replace_all(text, " ").into_owned())
}
