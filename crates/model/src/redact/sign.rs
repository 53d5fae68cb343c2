//! Signs, however they are written: with backslashes before them, as JSON, URLs and HTML escape them.

use super::work::looked_at;
use std::ops::Range;

/// A sign in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// What it stands for.
    pub is: u8,
    /// Bytes that it takes.
    pub len: usize,
    /// Backslashes before a quotation mark: how deep it is in strings inside of strings.
    pub depth: usize,
    /// It is written as an escape, such as `%3D`.
    pub coded: bool,
}

/// The sign at a place; `None` at the end and where a letter of no ASCII is.
pub fn sign(text: &[u8], at: usize) -> Option<Sign> {
    looked_at(1);
    let plain = |is: u8| Sign { is, len: 1, depth: 0, coded: false };
    match *text.get(at)? {
        // Backslashes before anything else are one sign: a run of them is looked at once.
        b'\\' => Some(escaped(text, at).unwrap_or(Sign { len: backslashes(text, at), ..plain(b'\\') })),
        b'%' => Some(percent(text, at).unwrap_or(plain(b'%'))),
        b'&' => Some(entity(&text[at..]).unwrap_or(plain(b'&'))),
        byte if byte.is_ascii() => Some(plain(byte)),
        _ => None,
    }
}

pub fn is_quote(sign: Sign) -> bool {
    matches!(sign.is, b'"' | b'\'' | b'`')
}

/// The first place from `at` on where something stops, or the end of the text.
pub fn until(text: &[u8], at: usize, stops: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let length = rest.iter().position(|byte| stops(*byte)).unwrap_or(rest.len());
    looked_at(length + 1);
    at + length
}

/// A place further on that was looked for and is remembered, so that no stretch is gone over once more for every name in it.
#[derive(Debug, Default)]
pub struct Ahead(Option<Range<usize>>);

impl Ahead {
    /// The next such place from `from` on, which `find` finds.
    pub fn next(&mut self, from: usize, find: impl FnOnce() -> usize) -> usize {
        match &self.0 {
            Some(known) if known.start <= from && from <= known.end => known.end,
            _ => self.0.insert(from..find()).end,
        }
    }
}

/// Backslashes in a row.
pub fn backslashes(text: &[u8], at: usize) -> usize {
    until(text, at, |byte| byte != b'\\') - at
}

/// A quotation mark behind backslashes, or `\u0022`.
fn escaped(text: &[u8], at: usize) -> Option<Sign> {
    let depth = backslashes(text, at);
    match *text.get(at + depth)? {
        is @ (b'"' | b'\'') => Some(Sign { is, len: depth + 1, depth, coded: false }),
        b'x' if depth <= 2 => {
            let is = hex(text.get(at + depth + 1..at + depth + 3)?)?;
            Some(Sign { is, len: depth + 3, depth: 0, coded: true })
        }
        b'u' => {
            let is = hex(text.get(at + depth + 1..at + depth + 5)?)?;
            Some(Sign { is, len: depth + 5, depth: 0, coded: true })
        }
        _ => None,
    }
}

/// `%3D`, and `%253D`, which was encoded twice.
fn percent(text: &[u8], at: usize) -> Option<Sign> {
    let mut end = at + 1;
    while text.get(end..end + 2) == Some(b"25") {
        end += 2;
    }
    let is = hex(text.get(end..end + 2)?)?;
    Some(Sign { is, len: end + 2 - at, depth: 0, coded: true })
}

fn hex(digits: &[u8]) -> Option<u8> {
    let value = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    u8::try_from(value).ok().filter(u8::is_ascii)
}

const ENTITIES: [(&[u8], u8); 13] = [
    (b"&quot;", b'"'),
    (b"&#34;", b'"'),
    (b"&#x22;", b'"'),
    (b"&apos;", b'\''),
    (b"&#39;", b'\''),
    (b"&#x27;", b'\''),
    (b"&#61;", b'='),
    (b"&#x3D;", b'='),
    (b"&#58;", b':'),
    (b"&#x3A;", b':'),
    (b"&amp;", b'&'),
    (b"&lt;", b'<'),
    (b"&gt;", b'>'),
];

fn entity(text: &[u8]) -> Option<Sign> {
    let (name, is) = ENTITIES.iter().find(|(name, _)| text.starts_with(name))?;
    Some(Sign { is: *is, len: name.len(), depth: 0, coded: true })
}

/// The first place from `at` on that is no space or tab, as they are or as URLs write them.
pub fn after_blanks(text: &[u8], at: usize) -> usize {
    until(text, at, |byte| !matches!(byte, b' ' | b'\t'))
}

/// The first place from `at` on that is no white space at all.
pub fn after_space(text: &[u8], at: usize) -> usize {
    until(text, at, |byte| !byte.is_ascii_whitespace())
}

/// Where the line ends that `at` is in.
pub fn line_end(text: &[u8], at: usize) -> usize {
    until(text, at, |byte| matches!(byte, b'\n' | b'\r'))
}

/// Whether a byte belongs to a name such as `spring.datasource.password`. Letters of other alphabets do.
pub fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii()
}

/// Where the name ends that begins at `at`.
pub fn name_end(text: &[u8], at: usize) -> usize {
    until(text, at, |byte| !in_name(byte))
}
