//! What each tool answers over a bundle: pure functions, so that whoever doubts an answer can ask again.

mod logs;
mod traces;

use super::book::Piece;
use super::knowledge::{Document, Knowledge};
use super::query::Query;
use super::quote;
use crate::bundle::{Bundle, Ms, time_text};
use crate::investigate::Window;
use crate::investigate::tools::LOGS;
use crate::investigate::view::{NOTABLE, SeenSeries, View};
use midwatch_model::EvidenceSource;
use serde_json::{Value, json};

/// Entries of a list at most: a model that needs more asks for less.
const ENTRIES_MAX: usize = 12;

/// Samples of a series at most, evenly chosen.
const SAMPLES_MAX: usize = 40;

/// Characters of what somebody else wrote, per entry.
pub(super) const TEXT_CHARS_MAX: usize = 240;
const DIFF_CHARS_MAX: usize = 600;
const DOCUMENT_CHARS_MAX: usize = 1500;

/// Documents that one question brings at most.
const DOCUMENTS_MAX: usize = 5;

/// Answers one question.
pub(crate) fn answer(bundle: &Bundle, view: &View, knowledge: &dyn Knowledge, query: &Query) -> Piece {
    let piece = |source, data: Value, excerpt: String, found| Piece {
        query: query.clone(),
        source,
        window: whole(bundle),
        data,
        excerpt: quote(&excerpt, 300),
        shows: Vec::new(),
        changes: Vec::new(),
        found,
    };
    match query {
        Query::Metrics { component, metric } => {
            let (data, excerpt, shows) = metrics(bundle, view, component, metric.as_deref());
            let found = !excerpt.is_empty();
            let shows = if shows { vec![component.clone()] } else { Vec::new() };
            Piece { shows, ..piece(Some(EvidenceSource::ServiceMetrics), data, excerpt, found) }
        }
        Query::Logs { component, contains, only_bad } => {
            let (data, excerpt) = logs::search(bundle, view, component, contains.as_deref(), *only_bad);
            let found = !excerpt.is_empty();
            piece(Some(EvidenceSource::Logs), data, excerpt, found)
        }
        Query::Traces { component } => {
            let (data, excerpt) = traces::of(bundle, view, component);
            let found = !excerpt.is_empty();
            let shows =
                notable(view, component).any(|s| bundle.metrics.series[s.index].source == "traces.json");
            let shows = if shows { vec![component.clone()] } else { Vec::new() };
            Piece { shows, ..piece(Some(EvidenceSource::Traces), data, excerpt, found) }
        }
        Query::Changes { component } => {
            let (data, excerpt, ids) = changes(bundle, view, component.as_deref());
            let found = !ids.is_empty();
            Piece { changes: ids, ..piece(Some(EvidenceSource::ControlPlane), data, excerpt, found) }
        }
        Query::Topology { component } => {
            let data = topology(view, component);
            let excerpt =
                format!("{component} is called by {} and calls {}", data["callers"], data["callees"]);
            piece(Some(EvidenceSource::ControlPlane), data, excerpt, true)
        }
        Query::KubernetesState { component } => {
            let of = |found: &&(String, String, String)| component.as_ref().is_none_or(|c| *c == found.0);
            let all: Vec<_> = view.findings.iter().filter(of).take(ENTRIES_MAX).collect();
            let list: Vec<Value> = all
                .iter()
                .map(|(name, says, tool)| json!({"component": quote(name, 256), "says": quote(says, TEXT_CHARS_MAX), "tool": quote(tool, 80)}))
                .collect();
            let excerpt = all.first().map_or(String::new(), |(_, says, _)| says.clone());
            // What somebody wrote into a log is no witness.
            let shows = all.iter().filter(|(.., tool)| tool != LOGS).map(|(name, ..)| name.clone()).collect();
            let found = !all.is_empty();
            Piece {
                shows,
                ..piece(Some(EvidenceSource::ControlPlane), json!({ "findings": list }), excerpt, found)
            }
        }
        Query::SimilarIncidents { words } => documents(&knowledge.similar_incidents(words), &piece),
        Query::Runbooks { words } => documents(&knowledge.runbooks(words), &piece),
        Query::ServiceDoc { component } => {
            documents(&knowledge.service_doc(component).into_iter().collect::<Vec<_>>(), &piece)
        }
    }
}

fn documents(
    found: &[Document],
    piece: &dyn Fn(Option<EvidenceSource>, Value, String, bool) -> Piece,
) -> Piece {
    piece(None, json!({ "documents": quoted(found, DOCUMENTS_MAX) }), String::new(), !found.is_empty())
}

