//! A line as words and places: what changes from line to line by its looks alone is a place.

use std::ops::Range;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that stands there as it is.
    Word(Range<usize>),
    /// `key=` or `key:` with something behind it.
    Key(Range<usize>),
    /// Something that changes.
    Place,
}

/// Pieces of a line that count; what follows is one place. No known system logs templates of this length.
const PIECES_MAX: usize = 128;

/// Bytes of a line that are looked at.
const BYTES_MAX: usize = 8 * 1024;

/// Longest quoted text that is one value, as in `tag="View Lock"`.
const QUOTED_MAX: usize = 200;

/// Units of data and time: `12 B` and `3.4 KB` are the same figure.
const UNITS: [&[u8]; 20] = [
    b"B", b"KB", b"MB", b"GB", b"TB", b"KiB", b"MiB", b"GiB", b"ns", b"us", b"ms", b"s", b"sec", b"secs",
    b"second", b"seconds", b"min", b"mins", b"minute", b"minutes",
];

/// Names of days and months: dates are written with them.
const DATES: [&[u8]; 19] = [
    b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun", b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun",
    b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// What surrounds a word without being part of it.
const AROUND: &[u8] = b"()[]{}<>,;:.\"'";

const SPACE: u8 = 1;
const DIGIT: u8 = 2;
const EQUALS: u8 = 4;
const SLASH: u8 = 8;
const DOT: u8 = 16;
const QUOTE: u8 = 32;
const COLON: u8 = 64;

/// What a byte means for the word that it is in.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => SPACE,
            b'0'..=b'9' => DIGIT,
            b'=' => EQUALS,
            b'/' | b'\\' => SLASH,
            b'.' => DOT,
            b'"' => QUOTE,
            b':' => COLON,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Splits a line into pieces. Places beside each other are one, so that lists of any length look alike.
pub(super) fn mask(line: &str, pieces: &mut Vec<Piece>) {
    pieces.clear();
    let line = cut(line).as_bytes();
    let mut at = 0;
    while at < line.len() {
        if CLASSES[line[at] as usize] == SPACE {
            at += 1;
            continue;
        }
        if pieces.len() == PIECES_MAX {
            put_place(pieces);
            return;
        }
        let (end, has) = token(line, at);
        put(line, at..end, has, pieces);
        at = end;
    }
}

fn cut(line: &str) -> &str {
    let mut end = line.len().min(BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// Where the token that begins at `start` ends, and what is in it. A quoted value of a key is part of it, spaces and all.
fn token(line: &[u8], start: usize) -> (usize, u8) {
    let (mut at, mut has) = (start, 0);
    while at < line.len() {
        match CLASSES[line[at] as usize] {
            SPACE => break,
            QUOTE if at > start && b"=:".contains(&line[at - 1]) => {
                if let Some(close) = closing_quote(line, at) {
                    has |= QUOTE;
                    at = close;
                }
            }
            QUOTE => {}
            class => has |= class,
        }
        at += 1;
    }
    (at, has)
}

fn closing_quote(line: &[u8], open: usize) -> Option<usize> {
    let rest = &line[open + 1..line.len().min(open + 2 + QUOTED_MAX)];
    rest.iter().position(|byte| *byte == b'"').map(|place| open + 1 + place)
}

fn put(line: &[u8], token: Range<usize>, has: u8, pieces: &mut Vec<Piece>) {
    let text = &line[token.clone()];
    let key = match has {
        _ if has & EQUALS != 0 => key_of(text),
        _ if has & COLON != 0 && has & DIGIT != 0 => prefix_of(text),
        _ => None,
    };
    if let Some(key) = key {
        match text[..key].iter().any(u8::is_ascii_digit) {
            true => put_place(pieces),
            false => pieces.push(Piece::Key(token.start..token.start + key + 1)),
        }
    } else if is_value(text, has) {
        put_place(pieces);
    } else if pieces.last() != Some(&Piece::Place) || !UNITS.contains(&trim(text)) {
        pieces.push(Piece::Word(token));
    }
}

fn is_value(text: &[u8], has: u8) -> bool {
    has & (DIGIT | QUOTE) != 0
        || has & SLASH != 0 && is_path(trim(text))
        || has & DOT != 0 && is_dotted(trim(text))
        || DATES.contains(&text)
}

fn put_place(pieces: &mut Vec<Piece>) {
    if pieces.last() != Some(&Piece::Place) {
        pieces.push(Piece::Place);
    }
}

/// Where the key of `key=value` ends, if it has a value.
fn key_of(text: &[u8]) -> Option<usize> {
    let key = text.iter().position(|byte| *byte == b'=').filter(|key| *key > 0)?;
    text[key + 1..].iter().any(|byte| !b",;)]}".contains(byte)).then_some(key)
}

/// Where the name of `name:17` ends.
fn prefix_of(text: &[u8]) -> Option<usize> {
    let is_name = |byte: &u8| byte.is_ascii_alphabetic() || b"_-".contains(byte);
    let end = text.iter().position(|byte| !is_name(byte))?;
    (end > 0 && text[end] == b':' && text.get(end + 1)?.is_ascii_digit()).then_some(end)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && AROUND.contains(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && AROUND.contains(last)
    {
        text = rest;
    }
    text
}

fn is_path(text: &[u8]) -> bool {
    let begins =
        [&b"/"[..], b"./", b"~/", b"http://", b"https://"].iter().any(|start| text.starts_with(start));
    begins && text.len() > 1 || text.iter().filter(|byte| b"/\\".contains(byte)).count() >= 2
}

/// A host or a class: three or more names with dots between.
fn is_dotted(text: &[u8]) -> bool {
    let mut names = 0;
    for name in text.split(|byte| *byte == b'.') {
        let fits = |byte: &u8| byte.is_ascii_alphabetic() || b"_-$".contains(byte);
        if name.is_empty() || !name.iter().all(fits) {
            return false;
        }
        names += 1;
    }
    names >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let mut pieces = Vec::new();
        mask(line, &mut pieces);
        let text = |piece: &Piece| match piece {
            Piece::Word(range) => line[range.clone()].to_owned(),
            Piece::Key(range) => format!("{}<*>", &line[range.clone()]),
            Piece::Place => "<*>".to_owned(),
        };
        assert_eq!(pieces.iter().map(text).collect::<Vec<_>>().join(" "), expected, "{line}");
    }

    #[test]
    fn what_changes_by_its_looks_is_a_place() {
        check("connection 17 to 10.0.0.1:80 failed", "connection <*> to <*> failed");
        check("uid=0 euid= user=root, tty=ssh)", "uid=<*> euid= user=<*> tty=<*>");
        check("cannot open /var/log/x.log: gone", "cannot open <*> gone");
        check("lookup of ns.example.com failed", "lookup of <*> failed");
        check("stored (size 3.4 KB, free 12 MB)", "stored (size <*> free <*>");
        check("deleting blk_1 blk_2 blk_3", "deleting <*>");
        check(r#"lock tag="View Lock" by x"#, "lock tag=<*> by x");
        check(r#"said "over there" twice"#, r#"said "over there" twice"#);
        check(r#""GET /v2/items HTTP/1.1" status: 200 len: 12"#, r#""GET <*> status: <*> len: <*>"#);
        check(r"loading C:\Windows\servicing\core.dll", "loading <*>");
        check("lifetime <1 sec since Fri Jun 17 20:29:26 2005", "lifetime <*> since <*>");
        check("onExtend:1514038530000 14 0 4", "onExtend:<*> <*>");
        check("http://a:80/x is 12:30 late", "<*> is <*> late");
        check(r#"an open " quote"#, r#"an open " quote"#);
        check("  ", "");
        check("größe=3 überall", "größe=<*> überall");
    }

    #[test]
    fn a_line_of_any_length_is_cut() {
        let mut pieces = Vec::new();
        mask(&"word ".repeat(1_000_000), &mut pieces);
        assert_eq!((pieces.len(), pieces.last()), (PIECES_MAX + 1, Some(&Piece::Place)));
        mask(&"ü".repeat(1_000_000), &mut pieces);
        assert_eq!(pieces.len(), 1);
    }
}
