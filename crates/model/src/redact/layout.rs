//! Values on the lines below their names.

use super::around::{HEAD_BYTES_MAX, doubtful};
use super::name::Kind;
use super::named::{Place, Walk};
use super::sign::{after_blanks, after_space, is_quote, line_end, sign};
use super::value::{bare, quoted};
use super::verdict::is_one;
use super::words::{is_mixed, looks_made_up};
use super::work::looked_at;
use std::ops::Range;

impl Walk<'_> {
    /// A value on the lines below its name, and all values of a map there if that is what the name says.
    pub fn lines(&mut self, bytes: &[u8], place: &Place<'_>, at: usize) -> Option<usize> {
        let next = after_space(bytes, at);
        if let Some(open) = sign(bytes, next).filter(|open| is_quote(*open)) {
            let (range, after) = quoted(bytes, next, open);
            self.content(place, range)?;
            return Some(after);
        }
        if let Some(joined) = self.joined(bytes, place, at) {
            return Some(joined);
        }
        let head = self.head(place);
        if !head.trim_matches([' ', '\t', '-', '"', '\'']).is_empty() {
            return None;
        }
        if place.kind == Kind::Everything {
            if at >= self.mapped_until
                && let Some(block) = below(bytes, self.line_from, at)
            {
                self.mapped_until = block.end;
                self.map(bytes, block);
            }
            return None;
        }
        let is_block = matches!(bytes.get(at), Some(b'|' | b'>'));
        let from = after_space(bytes, line_end(bytes, at));
        let first = &place.text[from..line_end(bytes, from)];
        let is_map = first.trim_end().ends_with(':') || first.contains(": ") || first.starts_with("- ");
        if is_map && !is_block {
            return None;
        }
        // What is only perhaps a secret is none if it has several lines.
        if matches!(place.kind, Kind::Perhaps | Kind::Login) && !is_one(place.kind, first.trim_end()) {
            return None;
        }
        if let Some(block) = below(bytes, self.line_from, at) {
            return self.take(place, block);
        }
        // A prompt, and what was typed at it.
        let word = first.trim_end();
        let typed = bytes.get(at) == Some(&b'\n') && word.len() <= 64 && is_mixed(word);
        let is_other = word.contains(|c: char| c.is_whitespace() || matches!(c, ':' | '=' | '/' | '.' | '-'));
        if typed && !is_other { self.take(place, from..from + word.len()) } else { None }
    }

    /// `password: >- …`, where the lines of a block were joined.
    fn joined(&mut self, bytes: &[u8], place: &Place<'_>, at: usize) -> Option<usize> {
        let marks = bytes[at.min(bytes.len())..].iter().take(3);
        let marks = marks.take_while(|byte| b"|>+-".contains(byte) || byte.is_ascii_digit()).count();
        let from = after_blanks(bytes, at + marks);
        let from = if bytes[from.min(bytes.len())..].starts_with(b"+ ") {
            after_blanks(bytes, from + 1)
        } else {
            from
        };
        let end = bare(doubtful(place.text, from), from, false);
        let told = marks > 0 && from > at + marks && looks_made_up(place.text.get(from..end)?);
        if told { self.take(place, from..bare(bytes, from, false)) } else { None }
    }

    /// Every value in a map in YAML.
    pub fn map(&mut self, bytes: &[u8], block: Range<usize>) {
        let (mut at, mut deep) = (block.start, None);
        while at < block.end {
            let end = line_end(bytes, at).min(block.end);
            let line = &self.text[at..end];
            let before =
                if at == block.start { at - self.text[..at].rfind('\n').map_or(0, |n| n + 1) } else { 0 };
            let depth = indent(bytes, at) + before;
            let from = after_blanks(bytes, at).min(end);
            let value = line.find(':').map(|colon| after_blanks(bytes, at + colon + 1).min(end));
            match (deep, value) {
                (Some(deep), _) if depth > deep => self.push(from..end),
                (_, Some(value)) => {
                    deep = matches!(bytes.get(value), Some(b'|' | b'>')).then_some(depth);
                    if deep.is_none() {
                        self.push(value..end);
                    }
                }
                _ => {}
            }
            at = end + 1;
        }
    }

    /// What stands before a name in its line; of a long one only the end, which is not blank then.
    pub fn head<'b>(&self, place: &Place<'b>) -> &'b str {
        let from = self.line_from.min(place.from);
        looked_at((place.from - from).min(HEAD_BYTES_MAX));
        if place.from - from > HEAD_BYTES_MAX { "…" } else { &place.text[from..place.from] }
    }
}

/// The value under a name in YAML that is on the lines below it: what is indented more than the line of the name.
pub fn below(text: &[u8], line_from: usize, at: usize) -> Option<Range<usize>> {
    let indent = indent(text, line_from);
    let (mut next, mut last) = (line_end(text, at), None);
    let mut first = None;
    while next < text.len() && next - at < BLOCK_BYTES_MAX {
        let from = next + 1 + usize::from(text[next..].starts_with(b"\r\n"));
        let end = line_end(text, from.min(text.len()));
        let content = after_blanks(text, from.min(text.len()));
        if content < end {
            if content - from <= indent {
                break;
            }
            first.get_or_insert(content);
            last = Some(end);
        }
        next = end;
    }
    Some(first?..last?)
}

/// Bytes of a value on the lines below its name that are looked at.
const BLOCK_BYTES_MAX: usize = 16 * 1024;

/// Blanks and list marks before what a line says.
pub fn indent(text: &[u8], line_from: usize) -> usize {
    after_blanks(text, line_from) - line_from
}
