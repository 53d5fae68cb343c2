//! Values beside names that say what they are: `password=…`, `"token": "…"`, `<secret>…</secret>`, `--api-key …`.
//!
//! One walk over the text, name by name. Nothing is looked at more than a bounded number of times.

use super::around::{
    Tags, after_scheme, after_tag, after_wrapper, authorization_end, braced, close_name, doubtful, element,
    header_end, is_conversion, operator,
};
use super::name::{Kind, Name};
use super::sign::{Ahead, Sign, after_blanks, in_name, is_quote, name_end, sign};
use super::value::{bare, quoted};
use super::verdict::is_one;
use super::words::{is_mixed, is_path, is_placeholder, is_prose};
use super::work::looked_at;
use super::{encoded, name};
use std::ops::Range;

/// A walk over a text.
pub struct Walk<'a> {
    pub text: &'a str,
    pub found: Vec<Range<usize>>,
    pub name: Name,
    /// The words before this one on the same line, nearest first.
    pub before: [&'a str; 3],
    pub line_from: usize,
    /// Braces up to here were looked into.
    pub inside_until: usize,
    /// Words behind a scheme that end here or before are no secrets.
    pub refused_until: usize,
    /// Arguments up to here were looked at.
    pub arguments_until: usize,
    /// Values of maps up to here were taken.
    pub mapped_until: usize,
    pub tags: Tags,
    /// The next closing bracket.
    pub bracket: Ahead,
    /// The text shows a Kubernetes Secret, whose data are secrets whatever their names.
    pub shows_secret: bool,
}

/// A name in the text and what is around it.
pub struct Place<'a> {
    pub text: &'a str,
    pub from: usize,
    pub end: usize,
    pub kind: Kind,
}

/// Where there are secrets beside names.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut walk = Walk {
        text,
        found: Vec::new(),
        name: Name::default(),
        before: [""; 3],
        line_from: 0,
        inside_until: 0,
        refused_until: 0,
        arguments_until: 0,
        mapped_until: 0,
        tags: Tags::default(),
        bracket: Ahead::default(),
        shows_secret: shows_secret(text),
    };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at = walk.step(bytes, at);
    }
    walk.found
}

/// Whether a manifest of a Secret is in the text.
fn shows_secret(text: &str) -> bool {
    text.match_indices("Secret").any(|(at, _)| {
        let head = text[..at].trim_end_matches([' ', '"', '\\', '\'']);
        head.strip_suffix(':')
            .is_some_and(|head| head.trim_end_matches(['"', '\\', '\'', ' ']).ends_with("kind"))
    })
}

impl<'a> Walk<'a> {
    /// Looks at what begins here; says where to go on.
    fn step(&mut self, bytes: &[u8], at: usize) -> usize {
        looked_at(1);
        let byte = bytes[at];
        if byte == b'\n' {
            (self.line_from, self.before) = (at + 1, [""; 3]);
            return at + 1;
        }
        if !in_name(byte) {
            // The digits of an escape begin no name.
            return at + sign(bytes, at).map_or(1, |sign| sign.len);
        }
        let end = name_end(bytes, at);
        let word = &self.text[at..end];
        let next = self.word(bytes, at, end, word);
        self.before = [word, self.before[0], self.before[1]];
        next
    }

    fn word(&mut self, bytes: &[u8], at: usize, end: usize, word: &'a str) -> usize {
        self.begins(bytes, at, end, word);
        // What takes no sign and no blank behind it has no value.
        if end == bytes.len() {
            return end;
        }
        if !name::may_tell(word.as_bytes()) {
            return end;
        }
        self.name.read(word);
        let Some(kind) = self.kind(bytes, at, end) else {
            return self.scheme(bytes, end, word);
        };
        let place = Place { text: self.text, from: at, end, kind };
        self.beside(bytes, &place).unwrap_or(end)
    }

    fn kind(&self, bytes: &[u8], at: usize, end: usize) -> Option<Kind> {
        let (name, in_url) = (self.name.joined(), at > 0 && matches!(bytes[at - 1], b'?' | b'&'));
        match name {
            "data" | "binarydata" if self.shows_secret => Some(Kind::Everything),
            "key" | "code" if in_url => Some(Kind::Perhaps),
            "fromliteral" => Some(Kind::Everything),
            // The working directory.
            "pwd" | "oldpwd" if matches!(bytes.get(end + 1), Some(b'/')) => None,
            "token" | "key"
                if ["unexpected", "near", "offending"]
                    .iter()
                    .any(|word| self.before[0].eq_ignore_ascii_case(word)) =>
            {
                None
            }
            "pass" if self.before[0] == "---" => None,
            // "mot de passe"
            "passe" if self.before[0] == "de" => Some(Kind::Password),
            // `IDENTIFIED BY '…'` and `IDENTIFIED WITH plugin BY '…'`.
            "by" if self.before.iter().any(|word| word.eq_ignore_ascii_case("identified")) => {
                Some(Kind::Password)
            }
            _ => {
                let adjacent = at > 0 && bytes[at - 1] == b' ';
                self.name.kind(if adjacent { self.before[0] } else { "" })
            }
        }
    }

    /// `Bearer …` and `Basic …` without a name before them.
    fn scheme(&mut self, bytes: &[u8], end: usize, word: &str) -> usize {
        let is_bearer = word.eq_ignore_ascii_case("bearer");
        if !is_bearer && !word.eq_ignore_ascii_case("basic") {
            return end;
        }
        let Some(Sign { is: b' ' | b'+', len, .. }) = sign(bytes, end) else { return end };
        let from = after_blanks(bytes, end + len);
        if from < self.refused_until {
            return end;
        }
        let to = bare(bytes, from, false);
        let value = &self.text[from..to];
        let is_challenge = ["realm=", "error=", "scope="].iter().any(|name| value.starts_with(name));
        let told = if is_bearer {
            value.len() >= 6 && is_mixed(value) && !is_challenge
        } else {
            encoded::is_login(value)
        };
        if told && !is_placeholder(value) {
            self.found.push(from..to);
            return to;
        }
        // What ends there begins with a part of the same word, and is refused as well.
        self.refused_until = to;
        end
    }

