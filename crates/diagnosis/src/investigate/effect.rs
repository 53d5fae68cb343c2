//! What a fault does, by the words in which software complains of it: the vocabulary of runtimes, databases, kernels and
//! protocols, never that of a system.

use super::class::Class;
use std::collections::BTreeMap;

/// One way in which things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    Timeout,
    Crash,
    Memory,
    Disk,
    Schema,
    DatabaseLoad,
    Connections,
    Auth,
    Tls,
    CertificateExpired,
    Dns,
    Refused,
    RateLimit,
    Cpu,
    Lock,
    Queue,
    Config,
    Decode,
    Traffic,
    CacheMiss,
    Provider,
    Host,
    Errors,
    Latency,
}

/// Words that tell of an effect. `a & b` needs both.
const WORDS: &[(Effect, &[&str])] = &[
    (Effect::Timeout, &["deadline", "timed out", "timeout", "took too long"]),
    (
        Effect::Crash,
        &[
            "panic",
            "nil pointer",
            "nullpointer",
            "null pointer",
            "segmentation",
            "sigsegv",
            "segfault",
            "undefined is not",
            "cannot read propert",
            "nonetype",
            "index out of",
            "out of range",
            "out of bounds",
            "unhandled exception",
            "divide by zero",
            "division by zero",
            "typeerror",
            "attributeerror",
            "keyerror",
            "classcast",
            "stack overflow",
            "unwrap()",
            "assertion failed",
            "core dumped",
            "traceback",
            "illegalstate",
            "crashloop",
        ],
    ),
    (
        Effect::Memory,
        &[
            "out of memory",
            "oomkill",
            "oom-kill",
            "outofmemory",
            "heap",
            "gc pause",
            "gc overhead",
            "memory limit",
            "exit code 137",
            "cannot allocate",
        ],
    ),
    (
        Effect::Disk,
        &[
            "no space left",
            "enospc",
            "disk full",
            "disk usage",
            "read-only file",
            "inode",
            "storage full",
            "diskpressure",
            "volume above",
        ],
    ),
    (
        Effect::Schema,
        &[
            "does not exist",
            "no such table",
            "no such column",
            "unknown column",
            "undefined column",
            "undefinedtable",
            "invalid column",
            "invalid object name",
            "relation \"",
            "programmingerror",
            "missing column",
            "migration",
        ],
    ),
    (
        Effect::DatabaseLoad,
        &[
            "slow query",
            "statement timeout",
            "lock wait",
            "seq scan",
            "full table scan",
            "query exceeded",
            "long-running query",
            "too many queries",
        ],
    ),
    (
        Effect::Connections,
        &[
            "too many connections",
            "connection pool",
            "pool exhausted",
            "pool timeout",
            "connection slots",
            "no free connection",
            "acquire connection",
            "too many open files",
            "emfile",
            "max_connections",
            "connections exhausted",
            "ephemeral port",
        ],
    ),
    (
        Effect::Auth,
        &[
            "unauthorized",
            "forbidden",
            "permission denied",
            "access denied",
            "401",
            "403",
            "invalid token",
            "invalid credential",
            "authentication failed",
            "invalid api key",
            "signature",
        ],
    ),
    (Effect::Tls, &["x509", "tls", "ssl", "handshake", "certificate"]),
    (
        Effect::CertificateExpired,
        &[
            "certificate has expired",
            "certificate expired",
            "cert expired",
            "expired certificate",
            "certificate is not yet valid",
            "certificate will expire",
        ],
    ),
    (
        Effect::Dns,
        &[
            "no such host",
            "nxdomain",
            "servfail",
            "name resolution",
            "getaddrinfo",
            "enotfound",
            "could not resolve",
            "dns",
        ],
    ),
    (
        Effect::Refused,
        &[
            "connection refused",
            "econnrefused",
            "unreachable",
            "no route to host",
            "connection reset",
            "no healthy upstream",
            "broken pipe",
        ],
    ),
    (Effect::RateLimit, &["429", "rate limit", "too many requests", "throttl", "quota exceeded"]),
    (
        Effect::Cpu,
        &[
            "cpu",
            "event loop blocked",
            "worker pool saturated",
            "thread pool exhausted",
            "overloaded",
            "load average",
        ],
    ),
    (
        Effect::Lock,
        &["deadlock", "lock timeout", "could not obtain lock", "lock contention", "waiting for lock"],
    ),
    (
        Effect::Queue,
        &["consumer lag", "backlog", "queue full", "queue depth", "message age", "rebalanc", "dead letter"],
    ),
    (
        Effect::Config,
        &[
            "missing env",
            "environment variable",
            "invalid config",
            "missing required",
            "unknown key",
            "config error",
            "no such file",
            "not configured",
            "unsupported value",
        ],
    ),
    (
        Effect::Decode,
        &[
            "unmarshal",
            "deserializ",
            "decode",
            "parse error",
            "parsing error",
            "unexpected token",
            "invalid json",
            "schema mismatch",
            "validation failed",
            "unknown field",
            "invalid character",
            "missing field",
            "bad request",
            "400",
            "422",
            "unknown enum",
            "incompatible",
        ],
    ),
    (Effect::Traffic, &["request volume", "traffic", "load shed", "shedding load", "surge"]),
    (Effect::CacheMiss, &["cache miss", "cache stampede", "read-through", "cache hit", "evict"]),
    (
        Effect::Provider,
        &[
            "third-party",
            "third party",
            "external provider",
            "provider returned",
            "provider outage",
            "upstream provider",
            "vendor api",
            "service is experiencing",
            "status page",
        ],
    ),
    (
        Effect::Host,
        &[
            "node not ready",
            "nodenotready",
            "i/o error",
            "hardware",
            "kernel panic",
            "spot interruption",
            "preempted",
            "evicted",
            "availability zone",
            "packet loss",
            "network partition",
            "instance retire",
            "host failure",
        ],
    ),
    (Effect::Errors, &["error", "fail", "500", "502", "503", "exception", "5xx"]),
    (Effect::Latency, &["slow", "latency", "p99", "p95", "degraded"]),
];

