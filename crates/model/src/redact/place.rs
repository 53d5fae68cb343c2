//! Secrets that are known by where they stand: in front of the `@` of an address, in a line of `.pgpass`.

use super::sign::sign;
use super::words::{is_placeholder, looks_made_up};
use super::work::looked_at;
use std::ops::Range;

/// Where there are secrets in addresses.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b':' | b'%' => {
                found.extend(scheme_end(bytes, at).and_then(|(after, coded)| login(text, after, coded)))
            }
            b'@' => found.extend(without_scheme(text, at)),
            _ => {}
        }
    }
    for word in words(text) {
        found.extend(pgpass(text, word));
    }
    found
}

/// Behind `://`, also as JSON (`:\/\/`) and URLs (`%3A%2F%2F`) write it.
fn scheme_end(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let colon = sign(bytes, at).filter(|sign| sign.is == b':')?;
    let mut next = at + colon.len;
    for _ in 0..2 {
        next += usize::from(bytes.get(next) == Some(&b'\\'));
        next += sign(bytes, next).filter(|sign| sign.is == b'/' && sign.coded == colon.coded)?.len;
    }
    (at > 0 && bytes[at - 1].is_ascii_alphanumeric()).then_some((next, colon.coded))
}

/// The secret of `user:secret@host`; of `secret@host`, if it looks like one.
fn login(text: &str, from: usize, coded: bool) -> Option<Range<usize>> {
    let token = token(text, from);
    if coded {
        let (colon, at) = (token.find("%3A").or_else(|| token.find("%3a"))?, token.rfind("%40")?);
        return (colon + 3 < at && !is_placeholder(&token[colon + 3..at]))
            .then_some(from + colon + 3..from + at);
    }
    let authority = &token[..token.find(['/', '?', '#', '\\']).unwrap_or(token.len())];
    let at = authority.rfind('@').or_else(|| beyond(token, authority))?;
    let login = &token[..at];
    let secret = match login.find(':') {
        Some(colon) => colon + 1..at,
        None => {
            let is_random = login.len() >= 20 && login.bytes().any(|byte| byte.is_ascii_digit());
            is_random.then_some(0..at)?
        }
    };
    (!is_placeholder(&login[secret.clone()])).then_some(from + secret.start..from + secret.end)
}

/// The `@` of a password with a slash in it; `https://host:8080/a@b` has none.
fn beyond(token: &str, authority: &str) -> Option<usize> {
    let (user, rest) = authority.split_once(':')?;
    let is_port = rest.is_empty() || rest.bytes().all(|byte| byte.is_ascii_digit());
    (!is_port && !user.starts_with('[') && !user.contains('.')).then(|| token.rfind('@'))?
}

/// Bytes of an address that are looked at.
const ADDRESS_BYTES_MAX: usize = 4 * 1024;

/// As far as an address goes.
fn token(text: &str, from: usize) -> &str {
    let rest = &text.as_bytes()[from..];
    let rest = &rest[..rest.len().min(ADDRESS_BYTES_MAX)];
    let ends = |at: &usize| {
        let byte = rest[*at];
        let is_sign = byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>');
        is_sign || (matches!(byte, b':' | b'%') && scheme_end(rest, *at).is_some())
    };
    let mut end = (0..rest.len()).find(ends).unwrap_or(rest.len());
    looked_at(end + 1);
    while !text.is_char_boundary(from + end) {
        end -= 1;
    }
    &text[from..from + end]
}

/// `user:secret@tcp(host)` and `user:secret@host:5432/database`.
fn without_scheme(text: &str, at: usize) -> Option<Range<usize>> {
    let after = &text[at + 1..];
    let is_go =
        ["tcp(", "tcp6(", "unix(", "udp(", "cloudsql("].iter().any(|network| after.starts_with(network));
    let after = after.strip_prefix("//").unwrap_or(after);
    if !is_go && !is_host_port_path(after) {
        return None;
    }
    let from = text.as_bytes()[..at]
        .iter()
        .rev()
        .take(LOGIN_BYTES_MAX)
        .take_while(|byte| !ends_login(**byte))
        .count();
    looked_at(from + 1);
    let login = text.get(at - from..at)?;
    if login.contains("://") {
        return None;
    }
    let thin = login.find("thin:").and_then(|thin| Some(thin + login[thin..].find('/')?));
    let colon = thin.or_else(|| login.find(':'))?;
    let secret = colon + 1..login.len();
    (!is_placeholder(&login[secret.clone()])).then_some(at - from + secret.start..at)
}

/// Bytes of a user and a password in front of an `@` at most.
const LOGIN_BYTES_MAX: usize = 256;

fn ends_login(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'(')
}

fn is_host_port_path(text: &str) -> bool {
    let host = text
        .bytes()
        .take(255)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        .count();
    looked_at(host + 1);
    let Some(port) = text[host..].strip_prefix(':') else { return false };
    let digits = port.bytes().take(6).take_while(u8::is_ascii_digit).count();
    host > 0 && (2..=5).contains(&digits) && matches!(port.as_bytes().get(digits), Some(b'/' | b':'))
}

fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    text.split(|c: char| c.is_ascii_whitespace()).map(move |word| {
        let range = from..from + word.len();
        from += word.len() + 1;
        range
    })
}

/// `host:5432:database:user:secret`; with other words in its line, only what looks like one.
fn pgpass(text: &str, word: Range<usize>) -> Option<Range<usize>> {
    looked_at(word.len() + 1);
    let trimmed = text[word.clone()].trim_matches(['`', '"', '\'']);
    let begins = word.start == 0 || text.as_bytes()[word.start - 1] == b'\n';
    let ends = matches!(text.as_bytes().get(word.end), None | Some(b'\n' | b'\r'));
    let alone = begins && ends;
    let mut fields = trimmed.splitn(5, ':');
    let (host, port, database, user) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let secret = fields.next()?;
    let is_port =
        port == "*" || ((2..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()));
    // Addresses of cards and machines are made of hex digits.
    let is_hex = |field: &&str| field.len() <= 4 && field.bytes().all(|byte| byte.is_ascii_hexdigit());
    if [host, database, user].iter().all(is_hex) {
        return None;
    }
    let whole = [host, database, user, secret].iter().all(|field| !field.is_empty());
    let told = alone || (looks_made_up(secret) && !database.contains(['/', '.']));
    let end = word.start + text[word.clone()].rfind(secret)? + secret.len();
    (is_port && whole && told && !is_placeholder(secret)).then_some(end - secret.len()..end)
}
