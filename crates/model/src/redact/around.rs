//! What stands around a name and its value: marks that close a name, operators, elements, tags, wrappers, headers.

use super::name::Kind;
use super::named::Place;
use super::sign::{
    Ahead, Sign, after_blanks, after_space, in_name, is_quote, line_end, name_end, sign, until,
};
use super::value::bare;
use super::words::is_mixed;
use super::work::looked_at;
use std::ops::Range;

/// Bytes of a value that say whether it is a secret: what is refused was not looked at any further.
pub const DOUBTFUL_BYTES_MAX: usize = 128;

/// Bytes before a name in its line, beyond which it does not stand alone there.
pub const HEAD_BYTES_MAX: usize = 256;

/// As much of a text as says whether the value from `at` on is a secret.
pub fn doubtful(text: &str, at: usize) -> &[u8] {
    up_to(text, at, DOUBTFUL_BYTES_MAX)
}

/// The text up to so many bytes behind `at`.
pub fn up_to(text: &str, at: usize, bytes_max: usize) -> &[u8] {
    let mut until = text.len().min(at + bytes_max);
    while !text.is_char_boundary(until) {
        until += 1;
    }
    &text.as_bytes()[..until]
}

/// Past what closes a name: its quotation mark, its bracket.
pub fn close_name(bytes: &[u8], mut at: usize) -> usize {
    for _ in 0..3 {
        match sign(bytes, at) {
            Some(sign) if is_quote(sign) || sign.is == b']' => at += sign.len,
            _ => break,
        }
    }
    at
}

/// `=`, `:`, `=>`, `:=` and `==`, and where the text goes on.
pub fn operator(bytes: &[u8], at: usize) -> Option<(usize, Sign)> {
    let first = sign(bytes, at).filter(|sign| matches!(sign.is, b'=' | b':'))?;
    let mut after = at + first.len;
    if let Some(second) =
        sign(bytes, after).filter(|sign| matches!(sign.is, b'=' | b'>') && sign.coded == first.coded)
    {
        // `password: >` begins a block, `password=>` is an arrow.
        let arrow = second.is == b'=' || first.is == b'=';
        after += if arrow { second.len } else { 0 };
    }
    if first.is == b':' && bytes[after..].starts_with(b": ") {
        // `userPassword:: …`, which is base64.
        after += 1;
    }
    Some((after, first))
}

/// Where the tags and the contents of elements end, remembered.
#[derive(Debug, Default)]
pub struct Tags {
    tag: Ahead,
    content: Ahead,
    cdata: Ahead,
}

/// What stands between `<password>` and its end, also where the element has attributes, or where it is an attribute of one.
pub fn element(bytes: &[u8], place: &Place<'_>, closed: usize, tags: &mut Tags) -> Option<Range<usize>> {
    let head = &place.text[..place.from];
    let head = head
        .strip_suffix(':')
        .map_or(head, |head| head.trim_end_matches(|c: char| c.is_ascii_alphanumeric()));
    looked_at(place.from - head.len());
    let is_element = head.ends_with('<') || head.ends_with("&lt;");
    let mut at = closed;
    if is_element && matches!(bytes.get(at), Some(b' ')) {
        at = tags.tag.next(at, || until(bytes, at, |byte| matches!(byte, b'>' | b'<' | b'\n')));
    }
    let open = sign(bytes, at).filter(|sign| sign.is == b'>' && (is_element || closed > place.end))?;
    let from = if is_element { after_space(bytes, at + open.len) } else { at + open.len };
    if bytes[from..].starts_with(CDATA) {
        let from = from + CDATA.len();
        let to = tags.cdata.next(from, || until(bytes, from, |byte| byte == b']'));
        return (to > from).then_some(from..to);
    }
    let to = tags.content.next(from, || content_end(bytes, from));
    (to > from).then_some(from..to)
}

const CDATA: &[u8] = b"<![CDATA[";

/// The first `<`, `&lt;` or end of a line.
fn content_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = until(bytes, at, |byte| matches!(byte, b'<' | b'\n' | b'&'));
        if bytes.get(at) != Some(&b'&') || bytes[at..].starts_with(b"&lt;") {
            return at;
        }
        at += 1;
    }
}

/// Past a tag such as `!vault` or `!!binary`, or an anchor such as `&secret`.
pub fn after_tag(bytes: &[u8], at: usize) -> usize {
    if bytes[at..].starts_with(b"+ ") {
        // A mark of a diff whose lines were joined; another name has a value of its own.
        let next = after_blanks(bytes, at + 1);
        return if bytes.get(name_end(bytes, next)) == Some(&b':') { at } else { next };
    }
    if bytes[at..].starts_with(b"** ") {
        // `**Password:** …`
        return at + 3;
    }
    if bytes.get(at) == Some(&b'&') {
        // An anchor.
        let end = at + 1 + bytes[at + 1..].iter().take(40).take_while(|byte| in_name(**byte)).count();
        let next = after_blanks(bytes, end);
        return if end > at + 1 && next > end { next } else { at };
    }
    if bytes.get(at) != Some(&b'!') || !matches!(bytes.get(at + 1), Some(b'!' | b'a'..=b'z')) {
        return at;
    }
    let end = at + bytes[at..].iter().take(40).take_while(|byte| !byte.is_ascii_whitespace()).count();
    let next = after_blanks(bytes, end);
    if matches!(bytes.get(next), Some(b'|' | b'>' | b'"' | b'\'')) { next } else { at }
}