    /// Looks for the value of a name; says where to go on if it has one.
    fn beside(&mut self, bytes: &[u8], place: &Place<'_>) -> Option<usize> {
        let closed = close_name(bytes, place.end);
        if let Some(range) = element(bytes, place, closed, &mut self.tags) {
            return self.take(place, range);
        }
        if place.kind == Kind::Login && bytes.get(closed) == Some(&b'(') {
            return self.pair(bytes, closed);
        }
        let at = after_blanks(bytes, closed);
        match operator(bytes, at) {
            Some((after, operator)) => self.value(bytes, place, after, operator),
            None => self
                .in_next_element(bytes, place, closed)
                .or_else(|| self.in_attribute(bytes, place, closed))
                .or_else(|| self.as_argument(bytes, place, closed))
                .or_else(|| self.in_next_item(bytes, place, closed))
                .or_else(|| self.after_blank(bytes, place, closed))
                .or_else(|| self.value_before(bytes, place, closed))
                .or_else(|| self.beyond(bytes, place, closed)),
        }
    }

    /// The value behind `=` or `:`.
    pub fn value(&mut self, bytes: &[u8], place: &Place<'_>, after: usize, operator: Sign) -> Option<usize> {
        let mut at = after_blanks(bytes, after);
        while operator.coded && matches!(sign(bytes, at), Some(Sign { is: b' ', coded: true, .. })) {
            at += sign(bytes, at)?.len;
        }
        at = after_tag(bytes, at);
        if matches!(bytes.get(at), Some(b'|' | b'>' | b'\n' | b'\r') | None) {
            return self.lines(bytes, place, at);
        }
        if bytes[at..].starts_with(b"<%") {
            return self.in_template(bytes, place, at);
        }
        if matches!(place.kind, Kind::Login | Kind::Key)
            && bytes.get(at) == Some(&b'(')
            && let Some(next) = self.pair(bytes, at)
        {
            return Some(next);
        }
        let at = after_wrapper(bytes, at);
        let open = sign(bytes, at)?;
        match open.is {
            _ if is_quote(open) => {
                let (range, next) = quoted(bytes, at, open);
                self.content(place, range)?;
                Some(self.changed_to(bytes, place, next))
            }
            b'{' if after_scheme(bytes, at) > at || braced(place, at) => {
                self.unquoted(bytes, place, at, operator)
            }
            // PowerShell: the walk comes to this name as well, and to the value behind it.
            b'(' | b'C' | b'c' if is_conversion(place.text, at) => None,
            b'{' | b'[' if !place.text[at..].starts_with(super::MASK) => self.braces(bytes, place, at),
            _ => self.unquoted(bytes, place, at, operator),
        }
    }

    fn unquoted(&mut self, bytes: &[u8], place: &Place<'_>, at: usize, operator: Sign) -> Option<usize> {
        let quoted_name = place.from > 0 && matches!(bytes[place.from - 1], b'"' | b'\'');
        let range = match place.kind {
            Kind::Cookie if operator.is == b':' => at..header_end(bytes, at),
            Kind::Authorization if quoted_name => at..header_end(bytes, at),
            Kind::Authorization => at..authorization_end(bytes, at),
            Kind::Everything => {
                // `--from-literal=name=value`
                let name = name_end(bytes, at);
                let from = match bytes.get(name) {
                    Some(b'=') => name + 1,
                    // `stringData: name: value`, where the lines of a manifest were joined.
                    Some(b':') if name > at && bytes.get(name + 1) == Some(&b' ') => {
                        after_blanks(bytes, name + 1)
                    }
                    _ => return None,
                };
                from..bare(bytes, from, false)
            }
            Kind::Perhaps | Kind::Login => {
                let seen = bare(doubtful(place.text, at), at, operator.coded);
                if !is_one(place.kind, &place.text[at..seen]) {
                    return None;
                }
                at..bare(bytes, at, operator.coded)
            }
            _ => at..bare(bytes, at, operator.coded),
        };
        let value = &place.text[range.clone()];
        let spaced = operator.is == b':' && at > 0 && bytes[at - 1] == b' ';
        if self.says_no_value(place, value, spaced, quoted_name) {
            return None;
        }
        // `token: SecretID: …`: the value is that of the second name.
        let is_name = spaced && value.strip_suffix(':').is_some_and(name::tells_of_secret);
        if is_name {
            return None;
        }
        let end = range.end;
        if matches!(place.kind, Kind::Password | Kind::Key) && is_placeholder(value) {
            return Some(end);
        }
        self.content(place, range)?;
        Some(end)
    }

    /// Whether what stands where a value would be goes on with a sentence, or says where the secret is or how it is.
    fn says_no_value(&self, place: &Place<'_>, value: &str, spaced: bool, quoted_name: bool) -> bool {
        let (name, is_key) = (self.name.joined(), place.kind == Kind::Key);
        let is_word = || value.len() <= 12 && value.bytes().all(|byte| byte.is_ascii_lowercase());
        let sentence = spaced && is_prose(value) && (is_key || !quoted_name);
        let spoken_of =
            spaced && !quoted_name && matches!(name, "token" | "tokens" | "credentials") && is_word();
        let is_place = (is_key && is_path(value)) || (name == "pwd" && value.starts_with('/'));
        sentence || is_place || (is_key && spoken_of)
    }
}
