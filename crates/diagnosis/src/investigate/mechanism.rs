//! What a diff can do to a running service: the ways in which changes break things, each with the effects it can have.

use super::diff::Diff;
use super::effect::{Effect, Effects};
use midwatch_model::redact::redact;

mod growth;
mod quantity;
mod safeguard;
mod work;

/// A way in which a change breaks things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Deadline,
    Expiry,
    PoolSize,
    Verbosity,
    MemoryLimit,
    Capacity,
    BatchSize,
    Retry,
    Quota,
    OtherValue,
    NullGuardRemoved,
    GuardRemoved,
    CleanupRemoved,
    UnboundedGrowth,
    UnboundedSpawn,
    NewQuery,
    SchemaChange,
    QueryInLoop,
    LimitRemoved,
    CacheRemoved,
    LockAdded,
    Blocking,
    CostlyLoop,
    Endpoint,
    Credential,
    Contract,
    Dependency,
}

/// A mechanism as it was found in a diff.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub mechanism: Mechanism,
    /// How sure it is that the diff does this, 0–1.
    pub strength: f64,
    /// The line that shows it.
    pub line: String,
}

impl Mechanism {
    /// What it can do, with how much of that it is known for.
    fn effects(self) -> &'static [(Effect, f64)] {
        use Effect as E;
        match self {
            Mechanism::Deadline => {
                &[(E::Timeout, 1.0), (E::Errors, 0.4), (E::Latency, 0.4), (E::Connections, 0.4)]
            }
            Mechanism::Expiry => &[
                (E::CacheMiss, 1.0),
                (E::DatabaseLoad, 0.9),
                (E::Auth, 0.6),
                (E::Cpu, 0.6),
                (E::Latency, 0.5),
                (E::Memory, 0.4),
                (E::RateLimit, 0.5),
                (E::Timeout, 0.5),
            ],
            Mechanism::PoolSize => &[
                (E::Connections, 1.0),
                (E::Timeout, 0.7),
                (E::Latency, 0.6),
                (E::DatabaseLoad, 0.5),
                (E::Errors, 0.4),
            ],
            Mechanism::Verbosity => &[(E::Disk, 1.0), (E::Cpu, 0.5), (E::Latency, 0.4), (E::Memory, 0.3)],
            Mechanism::MemoryLimit => &[(E::Memory, 1.0), (E::Crash, 0.5)],
            Mechanism::Capacity => &[
                (E::Cpu, 0.9),
                (E::Latency, 0.8),
                (E::Queue, 0.9),
                (E::Timeout, 0.6),
                (E::RateLimit, 0.5),
                (E::Errors, 0.4),
            ],
            Mechanism::BatchSize => &[
                (E::Memory, 0.8),
                (E::Queue, 0.8),
                (E::Latency, 0.6),
                (E::DatabaseLoad, 0.5),
                (E::Timeout, 0.5),
            ],
            Mechanism::Retry => &[
                (E::RateLimit, 0.9),
                (E::Traffic, 0.9),
                (E::Cpu, 0.5),
                (E::Errors, 0.4),
                (E::Latency, 0.5),
                (E::Connections, 0.5),
            ],
            Mechanism::Quota => &[(E::RateLimit, 1.0), (E::Errors, 0.5), (E::Traffic, 0.4)],
            Mechanism::OtherValue => &[
                (E::Config, 0.6),
                (E::Errors, 0.4),
                (E::Latency, 0.4),
                (E::Decode, 0.4),
                (E::Disk, 0.3),
                (E::Memory, 0.3),
                (E::Cpu, 0.3),
            ],
            Mechanism::NullGuardRemoved => &[(E::Crash, 1.0), (E::Errors, 0.5)],
            Mechanism::GuardRemoved => {
                &[(E::Crash, 0.6), (E::Decode, 0.6), (E::Errors, 0.4), (E::Auth, 0.4), (E::Traffic, 0.3)]
            }
            Mechanism::CleanupRemoved => {
                &[(E::Connections, 1.0), (E::Memory, 0.9), (E::Lock, 0.7), (E::Timeout, 0.4), (E::Disk, 0.4)]
            }
            Mechanism::UnboundedGrowth => {
                &[(E::Memory, 1.0), (E::Latency, 0.3), (E::Cpu, 0.3), (E::Crash, 0.3)]
            }
            Mechanism::UnboundedSpawn => {
                &[(E::Memory, 0.8), (E::Cpu, 0.8), (E::Connections, 0.6), (E::Latency, 0.4)]
            }
            Mechanism::NewQuery => &[
                (E::Schema, 0.8),
                (E::DatabaseLoad, 0.7),
                (E::Latency, 0.4),
                (E::Timeout, 0.4),
                (E::Lock, 0.3),
            ],
            Mechanism::SchemaChange => &[
                (E::Schema, 1.0),
                (E::Lock, 0.9),
                (E::Timeout, 0.4),
                (E::Errors, 0.4),
                (E::DatabaseLoad, 0.5),
            ],
            Mechanism::QueryInLoop => &[
                (E::DatabaseLoad, 1.0),
                (E::Latency, 0.8),
                (E::Timeout, 0.6),
                (E::Connections, 0.6),
                (E::Cpu, 0.5),
            ],
            Mechanism::LimitRemoved => {
                &[(E::DatabaseLoad, 1.0), (E::Memory, 0.8), (E::Latency, 0.7), (E::Timeout, 0.6)]
            }
            Mechanism::CacheRemoved => &[
                (E::CacheMiss, 0.9),
                (E::DatabaseLoad, 0.9),
                (E::Latency, 0.7),
                (E::Cpu, 0.5),
                (E::RateLimit, 0.4),
            ],
            Mechanism::LockAdded => &[(E::Lock, 1.0), (E::Latency, 0.7), (E::Timeout, 0.6), (E::Queue, 0.5)],
            Mechanism::Blocking => &[(E::Latency, 0.9), (E::Timeout, 0.7), (E::Queue, 0.7), (E::Cpu, 0.3)],
            Mechanism::CostlyLoop => &[(E::Cpu, 0.9), (E::Latency, 0.7), (E::Timeout, 0.5)],
            Mechanism::Endpoint => &[
                (E::Refused, 1.0),
                (E::Dns, 1.0),
                (E::Errors, 0.4),
                (E::Tls, 0.5),
                (E::Auth, 0.4),
                (E::Config, 0.5),
            ],
            Mechanism::Credential => &[(E::Auth, 1.0), (E::Config, 0.4), (E::Tls, 0.4)],
            Mechanism::Contract => &[(E::Decode, 1.0), (E::Errors, 0.4), (E::Crash, 0.4)],
            Mechanism::Dependency => &[
                (E::Crash, 0.4),
                (E::Decode, 0.4),
                (E::Errors, 0.3),
                (E::Memory, 0.3),
                (E::Latency, 0.2),
                (E::Tls, 0.3),
            ],
        }
    }

    /// Whether the effect may come long after the change: it fills, drains or waits for load first.
    pub fn is_slow(self) -> bool {
        matches!(
            self,
            Mechanism::Deadline
                | Mechanism::Expiry
                | Mechanism::PoolSize
                | Mechanism::Verbosity
                | Mechanism::CleanupRemoved
                | Mechanism::UnboundedGrowth
                | Mechanism::UnboundedSpawn
                | Mechanism::MemoryLimit
                | Mechanism::Capacity
                | Mechanism::Credential
                | Mechanism::BatchSize
        )
    }

    /// How well it explains what happens, 0–1.
    pub fn explains(self, effects: &Effects) -> f64 {
        let part =
            |(effect, known_for): &(Effect, f64)| known_for * effects.get(effect).copied().unwrap_or(0.0);
        self.effects().iter().map(part).fold(0.0, f64::max)
    }

    /// What a person calls it.
    pub fn title(self) -> &'static str {
        match self {
            Mechanism::Deadline => "changes a deadline",
            Mechanism::Expiry => "changes for how long something is kept",
            Mechanism::PoolSize => "changes the size of a pool",
            Mechanism::Verbosity => "writes more",
            Mechanism::MemoryLimit => "changes a memory limit",
            Mechanism::Capacity => "changes capacity",
            Mechanism::BatchSize => "changes how much is done at once",
            Mechanism::Retry => "changes retries",
            Mechanism::Quota => "changes a quota",
            Mechanism::OtherValue => "changes a value",
            Mechanism::NullGuardRemoved => "no longer checks for a missing value before using it",
            Mechanism::GuardRemoved => "drops a check",
            Mechanism::CleanupRemoved => "no longer gives back what it takes",
            Mechanism::UnboundedGrowth => "keeps adding to what is never emptied",
            Mechanism::UnboundedSpawn => "starts tasks without a limit",
            Mechanism::NewQuery => "asks the database something new",
            Mechanism::SchemaChange => "changes the schema",
            Mechanism::QueryInLoop => "asks once per item",
            Mechanism::LimitRemoved => "asks without a limit",
            Mechanism::CacheRemoved => "goes past a cache",
            Mechanism::LockAdded => "takes a lock",
            Mechanism::Blocking => "waits",
            Mechanism::CostlyLoop => "works more per request",
            Mechanism::Endpoint => "changes an address",
            Mechanism::Credential => "changes credentials or rights",
            Mechanism::Contract => "changes the shape of data",
            Mechanism::Dependency => "brings another version of a library",
        }
    }
}

/// Everything that a diff can do.
pub fn find(diff: &Diff) -> Vec<Found> {
    let mut found = quantity::find(diff);
    found.extend(safeguard::guards(diff));
    found.extend(safeguard::cleanup(diff));
    found.extend(growth::growth(diff));
    found.extend(work::queries(diff));
    found.extend(work::flow(diff));
    found.extend(work::contract(diff));
    found
}

fn has(line: &str, words: &[&str]) -> bool {
    let line = line.to_lowercase();
    words.iter().any(|word| line.contains(word))
}

/// Lines on one side that have such words, beyond as many on the other side.
fn only<'a>(here: &'a [String], there: &[String], words: &[&str]) -> Option<&'a String> {
    let count = |lines: &[String]| lines.iter().filter(|line| has(line, words)).count();
    if count(here) > count(there) { here.iter().find(|line| has(line, words)) } else { None }
}

fn one(mechanism: Mechanism, strength: f64, line: &str) -> Found {
    Found { mechanism, strength, line: redact(line).chars().take(120).collect() }
}
