//! What a diff can do to a running service: the ways in which changes break things, each with the effects it can have.

use super::diff::Diff;
use super::effect::{Effect, Effects};

mod quantity;

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
    found.extend(guards(diff));
    found.extend(cleanup(diff));
    found.extend(growth(diff));
    found.extend(queries(diff));
    found.extend(flow(diff));
    found.extend(contract(diff));
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
    Found { mechanism, strength, line: line.chars().take(120).collect() }
}

/// A check for a missing value is gone, and what it checked is used all the same; or another check is gone.
fn guards(diff: &Diff) -> Vec<Found> {
    const NULL: [&str; 9] = [
        "== nil",
        "!= nil",
        "== null",
        "!= null",
        "is none",
        "is not none",
        "undefined",
        "ispresent",
        "is_some",
    ];
    const CHECK: [&str; 7] = ["validate", "assert", "require(", "ensure", "is_valid", "isvalid", "check("];
    let checks = |line: &&String| {
        has(line, &NULL) && !line.contains("err ") && !line.contains("err)") && !line.contains("error")
    };
    let mut found = Vec::new();
    for line in diff.removed.iter().filter(checks) {
        let subject = line
            .split(|c: char| !c.is_alphanumeric() && !"._".contains(c))
            .find(|word| word.contains('.') || word.len() > 3);
        let Some(subject) = subject.filter(|s| !["return", "else"].contains(s)) else { continue };
        let used =
            |added: &String| added.contains(&format!("{subject}.")) || added.contains(&format!("{subject}["));
        let still_checked = diff.added.iter().any(|added| added.contains(subject) && has(added, &NULL));
        if !still_checked {
            let strength = if diff.added.iter().any(used) || diff.context.contains(&format!("{subject}.")) {
                1.0
            } else {
                0.4
            };
            found.push(one(Mechanism::NullGuardRemoved, strength, line));
        }
    }
    const FORCED: [&str; 5] = [".unwrap()", ".expect(", ".get()", "!!", "[0]"];
    if let Some(line) = only(&diff.added, &diff.removed, &FORCED) {
        found.push(one(Mechanism::NullGuardRemoved, 0.5, line));
    }
    if let Some(line) = only(&diff.removed, &diff.added, &CHECK) {
        found.push(one(Mechanism::GuardRemoved, 0.6, line));
    }
    if let Some(line) = only(&diff.removed, &diff.added, &["catch", "except ", "recover(", "rescue"]) {
        found.push(one(Mechanism::GuardRemoved, 0.7, line));
    }
    found
}

/// What was given back before is not any more.
fn cleanup(diff: &Diff) -> Vec<Found> {
    const GIVE_BACK: [&str; 12] = [
        "close()",
        ".release(",
        "unlock(",
        "cancel()",
        "dispose(",
        "clearinterval",
        "cleartimeout",
        "removelistener",
        "finally",
        "using (",
        "with open",
        "rollback(",
    ];
    const TAKE: [&str; 7] =
        ["acquire(", "getconnection", ".begin(", "open(", "connect(", "subscribe(", "addlistener"];
    let mut found = Vec::new();
    // What moved into a helper that is called now may be done there.
    let helper =
        diff.added.len() < diff.removed.len() && diff.added.iter().any(|line| line.starts_with("return "));
    if let Some(line) = only(&diff.removed, &diff.added, &GIVE_BACK) {
        found.push(one(Mechanism::CleanupRemoved, if helper { 0.3 } else { 0.9 }, line));
    }
    let gives = diff.added.iter().any(|line| has(line, &GIVE_BACK));
    if let (Some(line), false) = (only(&diff.added, &diff.removed, &TAKE), gives) {
        found.push(one(Mechanism::CleanupRemoved, 0.5, line));
    }
    found
}

