//! The loop: ticks, wake-ups, polls and the end, one event at a time.
//!
//! Telemetry is polled beside the loop, one poll at a time: a source that does not answer delays readings, and neither the
//! incidents of alerts nor the end.

use crate::observe::take_in;
use crate::{Engine, EngineError};
use midwatch_connectors::Poll;
use midwatch_model::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

/// A poll, and when it began.
type Polled = (Timestamp, Poll);

enum Event {
    Tick,
    Wake,
    Polled(Result<Polled, JoinError>),
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
    let mut polling = JoinSet::new();
    loop {
        let event = tokio::select! {
            _ = ticks.tick() => Event::Tick,
            Some(polled) = polling.join_next() => Event::Polled(polled),
            () = woken(&engine, rested_at) => Event::Wake,
            changed = stop.changed() => if changed.is_err() || *stop.borrow() { Event::Stop } else { continue },
        };
        let began = Instant::now();
        let result = match event {
            Event::Tick if polls(&engine, &mut polling).await => continue,
            Event::Tick => settle(&engine).await,
            Event::Polled(polled) => settle_polled(&engine, polled).await,
            Event::Wake => engine.settle().await,
            Event::Stop => break,
        };
        // In a storm of alerts every one wakes the loop: it takes half of the time at most, the rest is for taking them in.
        rested_at = Instant::now() + began.elapsed().min(REST_MAX);
        note(&engine, result).await;
    }
    // A poll that is under way has read only, and nobody waits for it any more.
    polling.shutdown().await;
}

/// Begins a poll if one is due; what waits is then settled when it is there. While one is still under way, ticks go on
/// without it.
async fn polls(engine: &Arc<Engine>, polling: &mut JoinSet<Polled>) -> bool {
    let begins = engine.poll_is_due().await && polling.is_empty();
    if begins {
        let (engine, began_at) = (engine.clone(), engine.now());
        polling.spawn(async move { (began_at, engine.outside.poll(began_at).await) });
    }
    begins
}

async fn settle(engine: &Engine) -> Result<(), EngineError> {
    let settled = engine.settle().await;
    engine.forget().await?;
    settled
}

async fn settle_polled(engine: &Engine, polled: Result<Polled, JoinError>) -> Result<(), EngineError> {
    match polled {
        Ok((began_at, poll)) => take_in(engine, poll, began_at).await?,
        Err(error) => tracing::error!(%error, "telemetry could not be polled; please report this"),
    }
    settle(engine).await
}

/// Puts down for `/health` whether the loop does its work.
async fn note(engine: &Engine, result: Result<(), EngineError>) {
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
