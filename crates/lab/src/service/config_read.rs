//! Reads the launch specification and ties the process's life to its supervisor's.

use anyhow::{Context, bail};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use crate::launch::LaunchSpec;

pub(super) fn read_spec() -> anyhow::Result<LaunchSpec> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("read the launch specification from standard input")?;
    serde_json::from_str(&line)
        .context("standard input holds no launch specification; service processes are started by `lab up`")
}

/// The kernel kills this process when `parent_pid` dies. A parent that died in between is noticed here.
pub(super) fn die_with(parent_pid: i32) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("ask the kernel for the parent's death signal")?;
    if getppid().as_raw() != parent_pid {
        bail!("the supervisor (pid {parent_pid}) is gone");
    }
    Ok(())
}
