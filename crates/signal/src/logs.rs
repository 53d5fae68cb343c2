//! Critical log patterns: a closed list of what a log line can say that no healthy service says.
//!
//! A match is a hint, never a command: nothing but the pattern's own name and cause comes out of a line.

use midwatch_model::Cause;
use regex::{RegexBuilder, RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};

/// Only so many bytes of a line are looked at: what matters stands at its beginning, and lines of megabytes exist.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// User patterns beyond this are refused: the set is matched against every line.
const USER_PATTERNS_MAX: usize = 64;

/// Size limit of the compiled set; a pattern that needs more is a mistake or an attack.
const COMPILED_BYTES_MAX: usize = 4 << 20;

/// A pattern from the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPattern {
    /// What a hit is called.
    pub name: String,
    /// A regular expression (RE2 syntax, matched anywhere in the line, case-insensitive).
    pub pattern: String,
    /// The cause that a hit hints at.
    pub cause: Cause,
}

/// A line matched a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternHit {
    pub name: String,
    pub cause: Cause,
}

/// A user pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("log pattern `{name}` is not a usable regular expression: {reason}")]
    Invalid { name: String, reason: String },
    #[error("{found} log patterns are configured; at most {max} are allowed")]
    TooMany { found: usize, max: usize },
    #[error("the log patterns together are too large: {reason}")]
    TooLarge { reason: String },
}

/// The patterns, compiled into one automaton.
#[derive(Clone, Debug)]
pub struct CriticalPatterns {
    set: RegexSet,
    hits: Vec<PatternHit>,
}

/// Built-in patterns, the most telling first: of several hits the first one counts.
const BUILT_IN: [(&str, &str, Cause); 9] = [
    (
        "out_of_memory",
        r"\bout of memory\b|\boom[-_ ]?kill|\bOutOfMemoryError\b|\bmemory allocation of \d+ bytes failed",
        Cause::MemoryLeak,
    ),
    (
        "pool_exhausted",
        r"\bpool (?:is )?(?:exhausted|timed out|timeout|empty)|\b(?:acquire|checkout|get).{0,40}connection.{0,40}\b(?:time(?:d )?out|exhausted)|\btoo many (?:connections|clients)\b|\bremaining connection slots\b",
        Cause::DbConnectionExhaustion,
    ),
    (
        "disk_full",
        r"\bno space left on device\b|\bdisk (?:is )?full\b|\bENOSPC\b|\bdisk quota exceeded\b",
        Cause::ErrorRateSpike,
    ),
    (
        "tls_certificate",
        r"\bcertificate (?:has )?(?:expired|verify failed|is not (?:yet )?valid|unknown)|\bx509: |\b(?:tls|ssl) handshake (?:failed|error)",
        Cause::DependencyFailure,
    ),
    (
        "connection_refused",
        r"\bconnection (?:was )?(?:refused|reset)\b|\bECONNREFUSED\b|\bno route to host\b|\bhost is unreachable\b|\bname or service not known\b",
        Cause::DependencyFailure,
    ),
    (
        "deadline_exceeded",
        r"\bdeadline[ _]exceeded\b|\b(?:request|upstream|call|operation|query|statement) timed out\b|\bcontext deadline\b|\bETIMEDOUT\b|\bgateway timeout\b",
        Cause::LatencySpike,
    ),
    (
        "corrupt_data",
        r"\bcorrupt(?:ed|ion)?\b.{0,60}\b(?:data|record|page|index|block|file|checksum)|\bchecksum mismatch\b|\bfailed to (?:decode|deserialize|unmarshal|parse) (?:message|payload|event|record|body)",
        Cause::ErrorRateSpike,
    ),
    (
        "panic",
        r"\bpanicked at\b|^panic: |\bunhandled exception\b|\bsegmentation fault\b|\bstack overflow\b",
        Cause::CrashLoop,
    ),
    (
        "fatal",
        r#"^\s*fatal\b|"(?:msg|message)"\s*:\s*"(?:fatal|panic)\b|\bfatal error\b|"(?:level|severity)"\s*:\s*"(?:fatal|panic|emerg(?:ency)?|crit(?:ical)?)"|\blevel=(?:fatal|panic|crit(?:ical)?)\b"#,
        Cause::ErrorRateSpike,
    ),
];

impl Default for CriticalPatterns {
    /// The built-in patterns alone.
    fn default() -> Self {
        Self::new(&[]).expect("the built-in patterns are constant and compile")
    }
}

