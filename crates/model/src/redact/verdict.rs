//! Whether what stands beside a name is a secret.

use super::around::DOUBTFUL_BYTES_MAX;
use super::encoded;
use super::name::Kind;
use super::named::{Place, Walk};
use super::words::{is_long_and_mixed, is_placeholder, is_prose, is_reference, is_small_number, is_state};
use super::work::looked_at;
use std::ops::Range;

impl Walk<'_> {
    /// Keeps a value that is one; headers keep the word that says which scheme it is.
    pub fn content(&mut self, place: &Place<'_>, range: Range<usize>) -> Option<()> {
        if place.kind == Kind::Authorization {
            return self.authorization(place.text, range);
        }
        let value = &place.text[range.clone()];
        // `"token": "expired"` and `"secret": "db-creds"` say nothing either.
        if place.kind == Kind::Key && (is_state(value) || is_reference(self.name.joined(), value)) {
            return None;
        }
        let is_one = is_one(place.kind, value);
        if is_one {
            self.push(range);
        }
        is_one.then_some(())
    }

    pub fn authorization(&mut self, text: &str, range: Range<usize>) -> Option<()> {
        let value = &text[range.clone()];
        looked_at(value.len());
        let scheme = value
            .find(char::is_whitespace)
            .filter(|end| value[..*end].bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'));
        let skip = scheme.map_or(0, |end| end + value[end..].len() - value[end..].trim_start().len());
        // "authorization: denied for user" goes on with a sentence.
        let first = value[..scheme.unwrap_or(value.len())].trim_end_matches([',', ':']);
        if is_prose(first) && first != "signature" && first.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        let secret = value[skip..].trim();
        let is_name = secret.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        if is_placeholder(secret) || is_name || (scheme.is_none() && secret.len() < 8) {
            return None;
        }
        self.push(range.start + skip..range.end);
        Some(())
    }

    pub fn take(&mut self, place: &Place<'_>, range: Range<usize>) -> Option<usize> {
        let end = range.end;
        self.content(place, range)?;
        Some(end)
    }

    pub fn push(&mut self, range: Range<usize>) {
        if !range.is_empty() && !is_placeholder(self.text[range.clone()].trim()) {
            self.found.push(range);
        }
    }
}

/// Whether a value is a secret under a name of this kind. Of a long one, the beginning tells.
pub fn is_one(kind: Kind, value: &str) -> bool {
    let mut until = value.len().min(DOUBTFUL_BYTES_MAX);
    while !value.is_char_boundary(until) {
        until -= 1;
    }
    let (seen, whole) = (value[..until].trim(), until == value.len());
    looked_at(seen.len());
    match kind {
        Kind::Password | Kind::Everything | Kind::Authorization => !whole || !is_placeholder(seen),
        Kind::Key | Kind::Cookie => !whole || (!is_placeholder(seen) && !is_small_number(seen)),
        Kind::Perhaps => is_long_and_mixed(seen),
        Kind::Login => encoded::is_login(seen),
    }
}
