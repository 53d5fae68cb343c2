//! The observer: telemetry in, signals out, each into the intake log before anything else.

use crate::watch::BASELINES;
use crate::{Engine, EngineError};
use midwatch_connectors::Poll;
use midwatch_model::{HandlingStep, Metric, Signal, SignalId, Timestamp, seconds_between};
use midwatch_report::LineageStep;
use midwatch_store::{Commit, IntakeRow};

/// Seconds between snapshots of the baselines: what a crash can cost them.
const BASELINES_EVERY_S: f64 = 10.0;

/// Polls if it is due, runs the detectors on what is new and makes signals durable.
pub(crate) async fn observe(engine: &Engine) -> Result<(), EngineError> {
    let now = engine.now();
    if !engine.poll_is_due().await {
        return Ok(());
    }
    let poll = engine.outside.poll(now).await;
    take_in(engine, poll, now).await
}

impl Engine {
    /// Counts a tick, and says whether telemetry is to be polled in it.
    pub(crate) async fn poll_is_due(&self) -> bool {
        let mut watch = self.watch.lock().await;
        watch.tick += 1;
        // Half a tick of slack, so that a poll is not put off a whole tick by a late timer.
        let slack = self.config.tick_s / 2.0;
        let since = |at| seconds_between(at, self.now());
        watch.polled_at.is_none_or(|at| since(at) + slack >= self.config.poll_interval_s)
    }
}

/// Runs the detectors on what a poll brought that began at `now`, and makes signals durable.
pub(crate) async fn take_in(engine: &Engine, poll: Poll, now: Timestamp) -> Result<(), EngineError> {
    let mut commit = Commit::default();
    let saves;
    {
        let mut watch = engine.watch.lock().await;
        // That an instance does not answer is a reading of ours, not of the telemetry.
        let read = poll.samples.iter().filter(|s| s.metric != Metric::Up).count();
        watch.polled_at = Some(now);
        if read > 0 {
            watch.last_poll_at = Some(now);
        }
        watch.last_poll_samples = read;
        for failure in &poll.failures {
            tracing::debug!(source = failure.source, reason = failure.reason, "a source could not be read");
        }
        watch.failures = poll.failures;
        let ids = engine.ids.clone();
        let mut fresh = || SignalId::new(format!("sig-{}", ids.next(now)));
        watch.history.take(&poll.samples);
        let signals = watch.detectors.observe(now, &poll.samples, &mut fresh);
        let suspects = watch.detectors.suspects();
        engine.foresight.take(now, &poll.samples, &suspects, &watch.graph, &engine.config);
        // A series signals once: what the store did not take at the last poll is handed in again.
        watch.unsaved.extend(signals.iter().map(|signal| received(signal, now, "midwatch's detectors")));
        commit.intake = watch.unsaved.clone();
        saves =
            seconds_between(watch.baselines_saved_at, now) >= BASELINES_EVERY_S || !commit.intake.is_empty();
        if saves && let Ok(bytes) = serde_json::to_vec(&watch.detectors.snapshot()) {
            commit.snapshots.push((BASELINES.to_owned(), now, bytes));
        }
    }
    let saved = engine.store.commit(commit).await;
    let mut watch = engine.watch.lock().await;
    watch.saving_error = saved.as_ref().err().map(ToString::to_string);
    saved?;
    watch.unsaved.clear();
    // What was not saved is tried at every poll: a quiet server, too, goes on saying that its disk is full.
    if saves {
        watch.baselines_saved_at = now;
    }
    Ok(())
}

/// The intake row of a signal that just came in.
pub(crate) fn received(signal: &Signal, now: Timestamp, from: &str) -> IntakeRow {
    let step = step(&signal.id, HandlingStep::Received, format!("from {from}: {}", signal.summary), now);
    IntakeRow {
        id: signal.id.to_string(),
        received_at: now,
        source: signal.origin.clone(),
        service: signal.service.to_string(),
        labels: signal.labels(),
        payload: serde_json::to_vec(signal).unwrap_or_default(),
        handling: vec![step],
        incident: None,
        done: false,
        alert: None,
        told: 1,
        ended_at: None,
    }
}

/// One step of a signal's handling, as it is stored.
pub(crate) fn step(
    signal: &SignalId,
    step: HandlingStep,
    detail: String,
    now: Timestamp,
) -> serde_json::Value {
    stored(LineageStep::new(now, Some(signal.to_string()), step, detail))
}

/// What a stored step did.
pub(crate) fn word_of(step: &serde_json::Value) -> HandlingStep {
    step["step"].as_str().unwrap_or_default().into()
}

pub(crate) fn stored(step: LineageStep) -> serde_json::Value {
    serde_json::to_value(step).unwrap_or_default()
}
