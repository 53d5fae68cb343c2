//! What can go wrong with the outside. Texts from outside are redacted and cut before they come in here.

/// A question to the outside that has no answer, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    #[error("{field} {problem}")]
    Config { field: String, problem: String },
    #[error("no {what} is configured: {fix}")]
    NotConfigured { what: &'static str, fix: &'static str },
    /// The request was never sent.
    #[error("cannot reach {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// The request may have arrived.
    #[error("{url} gave no answer: {reason}")]
    NoAnswer { url: String, reason: String },
    #[error("{url} answered {status}{}", after_colon(excerpt))]
    Status { url: String, status: u16, excerpt: String },
    #[error("{url} answered with more than {limit_bytes} bytes")]
    TooLarge { url: String, limit_bytes: usize },
    #[error("the answer of {source_name} cannot be read: {reason}")]
    Decode { source_name: String, reason: String },
    #[error("query `{query}` failed: {reason}")]
    Query { query: String, reason: String },
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("operation {key} is still running")]
    StillRunning { key: String },
}

/// Excerpts of foreign text are cut to so many characters: a line on a screen.
const EXCERPT_CHARS_MAX: usize = 200;

/// Foreign text as one short, redacted line.
pub(crate) fn excerpt(text: &str) -> String {
    // A generous cut first, so that redaction never works on megabytes; then the real one.
    let head = &text[..text.floor_char_boundary(16 * EXCERPT_CHARS_MAX)];
    let redacted = midwatch_model::redact::redact(head);
    let mut line = String::new();
    for word in redacted.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What was said besides, if anything was.
fn after_colon(excerpt: &str) -> String {
    if excerpt.trim().is_empty() { String::new() } else { format!(": {excerpt}") }
}
