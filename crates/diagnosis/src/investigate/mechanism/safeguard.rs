//! What held before and does not any more: checks, and giving back what was taken.

use super::{Found, Mechanism, has, one, only};
use crate::investigate::diff::Diff;

/// A check for a missing value is gone, and what it checked is used all the same; or another check is gone.
pub fn guards(diff: &Diff) -> Vec<Found> {
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
pub fn cleanup(diff: &Diff) -> Vec<Found> {
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
