//! `logs.ndjson`: one JSON object per line.

use super::{BundleError, Fault, Ms, Note};
use serde_json::{Map, Value};

const FILE: &str = super::FILES[2];

/// Characters of a message that are kept: what says more is a dump.
const MESSAGE_CHARS_MAX: usize = 2000;

/// One line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    pub at: Ms,
    pub component: String,
    /// As the writer spelled it, upper case; empty if unknown.
    pub severity: String,
    pub message: String,
    pub trace_id: Option<String>,
}

impl LogLine {
    /// Whether the writer thought that something is wrong.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        ["ERR", "FATAL", "CRIT", "PANIC", "ALERT", "EMERG", "SEVERE"]
            .iter()
            .any(|bad| self.severity.starts_with(bad))
    }

    /// Whether the writer warned.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.severity.starts_with("WARN")
    }
}

pub(super) fn parse(text: &str, notes: &mut Vec<Note>) -> Result<Vec<LogLine>, BundleError> {
    let mut lines = Vec::new();
    let count = text.lines().count();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Map<String, Value>>(line) {
            Ok(fields) => {
                lines.push(read(&fields).map_err(|fault| BundleError::at(FILE, number as u64 + 1, fault))?)
            }
            // What was still being written when the file was taken.
            Err(why) if number + 1 == count && why.is_eof() => {
                notes.push(Note {
                    file: FILE,
                    what: format!("line {} is cut off and was left out", number + 1),
                });
            }
            Err(why) => return Err(BundleError::at(FILE, number as u64 + 1, Fault::Json(why.to_string()))),
        }
    }
    lines.sort_by(|a, b| (a.at, &a.component, &a.message).cmp(&(b.at, &b.component, &b.message)));
    Ok(lines)
}

fn read(fields: &Map<String, Value>) -> Result<LogLine, Fault> {
    let at = first(fields, &["timestamp", "time", "@timestamp"]).ok_or_else(|| missing("timestamp"))?;
    let component = first(fields, &["service", "service.name"]).and_then(Value::as_str);
    let message = first(fields, &["msg", "body", "message"]).ok_or_else(|| missing("msg` or `body"))?;
    let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    let severity = first(fields, &["severity_text", "severity", "level"]).and_then(Value::as_str);
    Ok(LogLine {
        at: super::time::of_json(at)?,
        component: super::name(component.ok_or_else(|| missing("service"))?)?.to_owned(),
        severity: severity.unwrap_or_default().to_ascii_uppercase(),
        message: message.chars().take(MESSAGE_CHARS_MAX).collect(),
        trace_id: fields.get("trace_id").and_then(Value::as_str).map(str::to_owned),
    })
}

pub(super) fn first<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| fields.get(*name)).filter(|value| !value.is_null())
}

pub(super) fn missing(field: &str) -> Fault {
    Fault::Shape(format!("the field `{field}` is missing"))
}