/// Documents as data.
pub(super) fn quoted(documents: &[Document], most: usize) -> Vec<Value> {
    let one = |doc: &Document| json!({"title": quote(&doc.title, 200), "text": quote(&doc.text, DOCUMENT_CHARS_MAX)});
    documents.iter().take(most).map(one).collect()
}

/// From the first sample or line to the last.
fn whole(bundle: &Bundle) -> Window {
    let samples = bundle.metrics.series.iter().flat_map(|series| [series.at.first(), series.at.last()]);
    let lines = [bundle.logs.first(), bundle.logs.last()].map(|line| line.map(|line| &line.at));
    let times: Vec<Ms> = samples.chain(lines).flatten().copied().collect();
    let detected = bundle.incident.detected_at;
    let (from, to) = (times.iter().min().unwrap_or(&detected), times.iter().max().unwrap_or(&detected));
    Window { from: time_text(*from), to: time_text(*to) }
}

fn notable<'a>(view: &'a View, component: &'a str) -> impl Iterator<Item = &'a SeenSeries> {
    view.series.iter().filter(move |series| series.component == component && series.score >= NOTABLE)
}

/// The series of a component, in words the most surprising, and whether that is any surprise.
fn metrics(bundle: &Bundle, view: &View, component: &str, metric: Option<&str>) -> (Value, String, bool) {
    let asked = |series: &&SeenSeries| {
        series.component == component && metric.is_none_or(|metric| series.metric == metric)
    };
    let mut all: Vec<&SeenSeries> = view.series.iter().filter(asked).collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let list: Vec<Value> =
        all.iter().take(ENTRIES_MAX).map(|s| series(bundle, s, metric.is_some())).collect();
    let excerpt = all.first().map_or(String::new(), |s| {
        format!(
            "{} of {component}: {} at worst; normal is {} ± {}",
            s.metric,
            round(s.worst),
            round(s.centre),
            round(s.spread)
        )
    });
    (
        json!({ "series": list, "more": all.len().saturating_sub(ENTRIES_MAX) }),
        excerpt,
        all.first().is_some_and(|s| s.score >= NOTABLE),
    )
}

fn series(bundle: &Bundle, seen: &SeenSeries, samples: bool) -> Value {
    let mut entry = json!({
        "metric": quote(&seen.metric, 256),
        "surprise": (seen.score * 10.0).round() / 10.0,
        "normal": format!("{} ± {}", round(seen.centre), round(seen.spread)),
        "worst": round(seen.worst),
        "since": seen.onset.map(time_text),
    });
    if samples {
        let of = &bundle.metrics.series[seen.index];
        let step = of.at.len().div_ceil(SAMPLES_MAX).max(1);
        let pairs = of.at.iter().zip(&of.values).step_by(step);
        entry["samples"] = pairs.map(|(at, value)| json!([time_text(*at), round(*value)])).collect();
    }
    entry
}

/// Four significant digits: more are noise, and cost tokens.
pub(super) fn round(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

fn changes(bundle: &Bundle, view: &View, component: Option<&str>) -> (Value, String, Vec<String>) {
    let of = |suspect: &&crate::investigate::view::SeenChange| {
        component.is_none_or(|c| suspect.component.as_deref().is_none_or(|of| of == c))
    };
    let suspects = view.suspects.iter().filter(of).take(ENTRIES_MAX);
    let (mut list, mut ids, mut excerpt) = (Vec::new(), Vec::new(), String::new());
    for suspect in suspects {
        let Some(record) = bundle.changes.iter().find(|record| record.id == suspect.id) else { continue };
        if ids.is_empty() {
            excerpt = format!(
                "{} {} at {}: {}",
                record.kind.title(),
                record.id,
                time_text(record.at),
                record.title
            );
        }
        ids.push(record.id.clone());
        list.push(json!({
            "id": quote(&record.id, 256),
            "kind": record.kind.title(),
            "at": time_text(record.at),
            "component": suspect.component.as_ref().map(|name| quote(name, 256)),
            "suspicion": (suspect.suspicion * 100.0).round() / 100.0,
            "title": quote(&record.title, TEXT_CHARS_MAX),
            "files": record.files.iter().take(8).map(|file| quote(file, 120)).collect::<Vec<_>>(),
            "diff": record.diff.as_ref().map(|diff| quote(diff, DIFF_CHARS_MAX)),
        }));
    }
    (json!({ "changes": list }), excerpt, ids)
}

fn topology(view: &View, component: &str) -> Value {
    let callers =
        view.calls.iter().filter(|(_, callee)| callee == component).map(|(caller, _)| quote(caller, 256));
    let callees =
        view.calls.iter().filter(|(caller, _)| caller == component).map(|(_, callee)| quote(callee, 256));
    json!({"callers": callers.collect::<Vec<_>>(), "callees": callees.collect::<Vec<_>>()})
}
