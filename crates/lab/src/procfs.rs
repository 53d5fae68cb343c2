//! Reads a process's memory and CPU time from `/proc`.

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

/// Resident memory of a process (`"self"` or a pid), if it exists.
pub fn resident_bytes(process: &str) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * constant(SysconfVar::PAGE_SIZE, 4096))
}

/// User and system time that a process has used, if it exists.
pub fn cpu_time(pid: i32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces; the fields after its closing parenthesis do not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_secs_f64(ticks as f64 / constant(SysconfVar::CLK_TCK, 100) as f64))
}

fn constant(name: SysconfVar, fallback: u64) -> u64 {
    sysconf(name).ok().flatten().and_then(|value| u64::try_from(value).ok()).unwrap_or(fallback)
}
