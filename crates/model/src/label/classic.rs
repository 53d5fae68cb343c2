//! The matcher syntax of Alertmanager before UTF-8 label names: tolerant, values with or without quotes.

use super::{MatchOp, Matcher, MatcherError};

/// Whether a name is one that Prometheus has always allowed.
pub(super) fn is_label_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let inner = text.strip_prefix('{').unwrap_or(text);
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    split(inner).into_iter().map(one).collect()
}

/// Splits at commas outside of quotes; an empty last part is a trailing comma.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (index, c) in text.char_indices() {
        match c {
            ',' if !quoted => {
                parts.push(&text[begin..index]);
                begin = index + 1;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    if !text[begin..].trim().is_empty() {
        parts.push(&text[begin..]);
    }
    parts
}

fn one(text: &str) -> Result<Matcher, MatcherError> {
    let bad = || MatcherError::Format(text.trim().to_owned());
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).ok_or_else(bad)?;
    let (name, rest) = trimmed.split_at(end);
    if !is_label_name(name) {
        return Err(bad());
    }
    let rest = rest.trim_start();
    // `=~` before `=`: else the tilde would become part of the value.
    let ops = [MatchOp::Regex, MatchOp::NotRegex, MatchOp::NotEqual, MatchOp::Equal];
    let (op, value) =
        ops.into_iter().find_map(|op| Some((op, rest.strip_prefix(op.symbol())?))).ok_or_else(bad)?;
    Matcher::new(name, op, unescape(value.trim()).ok_or_else(bad)?)
}

/// Takes quotes off and resolves `\"`, `\\` and `\n`; any other backslash stands for itself.
fn unescape(raw: &str) -> Option<String> {
    let (body, mut closing_due) = match raw.strip_prefix('"') {
        Some(body) => (body, true),
        None => (raw, false),
    };
    let mut value = String::with_capacity(body.len());
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('n')) => value.push('\n'),
            ('\\', Some(next @ ('"' | '\\'))) => value.push(*next),
            ('\\', Some(next)) => value.extend(['\\', *next]),
            ('"', None) if closing_due => {
                closing_due = false;
                continue;
            }
            ('"', _) => return None,
            (other, _) => {
                value.push(other);
                continue;
            }
        }
        chars.next();
    }
    (!closing_due).then_some(value)
}
