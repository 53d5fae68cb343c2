//! What a series is about, by the words of its name: the vocabulary of the field, never that of a system.

use midwatch_model::Cause;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Latency,
    Errors,
    /// Requests per time.
    Traffic,
    Cpu,
    Memory,
    /// Room on a disk.
    Disk,
    /// How busy a disk is.
    DiskIo,
    Network,
    Connections,
    /// Waiting work: queues, lag, backlog.
    Queue,
    Restarts,
    Other,
}

/// Which way is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    Up,
    Down,
    Either,
}

/// What a series is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    pub class: Class,
    pub bad: Bad,
    /// Whether it is of the host that others share.
    pub host: bool,
}

/// Words that make a class, the first match counts: what is more specific comes first.
const WORDS: [(Class, Bad, &[&str]); 23] = [
    (
        Class::Restarts,
        Bad::Up,
        &["restart", "restarts", "oom", "oomkilled", "oom_killed", "crash", "crashes"],
    ),
    (Class::Queue, Bad::Up, &["lag", "queue", "backlog", "pending", "queued", "waiting", "inflight"]),
    (Class::Connections, Bad::Up, &["connection", "connections", "pool", "conn", "conns", "sessions"]),
    (Class::Errors, Bad::Down, &["availability", "success", "successes", "uptime", "up", "hit"]),
    (
        Class::Errors,
        Bad::Up,
        &[
            "error",
            "errors",
            "err",
            "fault",
            "faults",
            "fail",
            "failed",
            "failure",
            "failures",
            "5xx",
            "4xx",
            "500",
            "exception",
            "exceptions",
            "timeout",
            "timeouts",
            "cancelled",
            "canceled",
            "rejected",
            "dropped",
            "retries",
        ],
    ),
    (
        Class::Latency,
        Bad::Up,
        &[
            "latency",
            "latencies",
            "duration",
            "response",
            "rtt",
            "delay",
            "elapsed",
            "p50",
            "p90",
            "p95",
            "p99",
            "ttfb",
        ],
    ),
    (Class::Cpu, Bad::Down, &["credit", "credits", "idle"]),
    (Class::Cpu, Bad::Up, &["cpu", "load", "load1", "load5", "throttled", "throttling", "processor"]),
    (Class::Memory, Bad::Down, &["freeable"]),
    (Class::Memory, Bad::Up, &["memory", "mem", "heap", "rss", "swap", "gc", "working"]),
    (Class::DiskIo, Bad::Up, &["iops", "io", "iowait", "diskio", "blkio"]),
    (Class::Disk, Bad::Down, &["free", "available"]),
    (Class::Disk, Bad::Up, &["disk", "storage", "filesystem", "fs", "inode", "inodes", "volume", "wal"]),
    (
        Class::Network,
        Bad::Either,
        &[
            "network",
            "net",
            "receive",
            "transmit",
            "bytes",
            "packets",
            "bandwidth",
            "rx",
            "tx",
            "tcp",
            "socket",
            "sockets",
            "throughput",
        ],
    ),
    (
        Class::Traffic,
        Bad::Either,
        &[
            "request",
            "requests",
            "rps",
            "qps",
            "workload",
            "ops",
            "calls",
            "traffic",
            "invocations",
            "queries",
            "tps",
            "hits",
            "rate",
        ],
    ),
    (Class::Other, Bad::Either, &["syscall", "syscalls"]),
    (Class::Restarts, Bad::Down, &["replicas", "ready"]),
    (Class::Latency, Bad::Up, &["time", "seconds", "ms"]),
    (Class::Errors, Bad::Down, &["sla", "slo"]),
    (Class::Queue, Bad::Up, &["depth"]),
    (Class::Memory, Bad::Up, &["cache"]),
    (Class::Errors, Bad::Up, &["alert", "alerts"]),
    (Class::Traffic, Bad::Either, &["count", "total"]),
];

impl Meaning {
    /// Reads a series' name.
    #[must_use]
    pub fn of(metric: &str) -> Self {
        let words = words(metric);
        let has = |word: &str| words.iter().any(|w| w == word);
        let found = WORDS.iter().find(|(.., known)| known.iter().any(|word| has(word)));
        let (class, mut bad) = found.map_or((Class::Other, Bad::Either), |(class, bad, _)| (*class, *bad));
        if class == Class::Memory && (has("free") || has("available")) {
            bad = Bad::Down;
        }
        Self { class, bad, host: has("node") || has("host") || has("instance") }
    }
}

/// Words of a name, lower case: `PodServerLatencyP90(s)` is pod, server, latency, p90, s.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let starts = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if !c.is_alphanumeric() || starts {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Class {
    /// Whether it is something that a component can run out of by itself.
    #[must_use]
    pub fn is_resource(self) -> bool {
        matches!(
            self,
            Class::Cpu
                | Class::Memory
                | Class::Disk
                | Class::DiskIo
                | Class::Connections
                | Class::Restarts
                | Class::Queue
        )
    }

    /// The class that an alert's cause is about.
    #[must_use]
    pub fn of_cause(cause: Cause) -> Class {
        match cause {
            Cause::LatencySpike => Class::Latency,
            Cause::ErrorRateSpike | Cause::DeploymentFailure | Cause::DependencyFailure => Class::Errors,
            Cause::CpuSaturation => Class::Cpu,
            Cause::MemoryLeak => Class::Memory,
            Cause::DbConnectionExhaustion => Class::Connections,
            Cause::ConsumerLag => Class::Queue,
            Cause::CrashLoop => Class::Restarts,
            Cause::TrafficSpike => Class::Traffic,
            Cause::StorageExhaustion => Class::Disk,
        }
    }

    /// The cause that a component has whose own series of this class is abnormal.
    #[must_use]
    pub fn cause(self) -> Cause {
        match self {
            Class::Latency | Class::DiskIo | Class::Network | Class::Other => Cause::LatencySpike,
            Class::Errors => Cause::ErrorRateSpike,
            Class::Disk => Cause::StorageExhaustion,
            Class::Traffic => Cause::TrafficSpike,
            Class::Cpu => Cause::CpuSaturation,
            Class::Memory => Cause::MemoryLeak,
            Class::Connections => Cause::DbConnectionExhaustion,
            Class::Queue => Cause::ConsumerLag,
            Class::Restarts => Cause::CrashLoop,
        }
    }
}
