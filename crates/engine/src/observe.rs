//! The observer: telemetry in, signals out, each into the intake log before anything else, then into an incident.

use crate::append::{append, commit_new};
use crate::watch::BASELINES;
use crate::{Engine, EngineError};
use midwatch_incident::{Belongs, Incident, Open, Topology, correlate, topology_of};
use midwatch_model::journal::{Entry, StreamId, VerifiedJournal};
use midwatch_model::{IncidentId, Metric, ServiceGraph, Signal, SignalId, Timestamp, seconds_between};
use midwatch_report::LineageStep;
use midwatch_store::{Commit, IntakeRow, StoreError};
use std::collections::BTreeMap;

/// Seconds between snapshots of the baselines: what a crash can cost them.
const BASELINES_EVERY_S: f64 = 10.0;

/// Intake rows that one tick handles at most; the rest waits for the next.
const INTAKE_BATCH: u32 = 500;

/// Polls if it is due, runs the detectors on what is new and makes signals durable.
pub(crate) async fn observe(engine: &Engine) -> Result<(), EngineError> {
    let now = engine.now();
    let due = {
        let mut watch = engine.watch.lock().await;
        watch.tick += 1;
        // Half a tick of slack, so that a poll is not put off a whole tick by a late timer.
        let slack = engine.config.tick_s / 2.0;
        watch.polled_at.is_none_or(|at| seconds_between(at, now) + slack >= engine.config.poll_interval_s)
    };
    if !due {
        return Ok(());
    }
    let poll = engine.outside.poll(now).await;
    let mut commit = Commit::default();
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
        let signals = watch.detectors.observe(now, &poll.samples, &mut fresh);
        // A series signals once: what the store did not take at the last poll is handed in again.
        watch.unsaved.extend(signals.iter().map(|signal| received(signal, now, "midwatch's detectors")));
        commit.intake = watch.unsaved.clone();
        if seconds_between(watch.baselines_saved_at, now) >= BASELINES_EVERY_S || !commit.intake.is_empty() {
            watch.baselines_saved_at = now;
            if let Ok(bytes) = serde_json::to_vec(&watch.detectors.snapshot()) {
                commit.snapshots.push((BASELINES.to_owned(), now, bytes));
            }
        }
    }
    engine.store.commit(commit).await?;
    engine.watch.lock().await.unsaved.clear();
    Ok(())
}

/// The intake row of a signal that just came in.
pub(crate) fn received(signal: &Signal, now: Timestamp, from: &str) -> IntakeRow {
    let step = step(&signal.id, "received", format!("from {from}: {}", signal.summary), now);
    IntakeRow {
        id: signal.id.to_string(),
        received_at: now,
        source: signal.origin.clone(),
        payload: serde_json::to_vec(signal).unwrap_or_default(),
        handling: vec![step],
        incident: None,
        done: false,
        alert: None,
        told: 1,
    }
}

/// One step of a signal's handling, as it is stored.
pub(crate) fn step(signal: &SignalId, step: &str, detail: String, now: Timestamp) -> serde_json::Value {
    let step = LineageStep { at: now, signal: Some(signal.to_string()), step: step.to_owned(), detail };
    serde_json::to_value(step).unwrap_or_default()
}

/// Puts every signal that waits in the intake log into an incident, or says why not.
pub(crate) async fn correlate_pending(engine: &Engine) -> Result<(), EngineError> {
    engine.release().await?;
    let pending = engine.store.intake_pending(INTAKE_BATCH).await?;
    if pending.is_empty() {
        return Ok(());
    }
    let graph = engine.watch.lock().await.graph.clone();
    let mut open = open_incidents(engine).await?;
    let topology = topology_of(open.values().map(|(_, open)| open));
    for row in pending {
        if engine.hold_back(&row).await? {
            continue;
        }
        match serde_json::from_slice::<Signal>(&row.payload) {
            Ok(signal) => match place(engine, &signal, &mut open, &graph, &topology).await {
                // A person wrote to the incident meanwhile; the next tick places what is left on what they wrote.
                Err(EngineError::Store(StoreError::Conflict { .. })) => return Ok(()),
                placed => placed?,
            },
            Err(error) => {
                let detail = format!("cannot be read: {error}; it is kept in the intake log");
                handled(engine, &row.id, "unreadable", detail, None).await?;
            }
        }
    }
    Ok(())
}

async fn open_incidents(
    engine: &Engine,
) -> Result<BTreeMap<IncidentId, (VerifiedJournal, Open)>, EngineError> {
    let mut open = BTreeMap::new();
    for row in engine.store.incidents(true, u32::MAX).await? {
        let id = IncidentId::new(row.id);
        let journal = engine.store.read(&StreamId::Incident(id.clone())).await?;
        if let Some(incident) = Incident::fold(journal.lines()) {
            open.insert(id, (journal, incident.as_open()));
        }
    }
    Ok(open)
}

async fn place(
    engine: &Engine,
    signal: &Signal,
    open: &mut BTreeMap<IncidentId, (VerifiedJournal, Open)>,
    graph: &ServiceGraph,
    topology: &Topology,
) -> Result<(), EngineError> {
    let now = engine.now();
    let candidates: Vec<&Open> = open.values().map(|(_, o)| o).collect();
    let (incident, entries, step, reason) = match correlate(
        signal,
        &candidates,
        graph,
        topology,
        &engine.config.incident,
    ) {
        Belongs::Opens { parent, score, reason } => {
            let id = IncidentId::new(format!("inc-{}", engine.ids.next(now)));
            tracing::info!(incident.id = %id, service = %signal.service, "incident opened: {}", signal.summary);
            let opened =
                Entry::Opened { incident: id.clone(), signal: signal.clone(), reason: reason.clone() };
            let linked = parent.map(|parent| Entry::Linked { parent, score });
            (id, std::iter::once(opened).chain(linked).collect(), "opened", reason)
        }
        Belongs::Joins { incident, reason, .. } => {
            let joined = Entry::SignalJoined { signal: signal.clone(), reason: reason.clone() };
            (incident, vec![joined], "joined", reason)
        }
        Belongs::Recurs { incident, reason } => {
            let joined = Entry::SignalJoined { signal: signal.clone(), reason: reason.clone() };
            (incident, vec![joined, Entry::Recurred { reason: reason.clone() }], "recurred", reason)
        }
        Belongs::Duplicate { incident, reason } => (incident, Vec::new(), "deduplicated", reason),
        Belongs::Echo { incident, reason } => (incident, Vec::new(), "echo", reason),
    };
    let extra = handling(signal.id.as_str(), step, reason, Some(&incident), now);
    if entries.is_empty() {
        return Ok(engine.store.commit(extra).await?);
    }
    let journal = match open.get(&incident) {
        Some((journal, _)) => append(engine, journal, entries, extra).await?,
        None => commit_new(engine, StreamId::Incident(incident.clone()), entries, extra).await?,
    };
    if let Some(folded) = Incident::fold(journal.lines()) {
        open.insert(incident, (journal, folded.as_open()));
    }
    Ok(())
}

async fn handled(
    engine: &Engine,
    id: &str,
    step: &str,
    detail: String,
    incident: Option<&IncidentId>,
) -> Result<(), EngineError> {
    Ok(engine.store.commit(handling(id, step, detail, incident, engine.now())).await?)
}

fn handling(id: &str, step: &str, detail: String, incident: Option<&IncidentId>, now: Timestamp) -> Commit {
    let step = self::step(&SignalId::new(id), step, detail, now);
    Commit {
        handled: vec![(id.to_owned(), step, incident.map(ToString::to_string), true)],
        ..Commit::default()
    }
}
