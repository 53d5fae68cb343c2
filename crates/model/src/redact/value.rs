//! Where a value begins and ends, and what is none.

use super::MASK;
use super::around::after_scheme;
use super::sign::{Sign, after_blanks, backslashes, in_name, name_end, sign};
use super::work::looked_at;
use std::ops::Range;

/// What is inside of quotation marks, and where the text goes on. Without an end, as in text that was cut, it is the rest
/// of the line.
pub fn quoted(text: &[u8], at: usize, open: Sign) -> (Range<usize>, usize) {
    let from = at + open.len;
    let mut end = from;
    while end < text.len() && text[end] != b'\n' {
        looked_at(1);
        match closes(text, at, end, open) {
            // Doubled, it stands for itself.
            Some(after) if open.depth == 0 && !open.coded && text.get(after) == Some(&open.is) => {
                end = after + 1
            }
            Some(after) => return (from..end, after),
            None => {
                let slashes = backslashes(text, end);
                let is_mark = matches!(text.get(end + slashes), Some(b'"' | b'\''));
                end += if slashes == 0 { 1 } else { slashes + usize::from(is_mark) };
            }
        }
    }
    (from..end, end)
}

/// Where the text goes on behind the mark that closes, if that is at `end`.
fn closes(text: &[u8], at: usize, end: usize, open: Sign) -> Option<usize> {
    if open.coded || open.is == b'`' {
        let mark = &text[at..at + open.len];
        return text[end..].starts_with(mark).then_some(end + open.len);
    }
    let slashes = backslashes(text, end);
    if text.get(end + slashes) != Some(&open.is) {
        return None;
    }
    // A mark with fewer backslashes closes the string around this one.
    let closes = slashes < open.depth || slashes % (2 * (open.depth + 1)) == open.depth;
    closes.then_some(end + slashes + 1)
}

/// Where a value without quotation marks ends. `coded`: the signs around it are escapes such as `%26`.
pub fn bare(text: &[u8], at: usize, coded: bool) -> usize {
    let mut end = at;
    if text[at..].starts_with(MASK.as_bytes()) {
        end += MASK.len();
    } else if text[at..].starts_with(b"${") {
        // A variable, with what stands for it if it is not set.
        let name = text[at..].iter().take(256).take_while(|byte| !matches!(byte, b'}' | b'\n')).count();
        end += if text.get(at + name) == Some(&b'}') { name + 1 } else { 0 };
    }
    end = end.max(after_scheme(text, at));
    while let Some(byte) = text.get(end) {
        looked_at(1);
        if byte.is_ascii_whitespace() {
            break;
        }
        let here = sign(text, end);
        let Some(here) = here else {
            end += 1;
            continue;
        };
        if *byte == b'\\' {
            let run = backslashes(text, end);
            match continued(text, end + run - 1) {
                Some(after) => end = after,
                None if ends_at_backslash(text, end + run, here) => break,
                None => end += run,
            }
            continue;
        }
        // What is encoded is part of a value that is not.
        let counts = !here.coded || coded || *byte == b'&';
        if counts && ends(text, end, here) {
            break;
        }
        end += here.len;
    }
    end
}

/// A backslash before the end of a line: the value goes on in the next.
fn continued(text: &[u8], at: usize) -> Option<usize> {
    let after = match text.get(at + 1..)? {
        [b'\n', ..] => at + 2,
        [b'\r', b'\n', ..] => at + 3,
        _ => return None,
    };
    Some(after_blanks(text, after))
}

fn ends_at_backslash(text: &[u8], after: usize, here: Sign) -> bool {
    here.is != b'\\' || matches!(text.get(after), Some(b'n' | b'r' | b't') | None)
}

/// Whether a value ends before this sign.
fn ends(text: &[u8], at: usize, here: Sign) -> bool {
    let next = text.get(at + here.len).copied();
    match here.is {
        b' ' | b'\n' | b'\r' | b'\t' => true,
        b'"' | b'\'' | b'`' => next.is_none_or(|byte| !byte.is_ascii_alphanumeric()),
        b',' | b';' | b'&' | b'|' => here.coded || starts_another(text, at + here.len),
        b')' | b']' | b'}' | b'>' => next.is_none_or(|byte| !byte.is_ascii_alphanumeric()),
        b'<' => next.is_some_and(|byte| byte == b'/' || byte.is_ascii_alphabetic()),
        _ => false,
    }
}

/// Whether something else begins behind a separator, and not the rest of a password with a comma in it.
fn starts_another(text: &[u8], at: usize) -> bool {
    let Some(next) = text.get(at) else { return true };
    if !in_name(*next) {
        return true;
    }
    let end = name_end(text, at);
    matches!(sign(text, end), Some(Sign { is: b'=' | b':' | b'"' | b'\'', .. }))
}
