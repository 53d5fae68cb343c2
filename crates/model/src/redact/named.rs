//! Values beside names that say what they are: `password=…`, `"token": "…"`, `<secret>…</secret>`, `--api-key …`.
//!
//! One walk over the text, name by name. Nothing is looked at more than a bounded number of times.

use super::around::{
    HEAD_BYTES_MAX, HEADER_BYTES_MAX, after_tag, after_wrapper, authorization_end, close_name, connected,
    doubtful, element, header_end, operator,
};
use super::name::{Kind, Name};
use super::sign::{Sign, after_blanks, after_space, in_name, is_quote, line_end, name_end, sign};
use super::value::{
    bare, below, indent, inside, is_long_and_mixed, is_mixed, is_placeholder, is_prose, is_small_number,
    quoted,
};
use super::{command, encoded, name};
use std::ops::Range;

/// A walk over a text.
struct Walk<'a> {
    text: &'a str,
    found: Vec<Range<usize>>,
    name: Name,
    /// The words before this one on the same line, nearest first.
    before: [&'a str; 3],
    line_from: usize,
    /// Braces up to here were looked into.
    inside_until: usize,
    /// Words behind a scheme that end here or before are no secrets.
    refused_until: usize,
    /// Arguments up to here were looked at.
    arguments_until: usize,
    /// The text shows a Kubernetes Secret, whose data are secrets whatever their names.
    shows_secret: bool,
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
        if at >= self.arguments_until
            && let Some(secrets) = command::arguments(word)
        {
            self.arguments_until = command::find(bytes, end, secrets, &mut self.found);
        }
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
            "token" | "key" if self.before[0].eq_ignore_ascii_case("unexpected") => None,
            "pass" if self.before[0] == "---" => None,
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
        let told = if is_bearer { value.len() >= 6 && is_mixed(value) } else { encoded::is_login(value) };
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
        if let Some(range) = element(bytes, place, closed) {
            return self.take(place, range);
        }
        let at = after_blanks(bytes, closed);
        match operator(bytes, at) {
            Some((after, operator)) => self.value(bytes, place, after, operator),
            None => self
                .in_attribute(bytes, place, closed)
                .or_else(|| self.as_argument(bytes, place, closed))
                .or_else(|| self.after_blank(bytes, place, closed)),
        }
    }

    /// The value behind `=` or `:`.
    fn value(&mut self, bytes: &[u8], place: &Place<'_>, after: usize, operator: Sign) -> Option<usize> {
        let mut at = after_blanks(bytes, after);
        while operator.coded && matches!(sign(bytes, at), Some(Sign { is: b' ', coded: true, .. })) {
            at += sign(bytes, at)?.len;
        }
        at = after_tag(bytes, at);
        if matches!(bytes.get(at), Some(b'|' | b'>' | b'\n' | b'\r') | None) {
            return self.lines(bytes, place, at);
        }
        let at = after_wrapper(bytes, at);
        let open = sign(bytes, at)?;
        match open.is {
            _ if is_quote(open) => {
                let (range, next) = quoted(bytes, at, open);
                self.content(place, range)?;
                Some(next)
            }
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
                let from = if bytes.get(name) == Some(&b'=') { name + 1 } else { return None };
                from..bare(doubtful(place.text, from), from, false)
            }
            Kind::Perhaps | Kind::Login => at..bare(doubtful(place.text, at), at, operator.coded),
            _ => at..bare(bytes, at, operator.coded),
        };
        let value = &place.text[range.clone()];
        let spaced = operator.is == b':' && at > 0 && bytes[at - 1] == b' ';
        if spaced && is_prose(value) && !quoted_name {
            return None;
        }
        let end = range.end;
        if matches!(place.kind, Kind::Password | Kind::Key) && is_placeholder(value) {
            return Some(end);
        }
        self.content(place, range)?;
        Some(end)
    }

    /// A value on the lines below its name, and all values of a map there if that is what the name says.
    fn lines(&mut self, bytes: &[u8], place: &Place<'_>, at: usize) -> Option<usize> {
        let next = after_space(bytes, at);
        if let Some(open) = sign(bytes, next).filter(|open| is_quote(*open)) {
            let (range, after) = quoted(bytes, next, open);
            self.content(place, range)?;
            return Some(after);
        }
        let head = self.head(place);
        if !head.trim_matches([' ', '\t', '-', '"', '\'']).is_empty() {
            return None;
        }
        let block = below(bytes, self.line_from, at)?;
        if place.kind == Kind::Everything {
            self.map(bytes, block);
            return None;
        }
        let is_block = matches!(bytes.get(at), Some(b'|' | b'>'));
        let first = &place.text[block.start..line_end(bytes, block.start).min(block.end)];
        let is_map = first.trim_end().ends_with(':') || first.contains(": ") || first.starts_with("- ");
        if is_map && !is_block {
            return None;
        }
        self.take(place, block)
    }

    /// Every value in a map in YAML.
    fn map(&mut self, bytes: &[u8], block: Range<usize>) {
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

    fn braces(&mut self, bytes: &[u8], place: &Place<'_>, at: usize) -> Option<usize> {
        if matches!(place.kind, Kind::Authorization | Kind::Cookie) {
            let length = bytes[at..].iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b']')?;
            return self.take(place, at + 1..at + length);
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

    /// `<add key="Password" value="…"/>`, `{"name": "TOKEN", "value": "…"}`, and `<entry key="secret">…</entry>`.
    fn in_attribute(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let mut at = after_space(bytes, closed);
        if let Some(comma) = sign(bytes, at).filter(|sign| sign.is == b',') {
            at = after_space(bytes, at + comma.len);
        }
        if let Some(open) = sign(bytes, at).filter(|sign| is_quote(*sign)) {
            at += open.len;
        }
        let end = name_end(bytes, at);
        if !["value", "val", "defaultvalue"].contains(&place.text[at..end].to_ascii_lowercase().as_str()) {
            return None;
        }
        let (after, operator) = operator(bytes, after_blanks(bytes, close_name(bytes, end)))?;
        self.value(bytes, place, after, operator)
    }

    /// `setenv("TOKEN", "…")`, `{password, "…"}`, and `"--password", "…"`.
    fn as_argument(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let comma = sign(bytes, closed).filter(|sign| sign.is == b',')?;
        let head = place.text[..place.from].trim_end_matches(['"', '\'', '\\', ':']);
        let called = head.ends_with(['(', '{']) || place.text[place.from..].starts_with('-');
        if !called && !matches!(place.kind, Kind::Authorization | Kind::Cookie) {
            return None;
        }
        let mut at = after_space(bytes, closed + comma.len);
        at += if place.text[at..].starts_with("<<") { 2 } else { 0 };
        let open = sign(bytes, at).filter(|open| is_quote(*open))?;
        let (range, next) = quoted(bytes, at, open);
        self.content(place, range)?;
        Some(next)
    }

    /// `--password …`, `password …`, `SECRET_KEY …`, and "the password is …".
    fn after_blank(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        if !matches!(bytes.get(place.end), Some(b' ' | b'\t' | b'('))
            || matches!(place.kind, Kind::Perhaps | Kind::Login | Kind::Everything)
        {
            return None;
        }
        let mut at = after_blanks(bytes, closed);
        at += usize::from(bytes.get(at) == Some(&b'('));
        let connected = connected(place.text, at);
        let at = connected.unwrap_or(at);
        let open = sign(bytes, at)?;
        if is_quote(open) {
            let told =
                place.kind != Kind::Key || connected.is_some() || place.text[place.from..].starts_with('-');
            let (range, next) = quoted(bytes, at, open);
            return told.then(|| self.content(place, range))?.map(|()| next);
        }
        let end = bare(doubtful(place.text, at), at, false);
        self.told(bytes, place, at..end, connected.is_some())?;
        self.content(place, at..end)?;
        Some(end)
    }

    /// Whether the word behind a name and a blank is its value.
    fn told(&self, bytes: &[u8], place: &Place<'_>, range: Range<usize>, connected: bool) -> Option<()> {
        let (name, value) = (&place.text[place.from..place.end], &place.text[range.clone()]);
        let is_assignment = bytes.get(name_end(bytes, range.start)) == Some(&b'=');
        if value.is_empty() || is_prose(value) || is_assignment {
            return None;
        }
        let is_login = ["login", "user", "username", "account"]
            .iter()
            .any(|word| self.before[1].eq_ignore_ascii_case(word));
        if name.starts_with('-') || (is_login && place.kind == Kind::Password) {
            return (!value.starts_with('-')).then_some(());
        }
        let head = self.head(place).trim();
        let alone = matches!(bytes.get(after_blanks(bytes, range.end)), None | Some(b'\n' | b'\r'))
            && (head.is_empty() || ["ENV", "ARG", "export", "set", "setenv", "SetEnv"].contains(&head));
        let named = self.name.is_compound() || place.kind == Kind::Password;
        if alone && named && !connected && name != "pass" {
            return Some(());
        }
        // Names of Kubernetes' Secrets are no secrets, and nor are addresses.
        let is_name = place.kind == Kind::Key
            && value.contains(['-', '.', '/'])
            && !value.bytes().any(|byte| byte.is_ascii_uppercase());
        let long = value.len() >= if connected || named { 4 } else { 6 };
        (long && is_mixed(value) && !is_name && !value.starts_with(['/', '#', '('])).then_some(())
    }

    /// What stands before a name in its line; of a long one only the end, which is not blank then.
    fn head<'b>(&self, place: &Place<'b>) -> &'b str {
        let from = self.line_from.min(place.from);
        if place.from - from > HEAD_BYTES_MAX { "…" } else { &place.text[from..place.from] }
    }

    /// Keeps a value that is one; headers keep the word that says which scheme it is.
    fn content(&mut self, place: &Place<'_>, range: Range<usize>) -> Option<()> {
        let value = &place.text[range.clone()];
        let trimmed = value.trim();
        let is_one = match place.kind {
            Kind::Password => !is_placeholder(trimmed),
            Kind::Key => !is_placeholder(trimmed) && !is_small_number(trimmed),
            Kind::Perhaps => is_long_and_mixed(trimmed),
            Kind::Login => encoded::is_login(trimmed),
            Kind::Cookie | Kind::Everything => !is_placeholder(trimmed),
            Kind::Authorization => return self.authorization(place.text, range),
        };
        if is_one {
            self.push(range);
        }
        is_one.then_some(())
    }

    fn authorization(&mut self, text: &str, range: Range<usize>) -> Option<()> {
        let value = &text[range.clone()];
        let scheme = value
            .find(char::is_whitespace)
            .filter(|end| value[..*end].bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'));
        let skip = scheme.map_or(0, |end| end + value[end..].len() - value[end..].trim_start().len());
        let secret = value[skip..].trim();
        let is_name = secret.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        if is_placeholder(secret) || is_name || (scheme.is_none() && secret.len() < 8) {
            return None;
        }
        self.push(range.start + skip..range.end);
        Some(())
    }

    fn take(&mut self, place: &Place<'_>, range: Range<usize>) -> Option<usize> {
        let end = range.end;
        self.content(place, range)?;
        Some(end)
    }

    fn push(&mut self, range: Range<usize>) {
        if !range.is_empty() && !is_placeholder(self.text[range.clone()].trim()) {
            self.found.push(range);
        }
    }
}