/// Something outlives the request and is only ever added to.
fn growth(diff: &Diff) -> Vec<Found> {
    const ADDS: [&str; 11] = [
        "append(",
        ".push(",
        ".add(",
        ".put(",
        ".set(",
        ".insert(",
        ".push_back(",
        "+= [",
        "] = ",
        ".store(",
        ".extend(",
    ];
    const BOUNDS: [&str; 13] = [
        "lru", "evict", "maxsize", "max_size", "capacity", "ttl", "expire", "delete(", ".pop", "truncate",
        "bounded", "max", "clear(",
    ];
    const SPAWNS: [&str; 8] = [
        "go func",
        "go ",
        "thread(",
        "spawn(",
        "executor.submit",
        "create_task",
        "setinterval",
        "promise.all",
    ];
    let mut found = Vec::new();
    let bounded = diff.added.iter().any(|line| has(line, &BOUNDS));
    let globals: Vec<&str> = diff.added_as_is.iter().filter_map(|line| long_lived(line)).collect();
    let grows = |line: &&String| has(line, &ADDS) && globals.iter().any(|name| line.contains(name));
    if let (Some(line), false) = (diff.added.iter().find(grows), bounded) {
        found.push(one(Mechanism::UnboundedGrowth, 1.0, line));
    }
    let member = |line: &&String| {
        has(line, &ADDS) && (line.starts_with("self.") || line.starts_with("this.") || line.contains("s."))
    };
    if let (Some(line), false, true) = (diff.added.iter().find(member), bounded, found.is_empty()) {
        found.push(one(Mechanism::UnboundedGrowth, 0.4, line));
    }
    if let Some(line) =
        only(&diff.removed, &diff.added, &["evict", "lru", "maxsize", "max_size", "maxentries"])
    {
        found.push(one(Mechanism::UnboundedGrowth, 0.8, line));
    }
    let spawned = diff.added.iter().find(|line| {
        SPAWNS
            .iter()
            .any(|spawn| line.to_lowercase().starts_with(spawn) || (spawn.len() > 3 && has(line, &[spawn])))
    });
    if let (Some(line), false) = (
        spawned,
        bounded || diff.added.iter().any(|line| has(line, &["semaphore", "pool", "limit", "ticker"])),
    ) {
        found.push(one(Mechanism::UnboundedSpawn, 0.6, line));
    }
    found
}

/// The name of a container that a line at the outermost level declares.
fn long_lived(line: &str) -> Option<&str> {
    const CONTAINERS: [&str; 12] =
        ["[]", "map[", "{}", "list", "dict", "map", "vec", "array", "set(", "queue", "slice", "cache"];
    let outermost = !line.starts_with([' ', '\t']);
    let code = line.trim().trim_start_matches("private ").trim_start_matches("public ");
    let code_static = code.contains("static ");
    if !(outermost || code_static)
        || !has(code, &CONTAINERS)
        || code.contains("func ")
        || code.starts_with("type ")
    {
        return None;
    }
    let keywords = ["var", "let", "const", "static", "final", "export", "mut", "private", "public"];
    let words = code
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.len() > 2 && !keywords.contains(word));
    let named =
        if code.starts_with("var") || code.starts_with("let") || code.starts_with("const") || !code_static {
            words.into_iter().next()
        } else {
            code.split('=').next().and_then(|left| left.split_whitespace().last())
        };
    named.filter(|name| code.contains('=') || code.starts_with("var ") && !name.is_empty())
}

