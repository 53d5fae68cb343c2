//! Values that stand further from their names: in the next item of a list, in a block, behind an "or", in a sentence.

use super::around::{doubtful, up_to};
use super::name::Kind;
use super::named::{Place, Walk};
use super::sign::{after_blanks, after_space, is_quote, name_end, sign};
use super::value::{bare, quoted};
use super::words::{is_long_and_mixed, is_prose, looks_made_up};
use super::work::looked_at;
use std::ops::Range;

/// Bytes of a template that are looked at.
const TEMPLATE_BYTES_MAX: usize = 192;

impl Walk<'_> {
    /// Looks for the value of a name that has none beside it; says where to go on if there is one.
    pub fn beyond(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        match place.kind {
            Kind::Login => self.login(bytes, place, closed),
            Kind::Perhaps => self.random_word(bytes, place, closed),
            Kind::Password | Kind::Key => self
                .in_variable(bytes, place, closed)
                .or_else(|| self.alternative(bytes, place, closed))
                .or_else(|| self.numbered(bytes, place, closed))
                .or_else(|| self.login(bytes, place, closed)),
            _ => None,
        }
    }

    /// `- --password` and `- …` below it, or behind it where the lines were joined.
    pub fn in_next_item(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let head = place.text[..place.from].trim_end_matches(['"', '\'', ' ']);
        if !place.text[place.from..].starts_with("--") || !head.ends_with('-') {
            return None;
        }
        let mut at = after_space(bytes, closed);
        if bytes[at..].starts_with(b"+ ") || bytes[at..].starts_with(b"+-") {
            at = after_blanks(bytes, at + 1);
        }
        at = after_blanks(bytes, if bytes[at..].starts_with(b"- ") { at + 2 } else { return None });
        at = if bytes[at..].starts_with(b"- ") { after_blanks(bytes, at + 2) } else { at };
        let open = sign(bytes, at).filter(|sign| sign.is != b'-')?;
        if is_quote(open) {
            let (range, next) = quoted(bytes, at, open);
            return self.content(place, range).map(|()| next);
        }
        self.take(place, at..bare(bytes, at, false))
    }

    /// `variable "db_password" { default = "…" }`
    fn in_variable(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let at = after_blanks(bytes, closed);
        let is_block = self.before[0] == "variable" && bytes.get(at) == Some(&b'{');
        if is_block { self.braces(bytes, place, at) } else { None }
    }

    /// `ENV['DB_PASSWORD'] || '…'`
    fn alternative(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let at = after_blanks(bytes, closed + usize::from(bytes.get(closed) == Some(&b')')));
        let word = ["||", "??", "or "].iter().find(|word| bytes[at..].starts_with(word.as_bytes()))?;
        self.quotation(bytes, place, after_blanks(bytes, at + word.len()))
    }

    /// `password: <%= ENV['X'] || '…' %>`
    pub fn in_template(&mut self, bytes: &[u8], place: &Place<'_>, at: usize) -> Option<usize> {
        let seen = &up_to(place.text, at, TEMPLATE_BYTES_MAX)[at..];
        looked_at(seen.len());
        let or = seen.windows(2).take_while(|two| two != b"%>").position(|two| two == b"||")?;
        self.quotation(bytes, place, after_blanks(bytes, at + or + 2))
    }

    fn quotation(&mut self, bytes: &[u8], place: &Place<'_>, at: usize) -> Option<usize> {
        let open = sign(bytes, at).filter(|open| is_quote(*open))?;
        let (range, next) = quoted(bytes, at, open);
        self.content(place, range).map(|()| next)
    }

    /// `Unseal Key 1: …`
    fn numbered(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let at = after_blanks(bytes, closed);
        let digits = bytes[at..].iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
        let is_key = self.name.joined() == "key" || self.name.joined().ends_with("unsealkey");
        if !is_key || digits == 0 || bytes.get(at + digits) != Some(&b':') {
            return None;
        }
        let from = after_blanks(bytes, at + digits + 1);
        self.take(place, from..bare(bytes, from, false))
    }

    /// `PAGERDUTY routing_key …`: a name of two words and something drawn at random.
    fn random_word(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let word = self.next_word(place, closed)?;
        let value = &place.text[word.clone()];
        // `orders.created.v2` is a routing key of another kind.
        let told = self.name.is_compound() && !value.contains('.') && is_long_and_mixed(value);
        if told { self.take(place, word.start..bare(bytes, word.start, false)) } else { None }
    }

    /// `AUTH …`, `AUTH PLAIN …`, `basic auth bob:…` and `credentials (admin / …)`.
    fn login(&mut self, bytes: &[u8], place: &Place<'_>, closed: usize) -> Option<usize> {
        let name = &place.text[place.from..place.end];
        let first = self.next_word(place, closed)?;
        if name == "AUTH" {
            return self.auth(bytes, place, first);
        }
        let is_basic = name == "auth" && self.before[0].eq_ignore_ascii_case("basic");
        if !is_basic && !matches!(self.name.joined(), "credentials" | "credential" | "creds") {
            return None;
        }
        let word = &place.text[first.clone()];
        let glued = word.find(':').filter(|colon| *colon > 0).map(|colon| first.start + colon + 1);
        let secret = match glued {
            Some(from) => from..first.end,
            None => {
                let slash = after_blanks(bytes, first.end);
                let from = after_blanks(bytes, slash + 1);
                if bytes.get(slash) != Some(&b'/') || from > slash + 2 {
                    return None;
                }
                from..bare(doubtful(place.text, from), from, false)
            }
        };
        self.made_up(place, secret)
    }

    /// What Redis and mail servers are told: one word, or a user and a word, or a mechanism and base64.
    fn auth(&mut self, bytes: &[u8], place: &Place<'_>, first: Range<usize>) -> Option<usize> {
        let word = &place.text[first.clone()];
        let second = self.next_word(place, first.end);
        if matches!(word, "PLAIN" | "LOGIN" | "XOAUTH2" | "CRAM-MD5") {
            let sent = second.filter(|range| range.len() >= 8 && !is_prose(&place.text[range.clone()]))?;
            self.push(sent.clone());
            return Some(sent.end);
        }
        // "… to AUTH …", as a change is told.
        let last = second.filter(|range| &place.text[range.clone()] != "to").unwrap_or(first);
        // A sentence goes on.
        let goes_on = bytes.get(last.end) == Some(&b' ') && !bytes[last.end..].starts_with(b" to ");
        let next = bytes.get(after_blanks(bytes, last.end));
        if goes_on && !matches!(next, None | Some(b'\n' | b'\r')) {
            return None;
        }
        self.made_up(place, last)
    }

    /// The word behind a blank, of a long one the beginning.
    fn next_word(&self, place: &Place<'_>, closed: usize) -> Option<Range<usize>> {
        let bytes = place.text.as_bytes();
        if !matches!(bytes.get(closed), Some(b' ' | b'\t')) {
            return None;
        }
        let mut at = after_blanks(bytes, closed);
        at += usize::from(matches!(bytes.get(at), Some(b'(' | b'"' | b'\'')));
        let end = bare(doubtful(place.text, at), at, false);
        (end > at && name_end(bytes, at) > at).then_some(at..end)
    }

    fn made_up(&mut self, place: &Place<'_>, range: Range<usize>) -> Option<usize> {
        if !looks_made_up(&place.text[range.clone()]) {
            return None;
        }
        let end = range.end;
        self.push(range);
        Some(end)
    }
}
