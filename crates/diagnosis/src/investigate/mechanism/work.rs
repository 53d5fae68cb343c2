//! Work that a diff adds: queries, waiting, locks and loops; and data that gets another shape.

use super::{Found, Mechanism, has, one, only};
use crate::investigate::diff::Diff;

/// What is asked of a database, and how often.
pub fn queries(diff: &Diff) -> Vec<Found> {
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
pub fn flow(diff: &Diff) -> Vec<Found> {
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
pub fn contract(diff: &Diff) -> Vec<Found> {
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
