//! Structured logs: one flat JSON object per line on standard output, a few per message and second.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;

use serde_json::{Map, Value};

/// Lines per message and second; more of the same says nothing new and would drown the rest.
const LINES_PER_SECOND_MAX: u32 = 2;

pub(super) struct Logger {
    service: String,
    instance: String,
    version: String,
    seen: Mutex<HashMap<String, Window>>,
}

#[derive(Default)]
struct Window {
    second: i64,
    written: u32,
    suppressed: u64,
}

impl Logger {
    pub(super) fn new(service: &str, instance: &str, version: &str) -> Logger {
        Logger {
            service: service.to_owned(),
            instance: instance.to_owned(),
            version: version.to_owned(),
            seen: Mutex::new(HashMap::new()),
        }
    }

    pub(super) fn info(&self, msg: &str, fields: Value) {
        self.write("INFO", msg, fields);
    }

    pub(super) fn warn(&self, msg: &str, fields: Value) {
        self.write("WARN", msg, fields);
    }

    pub(super) fn error(&self, msg: &str, fields: Value) {
        self.write("ERROR", msg, fields);
    }

    fn write(&self, level: &str, msg: &str, fields: Value) {
        let now = jiff::Timestamp::now();
        let Some(suppressed) = self.admit(msg, now.as_second()) else { return };
        let mut line = Map::new();
        line.insert("timestamp".into(), Value::String(format!("{now:.6}")));
        line.insert("level".into(), Value::String(level.to_owned()));
        line.insert("service".into(), Value::String(self.service.clone()));
        line.insert("instance".into(), Value::String(self.instance.clone()));
        line.insert("version".into(), Value::String(self.version.clone()));
        line.insert("msg".into(), Value::String(msg.to_owned()));
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        if suppressed > 0 {
            line.insert("suppressed".into(), Value::from(suppressed));
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // A closed pipe means that the supervisor is gone; the kernel ends this process in that case.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }

    /// How many lines of this message were left out before this one, or `None` if it is to be left out.
    fn admit(&self, msg: &str, second: i64) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if seen.len() > 500 {
            seen.clear();
        }
        let window = seen.entry(msg.to_owned()).or_default();
        if window.second != second {
            window.second = second;
            window.written = 0;
        }
        if window.written >= LINES_PER_SECOND_MAX {
            window.suppressed += 1;
            return None;
        }
        window.written += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}
