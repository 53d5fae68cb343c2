//! Secrets that are broken by the end of a line.

use super::rules;
use super::work::looked_at;
use regex::Regex;
use std::sync::LazyLock;

/// The end of a line as it is, as it is written in JSON, with a backslash before it, and the indent of the next.
static BREAK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\\?\r?\n[ \t|>]*|(?:\\r)?\\n[ \t]*").expect("a constant pattern"));

static SHAPES: LazyLock<[Regex; 2]> = LazyLock::new(|| [rules::SHAPES, rules::RUN].map(rules::compiled));

/// The text with what only shows when lines are put together masked, `None` if there is nothing.
pub fn masked(text: &str) -> Option<String> {
    let breaks: Vec<(usize, usize)> =
        BREAK.find_iter(text).map(|found| (found.start(), found.end())).collect();
    if breaks.is_empty() {
        return None;
    }
    let (joined, at) = join(text, &breaks);
    let mut ranges = Vec::new();
    for (number, shape) in SHAPES.iter().enumerate() {
        for found in shape.find_iter(&joined) {
            let (from, to) = (at[found.start()], at[found.end() - 1] + 1);
            let first = breaks.partition_point(|(start, _)| *start < from);
            looked_at(breaks.len().ilog2() as usize + found.len());
            let is_split = breaks.get(first).is_some_and(|(_, end)| *end <= to);
            let shown =
                // The first pattern is that of the vendors: it says by itself what it is.
                number == 0 || rules::is_random(found.as_str()) || super::encoded::hides_one(found.as_str());
            if is_split && shown {
                ranges.push(from..to);
            }
        }
    }
    (!ranges.is_empty()).then(|| rules::cut(text, ranges))
}

/// The text without its breaks, and where each byte of it was.
fn join(text: &str, breaks: &[(usize, usize)]) -> (String, Vec<usize>) {
    let (mut joined, mut at) = (String::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let mut from = 0;
    for (start, end) in breaks.iter().chain(std::iter::once(&(text.len(), text.len()))) {
        joined.push_str(&text[from..*start]);
        at.extend(from..*start);
        from = *end;
    }
    (joined, at)
}
