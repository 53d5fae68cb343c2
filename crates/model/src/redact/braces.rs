//! Values in braces and brackets.

use super::name::Kind;
use super::named::{Place, Walk};
use super::sign::{Sign, after_blanks, in_name, is_quote, sign, until};
use super::value::quoted;
use std::ops::Range;

/// Bytes that are looked at in braces.
const INSIDE_BYTES_MAX: usize = 64 * 1024;

impl Walk<'_> {
    /// A value in braces or brackets; names in there have values of their own.
    pub fn braces(&mut self, bytes: &[u8], place: &Place<'_>, at: usize) -> Option<usize> {
        if matches!(place.kind, Kind::Authorization | Kind::Cookie) {
            let end = self.bracket.next(at, || until(bytes, at, |byte| byte == b']'));
            return if end < bytes.len() { self.take(place, at + 1..end) } else { None };
        }
        if at < self.inside_until || place.kind == Kind::Perhaps {
            return None;
        }
        let (found, until) = inside(bytes, at, place.kind == Kind::Everything);
        self.inside_until = until;
        for range in found {
            self.push(range);
        }
        // Names inside have values of their own.
        None
    }
}

/// The ranges of the values in braces or brackets, of all of them or of those under a name that says "value".
pub fn inside(text: &[u8], at: usize, all: bool) -> (Vec<Range<usize>>, usize) {
    // Names of fields, and few of them: what does not end after this much is no such thing.
    let mut until = text.len().min(at + INSIDE_BYTES_MAX);
    while until < text.len() && text[until] & 0xc0 == 0x80 {
        until += 1;
    }
    let text = &text[..until];
    let (mut found, mut depth, mut next) = (Vec::new(), 0_usize, at);
    let is_list = text.get(at) == Some(&b'[');
    let mut under_value = is_list;
    while let Some(here) = text.get(next).map(|_| sign(text, next)) {
        let Some(here) = here else {
            next += 1;
            continue;
        };
        match here.is {
            b'{' | b'[' => (depth, next) = (depth + 1, next + here.len),
            b'}' | b']' => {
                (depth, next) = (depth.saturating_sub(1), next + here.len);
                if depth == 0 {
                    return (found, next);
                }
            }
            b',' => (under_value, next) = (is_list && depth == 1, next + here.len),
            _ if is_quote(here) || in_name(here.is) => {
                let (range, after) = if is_quote(here) {
                    quoted(text, next, here)
                } else {
                    (next..bare_in(text, next), bare_in(text, next))
                };
                let colon = after_blanks(text, after);
                if matches!(sign(text, colon), Some(Sign { is: b':' | b'=', .. })) {
                    under_value = says_value(&text[range]);
                    next = colon + 1 + usize::from(text[colon..].starts_with(b"=>"));
                } else {
                    if all || under_value {
                        found.push(range);
                    }
                    next = after.max(next + 1);
                }
            }
            _ => next += here.len,
        }
    }
    (found, next)
}

fn bare_in(text: &[u8], at: usize) -> usize {
    let stops = |byte: u8| byte.is_ascii_whitespace() || b",{}[]:='\"\\".contains(&byte);
    until(text, at, stops)
}

fn says_value(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let own = [
        "value",
        "val",
        "plain",
        "plaintext",
        "current",
        "previous",
        "text",
        "data",
        "raw",
        "default",
        "key",
        "content",
    ];
    own.contains(&name.as_str()) || super::name::tells_of_secret(&name)
}
