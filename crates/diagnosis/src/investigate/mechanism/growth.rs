//! What is only ever added to: collections that outlive a request, and tasks without a limit.

use super::{Found, Mechanism, has, one, only};
use crate::investigate::diff::Diff;

/// Something outlives the request and is only ever added to.
pub fn growth(diff: &Diff) -> Vec<Found> {
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
