//! Values that a diff replaces: numbers with their units, levels, addresses, versions.

use super::{Found, Mechanism, has, one};
use crate::investigate::diff::Diff;

/// A factor from which a value is another one: less is tuning.
const FACTOR: f64 = 1.5;

/// Every value that is replaced by another.
pub fn find(diff: &Diff) -> Vec<Found> {
    diff.replaced().into_iter().filter_map(|(old, new)| replaced(old, new)).collect()
}

fn replaced(old: &str, new: &str) -> Option<Found> {
    if let (Some(old_version), Some(new_version)) = (version(old), version(new)) {
        return library(&old_version, &new_version, new);
    }
    if let (Some(was), Some(is)) = (level(old), level(new)) {
        return (is > was).then(|| one(Mechanism::Verbosity, 1.0, new));
    }
    let same_words = words(old) == words(new);
    let (was, is) = (numbers(old), numbers(new));
    let changed = was.iter().zip(&is).find(|(was, is)| (*was - *is).abs() > 1e-12 * was.abs());
    if let (true, Some((was, is))) = (was.len() == is.len(), changed) {
        return Some(quantity(*was, *is, new));
    }
    // The same in another unit.
    let plain = |line| {
        words(line).into_iter().filter(|w| !w.contains(|c: char| c.is_ascii_digit())).collect::<Vec<_>>()
    };
    if !was.is_empty() && was.len() == is.len() && plain(old) == plain(new) {
        return None;
    }
    if has(
        new,
        &["http", "host", "url", "endpoint", "addr", "port", "dsn", ".svc", "bucket", "topic", "region"],
    ) && !same_words
        && is_setting(new)
    {
        return Some(one(Mechanism::Endpoint, 0.8, new));
    }
    let flips = |a: &str, b: &str| has(old, &[a]) && has(new, &[b]) && !has(new, &[a]);
    if flips("true", "false") || flips("false", "true") || flips("off", "on") {
        return Some(one(Mechanism::OtherValue, 0.7, new));
    }
    (is_setting(old) && is_setting(new) && !same_words && !is_style(new))
        .then(|| one(Mechanism::OtherValue, 0.4, new))
}

/// A line that sets one thing, as in a configuration.
fn is_setting(line: &str) -> bool {
    let line = line.trim_end_matches([',', ';']);
    let sides = line.split_once(": ").or_else(|| line.split_once('=')).or_else(|| line.split_once(":="));
    sides.is_some_and(|(key, value)| {
        key.split_whitespace().count() <= 4 && value.split_whitespace().count() <= 2 && !value.contains("(")
    })
}

/// Colours, sizes on a screen and the like.
fn is_style(line: &str) -> bool {
    line.contains("\"#")
        || line.contains("'#")
        || has(line, &["color", "font", "margin", "padding", "px", "rem;", "classname", "class="])
}

fn quantity(was: f64, is: f64, line: &str) -> Found {
    let of = mechanism(line);
    let factor = if was > 0.0 && is > 0.0 { (is / was).max(was / is) } else { f64::INFINITY };
    let strength = match (of, factor >= FACTOR, is_style(line)) {
        (_, _, true) => 0.0,
        (_, false, _) => 0.2,
        (Mechanism::OtherValue, true, _) => 0.6,
        (_, true, _) => 1.0,
    };
    one(of, strength, line)
}

/// What a value is of, by the words of its line.
fn mechanism(line: &str) -> Mechanism {
    const KINDS: [(Mechanism, &[&str]); 10] = [
        (Mechanism::Deadline, &["timeout", "deadline", "max_wait", "maxwait"]),
        (
            Mechanism::Expiry,
            &["ttl", "expir", "max_age", "maxage", "stale", "lifetime", "retention", "refresh"],
        ),
        (Mechanism::Retry, &["retr", "backoff", "attempt", "jitter"]),
        (Mechanism::Verbosity, &["sampl", "log_", "loglevel", "verbos"]),
        (Mechanism::Quota, &["rate", "quota", "rps", "qps", "throttle", "burst"]),
        (Mechanism::MemoryLimit, &["memory", "xmx", "heap", "mem_"]),
        (
            Mechanism::PoolSize,
            &["pool", "maxopen", "max_open", "maxidle", "max_idle", "max_conn", "maxconn", "connections"],
        ),
        (
            Mechanism::Capacity,
            &[
                "replica",
                "worker",
                "concurren",
                "thread",
                "parallel",
                "cpu",
                "maxprocs",
                "shard",
                "partition",
                "max_inflight",
                "instances",
            ],
        ),
        (
            Mechanism::BatchSize,
            &[
                "batch", "buffer", "prefetch", "chunk", "page", "queue", "window", "max_poll", "entries",
                "size", "limit",
            ],
        ),
        (Mechanism::Endpoint, &["port", "addr", "host", "url"]),
    ];
    KINDS.iter().find(|(_, words)| has(line, words)).map_or(Mechanism::OtherValue, |(kind, _)| *kind)
}