impl CriticalPatterns {
    /// The built-in patterns with the user's in front of them.
    ///
    /// # Errors
    /// A user pattern that does not compile, too many of them, or a set that grows too large.
    pub fn new(user: &[UserPattern]) -> Result<Self, PatternError> {
        if user.len() > USER_PATTERNS_MAX {
            return Err(PatternError::TooMany { found: user.len(), max: USER_PATTERNS_MAX });
        }
        for pattern in user {
            let compiled = RegexBuilder::new(&pattern.pattern).size_limit(COMPILED_BYTES_MAX).build();
            compiled.map_err(|error| PatternError::Invalid {
                name: pattern.name.clone(),
                reason: error.to_string(),
            })?;
        }
        let own = user.iter().map(|p| (p.name.as_str(), p.pattern.as_str(), p.cause));
        let all: Vec<_> = own.chain(BUILT_IN).collect();
        let set = RegexSetBuilder::new(all.iter().map(|(_, pattern, _)| pattern))
            .case_insensitive(true)
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| PatternError::TooLarge { reason: error.to_string() })?;
        let hits = all.iter().map(|(name, _, cause)| PatternHit { name: (*name).to_owned(), cause: *cause });
        Ok(Self { hits: hits.collect(), set })
    }

    /// The first pattern that the line matches.
    #[must_use]
    pub fn classify(&self, line: &str) -> Option<PatternHit> {
        let line = &line[..line.floor_char_boundary(LINE_BYTES_MAX)];
        self.set.matches(line).iter().next().map(|index| self.hits[index].clone())
    }

    /// Whether any pattern matches; cheaper than [`CriticalPatterns::classify`].
    #[must_use]
    pub fn is_critical(&self, line: &str) -> bool {
        self.set.is_match(&line[..line.floor_char_boundary(LINE_BYTES_MAX)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_classified() {
        let patterns = CriticalPatterns::default();
        for (line, expected) in [
            ("thread 'main' panicked at src/main.rs:4:5", Some("panic")),
            (r#"{"level":"fatal","msg":"giving up"}"#, Some("fatal")),
            (r#"{"level":"error","msg":"fatal: index out of bounds"}"#, Some("fatal")),
            ("kernel: Out of memory: Killed process 4242", Some("out_of_memory")),
            ("db pool exhausted: 8 of 8 connections in use", Some("pool_exhausted")),
            ("FATAL: remaining connection slots are reserved", Some("pool_exhausted")),
            ("dial tcp 10.0.0.3:8080: connect: connection refused", Some("connection_refused")),
            (
                "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
                Some("deadline_exceeded"),
            ),
            ("call to payment-service: request timed out after 2000 ms", Some("deadline_exceeded")),
            ("x509: certificate has expired", Some("tls_certificate")),
            ("write /var/lib/x: no space left on device", Some("disk_full")),
            ("failed to decode message 17 of order-events", Some("corrupt_data")),
            (r#"{"level":"info","msg":"payment accepted","timeout_ms":2000}"#, None),
            (r#"{"level":"error","msg":"card declined"}"#, None),
            ("the pool has 8 connections", None),
        ] {
            let hit = patterns.classify(line);
            assert_eq!(hit.as_ref().map(|h| h.name.as_str()), expected, "{line}");
            assert_eq!(patterns.is_critical(line), expected.is_some());
        }
    }

    #[test]
    fn a_users_pattern_comes_first_and_a_broken_one_is_named() {
        let own = |pattern: &str| UserPattern {
            name: "own".to_owned(),
            pattern: pattern.to_owned(),
            cause: Cause::ConsumerLag,
        };
        let patterns = CriticalPatterns::new(&[own("rebalance")]).expect("compiles");
        let hit = patterns.classify("REBALANCE: connection refused");
        assert_eq!(hit, Some(PatternHit { name: "own".to_owned(), cause: Cause::ConsumerLag }));
        assert!(matches!(CriticalPatterns::new(&[own("(")]), Err(PatternError::Invalid { .. })));
        assert!(CriticalPatterns::new(&[own("(a{1000}){1000}")]).is_err());
        assert!(matches!(CriticalPatterns::new(&vec![own("x"); 65]), Err(PatternError::TooMany { .. })));
    }

    #[test]
    fn a_line_of_megabytes_is_cut_at_a_character() {
        let patterns = CriticalPatterns::default();
        assert_eq!(patterns.classify(&"ü".repeat(5_000_000)), None);
    }
}
