//! Hosts: what kernels and file systems write into logs when they give up.

use super::{LOGS, State};
use crate::bundle::{Bundle, LogLine, Ms};
use crate::investigate::effect::unquoted;
use midwatch_model::Cause;

/// Lines older than this at the detection are history.
const RECENT_MS: Ms = 2 * 3600 * 1000;

/// What a kernel says, the cause, and how specific that is.
const LINES: [(&[&str], Cause, f64); 4] = [
    (
        &["out of memory: kill", "memory cgroup out of memory", "oom-kill:", "oomkilled"],
        Cause::MemoryLeak,
        0.8,
    ),
    (&["no space left on device", "disk quota exceeded"], Cause::StorageExhaustion, 0.8),
    (
        &[
            "blk_update_request",
            "ext4-fs error",
            "xfs_error",
            "medium error",
            "hardware error",
            "smart error",
        ],
        Cause::DependencyFailure,
        0.8,
    ),
    (&["soft lockup", "rcu_sched self-detected stall"], Cause::CpuSaturation, 0.7),
];

/// Reads the logs of the incident; each component and cause is found once.
pub fn read(bundle: &Bundle, state: &mut State) {
    let since = bundle.incident.detected_at - RECENT_MS;
    let normal = |at: Ms| bundle.incident.baseline.iter().any(|span| span.holds(at));
    // What a program only mentions is no complaint; a kernel's own lines have no severity, or a bad one.
    let complains = |line: &LogLine| line.severity.is_empty() || line.is_bad() || line.is_warning();
    for line in bundle.logs.iter().filter(|line| line.at >= since && !normal(line.at) && complains(line)) {
        let lower = unquoted(&line.message).to_lowercase();
        let told = LINES.iter().find(|(words, ..)| words.iter().any(|word| lower.contains(word)));
        let Some((_, cause, weight)) = told else { continue };
        let known = state.findings.iter().any(|f| f.component == line.component && f.cause == *cause);
        if !known {
            let says = format!("{} logged: {}", line.component, line.message);
            state.found(&line.component, *cause, *weight, says, LOGS);
        }
    }
}
