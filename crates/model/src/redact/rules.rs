//! Shapes of secrets that appear in logs, URLs, headers and files.

use super::MASK;
use regex::{Captures, Regex, RegexSet};
use std::sync::LazyLock;

/// Names whose values are secrets, alone or as the end of a longer name, such as `DB_PASSWORD` or `accessToken`.
const NAMES: &str = "password|passwd|passphrase|pwd|secret(?:[_-]?key|[_-]?access[_-]?key)?|token|api[_-]?key|apikey\
    |access[_-]?key(?:[_-]?id)?|account[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key\
    |client[_-]?secret|credentials?|x-amz-signature|sessionid|session[_-]id";

/// Shapes that vendors give their keys. Each says by itself what it is.
pub const SHAPES: &str = r"(?x)
    \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,3}
    | \b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,})
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,} | \bxapp-[A-Za-z0-9-]{10,}
    | hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{10,}
    | \b(?:sk|rk|pk)[-_](?:live|test|ant|proj|svcacct)?[-_A-Za-z0-9]{16,} | \bwhsec_[A-Za-z0-9+/=]{16,}
    | \b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b | \bABSK[A-Za-z0-9+/=]{20,} | \bbedrock-api-key-[A-Za-z0-9+/=]{16,}
    | \bAIza[A-Za-z0-9_-]{30,} | \bya29\.[A-Za-z0-9_-]{20,} | \bGOCSPX-[A-Za-z0-9_-]{16,}
    | \bnpm_[A-Za-z0-9]{30,} | \bpypi-[A-Za-z0-9_-]{16,} | \bdckr_pat_[A-Za-z0-9_-]{16,} | \bhf_[A-Za-z0-9]{20,}
    | \bgsk_[A-Za-z0-9]{20,} | \bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,} | \b(?:SK|AC)[0-9a-f]{32}\b
    | \bdo[opr]_v1_[0-9a-f]{32,} | \bhv[sbr]\.[A-Za-z0-9_-]{20,} | \bdapi[0-9a-f]{32}\b | \bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}
    | \bAGE-SECRET-KEY-1[A-Z0-9]{50,} | \b[0-9]{8,10}:AA[A-Za-z0-9_-]{30,} | \bsq0(?:atp|csp)-[A-Za-z0-9_-]{20,}
    | \bglsa_[A-Za-z0-9_]{30,} | \bNRAK-[A-Z0-9]{20,} | \blin_api_[A-Za-z0-9]{20,} | \btfp_[A-Za-z0-9_-]{20,}";

/// A long run of letters, digits and signs; whether it is random is looked at.
pub const RUN: &str = r"[A-Za-z0-9+/_-]{40,}={0,2}";

/// What a match becomes; `None` leaves it as it is.
type Becomes = fn(&Captures<'_>) -> Option<String>;

static RULES: LazyLock<Vec<(Regex, Becomes)>> = LazyLock::new(|| {
    let value = r#"(?:\\*"[^"\n]+"|\\*'[^'\n]+'|(?:\[redacted\])?(?:\\\r?\n\s*|[^\s"',;&}\\])+)"#;
    let named = format!(
        r#"(?i)((?:\b|_)[a-z0-9_.-]{{0,64}}(?:{NAMES})(?:[_.-][a-z0-9_.-]{{0,32}})?(?:\\*["'])?\s*(?::=|=>|[:=]|%3[ad])\s*)({value})"#
    );
    let rules: [(&str, Becomes); 11] = [
        (
            r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
            whole,
        ),
        (r"(?s)(Private-Lines: \d+).*?(?:Private-MAC|\z)", after_first),
        (SHAPES, whole),
        // Headers whose whole value is a secret; beside a scheme the word after it is.
        (
            r#"(?i)(\b(?:x-api-key|x-auth-token|x-vault-token|set-cookie|cookie)\\*["']?\s*[:=]\s*\\*["']?)[^\r\n"']{3,}"#,
            after_first,
        ),
        (
            r#"(?i)(\b(?:proxy-)?authorization\\*["']?\s*[:=]\s*\\*["']?(?:[a-z]+\s+)?)[A-Za-z0-9+/=._~-]{8,}"#,
            after_first,
        ),
        (r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}", after_first),
        // user:password@host in URLs.
        (r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(@)", between),
        (&named, named_value),
        (
            r"(?i)(--?(?:password|passwd|pass|token|secret|api-?key|auth-token|client-secret)[ =]+)[^\s]{3,}",
            after_first,
        ),
        (
            r#"(?i)(\b(?:password|passphrase|secret|token|api key)\s+(?:(?:is|was|of|to|for|set to)\s+)?["'`]?)([^\s"'`,;]{6,})"#,
            told_in_prose,
        ),
        (RUN, random),
    ];
    rules.map(|(pattern, becomes)| (compiled(pattern), becomes)).into()
});

/// All rules at once: one look at a text says which of them there is work for.
static ANY: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(RULES.iter().map(|(pattern, _)| pattern.as_str()))
        .expect("patterns that are compiled already")
});

