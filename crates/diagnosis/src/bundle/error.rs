//! What can be wrong with a bundle, in words that say what to do.

use std::fmt;

/// What is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Missing,
    Json(String),
    Csv(String),
    Header { expected: &'static str, found: String },
    Timestamp(String),
    Value(String),
    NameEmpty,
    NameTooLong { chars_max: usize },
    NameWithControl,
    NoAlert,
    AlertAndAlerts,
    WindowBackwards,
    Shape(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => write!(
                f,
                "there is no such file; a bundle needs it, see docs/schemas/incident-bundle.example.json"
            ),
            Fault::Json(why) => write!(f, "not the JSON that is expected: {why}"),
            Fault::Csv(why) => write!(f, "not a row: {why}; quote values that hold commas"),
            Fault::Header { expected, found } => {
                write!(f, "the first line must be `{expected}`, it is `{found}`")
            }
            Fault::Timestamp(text) => {
                write!(f, "`{text}` is no time; write RFC 3339 (2026-11-22T01:06:40Z) or unix seconds")
            }
            Fault::Value(text) => {
                write!(f, "`{text}` is no number; leave it empty or write NaN where there is none")
            }
            Fault::NameEmpty => write!(f, "a name is empty"),
            Fault::NameTooLong { chars_max } => write!(f, "a name is longer than {chars_max} characters"),
            Fault::NameWithControl => write!(f, "a name holds control characters"),
            Fault::NoAlert => write!(f, "neither `alert` nor `alerts` says what was noticed"),
            Fault::AlertAndAlerts => write!(f, "`alert` and `alerts` are both there; keep one"),
            Fault::WindowBackwards => write!(f, "a baseline window ends before it starts"),
            Fault::Shape(why) => write!(f, "{why}"),
        }
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {fault}", line.map_or(String::new(), |line| format!(" line {line}")))]
pub struct BundleError {
    pub file: &'static str,
    /// 1 for the first line, where a line is to blame.
    pub line: Option<u64>,
    pub fault: Fault,
}

impl BundleError {
    pub(super) fn new(file: &'static str, fault: Fault) -> Self {
        Self { file, line: None, fault }
    }

    pub(super) fn at(file: &'static str, line: u64, fault: Fault) -> Self {
        Self { file, line: Some(line), fault }
    }
}

/// Something that was left out without harm to the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub file: &'static str,
    pub what: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}
