//! Values that stand beside their names without `=` and `:`: attributes, arguments of calls and commands, words.

use super::around::{close_name, connected, doubtful, operator};
use super::name::Kind;
use super::named::{Place, Walk};
use super::sign::{after_blanks, after_space, is_quote, name_end, sign};
use super::value::{bare, quoted};
use super::words::{is_mixed, is_prose};
use std::ops::Range;

impl Walk<'_> {
    /// `<add key="Password" value="…"/>`, `{"name": "TOKEN", "value": "…"}`, and `<entry key="secret">…</entry>`.
    pub fn in_attribute(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
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
    pub fn as_argument(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
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
    pub fn after_blank(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
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
        let seen = bare(doubtful(place.text, at), at, false);
        self.told(bytes, place, at..seen, connected.is_some())?;
        let end = bare(bytes, at, false);
        self.content(place, at..end)?;
        Some(end)
    }

    /// Whether the word behind a name and a blank is its value.
    pub fn told(&self, bytes: &[u8], place: &Place<'_>, range: Range<usize>, connected: bool) -> Option<()> {
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
}