fn words(line: &str) -> Vec<&str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

/// How much is written at a level; `None` if the line sets no level.
fn level(line: &str) -> Option<usize> {
    const LEVELS: [&str; 6] = ["fatal", "error", "warn", "info", "debug", "trace"];
    let sets = has(line, &["level", "log", "verbos"]);
    let words: Vec<String> = words(line).into_iter().map(str::to_lowercase).collect();
    let named = LEVELS
        .iter()
        .position(|level| words.iter().any(|word| word.strip_suffix("ing").unwrap_or(word) == *level));
    named.filter(|_| sets && is_setting(line))
}

/// Numbers of a line in order, durations in seconds and sizes in bytes.
fn numbers(line: &str) -> Vec<f64> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let part_of_word = rest[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '#');
        let end = rest[start..]
            .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
            .map_or(rest.len(), |at| start + at);
        let number = rest[start..end].replace('_', "").trim_end_matches('.').parse::<f64>().ok();
        let after = &rest[end..];
        if let (Some(number), false) = (number, part_of_word) {
            found.push(number * unit(after));
        }
        rest = after;
    }
    found
}

fn unit(after: &str) -> f64 {
    const UNITS: [(&str, f64); 17] = [
        ("millisecond", 1e-3),
        ("microsecond", 1e-6),
        ("second", 1.0),
        ("minute", 60.0),
        ("hour", 3600.0),
        ("day", 86_400.0),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86_400.0),
        ("ki", 1024.0),
        ("mi", 1_048_576.0),
        ("gi", 1_073_741_824.0),
        ("kb", 1e3),
        ("mb", 1e6),
        ("gb", 1e9),
    ];
    let after = after.trim_start().trim_start_matches('*').trim_start();
    let after = after.trim_start_matches("time.").trim_start_matches("Duration.").to_lowercase();
    let word: String = after.chars().take_while(char::is_ascii_alphabetic).collect();
    let known = |(name, _): &&(&str, f64)| word == *name || (name.len() > 4 && word == format!("{name}s"));
    UNITS.iter().find(known).map_or(1.0, |(_, unit)| *unit)
}

/// A version with three parts.
fn version(line: &str) -> Option<Vec<u64>> {
    let word = line.split([' ', '"', '\'', '=', '@', ':', '^', '~']).find(|word| {
        let word = word.trim_start_matches('v');
        word.matches('.').count() >= 2 && word.chars().all(|c| c.is_ascii_digit() || c == '.')
    })?;
    word.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect()
}

fn library(was: &[u64], is: &[u64], line: &str) -> Option<Found> {
    let strength = match (was.first() == is.first(), was.get(1) == is.get(1)) {
        (false, _) => 0.9,
        (true, false) => 0.4,
        (true, true) => 0.2,
    };
    (was != is).then(|| one(Mechanism::Dependency, strength, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: Option<(Mechanism, f64)>) {
        let found = replaced(old, new).map(|found| (found.mechanism, found.strength));
        assert_eq!(found, expected, "{old} → {new}");
    }

    #[test]
    fn values_are_compared_in_their_units() {
        check(
            "ctx := WithTimeout(ctx, 5*time.Second)",
            "c := WithTimeout(ctx, 300*time.Millisecond)",
            Some((Mechanism::Deadline, 1.0)),
        );
        check("default_ttl: 15m", "default_ttl: 900s", None);
        check("default_ttl: 15m", "default_ttl: 15s", Some((Mechanism::Expiry, 1.0)));
        check("level: info", "level: debug", Some((Mechanism::Verbosity, 1.0)));
        check("level: debug", "level: info", None);
        check("max_open_conns: 100", "max_open_conns: 10", Some((Mechanism::PoolSize, 1.0)));
        check("replicas: 10", "replicas: 11", Some((Mechanism::Capacity, 0.2)));
        check("accent: \"#3b82f6\",", "accent: \"#2563eb\",", None);
        check("github.com/a/mux v1.8.0", "github.com/a/mux v1.8.1", Some((Mechanism::Dependency, 0.2)));
        check("api_url: http://a.internal", "api_url: http://b.internal", Some((Mechanism::Endpoint, 0.8)));
    }
}
