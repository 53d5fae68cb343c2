//! The one place where secrets are taken out of text before it leaves the process: into a log line, an error, a journal
//! excerpt, a message or a prompt.
//!
//! What is looked for: shapes that vendors give their keys, private keys, values beside names such as `password`, long
//! runs that look random; each also encoded as base64, split over lines, or with invisible characters in between.

mod encoded;
mod rules;
mod split;

use std::borrow::Cow;

const MASK: &str = "[redacted]";

/// Builds what recognises secrets, which takes some milliseconds once in a process: for whoever measures what comes after.
pub fn prepare() {
    drop(redact("password=prepare"));
}

/// Text with whatever looks like a secret masked, and characters that nobody sees left out.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    if !could_hold_one(text) {
        return Cow::Borrowed(text);
    }
    let seen = visible(text);
    let joined = then(seen, split::masked);
    let plain = then(joined, rules::masked);
    then(plain, encoded::masked)
}

/// Applies the next way of looking; what it leaves alone is not copied.
fn then<'a>(text: Cow<'a, str>, masked: fn(&str) -> Option<String>) -> Cow<'a, str> {
    match masked(&text) {
        Some(changed) => Cow::Owned(changed),
        None => text,
    }
}

/// Every secret is either long or has a sign beside it: most short lines are done here.
fn could_hold_one(text: &str) -> bool {
    let mut run = 0;
    text.chars().any(|c| {
        run = if c.is_ascii_alphanumeric() || "_-+/.".contains(c) { run + 1 } else { 0 };
        run >= 12 || matches!(c, ':' | '=' | '%') || !c.is_ascii() || (run == 8 && mentions(text))
    })
}

/// Whether a word is there that secrets are told with in prose.
fn mentions(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["pass", "secret", "token", "bearer", "basic"].iter().any(|word| lower.contains(word))
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
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text), expected, "of {text}");
        assert_eq!(redact(expected), expected, "a second time");
    }

    #[test]
    fn secrets_are_masked_and_the_rest_stays() {
        for (text, expected) in [
            ("password=hunter22 user=bo", "password=[redacted] user=bo"),
            (r#"{"api_key": "abc123def"}"#, r#"{"api_key": "[redacted]"}"#),
            ("postgres://app:s3cret@db/x", "postgres://app:[redacted]@db/x"),
            ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer [redacted]"),
            ("AKIAABCDEFGHIJKLMNOP", "[redacted]"),
            ("DB_PASSWORD=hunter22", "DB_PASSWORD=[redacted]"),
            ("the password is Tr0ub4dor", "the password is [redacted]"),
            ("--token abc123def run", "--token [redacted] run"),
            ("p\u{200b}assword=hunter22", "password=[redacted]"),
            ("Cookie: session=a1b2c3d4; x=1", "Cookie: [redacted]"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "upstream payment-service timed out",
            "password authentication failed for user app",
            "max_tokens: 4096, 12 tokens used",
            "GET /api/v1/orders/2026/11/22/InvoiceDocument2026V2/Download/Original 200",
            "commit 3f786850e387550fdab836ed7e6dc881de23001b deployed",
            "trace 4bf92f3577b34da6a3ce929d0e0e4736, span 00f067aa0ba902b7",
            "pod checkout-7d9f8b6c5-x2x9q: OOMKilled, exit code 137",
            "auth: ok, session opened",
            "send the API key as `Authorization: Bearer KEY`",
            "io.grpc.netty.shaded.io.netty.channel.AbstractChannel$AnnotatedConnectException",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn base64_is_opened_twice_deep() {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let once = STANDARD.encode("password=hunter22 and more");
        let twice = STANDARD.encode(&once);
        for text in [once, twice] {
            check(&format!("body {text} end"), "body [redacted] end");
        }
        let harmless = STANDARD.encode("hello world, how are you");
        check(&format!("body {harmless} end"), &format!("body {harmless} end"));
    }

    #[test]
    fn lines_that_split_a_secret_do_not_hide_it() {
        let token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
        let split = format!("token is {}\n   {} end", &token[..20], &token[20..]);
        let masked = redact(&split);
        assert!(!masked.contains("abcdefghij") && !masked.contains("xyz01"), "{masked}");
        assert!(masked.ends_with("end"), "{masked}");
    }
}
