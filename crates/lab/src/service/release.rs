//! What the deployed build does differently: its errors, its extra round trips, its crash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::json;
use tokio::sync::watch;

use super::{App, ramp, tick};
use crate::catalogue::Behaviour;

/// A build's new code path is switched on for all customers within this time.
const ROLLOUT_S: f64 = 5.0;
/// Exit status of a crash, as of an aborted process in a shell.
const CRASH_STATUS: i32 = 134;

pub(super) struct Release {
    behaviour: Behaviour,
    since: Instant,
}

impl Release {
    pub(super) fn new(behaviour: Behaviour) -> Release {
        Release { behaviour, since: Instant::now() }
    }

    /// Storage round trips that this request makes.
    pub(super) fn round_trips(&self) -> u32 {
        let Some(slowdown) = self.behaviour.slowdown else { return 1 };
        let expected = 1.0 + (slowdown - 1.0) * ramp(self.since, ROLLOUT_S);
        let extra = u32::from(rand::rng().random::<f64>() < expected.fract());
        expected as u32 + extra
    }

    /// Whether this request takes the code path that does not work.
    pub(super) fn fails(&self) -> bool {
        let share = self.behaviour.error_share * ramp(self.since, ROLLOUT_S);
        share > 0.0 && rand::rng().random::<f64>() < share
    }
}

/// The build's background task that brings the process down.
pub(super) async fn crash_later(app: Arc<App>, after_s: f64, mut stopped: watch::Receiver<bool>) {
    if tick(&mut stopped, Duration::from_secs_f64(after_s)).await {
        app.log.error(
            "fatal: index out of bounds in the session compactor: the len is 0 but the index is 0",
            json!({"uptime_s": app.started.elapsed().as_secs_f64(), "exit_status": CRASH_STATUS}),
        );
        std::process::exit(CRASH_STATUS);
    }
}
