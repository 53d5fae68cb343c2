//! The loop: ticks, wake-ups, polls and the end, one event at a time.
//!
//! Telemetry is polled beside the loop, one poll at a time: a source that does not answer delays readings, and neither the
//! incidents of alerts nor the end.

use crate::observe::take_in;
use crate::{Engine, EngineError};
use midwatch_connectors::Poll;
use midwatch_model::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, timeout_at};

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

/// Without a further call for a quarter of a rest, and so long at least, nothing comes in that the rest would leave time
/// for: requests of a storm are milliseconds apart.
const LULL_MIN: Duration = Duration::from_millis(20);

/// The time that a storm has between two rounds.
#[derive(Clone, Copy)]
struct Rest {
    until: Instant,
    lull: Duration,
}

impl Rest {
    fn after(round: Duration) -> Self {
        let rest = round.min(REST_MAX);
        Self { until: Instant::now() + rest, lull: (rest / 4).max(LULL_MIN) }
    }

    /// Waits until the loop is woken, and has rested or what came in has ceased.
    async fn then_woken(self, wake: &Notify) {
        wake.notified().await;
        let heard = Heard(wake);
        let deadline = || self.until.min(Instant::now() + self.lull);
        while Instant::now() < self.until && timeout_at(deadline(), wake.notified()).await.is_ok() {}
        std::mem::forget(heard);
    }
}

/// A call that was heard and is not answered yet. Whoever stops waiting leaves it to the next.
struct Heard<'a>(&'a Notify);

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Runs the watch until `stop` turns true. A failed tick is reported and tried again: loops take no hints, are
/// idempotent, and are triggered as well as periodic.
pub async fn run(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(engine.config.tick_s));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rest = Rest::after(Duration::ZERO);
    let mut polling = JoinSet::new();
    loop {
        let event = tokio::select! {
            _ = ticks.tick() => Event::Tick,
            Some(polled) = polling.join_next() => Event::Polled(polled),
            () = rest.then_woken(&engine.wake) => Event::Wake,
            changed = stop.changed() => if changed.is_err() || *stop.borrow() { Event::Stop } else { continue },
        };
        let began = Instant::now();
        let result = match event {
            Event::Tick if polls(&engine, &mut polling).await => continue,
            Event::Tick => engine.settle_round().await,
            Event::Polled(polled) => settle_polled(&engine, polled).await,
            Event::Wake => engine.settle().await,
            Event::Stop => break,
        };
        // In a storm of alerts every one wakes the loop: it takes half of the time at most, the rest is for taking them in.
        rest = Rest::after(began.elapsed());
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

async fn settle_polled(engine: &Engine, polled: Result<Polled, JoinError>) -> Result<(), EngineError> {
    match polled {
        Ok((began_at, poll)) => take_in(engine, poll, began_at).await?,
        Err(error) => tracing::error!(%error, "telemetry could not be polled; please report this"),
    }
    engine.settle_round().await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rest_lasts_while_more_comes_in_and_ends_with_it() {
        // Calls every so many milliseconds, of which the last comes so late, and how long is waited then.
        for (every_ms, last_ms, waited_ms) in [(10, 0, 100), (10, 200, 300), (10, 390, 400), (150, 390, 100)]
        {
            let (wake, began) = (Notify::new(), Instant::now());
            let rest =
                Rest { until: Instant::now() + Duration::from_millis(400), lull: Duration::from_millis(100) };
            let calls = async {
                for _ in 0..=last_ms / every_ms {
                    wake.notify_one();
                    tokio::time::sleep(Duration::from_millis(every_ms)).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = rest.then_woken(&wake) => {}
                () = calls => {}
            }
            let waited = began.elapsed().as_millis();
            assert!(waited.abs_diff(waited_ms) <= 10, "{every_ms} ms, {last_ms} ms: {waited}");
        }
    }

    #[tokio::test]
    async fn a_call_that_was_heard_in_vain_is_left_to_the_next() {
        let wake = Notify::new();
        wake.notify_one();
        let rest = Rest::after(Duration::from_secs(60));
        tokio::select! {
            biased;
            () = rest.then_woken(&wake) => panic!("it has not rested"),
            () = tokio::task::yield_now() => {}
        }
        wake.notified().await;
    }
}
