//! Spans by operation, before and in the incident.

use super::{ENTRIES_MAX, round};
use crate::agent::quote;
use crate::bundle::Bundle;
use crate::investigate::view::View;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Default)]
struct Part {
    failed: u64,
    durations: Vec<f64>,
}

impl Part {
    fn shown(mut self) -> Value {
        self.durations.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (self.durations.len().saturating_sub(1) as f64 * share).round() as usize;
            self.durations.get(place).map(|ms| round(*ms))
        };
        json!({"spans": self.durations.len(), "failed": self.failed, "p50_ms": at(0.5), "max_ms": at(1.0)})
    }
}

/// Operations of a component, those that fail most first, and the first in words.
pub fn of(bundle: &Bundle, view: &View, component: &str) -> (Value, String) {
    let mut found: BTreeMap<&str, [Part; 2]> = BTreeMap::new();
    for span in bundle.spans.iter().filter(|span| span.component == component) {
        let parts = found.entry(&span.name).or_default();
        let part = &mut parts[usize::from(!view.is_normal(span.at))];
        part.failed += u64::from(span.failed);
        part.durations.push(span.duration_ms);
    }
    let mut found: Vec<(&str, [Part; 2])> = found.into_iter().collect();
    found.sort_by(|a, b| b.1[1].failed.cmp(&a.1[1].failed).then(a.0.cmp(b.0)));
    let excerpt = found.first().map_or(String::new(), |(name, [_, incident])| {
        format!("{name} of {component}: {} of {} spans failed", incident.failed, incident.durations.len())
    });
    let shown = |(name, [normal, incident]): (&str, [Part; 2])| json!({"operation": quote(name, 120), "normal": normal.shown(), "incident": incident.shown()});
    (json!({ "operations": found.into_iter().take(ENTRIES_MAX).map(shown).collect::<Vec<_>>() }), excerpt)
}
