//! An incident as a bundle: a folder that anyone can hand over, as types.
//!
//! Owns: the shapes of the files and what is refused in them. Must never: open a file; whoever reads one hands its text
//! in. Everything in a bundle is data from outside: it is parsed into types here, and its text is never an instruction.

mod changes;
mod error;
mod incident;
mod logs;
mod metrics;
mod spans;
mod time;
mod tools;
mod topology;
mod traces;
pub mod write;

pub use changes::{ChangeRecord, RecordKind};
pub use error::{BundleError, Fault, Note};
pub use incident::{AlertStatus, BundleAlert, Incident, Span as TimeSpan};
pub use logs::LogLine;
pub use metrics::{Metrics, Series};
pub use time::Ms;
pub(crate) use time::timestamp;
pub use tools::ToolAnswer;
pub use topology::CallGraph;
pub use traces::TraceSpan;

/// The files of a bundle, in the order in which they are read. All but the first may be missing.
pub const FILES: [&str; 7] = [
    "incident.json",
    "metrics.csv",
    "logs.ndjson",
    "traces.json",
    "topology.csv",
    "changes.json",
    "tools.json",
];

/// Bytes of one file at most: an hour of a large system at one sample per 15 seconds is a tenth of it.
pub const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 256;

/// The text of each file, `None` where there is no such file.
#[derive(Clone, Debug, Default)]
pub struct BundleText {
    pub incident: String,
    pub metrics: Option<String>,
    pub logs: Option<String>,
    pub traces: Option<String>,
    pub topology: Option<String>,
    pub changes: Option<String>,
    pub tools: Option<String>,
}

impl BundleText {
    /// Every file's name and text, in the order of [`FILES`].
    pub fn files(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        let rest = [&self.metrics, &self.logs, &self.traces, &self.topology, &self.changes, &self.tools];
        let texts = std::iter::once(Some(&*self.incident)).chain(rest.map(Option::as_deref));
        FILES.into_iter().zip(texts)
    }
}

/// Everything that is known of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    pub incident: Incident,
    pub metrics: Metrics,
    pub logs: Vec<LogLine>,
    pub spans: Vec<TraceSpan>,
    pub graph: CallGraph,
    pub changes: Vec<ChangeRecord>,
    pub tools: Vec<ToolAnswer>,
    /// What was left out, and why.
    pub notes: Vec<Note>,
}

impl Bundle {
    /// Reads the text of all files.
    ///
    /// # Errors
    /// [`BundleError`] says which file, which line, what is wrong and what to do about it.
    pub fn parse(text: &BundleText) -> Result<Self, BundleError> {
        let mut notes = Vec::new();
        let spans = traces::parse(given(&text.traces), &mut notes)?;
        let mut metrics = metrics::parse(given(&text.metrics), &mut notes)?;
        metrics.series.extend(spans::series(&spans));
        Ok(Self {
            incident: incident::parse(unmarked(&text.incident))?,
            metrics,
            logs: logs::parse(given(&text.logs), &mut notes)?,
            spans,
            graph: topology::parse(given(&text.topology))?,
            changes: changes::parse(given(&text.changes))?,
            tools: tools::parse(given(&text.tools))?,
            notes,
        })
    }
}

/// A file's text; none where there is no file.
fn given(text: &Option<String>) -> &str {
    unmarked(text.as_deref().unwrap_or_default())
}

/// The text without the byte order mark that some editors put before it.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A time as the rest of midwatch writes it.
pub(crate) fn time_text(at: Ms) -> String {
    time::timestamp(at).to_string()
}

/// A name of a component or metric: not empty, not endless, nothing that a terminal would obey.
fn name(text: &str) -> Result<&str, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::NameEmpty);
    }
    if text.chars().nth(NAME_CHARS_MAX).is_some() {
        return Err(Fault::NameTooLong { chars_max: NAME_CHARS_MAX });
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::NameWithControl);
    }
    Ok(text)
}
