//! Values that stand beside their names without `=` and `:`: attributes, arguments of calls and commands, words.

use super::around::{
    DOUBTFUL_BYTES_MAX, HEAD_BYTES_MAX, close_name, connected, doubtful, is_conversion, operator, second,
};
use super::name::Kind;
use super::named::{Place, Walk};
use super::sign::{after_blanks, after_space, is_quote, name_end, sign, until};
use super::value::{bare, quoted};
use super::words::{is_drawn, is_mixed, is_prose, looks_made_up};
use super::work::looked_at;
use std::ops::Range;

impl Walk<'_> {
    /// `<add key="Password" value="…"/>`, `{"name": "TOKEN", "value": "…"}`, and `<entry key="secret">…</entry>`.
    pub fn in_attribute(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let mut at = after_space(bytes, closed);
        if let Some(comma) = sign(bytes, at).filter(|sign| sign.is == b',') {
            at = after_space(bytes, at + comma.len);
        }
        // The marks of a diff whose lines were joined.
        if bytes[at..].starts_with(b"+ ") || bytes[at..].starts_with(b"- ") {
            at = after_blanks(bytes, at + 1);
        }
        if let Some(open) = sign(bytes, at).filter(|sign| is_quote(*sign)) {
            at += open.len;
        }
        let end = name_end(bytes, at);
        let tail = &bytes[end.saturating_sub(5).max(at)..end];
        if !tail.eq_ignore_ascii_case(b"value") && !tail.eq_ignore_ascii_case(b"val") {
            return None;
        }
        let (after, operator) = operator(bytes, after_blanks(bytes, close_name(bytes, end)))?;
        self.value(bytes, place, after, operator)
    }

    /// `setenv("TOKEN", "…")`, `{password, "…"}`, and `"--password", "…"`.
    pub fn as_argument(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let comma = sign(bytes, closed).filter(|sign| sign.is == b',')?;
        let head = place.text[..place.from].trim_end_matches(['"', '\'', '\\', ':', ' ']);
        let listed = head.ends_with('[') && place.kind == Kind::Password;
        let called = listed || head.ends_with(['(', '{']) || place.text[place.from..].starts_with('-');
        if !called && !matches!(place.kind, Kind::Authorization | Kind::Cookie) {
            return None;
        }
        let mut at = after_space(bytes, closed + comma.len);
        at += if place.text[at..].starts_with("<<") { 2 } else { 0 };
        let open = sign(bytes, at).filter(|open| is_quote(*open))?;
        let (range, next) = quoted(bytes, at, open);
        // A list of fields has a password's name among others, a list of arguments its value.
        if listed && !is_mixed(doubtful_part(&place.text[range.clone()])) {
            return None;
        }
        self.content(place, range)?;
        Some(next)
    }

    /// `auth=("user", "…")` and `NetworkCredential("user", "…")`.
    pub fn pair(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let at = after_space(bytes, at + 1);
        let user = sign(bytes, at).filter(|open| is_quote(*open))?;
        let (_, after) = quoted(bytes, at, user);
        let comma = sign(bytes, after).filter(|sign| sign.is == b',')?;
        let at = after_space(bytes, after + comma.len);
        let open = sign(bytes, at).filter(|open| is_quote(*open))?;
        let (range, next) = quoted(bytes, at, open);
        self.push(range);
        Some(next)
    }

    /// `{"value": "…", "name": "DB_PASSWORD"}`
    pub fn value_before(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let is_quoted = place.from > 0 && bytes[place.from - 1] == b'"';
        if !is_quoted || closed == place.end || matches!(place.kind, Kind::Everything | Kind::Cookie) {
            return None;
        }
        let mut from = place.from.saturating_sub(HEAD_BYTES_MAX);
        while !place.text.is_char_boundary(from) {
            from += 1;
        }
        let head = &place.text[from..place.from];
        let name = without(without(without(head, "\"")?, ":")?, "\"")?;
        let name = without(name, "name").or_else(|| without(name, "key"))?;
        let value = without(without(without(name, "\"")?, ",")?, "\"")?;
        looked_at(HEAD_BYTES_MAX);
        let start = value.rfind('"')? + 1;
        without(without(without(&value[..start], "\"")?, ":")?, "\"")
            .and_then(|head| without(head, "value"))?;
        self.content(place, from + start..from + value.len())?;
        Some(place.end)
    }

    /// `password = "…" -> "…"`, as a plan shows a change.
    pub fn changed_to(&mut self, bytes: &[u8], place: &Place<'_>, next: usize) -> usize {
        let at = after_blanks(bytes, next);
        if !bytes[at..].starts_with(b"-> ") {
            return next;
        }
        let at = after_blanks(bytes, at + 3);
        let Some(open) = sign(bytes, at).filter(|open| is_quote(*open)) else { return next };
        let (range, after) = quoted(bytes, at, open);
        self.content(place, range).map_or(next, |()| after)
    }

    /// `<name>db.password</name><value>…</value>` and `<key>Password</key><string>…</string>`.
    pub fn in_next_element(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let is_content =
            place.from > 0 && bytes[place.from - 1] == b'>' && bytes[closed..].starts_with(b"</");
        let tag = name_end(bytes, if is_content { closed + 2 } else { return None });
        let open = after_space(bytes, if bytes.get(tag) == Some(&b'>') { tag + 1 } else { return None });
        let end = name_end(bytes, if bytes.get(open) == Some(&b'<') { open + 1 } else { return None });
        let names = ["value", "string", "val", "data", "param-value"];
        if !names.contains(&&place.text[open + 1..end]) || bytes.get(end) != Some(&b'>') {
            return None;
        }
        let to = until(bytes, end + 1, |byte| matches!(byte, b'<' | b'\n'));
        self.take(place, end + 1..to)
    }

    /// `--password …`, `password …`, `SECRET_KEY …`, and "the password is …".
    pub fn after_blank(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let in_path = place.kind == Kind::Key && place.from > 0 && bytes[place.from - 1] == b'/';
        if in_path
            || !matches!(bytes.get(place.end), Some(b' ' | b'\t' | b'('))
            || matches!(place.kind, Kind::Perhaps | Kind::Login | Kind::Everything)
        {
            return None;
        }
        let mut at = after_blanks(bytes, closed);
        at += usize::from(bytes.get(at) == Some(&b'('));
        let connected = connected(place.text, at);
        at = connected.unwrap_or(at);
        if let Some([b'0'..=b'9', b' ', next, ..]) = bytes.get(at..).filter(|_| connected.is_none())
            && !next.is_ascii_whitespace()
        {
            // `password 7 …`: routers say in a digit how it is kept.
            at += 2;
        }
        let open = sign(bytes, at)?;
        if is_conversion(place.text, at) {
            return None;
        }
        if is_quote(open) {
            let (range, next) = quoted(bytes, at, open);
            let value = doubtful_part(&place.text[range.clone()]);
            let told = place.kind != Kind::Key
                || connected.is_some()
                || place.text[place.from..].starts_with('-')
                || (self.name.is_compound() && is_mixed(value) && !value.contains(['.', '/', ' ']))
                || is_drawn(value);
            told.then(|| self.content(place, range))??;
            return Some(connected.map_or(next, |_| self.second_value(bytes, place, next)));
        }
        let seen = bare(doubtful(place.text, at), at, false);
        self.told(bytes, place, at..seen, connected.is_some())?;
        let end = bare(bytes, at, false);
        self.content(place, at..end)?;
        Some(connected.map_or(end, |_| self.second_value(bytes, place, end)))
    }

    /// "changed from … to …": the second is one as the first is.
    fn second_value(&mut self, bytes: &[u8], place: &Place<'_>, next: usize) -> usize {
        let Some(at) = second(place.text, next) else { return next };
        if let Some(open) = sign(bytes, at).filter(|open| is_quote(*open)) {
            let (range, after) = quoted(bytes, at, open);
            return self.content(place, range).map_or(next, |()| after);
        }
        let end = bare(bytes, at, false);
        let told = looks_made_up(&place.text[at..end]);
        if told && self.content(place, at..end).is_some() { end } else { next }
    }

    /// Whether the word behind a name and a blank is its value.
    pub fn told(&self, bytes: &[u8], place: &Place<'_>, range: Range<usize>, connected: bool) -> Option<()> {
        let (name, value) = (&place.text[place.from..place.end], &place.text[range.clone()]);
        let is_assignment = bytes.get(name_end(bytes, range.start)) == Some(&b'=');
        // Lines of a diff that were joined have a mark between them.
        let is_mark = matches!(value, "+" | "-");
        if value.is_empty() || is_mark || is_prose(value) || is_assignment {
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
        // "the password is Bvodrumb" says nothing else.
        let ends = || matches!(bytes.get(range.end), None | Some(b'\n' | b'\r' | b'.' | b'"' | b'\''));
        let capital = || value.starts_with(|c: char| c.is_ascii_uppercase()) && value.len() >= 8 && ends();
        let spoken = connected && place.kind == Kind::Password && capital();
        (long && (looks_made_up(value) || spoken) && !is_name && !value.starts_with(['/', '#', '(']))
            .then_some(())
    }
}

/// What is before the end of a text, blanks and backslashes aside, if it ends so.
fn without<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let text = text.trim_end_matches([' ', '\t', '\n', '\r', '\\']);
    let (head, tail) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    tail.eq_ignore_ascii_case(end).then_some(head)
}

/// As much of a value as says whether it is a secret.
fn doubtful_part(value: &str) -> &str {
    value.get(..DOUBTFUL_BYTES_MAX).unwrap_or(value)
}
