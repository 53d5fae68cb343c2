//! The matcher syntax since Alertmanager 0.27: any UTF-8 label name, in double quotes where it holds special characters.

use super::{MatchOp, Matcher, MatcherError};

/// Characters that end an unquoted name or value.
const RESERVED: &str = "{}!=~,\\\"'`";

pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let bad = || MatcherError::Format(text.trim().to_owned());
    let mut rest = text.trim();
    let braced = rest.starts_with('{');
    if braced {
        rest = rest[1..].strip_suffix('}').ok_or_else(bad)?;
    }
    let mut matchers = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(matchers);
        }
        let (name, after) = token(rest).ok_or_else(bad)?;
        let after = after.trim_start();
        let ops = [MatchOp::Regex, MatchOp::NotRegex, MatchOp::NotEqual, MatchOp::Equal];
        let (op, after) =
            ops.into_iter().find_map(|op| Some((op, after.strip_prefix(op.symbol())?))).ok_or_else(bad)?;
        let (value, after) = token(after.trim_start()).ok_or_else(bad)?;
        matchers.push(Matcher::new(name, op, value)?);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return Err(bad()),
        };
    }
}

/// A quoted or bare word and what follows it.
fn token(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_word(quoted);
    }
    let end = text.find(|c: char| c.is_whitespace() || RESERVED.contains(c)).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// The rest of a quoted word, with the escapes of a Go string.
fn quoted_word(text: &str) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Some((word, &text[index + 1..])),
            '\n' => return None,
            '\\' => match chars.next()?.1 {
                'n' => word.push('\n'),
                't' => word.push('\t'),
                'r' => word.push('\r'),
                c @ ('\\' | '"') => word.push(c),
                'x' => word.push(char::from_u32(hex(&mut chars, 2)?).filter(char::is_ascii)?),
                'u' => word.push(char::from_u32(hex(&mut chars, 4)?)?),
                'U' => word.push(char::from_u32(hex(&mut chars, 8)?)?),
                _ => return None,
            },
            other => word.push(other),
        }
    }
    None
}

fn hex(chars: &mut std::str::CharIndices<'_>, digits: u32) -> Option<u32> {
    (0..digits).try_fold(0_u32, |value, _| Some(value * 16 + chars.next()?.1.to_digit(16)?))
}
