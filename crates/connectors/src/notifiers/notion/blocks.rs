//! Blocks of a page: text is content, never markup. Notion takes 100 blocks a request and 2000 characters a text.

use crate::notifiers::text::{cut, parts, short_line};
use midwatch_model::bulletin::Bulletin;
use serde_json::{Value, json};

/// Characters of one text.
const TEXT_MAX: usize = 2000;

/// Blocks of a postmortem at most: with what else is appended, below 100.
const BLOCKS_MAX: usize = 60;

/// Pieces of a list that are shown.
const LIST_MAX: usize = 12;

/// Rich text of one piece; none where there is nothing to say.
pub(super) fn rich(text: &str) -> Value {
    let text = cut(text.trim(), TEXT_MAX);
    if text.is_empty() { json!([]) } else { json!([{ "type": "text", "text": { "content": text } }]) }
}

fn block(kind: &str, text: &str) -> Value {
    json!({ "object": "block", "type": kind, kind: { "rich_text": rich(text) } })
}

fn list(items: impl IntoIterator<Item = String>, none: &str) -> Vec<Value> {
    let mut items: Vec<Value> =
        items.into_iter().take(LIST_MAX).map(|item| block("bulleted_list_item", &item)).collect();
    if items.is_empty() {
        items.push(block("paragraph", none));
    }
    items
}

/// A new page: what it is, what was done, why it is believed.
pub(super) fn children(bulletin: &Bulletin) -> Vec<Value> {
    let mut blocks = vec![block("heading_2", "Incident Summary"), block("paragraph", &bulletin.verdict)];
    if bulletin.news != bulletin.verdict {
        blocks.push(block("paragraph", &bulletin.news));
    }
    if bulletin.url.starts_with("http") {
        blocks.push(block("paragraph", &format!("{} · {}", bulletin.topic, bulletin.url)));
    }
    blocks.push(block("heading_2", "Actions Taken"));
    let proposed = bulletin.action.iter().filter(|_| bulletin.done.is_empty()).cloned();
    blocks.extend(list(bulletin.done.iter().cloned().chain(proposed), "Nothing so far."));
    if let Some(undo) = &bulletin.undo {
        blocks.push(block("paragraph", &format!("Undo: {undo}")));
    }
    blocks.push(block("heading_2", "Reasoning"));
    let piece = |piece: &midwatch_model::bulletin::Piece| match piece.query.as_str() {
        "" => piece.text.clone(),
        query => format!("{}: {} (run again: {query})", piece.source, piece.text),
    };
    let symptoms =
        bulletin.symptoms.iter().map(|symptom| symptom.text.clone()).filter(|_| bulletin.evidence.is_empty());
    blocks.extend(list(bulletin.evidence.iter().map(piece).chain(symptoms), "No verdict yet."));
    if let Some(next) = &bulletin.next_query {
        blocks.push(block("paragraph", &format!("Look next at: {next}")));
    }
    blocks.extend(bulletin.postmortem.iter().flat_map(|text| written_up(text)));
    blocks
}

/// What is new, for a page that is there.
pub(super) fn appended(bulletin: &Bulletin) -> Vec<Value> {
    let at = bulletin.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let mut blocks =
        vec![block("paragraph", &format!("{at}: {}", short_line(&bulletin.news, TEXT_MAX - 40)))];
    blocks.extend(bulletin.postmortem.iter().flat_map(|text| written_up(text)));
    blocks
}

fn written_up(markdown: &str) -> Vec<Value> {
    let mut blocks = vec![block("heading_2", "Postmortem")];
    for part in parts(markdown, TEXT_MAX - 4, BLOCKS_MAX, "The rest is at midwatch.") {
        match part.strip_prefix("## ").and_then(|rest| rest.split_once("\n\n")) {
            Some((heading, rest)) => {
                blocks.push(block("heading_3", heading));
                blocks.push(block("paragraph", rest));
            }
            None => blocks.push(block("paragraph", part.trim_start_matches("# "))),
        }
    }
    blocks.truncate(BLOCKS_MAX);
    blocks
}