/// What is asked of a database, and how often.
fn queries(diff: &Diff) -> Vec<Found> {
    const SQL: [&str; 7] =
        ["select ", "insert into", "update ", "delete from", " join ", ".query(", ".find("];
    const SCHEMA: [&str; 8] = [
        "alter table",
        "drop ",
        "rename column",
        "rename to",
        "add column",
        "not null",
        "create unique",
        "add constraint",
    ];
    const LOOP: [&str; 5] = ["for ", "foreach", ".map(", "while ", ".each"];
    const ASK: [&str; 9] =
        ["query", "fetch", ".get(", ".find", "execute", "select ", "load(", "request(", "http."];
    let mut found = Vec::new();
    let sql = |line: &&String| {
        has(line, &SQL)
            && (line.contains("SELECT")
                || line.contains("INSERT")
                || line.contains("UPDATE ")
                || line.contains("DELETE")
                || line.contains("JOIN"))
    };
    let new = diff.added.iter().filter(sql).count() > diff.removed.iter().filter(sql).count();
    if let (true, Some(line)) = (new, diff.added.iter().find(sql)) {
        found.push(one(Mechanism::NewQuery, 0.8, line));
    }
    if let Some(line) = only(&diff.added, &diff.removed, &SCHEMA).filter(|line| !has(line, &["concurrently"]))
    {
        found.push(one(Mechanism::SchemaChange, 0.9, line));
    }
    if let Some(line) = only(&diff.added, &[], &["create index"]).filter(|line| !has(line, &["concurrently"]))
    {
        found.push(one(Mechanism::SchemaChange, 0.4, line));
    }
    if let Some(line) = only(
        &diff.removed,
        &diff.added,
        &[" limit ", ".limit(", "where ", "page_size", "create index", "pagesize"],
    ) {
        found.push(one(Mechanism::LimitRemoved, 0.8, line));
    }
    let after_loop = diff.added.iter().skip_while(|line| !has(line, &LOOP)).skip(1);
    let repeated = after_loop.clone().find(|line| has(line, &ASK));
    if let (Some(line), Some(_)) = (repeated, only(&diff.added, &diff.removed, &LOOP)) {
        found.push(one(Mechanism::QueryInLoop, 0.6, line));
    }
    if let Some(line) = only(
        &diff.removed,
        &diff.added,
        &["cache.", "cached(", "memoize", "getorload", "@cacheable", "lru_cache"],
    ) {
        found.push(one(Mechanism::CacheRemoved, 0.9, line));
    }
    found
}

/// What makes requests wait or work.
fn flow(diff: &Diff) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some(line) = only(
        &diff.added,
        &diff.removed,
        &[".lock()", "synchronized", "for update", "mutex", "lock table", "acquire_lock"],
    ) {
        found.push(one(Mechanism::LockAdded, 0.8, line));
    }
    if let Some(line) = only(
        &diff.added,
        &diff.removed,
        &["sleep(", "time.sleep", "thread.sleep", ".wait()", "sync(", "fsync", ".result()", ".block("],
    ) {
        found.push(one(Mechanism::Blocking, 0.8, line));
    }
    if let Some(line) = only(
        &diff.added,
        &diff.removed,
        &["regexp.", "re.compile", "new regexp", "pattern.compile", "bcrypt", "gzip", "compress("],
    ) {
        found.push(one(Mechanism::CostlyLoop, 0.6, line));
    }
    let loops =
        |lines: &[String]| lines.iter().filter(|line| has(line, &["for ", "while ", "foreach"])).count();
    if let (true, Some(line)) = (
        loops(&diff.added) >= loops(&diff.removed) + 2,
        diff.added.iter().find(|line| has(line, &["for ", "while "])),
    ) {
        found.push(one(Mechanism::CostlyLoop, 0.5, line));
    }
    if let Some(line) = only(&diff.removed, &diff.added, &["backoff", "jitter"]) {
        found.push(one(Mechanism::Retry, 0.9, line));
    }
    if let Some(line) = only(&diff.added, &diff.removed, &["retry(", "retries", "for attempt"])
        .filter(|line| !has(line, &["backoff"]))
    {
        found.push(one(Mechanism::Retry, 0.5, line));
    }
    found
}

/// The shape of what is exchanged, and rights.
fn contract(diff: &Diff) -> Vec<Found> {
    let mut found = Vec::new();
    for (old, new) in diff.replaced() {
        if has(old, &["json:", "@jsonproperty", "serde(", "proto", "field("]) && old != new {
            found.push(one(Mechanism::Contract, 0.9, new));
        }
        if has(
            old,
            &[
                "role",
                "policy",
                "permission",
                "secret",
                "token",
                "password",
                "credential",
                "apikey",
                "api_key",
                "scope",
                "audience",
                "issuer",
            ],
        ) {
            found.push(one(Mechanism::Credential, 0.7, new));
        }
    }
    if let Some(line) = only(&diff.removed, &diff.added, &["allow", "grant ", "permission", "rolebinding"]) {
        found.push(one(Mechanism::Credential, 0.7, line));
    }
    if let Some(line) =
        only(&diff.added, &diff.removed, &["required:", "required=true", "@notnull", "json:\"", "reserved "])
    {
        found.push(one(Mechanism::Contract, 0.6, line));
    }
    found
}
