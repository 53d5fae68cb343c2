//! The one place where secrets are taken out of text before it leaves the process.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

const MASK: &str = "[redacted]";

/// Shapes of secrets that appear in logs, URLs and headers.
static SECRETS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let rules = [
        // PEM private keys, whole block.
        (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)", MASK),
        // JSON web tokens.
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", MASK),
        // Vendors' token prefixes.
        (
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,})",
            MASK,
        ),
        (r"\b(?:sk|rk|pk)[-_](?:live|test|ant|proj)?[-_A-Za-z0-9]{16,}", MASK),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", MASK),
        // Authorization headers.
        (r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}", "$1 [redacted]"),
        // user:password@host in URLs.
        (r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@]+):[^\s/@]+@", "$1:[redacted]@"),
        // key=value and "key": "value".
        (
            r#"(?i)\b((?:api[_-]?key|access[_-]?key|secret(?:[_-]?key)?|client[_-]?secret|passw(?:or)?d|pwd|token|auth[_-]?token|private[_-]?key)["']?\s*[:=]\s*["']?)[^\s"',;&}]{3,}"#,
            "${1}[redacted]",
        ),
    ];
    rules.map(|(pattern, with)| (Regex::new(pattern).expect("a constant pattern"), with)).into()
});

/// Text with whatever looks like a secret masked.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    SECRETS.iter().fold(Cow::Borrowed(text), |text, (pattern, with)| {
        match pattern.replace_all(&text, *with) {
            Cow::Borrowed(_) => text,
            Cow::Owned(changed) => Cow::Owned(changed),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_stays() {
        for (text, expected) in [
            ("password=hunter22 user=bo", "password=[redacted] user=bo"),
            (r#"{"api_key": "abc123def"}"#, r#"{"api_key": "[redacted]"}"#),
            ("postgres://app:s3cret@db/x", "postgres://app:[redacted]@db/x"),
            ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer [redacted]"),
            ("AKIAABCDEFGHIJKLMNOP", "[redacted]"),
            ("upstream payment-service timed out", "upstream payment-service timed out"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
