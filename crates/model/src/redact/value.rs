//! Where a value begins and ends, and what is none.

use super::MASK;
use super::sign::{Sign, after_blanks, backslashes, in_name, is_quote, line_end, name_end, sign};
use std::ops::Range;

/// What is inside of quotation marks, and where the text goes on. Without an end, as in text that was cut, it is the rest
/// of the line.
pub fn quoted(text: &[u8], at: usize, open: Sign) -> (Range<usize>, usize) {
    let from = at + open.len;
    let mut end = from;
    while end < text.len() && text[end] != b'\n' {
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
    while let Some(byte) = text.get(end) {
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

/// What code, documentation and configuration write where a value would be.
const NO_VALUES: &str = "\
    true false null none nil yes no undefined unset empty string str &str option any text varchar int bool \
    boolean required optional (sensitive sensitive n/a - --";

/// Whether something that stands where a value would be is none: a word for nothing, a variable, a mask.
pub fn is_placeholder(value: &str) -> bool {
    let value = value.trim_end_matches([',', ';', '.', ')']);
    let lower = value.to_ascii_lowercase();
    let inner =
        lower.trim_start_matches(['<', '[', '(', '{', '*']).trim_end_matches(['>', ']', ')', '}', '*']);
    value.is_empty()
        || NO_VALUES.split(' ').any(|word| word == lower)
        || matches!(
            inner,
            "redacted" | "masked" | "hidden" | "filtered" | "removed" | "secret value" | "nil" | "none"
        )
        || (value.starts_with('<') && value.ends_with('>') && !value[1..].contains('<'))
        || value.starts_with("{{")
        || (value.starts_with('%') && value.len() == 2)
        || value == "{}"
        || value == "?"
        || is_variable(value)
        || is_one_sign(value)
}

/// `$NAME`, `${NAME}` and `$(command)`: what they stand for is not here.
fn is_variable(value: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte == b'_' || byte == b'.' || byte.is_ascii_alphanumeric())
    };
    let Some(name) = value.strip_prefix('$') else { return false };
    let braced = name.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
    braced.is_some_and(is_name)
        || name.starts_with('(')
        || (is_name(name) && !name.bytes().any(|byte| byte.is_ascii_lowercase()))
}

/// `****`, `xxxx`, `....`
fn is_one_sign(value: &str) -> bool {
    let first = value.chars().next().unwrap_or(' ');
    "*xX•.#?_-".contains(first) && value.chars().count() >= 3 && value.chars().all(|c| c == first)
}

/// Words that go on with a sentence after "password" or "token": no value is among them.
const PROSE: &str = "\
    a access age an and are as at auth authentication authorization based be bucket by can cannot change \
    changed check could count creation denied did does empty encryption endpoint error exchange expired \
    expires expiry failed failure field file for forbidden format found from generated generation had has \
    have hash hashing header if in incorrect into invalid is issued issuer length limit login lookup \
    malformed manager may mechanism mismatch missing must name no not of on or permission policy prompt \
    protected provided provider rate received refresh refreshed rejected renewal renewed request required \
    requirements reset retry revoked rotated rotation server service set should signature spray status store \
    sync than that the then timed timeout to too unable unauthorized unavailable unexpected unknown unset \
    unsupported unchanged update updated used using validation value vault verification verified via was \
    were when while will with without wrong";

/// Whether a word goes on with a sentence.
pub fn is_prose(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ':', ';', ')', '!', '?']);
    let lower = word.to_ascii_lowercase();
    PROSE.split(' ').any(|word| word == lower) || NO_VALUES.split(' ').any(|word| word == lower)
}

/// Whether a word mixes letters with digits or signs, or capitals inside, as passwords do and words do not.
pub fn is_mixed(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ':', ';', ')', '!', '?']);
    let any = |is: fn(&u8) -> bool| word.bytes().any(|byte| is(&byte));
    let letters = any(u8::is_ascii_alphabetic);
    let signs = word.bytes().any(|byte| b"!@#$%^&*+?~=".contains(&byte));
    word.len() >= 4 && letters && (any(u8::is_ascii_digit) || signs)
}

/// Whether a value looks drawn at random: for names that mostly stand beside other things.
pub fn is_long_and_mixed(value: &str) -> bool {
    let any = |is: fn(&u8) -> bool| value.bytes().any(|byte| is(&byte));
    value.len() >= 16
        && any(u8::is_ascii_digit)
        && any(u8::is_ascii_alphabetic)
        && !value.contains("sha256:")
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.%~:".contains(&byte))
}

/// Whether it is a small number, such as a count of tokens.
pub fn is_small_number(value: &str) -> bool {
    value.len() < 6 && value.bytes().all(|byte| byte.is_ascii_digit() || b".,%".contains(&byte))
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
    text[line_from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Bytes that are looked at in braces.
const INSIDE_BYTES_MAX: usize = 64 * 1024;

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
    let stops = |byte: &u8| byte.is_ascii_whitespace() || b",{}[]:='\"\\".contains(byte);
    text[at..].iter().position(stops).map_or(text.len(), |length| at + length)
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
