//! The process's memory: what it holds, what its build retains, and when it says so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;

use super::{App, tick};
use crate::catalogue::{Leak, MEMORY_LIMIT_BYTES};

/// The bound of a leak that is held, as a share of the limit: just under it.
const LEAK_CEILING_SHARE: f64 = 0.98;
/// One retained buffer; below the allocator's threshold for separate mappings.
const BUFFER_BYTES: usize = 64 * 1024;
/// What one request leaves behind in a leaking build.
const REQUEST_BYTES: usize = 4 * 1024;
/// Share of the limit from which the process warns.
const WARN_SHARE: f64 = 0.70;
const WARN_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Memory {
    leak: Option<Leak>,
    /// Bytes that a leak has come to by now.
    due_bytes: AtomicU64,
    retained: Mutex<Vec<Vec<u8>>>,
}

impl Memory {
    pub(super) fn new(leak: Option<Leak>) -> Memory {
        Memory { leak, due_bytes: AtomicU64::new(0), retained: Mutex::new(Vec::new()) }
    }

    /// What a request leaves behind.
    pub(super) fn after_request(&self) {
        if self.leak.is_some() && resident_bytes() < self.due_bytes.load(Ordering::Relaxed) {
            self.retain(REQUEST_BYTES);
        }
    }

    /// Keeps a buffer whose every page has been written.
    fn retain(&self, bytes: usize) {
        let buffer = vec![0xA5_u8; bytes];
        self.retained.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// Retains buffers along a straight line up to the build's share, and warns when memory runs out.
pub(super) async fn watch(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let base = resident_bytes();
    let mut warned: Option<Instant> = None;
    while tick(&mut stopped, Duration::from_millis(200)).await {
        if let Some(leak) = app.memory.leak {
            let due = base + leaked_bytes(leak, base, app.started.elapsed().as_secs_f64());
            app.memory.due_bytes.store(due, Ordering::Relaxed);
            let missing = due.saturating_sub(resident_bytes()) as usize;
            for _ in 0..missing / BUFFER_BYTES {
                app.memory.retain(BUFFER_BYTES);
            }
        }
        let used = resident_bytes();
        let share = used as f64 / MEMORY_LIMIT_BYTES as f64;
        if share > WARN_SHARE && warned.is_none_or(|at| at.elapsed() > WARN_EVERY) {
            warned = Some(Instant::now());
            app.log.warn(
                "resident memory is close to the limit",
                json!({"used_bytes": used, "limit_bytes": MEMORY_LIMIT_BYTES, "used_percent": (share * 100.0).round()}),
            );
        }
    }
}

/// What a leak has come to `elapsed_s` after the process began with `base` bytes.
fn leaked_bytes(leak: Leak, base: u64, elapsed_s: f64) -> u64 {
    let room = ceiling_bytes().saturating_sub(base) as f64 * leak.share;
    let progress = if leak.full_after_s > 0.0 { elapsed_s / leak.full_after_s } else { 1.0 };
    (room * if leak.held { progress.min(1.0) } else { progress }) as u64
}

fn ceiling_bytes() -> u64 {
    (MEMORY_LIMIT_BYTES as f64 * LEAK_CEILING_SHARE) as u64
}

/// Resident memory of this process.
pub(super) fn resident_bytes() -> u64 {
    crate::procfs::resident_bytes("self").unwrap_or(0)
}