/// Words end where ASCII words end: the automaton for anything else is a hundred times as slow, and keys are ASCII.
pub fn compiled(pattern: &str) -> Regex {
    Regex::new(&pattern.replace(r"\b", r"(?-u:\b)")).expect("a constant pattern")
}

/// The text with what the rules find masked, `None` if they find nothing.
pub fn masked(text: &str) -> Option<String> {
    let mut masked: Option<String> = None;
    for number in ANY.matches(text) {
        let (pattern, becomes) = &RULES[number];
        let now = masked.as_deref().unwrap_or(text);
        let replaced = pattern
            .replace_all(now, |found: &Captures<'_>| becomes(found).unwrap_or_else(|| found[0].to_owned()));
        if replaced != now {
            masked = Some(replaced.into_owned());
        }
    }
    masked
}

fn whole(_: &Captures<'_>) -> Option<String> {
    Some(MASK.to_owned())
}

fn after_first(found: &Captures<'_>) -> Option<String> {
    Some(format!("{}{MASK}", &found[1]))
}

fn between(found: &Captures<'_>) -> Option<String> {
    Some(format!("{}{MASK}{}", &found[1], &found[2]))
}

/// The value beside a name: quotes stay, and so does what is no value.
fn named_value(found: &Captures<'_>) -> Option<String> {
    let value = &found[2];
    let inner = value.trim_matches(['"', '\'', '\\']);
    let quote = &value[..value.find(inner).unwrap_or(0)];
    if inner.chars().count() < 3 || inner == MASK || ["true", "false", "null", "none", "yes"].contains(&inner)
    {
        return None;
    }
    Some(format!("{}{quote}{MASK}{}", &found[1], &value[quote.len() + inner.len()..]))
}

/// "the password is Tr0ub4dor", but not "password authentication failed": words of a language have no digits.
fn told_in_prose(found: &Captures<'_>) -> Option<String> {
    let word = found[2].trim_end_matches(['.', ')', ':']);
    let mixed = word.chars().any(|c| c.is_ascii_digit()) && word.chars().any(|c| c.is_ascii_alphabetic());
    mixed.then(|| format!("{}{MASK}{}", &found[1], &found[2][word.len()..]))
}

fn random(found: &Captures<'_>) -> Option<String> {
    is_random(&found[0]).then(|| MASK.to_owned())
}

/// Whether a run looks drawn at random: letters of both cases and digits, well mixed, and no path.
pub fn is_random(run: &str) -> bool {
    let count = |is: fn(&u8) -> bool| run.as_bytes().iter().filter(|byte| is(byte)).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let digits = count(u8::is_ascii_digit);
    let pieces = run.split(['/', '-', '_']).count();
    let long_pieces = run.len() / pieces >= 12;
    upper * 8 >= run.len() && lower * 8 >= run.len() && digits * 16 >= run.len() && long_pieces
}
