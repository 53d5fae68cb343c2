//! How many connections fit into what this process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that are needed beside connections: the store, those who are told, targets, what is read.
const FILES_KEPT: u64 = 256;

/// More at a time than one machine's dashboards and senders are; each that listens costs some 50 KB.
const CONNECTIONS_MAX: usize = 8192;

/// Connections at a time: as many as are configured, within what the process may have open.
pub fn connections(configured: Option<usize>) -> usize {
    let wanted = configured.unwrap_or(CONNECTIONS_MAX).max(1);
    let files = allow(wanted as u64 + FILES_KEPT);
    let most = usize::try_from(files.saturating_sub(FILES_KEPT)).unwrap_or(CONNECTIONS_MAX).max(64);
    if configured.is_some_and(|wanted| wanted > most) {
        tracing::warn!(
            "[server] connections_max is {wanted}, but this process may only have {files} files open: {most} connections are \
             taken; raise the limit (`ulimit -n`, LimitNOFILE=)"
        );
    }
    wanted.min(most)
}

/// Lets the process have so many files open, as far as it may allow that itself. Gives how many it may have.
fn allow(wanted: u64) -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let raised = wanted.clamp(soft, hard.max(soft));
    match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => raised,
        Err(_) => soft,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_within_what_the_process_may_have_open() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        let most = usize::try_from(hard.saturating_sub(FILES_KEPT)).unwrap_or(usize::MAX).max(64);
        assert_eq!(connections(Some(10)), 10);
        assert_eq!(connections(Some(0)), 1);
        assert_eq!(connections(None), CONNECTIONS_MAX.min(most));
        assert_eq!(connections(Some(usize::MAX / 2)), (usize::MAX / 2).min(most));
    }
}
