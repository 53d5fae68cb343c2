//! The one place where secrets are taken out of text before it leaves the process: into a log line, an error, a journal
//! excerpt, a message or a prompt.
//!
//! What is looked for: shapes that vendors give their keys and private keys (`rules.rs`), values beside names such as
//! `password` (`named.rs`), passwords in addresses (`place.rs`) and among arguments (`command.rs`), long runs that look
//! random; each also encoded as base64, split over lines, or with invisible characters in between.
//!
//! A name (`known.rs`, `name.rs`) has its value behind a sign (`value.rs`, `braces.rs`), on the lines below (`layout.rs`) or
//! as an argument or attribute (`argument.rs`) or further off (`beyond.rs`); statements (`statement.rs`), diffs (`diff.rs`)
//! and cards (`card.rs`) have ways of their own; `verdict.rs` and `words.rs` say whether that is a secret. No byte is looked
//! at more than a bounded number of times, whatever the text: tests count that (`work.rs`).

mod argument;
mod around;
mod beyond;
mod braces;
mod card;
mod command;
mod diff;
mod encoded;
mod known;
mod layout;
mod name;
mod named;
mod place;
mod rules;
mod sign;
mod split;
mod statement;
mod value;
mod verdict;
mod words;
mod work;

use std::borrow::Cow;

const MASK: &str = "[redacted]";

/// Builds what recognises secrets, which takes some milliseconds once in a process: for whoever measures what comes after.
pub fn prepare() {
    drop(redact("password=prepare"));
}

/// Text with whatever looks like a secret masked, and characters that nobody sees left out.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let seen = visible(text);
    let joined = then(seen, split::masked);
    let plain = then(joined, rules::masked);
    then(plain, encoded::masked)
}

/// The text under a name, such as the value of a label: masked if the name says that it is a secret.
#[must_use]
pub fn redact_field<'a>(name: &str, text: &'a str) -> Cow<'a, str> {
    let is_secret = name::tells_of_secret(name) && !text.is_empty() && !words::is_placeholder(text);
    if is_secret { Cow::Borrowed(MASK) } else { redact(text) }
}

/// How many places of a text are masked, for whoever is told what was left out.
#[must_use]
pub fn masks(text: &str) -> usize {
    text.matches(MASK).count()
}

/// Applies the next way of looking; what it leaves alone is not copied.
fn then<'a>(text: Cow<'a, str>, masked: fn(&str) -> Option<String>) -> Cow<'a, str> {
    match masked(&text) {
        Some(changed) => Cow::Owned(changed),
        None => text,
    }
}

/// Characters that take no space: they split words for a pattern and for nobody else.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e01ef}')
}

fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_invisible) {
        return Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).collect());
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests;
