//! Logs as templates: what a line says without what varies in it.

use super::{ENTRIES_MAX, TEXT_CHARS_MAX};
use crate::agent::quote;
use crate::bundle::{Bundle, LogLine};
use crate::investigate::view::View;
use midwatch_model::redact::redact;
use midwatch_series::{TemplateId, TemplateMiner};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Lines of one component that are read at most, the latest: a template shows long before.
const LINES_MAX: usize = 20_000;

#[derive(Default)]
struct Count {
    normal: u64,
    incident: u64,
    severity: String,
}

/// Templates of a component's lines, those that came up in the incident first, and the first in words.
pub fn search(
    bundle: &Bundle,
    view: &View,
    component: &str,
    contains: Option<&str>,
    only_bad: bool,
) -> (Value, String) {
    let needle = contains.map(str::to_lowercase);
    let asked = |line: &&LogLine| {
        line.component == component
            && (!only_bad || line.is_bad() || line.is_warning())
            && needle.as_ref().is_none_or(|needle| line.message.to_lowercase().contains(needle))
    };
    let mut miner = TemplateMiner::new();
    let mut counts: BTreeMap<TemplateId, Count> = BTreeMap::new();
    for line in bundle.logs.iter().rev().filter(asked).take(LINES_MAX) {
        // Redacted before it is taken apart: a template of half a secret would hide it from the boundary.
        let count = counts.entry(miner.observe(&redact(&line.message))).or_default();
        if view.is_normal(line.at) {
            count.normal += 1
        } else {
            count.incident += 1
        }
        if count.severity.is_empty() {
            count.severity.clone_from(&line.severity);
        }
    }
    let mut found: Vec<(String, Count)> = counts
        .into_iter()
        .filter_map(|(id, count)| Some((miner.template(miner.resolve(id))?.to_string(), count)))
        .collect();
    found.sort_by(|a, b| newness(&b.1).total_cmp(&newness(&a.1)).then_with(|| a.0.cmp(&b.0)));
    let list: Vec<Value> =
        found.iter().take(ENTRIES_MAX).map(|(template, count)| entry(template, count)).collect();
    let excerpt = found.first().map_or(String::new(), |(template, count)| {
        format!("{component} logged {} times, {} before: {template}", count.incident, count.normal)
    });
    (json!({ "templates": list, "more": found.len().saturating_sub(ENTRIES_MAX) }), excerpt)
}

fn newness(count: &Count) -> f64 {
    count.incident as f64 / (count.normal as f64 + 1.0)
}

fn entry(template: &str, count: &Count) -> Value {
    json!({
        "template": quote(template, TEXT_CHARS_MAX),
        "severity": quote(&count.severity, 16),
        "in_incident": count.incident,
        "in_normal": count.normal,
    })
}
