//! The file as text: where a problem is, and what the environment lays over it.

use super::Config;
use std::collections::BTreeSet;

/// The line of the field that a problem begins with, such as `decision.rate_max is 0; …`.
pub fn line_of(text: &str, problem: &str) -> Option<usize> {
    let path = problem.split_whitespace().next()?;
    let (section, field) = path.rsplit_once('.')?;
    let mut current = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            current = header.trim_matches('[').trim().to_owned();
        } else if current == section && line.split('=').next().is_some_and(|key| key.trim() == field) {
            return Some(index + 1);
        }
    }
    None
}

/// Sets a field by its path of lower-case names joined by two underscores.
pub fn set(table: &mut toml::Table, path: &str, value: &str) -> Result<(), String> {
    let Some((first, rest)) = path.split_once("__") else {
        // A value that reads as TOML is one; anything else is text.
        let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"));
        let value = parsed.ok().and_then(|mut t| t.remove("value")).unwrap_or_else(|| value.into());
        table.insert(path.to_owned(), value);
        return Ok(());
    };
    match table.entry(first).or_insert_with(|| toml::Table::new().into()) {
        toml::Value::Table(inner) => set(inner, rest, value),
        _ => Err(format!("`{first}` is not a section")),
    }
}

/// Every text that stands as a value in a file.
pub fn strings(table: &toml::Table) -> BTreeSet<String> {
    fn add(value: &toml::Value, found: &mut BTreeSet<String>) {
        match value {
            toml::Value::String(text) => {
                found.insert(text.clone());
            }
            toml::Value::Array(all) => all.iter().for_each(|one| add(one, found)),
            toml::Value::Table(table) => table.values().for_each(|one| add(one, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    table.values().for_each(|value| add(value, &mut found));
    found
}

/// Whether the fields laid over the file so far are of their types.
pub fn fits(table: &toml::Table) -> Result<(), String> {
    let read: Result<Config, _> = table.clone().try_into();
    read.map(|_| ()).map_err(|error| {
        format!("{} (`midwatch config sample` shows what is expected)", error.message().replace('\n', " "))
    })
}

/// Problems that are looked for at most: whoever has more begins with these.
const PROBLEMS_MAX: usize = 50;

/// Everything of the file that cannot be read. What is wrong is blanked out, so that what comes after it is read, too.
pub fn unreadable(text: &str, name: &str) -> Vec<String> {
    let (mut left, mut found) = (text.to_owned(), Vec::new());
    while found.len() < PROBLEMS_MAX {
        let Err(error) = toml::from_str::<Config>(&left) else { break };
        // What is not TOML has one problem that counts; if blanking made it so, that is none of the file's.
        let is_toml = toml::from_str::<toml::Table>(&left).is_ok();
        if !is_toml && !found.is_empty() {
            break;
        }
        found.push(describe(&left, name, &error));
        let blanked = error.span().map(|span| blank(&left, span, error.message()));
        match blanked.filter(|blanked| is_toml && *blanked != left) {
            Some(blanked) => left = blanked,
            None => break,
        }
    }
    found
}

/// The text with blanks for the lines of a problem; where a table lacks something, for the whole table.
fn blank(text: &str, span: std::ops::Range<usize>, message: &str) -> String {
    let start = text[..span.start.min(text.len())].rfind('\n').map_or(0, |at| at + 1);
    let line_end = |from: usize| text[from..].find('\n').map_or(text.len(), |at| from + at);
    let mut end = line_end(span.end.clamp(start, text.len()));
    if message.contains("missing field") {
        end = text[line_end(start)..].find("\n[").map_or(text.len(), |at| line_end(start) + at);
    }
    let blanks: String = text[start..end]
        .chars()
        .map(|c| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) })
        .collect();
    format!("{}{blanks}{}", &text[..start], &text[end..])
}

/// A TOML error with file, line and column, and the fix where one is known.
pub fn describe(text: &str, name: &str, error: &toml::de::Error) -> String {
    let place = error.span().map_or_else(String::new, |span| {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        format!(":{line}:{column}")
    });
    let message = error.message().replace('\n', " ");
    let fix = if message.contains("unknown field") {
        " (correct the name or remove the line; `midwatch config sample` shows every field)"
    } else if message.contains("unknown variant") || message.contains("invalid type") {
        " (`midwatch config sample` shows what is expected)"
    } else {
        ""
    };
    format!("{name}{place}: {message}{fix}")
}
