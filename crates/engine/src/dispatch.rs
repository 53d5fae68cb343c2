//! The loop: ticks, wake-ups and the end, one event at a time.

use crate::Engine;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

enum Event {
    Tick,
    Wake,
    Stop,
}

/// Longest rest between two rounds that were not waited for.
const REST_MAX: Duration = Duration::from_millis(500);

/// Waits until the loop is woken, and has rested.
async fn woken(engine: &Engine, rested_at: Instant) {
    tokio::time::sleep_until(rested_at.into()).await;
    engine.wake.notified().await;
}

/// Runs the watch until `stop` turns true. A failed tick is reported and tried again: loops take no hints, are
/// idempotent, and are triggered as well as periodic.
pub async fn run(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(engine.config.tick_s));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rested_at = Instant::now();
    loop {
        let event = tokio::select! {
            _ = ticks.tick() => Event::Tick,
            () = woken(&engine, rested_at) => Event::Wake,
            changed = stop.changed() => if changed.is_err() || *stop.borrow() { Event::Stop } else { continue },
        };
        let began = Instant::now();
        let result = match event {
            Event::Tick => engine.tick().await,
            Event::Wake => engine.settle().await,
            Event::Stop => return,
        };
        // In a storm of alerts every one wakes the loop: it takes half of the time at most, the rest is for taking them in.
        rested_at = Instant::now() + began.elapsed().min(REST_MAX);
        let mut watch = engine.watch.lock().await;
        match result {
            Ok(()) => {
                watch.loop_errors = 0;
                watch.last_error = None;
            }
            Err(error) => {
                tracing::error!(%error, "a tick failed; it is tried again");
                watch.loop_errors += 1;
                watch.last_error = Some(error.to_string());
            }
        }
    }
}
