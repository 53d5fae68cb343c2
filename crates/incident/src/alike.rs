//! How alike two short texts are, and which differences are never small.

use crate::topology::words;
use std::collections::BTreeSet;

/// Words without which a title says the same. How bad it is (`critical`, `P1`) is none of them.
const NOISE: [&str; 30] = [
    "a",
    "an",
    "the",
    "is",
    "are",
    "was",
    "has",
    "been",
    "on",
    "at",
    "in",
    "of",
    "for",
    "to",
    "and",
    "its",
    "it",
    "alert",
    "alarm",
    "alerting",
    "triggered",
    "trigger",
    "firing",
    "problem",
    "service",
    "svc",
    "monitor",
    "new",
    "detected",
    "please",
];

/// Words that turn what a title says into its opposite.
const OPPOSITES: [&str; 8] = ["no", "not", "non", "never", "without", "un", "nor", "neither"];

/// What measured values are measured in. A number with one of these is a reading and says nothing about which thing it is.
const UNITS: [&str; 26] = [
    "%", "percent", "ns", "us", "µs", "ms", "s", "sec", "secs", "second", "seconds", "m", "min", "mins",
    "minutes", "h", "hours", "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "rps",
];

/// The words of a text that say something, in lower case, without measured values and without the endings of plural and
/// tense. What has a digit in it stays whole: it may name a thing.
pub(crate) fn words_of(text: &str) -> BTreeSet<String> {
    let chunks: Vec<&str> = text.split_whitespace().map(trimmed).filter(|chunk| !chunk.is_empty()).collect();
    let mut found = BTreeSet::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let lower = chunk.to_lowercase();
        let before = at.checked_sub(1).and_then(|at| chunks.get(at));
        let of_number = UNITS.contains(&lower.as_str()) && before.is_some_and(|before| is_number(before));
        let next = chunks.get(at + 1).map(|next| next.to_lowercase());
        let with_unit = is_number(chunk) && next.is_some_and(|next| UNITS.contains(&next.as_str()));
        if of_number || with_unit || is_measured(&lower) {
            continue;
        }
        if lower.chars().any(|c| c.is_ascii_digit()) {
            found.extend(Some(lower).filter(|word| !NOISE.contains(&word.as_str())));
        } else {
            found.extend(plain(chunk));
        }
    }
    // What is all noise is still what somebody said.
    if found.is_empty() { words_of_name(text) } else { found }
}

/// The words of a service's name, as they are: `order` and `orders` may be two services.
pub(crate) fn words_of_name(name: &str) -> BTreeSet<String> {
    let all: BTreeSet<String> = words(name).into_iter().map(|word| word.to_lowercase()).collect();
    let telling: BTreeSet<String> =
        all.iter().filter(|word| !NOISE.contains(&word.as_str())).cloned().collect();
    if telling.is_empty() { all } else { telling }
}

fn plain(chunk: &str) -> impl Iterator<Item = String> {
    let words = words(chunk).into_iter().map(|word| word.to_lowercase());
    words.filter(|word| !NOISE.contains(&word.as_str())).map(|word| stem(&word).to_owned())
}

fn trimmed(chunk: &str) -> &str {
    chunk.trim_matches(|c: char| !c.is_alphanumeric() && c != '%')
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

/// A number and its unit in one word.
fn is_measured(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
    unit.len() < word.len() && UNITS.contains(&unit)
}

/// The word without an ending of plural or tense; short words stay, since little would be left of them.
fn stem(word: &str) -> &str {
    let cut = ["ing", "ed", "es", "s"].iter().find_map(|ending| word.strip_suffix(ending));
    cut.filter(|stem| stem.chars().count() >= 4).unwrap_or(word)
}

/// The Sørensen–Dice coefficient of two sets of words, twice what both have by what each has, 0–1 (L. R. Dice, "Measures
/// of the Amount of Ecologic Association Between Species", Ecology 26, 1945; T. Sørensen, 1948). `None` where a difference
/// is not of degree: each has a word that the other lacks (one thing was put for another), what names a thing by a number
/// differs, or one denies what the other says.
pub(crate) fn alike(a: &BTreeSet<String>, b: &BTreeSet<String>) -> Option<f64> {
    if !(a.is_subset(b) || b.is_subset(a)) {
        return None;
    }
    let telling =
        |word: &&String| word.chars().any(|c| c.is_ascii_digit()) || OPPOSITES.contains(&word.as_str());
    if a.symmetric_difference(b).any(|word| telling(&word)) {
        return None;
    }
    let (both, all) = (a.intersection(b).count(), a.len() + b.len());
    // Sets of some words: every count is exact as a float.
    (all > 0).then(|| 2.0 * both as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(words_of(text), expected, "{text}");
    }

    #[test]
    fn words_are_what_says_something() {
        check("HighErrorRate", &["high", "error", "rate"]);
        check("[P1] The disks are 93% full (was 90 %)", &["p1", "disk", "full"]);
        check("5 pods restarted within 10m", &["5", "pods", "restart", "within"]);
        check("node-7: DiskFull", &["node-7", "disk", "full"]);
        check("service", &["service"]);
        check("", &[]);
    }

    #[test]
    fn names_of_services_stay_as_they_are() {
        let check = |name: &str, expected: &[&str]| {
            let expected: BTreeSet<String> = expected.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(words_of_name(name), expected, "{name}");
        };
        check("payment-service", &["payment"]);
        check("paymentService", &["payment"]);
        check("orders", &["orders"]);
        check("shard-1", &["shard", "1"]);
        check("service", &["service"]);
    }

    #[test]
    fn the_measure_is_dices() {
        let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(alike(&words("a b c d"), &words("a b c d e f")), Some(0.8));
        assert_eq!(alike(&words("a b"), &words("a b")), Some(1.0));
        assert_eq!(alike(&words("a b c d"), &words("a b c e")), None);
        assert_eq!(alike(&words("a b c d"), &words("a b c d 1")), None);
        assert_eq!(alike(&words("a b c d"), &words("a b c d not")), None);
        assert_eq!(alike(&BTreeSet::new(), &BTreeSet::new()), None);
    }
}
