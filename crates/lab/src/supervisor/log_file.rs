//! A service's log file: appended to line by line, rotated once it is large.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// A file beyond this size becomes `<name>.1`, which replaces the one before.
const ROTATE_BYTES: u64 = 10 * 1024 * 1024;

pub(super) struct LogFile {
    path: PathBuf,
    open: Mutex<Option<(File, u64)>>,
}

impl LogFile {
    pub(super) fn new(dir: &Path, service: &str) -> LogFile {
        LogFile { path: dir.join(format!("{service}.ndjson")), open: Mutex::new(None) }
    }

    pub(super) fn append(&self, line: &str) {
        if let Err(error) = self.try_append(line) {
            eprintln!("cannot write {}: {error}", self.path.display());
        }
    }

    /// A line that the supervisor itself has to say about an instance.
    pub(super) fn say(
        &self,
        level: &str,
        service: &str,
        instance: &str,
        version: &str,
        msg: &str,
        fields: Value,
    ) {
        let mut line = json!({"timestamp": format!("{:.6}", jiff::Timestamp::now()), "level": level,
            "service": service, "instance": instance, "version": version, "msg": msg});
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields);
        }
        self.append(&line.to_string());
    }

    fn try_append(&self, line: &str) -> std::io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|(_, size)| *size > ROTATE_BYTES) {
            *open = None;
            std::fs::rename(&self.path, self.path.with_extension("ndjson.1"))?;
        }
        if open.is_none() {
            let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            let size = file.metadata()?.len();
            *open = Some((file, size));
        }
        if let Some((file, size)) = open.as_mut() {
            file.write_all(format!("{line}\n").as_bytes())?;
            *size += line.len() as u64 + 1;
        }
        Ok(())
    }
}
