//! What a service logged within a window: counts and the most frequent complaints.

use super::line::{self, Level, LogLine};
use crate::{ConnectorError, LogDigest, LoggedLine};
use midwatch_model::redact::redact;
use midwatch_model::{ServiceName, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Most bytes that are read of a file, from its end: about 40,000 lines.
const READ_BYTES_MAX: u64 = 8 << 20;

/// Distinct messages that are told apart; more would not be read by anybody.
const TEMPLATES_MAX: usize = 1_000;

/// Lines of one service that are handed out: what says more is read where it was written.
const LINES_MAX: usize = 5_000;

/// Bytes of a line that are handed out.
const MESSAGE_BYTES_MAX: usize = 2_000;

/// Messages that a digest quotes.
const TOP: usize = 10;

/// Reads the current file, and the one before its last rotation (`.1`) where the window begins before it.
pub(super) fn digest(
    service: ServiceName,
    path: &Path,
    from: Timestamp,
    to: Timestamp,
) -> Result<LogDigest, ConnectorError> {
    let mut sum = Sum::default();
    for text in texts(path, from)? {
        within(&text, from, to).for_each(|(_, line)| sum.add(&line));
    }
    let query = format!("{} where timestamp >= {from} and timestamp <= {to}", path.display());
    Ok(sum.digest(service, (from, to), query))
}

/// The lines of a window, the last [`LINES_MAX`] of them, redacted.
pub(super) fn lines(path: &Path, from: Timestamp, to: Timestamp) -> Result<Vec<LoggedLine>, ConnectorError> {
    let mut lines = VecDeque::new();
    // What was before the rotation comes first.
    for text in texts(path, from)?.iter().rev() {
        for (at, line) in within(text, from, to) {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back((at, line));
        }
    }
    Ok(lines.into_iter().map(|(at, line)| logged(at, &line)).collect())
}

/// A line as it is handed out: cut and redacted.
pub(super) fn logged(at: Timestamp, line: &LogLine) -> LoggedLine {
    let head = &line.message[..line.message.floor_char_boundary(MESSAGE_BYTES_MAX)];
    LoggedLine { at, severity: line.level.name(), message: redact(head).into_owned() }
}

/// The current file, and then the one from before its last rotation where the window begins before it.
fn texts(path: &Path, from: Timestamp) -> Result<Vec<String>, ConnectorError> {
    let failed = |path: &Path, error: &io::Error| ConnectorError::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let current = read_end(path).map_err(|error| failed(path, &error))?;
    let first = current.lines().map(line::read).find_map(|line| line.at);
    let mut texts = vec![current];
    if first.is_none_or(|first| first > from) {
        let mut rotated = path.as_os_str().to_owned();
        rotated.push(".1");
        let rotated = PathBuf::from(rotated);
        match read_end(&rotated) {
            Ok(before) => texts.push(before),
            // Most logs have not been rotated yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&rotated, &error)),
        }
    }
    Ok(texts)
}

/// The lines of a window. A line without a time belongs to the one before it.
fn within(text: &str, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (Timestamp, LogLine)> {
    let mut last = None;
    let lines = text.lines().filter(|line| !line.trim().is_empty()).map(line::read);
    lines.filter_map(move |line| {
        last = line.at.or(last);
        last.filter(|at| (from..=to).contains(at)).map(|at| (at, line))
    })
}

/// The file's last bytes, without the beginning of a line that was cut.
fn read_end(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(READ_BYTES_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = if start == 0 { &text[..] } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
    Ok(whole.to_owned())
}

#[derive(Default)]
pub(super) struct Sum {
    errors: u64,
    warnings: u64,
    lines: u64,
    templates: BTreeMap<String, u64>,
}

impl Sum {
    pub fn digest(
        self,
        service: ServiceName,
        (from, to): (Timestamp, Timestamp),
        query: String,
    ) -> LogDigest {
        let mut top: Vec<(String, u64)> = self.templates.into_iter().collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        top.truncate(TOP);
        let Self { errors, warnings, lines, .. } = self;
        LogDigest { service, from, to, errors, warnings, lines, top, query }
    }

    pub fn add(&mut self, line: &LogLine) {
        self.lines += 1;
        match line.level {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
            Level::Other => return,
        }
        let template = line::template(&line.message);
        if self.templates.len() < TEMPLATES_MAX || self.templates.contains_key(&template) {
            *self.templates.entry(template).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_window_is_summed_up_across_a_rotation() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s.ndjson");
        let line = |s: i64, level: &str, msg: &str| {
            format!("{{\"timestamp\":\"{}\",\"level\":\"{level}\",\"msg\":\"{msg}\"}}\n", at(s))
        };
        let old = [
            line(5, "error", "too old"),
            line(10, "error", "order 1 failed"),
            "  at line 7 ERROR\n".to_owned(),
        ];
        fs::write(dir.path().join("s.ndjson.1"), old.concat()).expect("writes");
        let new = [
            line(20, "error", "order 22 failed"),
            line(21, "warn", "slow"),
            line(22, "info", "ok"),
            line(90, "error", "too new"),
        ];
        fs::write(&path, new.concat()).expect("writes");
        let digest = digest("s".into(), &path, at(10), at(60)).expect("a digest");
        assert_eq!((digest.errors, digest.warnings, digest.lines), (3, 1, 5));
        assert_eq!(digest.top[0], ("order # failed".to_owned(), 2));
        let lines = lines(&path, at(10), at(60)).expect("lines");
        let seen: Vec<_> = lines.iter().map(|l| (l.at.as_second(), l.severity, l.message.as_str())).collect();
        let expected = [
            (10, "ERROR", "order 1 failed"),
            (10, "ERROR", "  at line 7 ERROR"),
            (20, "ERROR", "order 22 failed"),
            (21, "WARN", "slow"),
            (22, "INFO", "ok"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_missing_log_is_an_error_with_its_path() {
        let error = digest("s".into(), Path::new("/nowhere/s.ndjson"), at(0), at(1)).expect_err("no file");
        assert!(error.to_string().starts_with("/nowhere/s.ndjson: "), "{error}");
    }
}