/// Past `{cipher}`, `{bcrypt}` or `{SSHA}`, which say how what follows was made.
pub fn after_scheme(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let word = rest
        .iter()
        .skip(1)
        .take(20)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
        .count();
    let is_scheme = rest.first() == Some(&b'{') && word > 0 && rest.get(word + 1) == Some(&b'}');
    let goes_on =
        rest.get(word + 2).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"$+/=".contains(byte));
    if is_scheme && goes_on { at + word + 2 } else { at }
}

/// Whether braces are signs around one value, as ODBC writes it: `PWD={…}`.
pub fn braced(place: &Place<'_>, at: usize) -> bool {
    let rest = &doubtful(place.text, at)[at + 1..];
    let end = until(rest, 0, |byte| byte.is_ascii_whitespace() || b"{}\"':=,$".contains(&byte));
    let is_secret = matches!(place.kind, Kind::Password | Kind::Key);
    is_secret && rest.get(end) == Some(&b'}') && std::str::from_utf8(&rest[..end]).is_ok_and(is_mixed)
}

/// Whether PowerShell makes the value of what stands behind.
pub fn is_conversion(text: &str, at: usize) -> bool {
    let call = b"ConvertTo-SecureString";
    let rest = &text.as_bytes()[at..];
    let rest = rest.strip_prefix(b"(").unwrap_or(rest);
    rest.get(..call.len()).is_some_and(|word| word.eq_ignore_ascii_case(call))
}

/// Past `b"`, `Some("`, `Secret("` and other wrappers to the quotation mark.
pub fn after_wrapper(bytes: &[u8], at: usize) -> usize {
    let name = bytes[at..]
        .iter()
        .take(40)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.'))
        .count();
    let (prefix, call) = (at + name, bytes.get(at + name) == Some(&b'('));
    let mark = prefix + usize::from(call);
    let is_mark = sign(bytes, mark).is_some_and(is_quote);
    if is_mark && (call || name == 1) { mark } else { at }
}

/// "is", "was", "set to", "for bob is": what comes behind them is a value if it looks like one.
pub fn connected(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let at = if bytes[at..].starts_with(b"for ") {
        let whom = up_to(text, at + 4, 40);
        let end = name_end(whom, at + 4);
        if bytes[end..].starts_with(b": ") {
            return Some(end + 2);
        }
        after_blanks(whom, end)
    } else {
        at
    };
    if let Some(words) = ["is generated for ", "was generated for ", "generated for "]
        .iter()
        .find(|words| bytes[at..].starts_with(words.as_bytes()))
    {
        // `… for root@localhost: …`
        let whom = &up_to(text, at + words.len(), 64)[at + words.len()..];
        let end = until(whom, 0, |byte| byte.is_ascii_whitespace());
        return whom[..end].ends_with(b":").then(|| after_blanks(bytes, at + words.len() + end));
    }
    CONNECTED.iter().find(|words| bytes[at..].starts_with(words.as_bytes())).map(|words| at + words.len())
}

const CONNECTED: [&str; 15] = [
    "is now ",
    "is ",
    "was ",
    "is: ",
    "was: ",
    "to ",
    "set to ",
    "changed to ",
    "changed from ",
    "from ",
    "mismatch: expected ",
    "by ",
    "-> ",
    "-String ",
    "provided: ",
];

/// What a second value comes behind: "changed from … to …", "expected … got …".
pub fn second(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let from = at + bytes[at..].iter().take(3).take_while(|byte| b"'\",; ".contains(byte)).count();
    ["to ", "-> ", "got ", "but got ", "but was "]
        .iter()
        .find(|words| from > at && bytes[from..].starts_with(words.as_bytes()))
        .map(|words| from + words.len())
}

/// The end of a header that is in quotation marks with its name, or of its line.
pub fn header_end(bytes: &[u8], at: usize) -> usize {
    let ends = |byte: u8| matches!(byte, b'"' | b'\'' | b'\n' | b'\r' | b'`');
    let end = until(bytes, at, ends);
    end - bytes[at..end].iter().rev().take_while(|byte| **byte == b'\\').count()
}

/// A scheme and a word; of schemes that go on after it, the line.
pub fn authorization_end(bytes: &[u8], at: usize) -> usize {
    let first = bare(bytes, at, false);
    let scheme = &bytes[at..first];
    looked_at(scheme.len());
    if [&b"Digest"[..], b"AWS4-HMAC-SHA256", b"OAuth", b"Hawk", b"Signature", b"SharedKey"].contains(&scheme)
    {
        return line_end(bytes, at);
    }
    let is_scheme = scheme.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
        && bytes.get(first) == Some(&b' ');
    if is_scheme { bare(bytes, after_blanks(bytes, first), false) } else { first }
}
