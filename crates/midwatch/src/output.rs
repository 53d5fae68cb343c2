//! Tables for people, JSON for programs.

use comfy_table::{ContentArrangement, Table, presets};
use std::io::{IsTerminal as _, Write as _};

/// Switches bold type on, and every style off.
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Prints a line on standard output, as `println!` does, but ends quietly when the reader has gone (`… | head`).
macro_rules! out {
    ($($arg:tt)*) => { $crate::output::write(format_args!("{}\n", format_args!($($arg)*))) };
}
pub(crate) use out;

/// Whether a character makes what stands around it appear in another order, or on another line.
pub fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text without what a terminal would obey: titles and labels are somebody else's. What [`bold`] adds is left.
pub fn harmless(text: &str) -> String {
    let shown = |part: &str| -> String {
        let is_plain = |c: char| !(c.is_control() || turns(c)) || matches!(c, '\n' | '\t');
        part.chars()
            .map(|c| if is_plain(c) { c.to_string() } else { c.escape_default().to_string() })
            .collect()
    };
    let parts: Vec<Vec<String>> =
        text.split(BOLD).map(|part| part.split(PLAIN).map(shown).collect()).collect();
    parts.iter().map(|part| part.join(PLAIN)).collect::<Vec<_>>().join(BOLD)
}

/// Writes on standard output. A reader that has gone wants no more: that is an end, not a failure.
pub fn write(text: std::fmt::Arguments<'_>) {
    if let Err(error) = std::io::stdout().write_all(harmless(&text.to_string()).as_bytes()) {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        eprintln!("error: cannot write to standard output: {error}");
        std::process::exit(1);
    }
}

/// Whether standard output may be coloured: a terminal, and NO_COLOR is not set.
pub fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stdout().is_terminal()
}

/// Bold on a terminal, plain elsewhere.
pub fn bold(text: &str) -> String {
    if colour() { format!("{BOLD}{text}{PLAIN}") } else { text.to_owned() }
}

/// Prints rows below a header.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()) {
        table.set_width(width);
    }
    table.set_header(header.iter().map(|h| h.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    out!("{table}");
}

/// Prints JSON on standard output.
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    out!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A string field of a JSON object, or a dash.
pub fn text(value: &serde_json::Value, field: &str) -> String {
    match &value[field] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "–".into(),
        other => other.to_string(),
    }
}

/// The time of day of an RFC 3339 timestamp, UTC.
pub fn time(value: &serde_json::Value, field: &str) -> String {
    let at = value[field].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok());
    at.map_or_else(|| "–".into(), |at| at.strftime("%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(harmless("a\u{1b}]0;x\u{7}\u{1b}[2J é\n\tb\r"), "a\\u{1b}]0;x\\u{7}\\u{1b}[2J é\n\tb\\r");
        assert_eq!(harmless("a\u{202e}b\u{2066}c\u{2028}"), "a\\u{202e}b\\u{2066}c\\u{2028}");
        let bold = format!("{BOLD}x{PLAIN} y");
        assert_eq!(harmless(&bold), bold);
    }
}