/// Effects with how sure they are, 0–1.
pub type Effects = BTreeMap<Effect, f64>;

/// Notes every effect that a text tells of.
pub fn read(text: &str, weight: f64, effects: &mut Effects) {
    let text = text.to_lowercase();
    for (effect, words) in WORDS {
        if words.iter().any(|word| holds(&text, word)) {
            raise(effects, *effect, weight);
        }
    }
}

/// A line without what it only quotes: that is somebody else's text.
pub fn unquoted(line: &str) -> String {
    // A line that is all quotes is JSON, which says by itself what it says.
    if line.trim_start().starts_with('{') {
        return line.to_owned();
    }
    line.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Whether a word stands in a text; short ones and numbers only by themselves.
fn holds(text: &str, word: &str) -> bool {
    const ALONE_UP_TO: usize = 3;
    let alone = |at: usize| {
        let joined = |c: char| c.is_alphanumeric();
        !text[..at].ends_with(joined) && !text[at + word.len()..].starts_with(joined)
    };
    text.match_indices(word).any(|(at, _)| word.len() > ALONE_UP_TO || alone(at))
}

fn raise(effects: &mut Effects, effect: Effect, weight: f64) {
    let known = effects.entry(effect).or_default();
    *known = known.max(weight);
}

/// Notes what a deviating series tells of.
pub fn of_class(class: Class, metric: &str, weight: f64, effects: &mut Effects) {
    let effect = match class {
        Class::Latency => Effect::Latency,
        Class::Errors => Effect::Errors,
        Class::Traffic | Class::Network => Effect::Traffic,
        Class::Cpu => Effect::Cpu,
        Class::Memory => Effect::Memory,
        Class::Disk => Effect::Disk,
        Class::DiskIo => Effect::Latency,
        Class::Connections => Effect::Connections,
        Class::Queue => Effect::Queue,
        Class::Restarts => Effect::Crash,
        Class::Other => return,
    };
    raise(effects, effect, weight);
    read(&super::class::words(metric).join(" "), weight, effects);
}

/// Whether a message tells of a failure, whatever its severity says.
pub fn says_failure(message: &str) -> bool {
    let mut effects = Effects::new();
    read(message, 1.0, &mut effects);
    effects.keys().any(|effect| {
        !matches!(effect, Effect::Tls | Effect::Traffic | Effect::Latency | Effect::Cpu | Effect::Decode)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_understood_and_parts_of_words_are_not() {
        let effects = |text: &str| {
            let mut effects = Effects::new();
            read(text, 1.0, &mut effects);
            effects.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(effects("context deadline exceeded"), [Effect::Timeout]);
        assert_eq!(effects("relation \"likes\" does not exist"), [Effect::Schema]);
        assert_eq!(effects("order 4290 of 14031 was shipped"), []);
        assert_eq!(effects("upstream returned 429"), [Effect::RateLimit]);
    }
}
