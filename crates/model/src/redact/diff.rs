//! Secrets in a diff: each side of it is read as the file that it shows, without the marks before its lines.
//!
//! What stands on the lines below a name, or is indented more, shows in no other way: `+password: |` and `+  …`.

use super::named;
use super::work::looked_at;
use std::ops::Range;

/// Where there are secrets beside names on the one or the other side.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let is_marked = lines(text).any(|line| text[line].starts_with(['+', '-']));
    if is_marked {
        let both = ['-', '+'].map(|left_out| Side::of(text, Some(left_out)));
        return both.iter().flat_map(Side::found).collect();
    }
    // JSON and logs write the ends of lines as escapes.
    if text.contains("\\n") { Side::of(text, None).found().collect() } else { Vec::new() }
}

/// Where each line is with its end, which may be written as an escape.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = text.get(from..).filter(|rest| !rest.is_empty())?;
        let plain = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let escaped = rest[..plain].find("\\n").map_or(plain, |end| end + 2);
        looked_at(escaped);
        from += plain.min(escaped);
        Some(from - plain.min(escaped)..from)
    })
}

/// A file as a diff shows it before or after.
struct Side {
    text: String,
    /// Where each byte of it was.
    at: Vec<usize>,
}

impl Side {
    /// The lines that do not begin with a mark, without the first column.
    fn of(text: &str, left_out: Option<char>) -> Self {
        let mut side = Self { text: String::with_capacity(text.len()), at: Vec::with_capacity(text.len()) };
        for range in lines(text) {
            let line = &text[range.clone()];
            // The names of the files, and what tests print.
            let is_header = line.starts_with("+++") || line.starts_with("---");
            if !is_header && left_out.is_some_and(|mark| line.starts_with(mark)) {
                continue;
            }
            let column = usize::from(!is_header && left_out.is_some() && line.starts_with(['+', '-', ' ']));
            let content = line.strip_suffix("\\n").unwrap_or(line);
            side.push(content, column);
            side.at.extend(range.start + column..range.start + content.len());
            if content.len() < line.len() {
                side.text.push('\n');
                side.at.push(range.end - 1);
            }
        }
        side
    }

    /// Adds a line; text that JSON puts in quotation marks behind a name begins a line as well.
    fn push(&mut self, line: &str, column: usize) {
        let mark = line.rfind('"').filter(|mark| line[..*mark].trim_end().ends_with(':'));
        match mark.filter(|mark| *mark >= column) {
            Some(mark) => {
                self.text.push_str(&line[column..mark]);
                self.text.push('\n');
                self.text.push_str(&line[mark + 1..]);
            }
            None => self.text.push_str(&line[column..]),
        }
    }

    fn found(&self) -> impl Iterator<Item = Range<usize>> {
        let shown = |range: Range<usize>| self.at[range.start]..self.at[range.end - 1] + 1;
        named::find(&self.text).into_iter().filter(|range| !range.is_empty()).map(shown)
    }
}
