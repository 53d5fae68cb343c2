//! One log line: its time, level and message, from structured JSON or, where a line is plain text, from its words.

use midwatch_model::{Timestamp, after, redact::redact};
use serde_json::Value;

/// Longest template that is kept; what differs beyond it is the same message.
const TEMPLATE_CHARS_MAX: usize = 160;

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Warning,
    Other,
}

impl Level {
    /// As OpenTelemetry's severity text.
    pub(super) fn name(self) -> &'static str {
        match self {
            Level::Error => "ERROR",
            Level::Warning => "WARN",
            Level::Other => "INFO",
        }
    }
}

/// What matters of a line.
#[derive(Debug, PartialEq)]
pub(super) struct LogLine {
    /// `None` where a line gives no time.
    pub at: Option<Timestamp>,
    pub level: Level,
    pub message: String,
}

/// Reads a line. Never fails: what is not JSON is a message.
pub(super) fn read(text: &str) -> LogLine {
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => {
            let first = |names: &[&str]| names.iter().find_map(|name| fields.get(*name));
            let message = first(&["msg", "message", "event"]).map_or_else(|| text.to_owned(), text_of);
            let error = first(&["error", "err", "exception"]).filter(|v| !v.is_null()).map(text_of);
            let said = error.filter(|error| !error.is_empty() && !message.contains(error.as_str()));
            LogLine {
                at: first(&["timestamp", "ts", "time", "@timestamp"]).and_then(time_of),
                level: level_of(&first(&["level", "severity", "lvl"]).map_or_else(String::new, text_of)),
                message: said.map_or_else(|| message.clone(), |error| format!("{message}: {error}")),
            }
        }
        _ => LogLine {
            at: text.split_whitespace().next().and_then(|word| word.parse().ok()),
            level: text
                .split(|c: char| !c.is_ascii_alphabetic())
                .map(level_of)
                .find(|level| *level != Level::Other)
                .unwrap_or(Level::Other),
            message: text.to_owned(),
        },
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn level_of(text: &str) -> Level {
    match text.to_ascii_lowercase().as_str() {
        "error" | "err" | "fatal" | "panic" | "critical" | "crit" | "alert" | "emergency" | "emerg" => {
            Level::Error
        }
        "warn" | "warning" => Level::Warning,
        _ => Level::Other,
    }
}

/// RFC 3339, or seconds or milliseconds since 1970.
fn time_of(value: &Value) -> Option<Timestamp> {
    if let Some(text) = value.as_str() {
        return text.parse().ok();
    }
    // In seconds, 1e11 is the year 5138; in milliseconds it is 1973.
    let number = value.as_f64().filter(|n| n.is_finite() && n.abs() < 2.5e14)?;
    Some(after(Timestamp::UNIX_EPOCH, if number.abs() > 1e11 { number / 1000.0 } else { number }))
}

/// The message with secrets redacted and every word part that holds a digit masked, so that equal messages about
/// different requests are one.
pub(super) fn template(message: &str) -> String {
    let head = &message[..message.floor_char_boundary(16 * TEMPLATE_CHARS_MAX)];
    let redacted = redact(head);
    let mut template = String::new();
    let mut part = String::new();
    let flush = |part: &mut String, template: &mut String| {
        template.push_str(if part.contains(|c: char| c.is_ascii_digit()) { "#" } else { part.as_str() });
        part.clear();
    };
    for c in redacted.chars() {
        if c.is_alphanumeric() {
            part.push(c);
            continue;
        }
        flush(&mut part, &mut template);
        let blank = c.is_whitespace() || c.is_control();
        if !(blank && template.ends_with(' ')) {
            template.push(if blank { ' ' } else { c });
        }
    }
    flush(&mut part, &mut template);
    template.trim().chars().take(TEMPLATE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_and_plain_lines_are_read() {
        for (text, at_s, level, message) in [
            (
                r#"{"timestamp":"1970-01-01T00:00:05Z","level":"ERROR","msg":"no"}"#,
                Some(5),
                Level::Error,
                "no",
            ),
            (r#"{"ts":7,"severity":"warn","message":"slow"}"#, Some(7), Level::Warning, "slow"),
            (
                r#"{"time":1700000000000,"event":"x","error":"refused"}"#,
                Some(1_700_000_000),
                Level::Other,
                "x: refused",
            ),
            ("1970-01-01T00:00:09Z ERROR broken", Some(9), Level::Error, "1970-01-01T00:00:09Z ERROR broken"),
            ("[1,2]", None, Level::Other, "[1,2]"),
            ("", None, Level::Other, ""),
        ] {
            let line = read(text);
            assert_eq!(
                (line.at.map(|at| at.as_second()), line.level, line.message.as_str()),
                (at_s, level, message)
            );
        }
    }

    #[test]
    fn templates_mask_numbers_and_secrets() {
        for (message, expected) in [
            ("order 4711 timed out after 2000ms", "order # timed out after #"),
            ("user 7f3a-99 password=hunter22", "user #-# password=[redacted]"),
            ("a\n\t b\u{0}c", "a b c"),
        ] {
            assert_eq!(template(message), expected);
        }
        assert_eq!(template(&"é".repeat(10_000)).chars().count(), 160);
    }
}
