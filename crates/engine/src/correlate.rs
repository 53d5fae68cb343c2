//! From the intake log into incidents: what waits is placed, a batch at a time, each batch in one commit.

use crate::alerts::deduplicated;
use crate::append::with_derived;
use crate::observe::stored;
use crate::{Engine, EngineError};
use midwatch_incident::{Belongs, Incident, Open, Topology, correlate, topology_of};
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_model::{
    Duplicate, Entity, HandlingStep, IncidentId, Score, ServiceGraph, ServiceName, Signal, Timestamp,
};
use midwatch_report::LineageStep;
use midwatch_store::{Commit, IntakeRow, StoreError};
use std::collections::{BTreeMap, HashMap};

/// Intake rows that one commit handles at most: about 16 KB of memory each while they are placed.
const BATCH: u32 = 250;

/// Batches that one round handles at most; the rest waits for the next, so that incidents are worked on meanwhile.
const BATCHES_MAX: usize = 160;

/// Puts every signal that waits in the intake log into an incident, or says why not.
pub(crate) async fn correlate_pending(engine: &Engine) -> Result<(), EngineError> {
    engine.release().await?;
    let mut open = None;
    for _ in 0..BATCHES_MAX {
        let pending = engine.store.intake_due(engine.now(), BATCH).await?;
        if pending.is_empty() {
            return Ok(());
        }
        let is_last = pending.len() < BATCH as usize;
        let pending = engine.hold_anomalies(pending).await?;
        let pending = engine.hold_back(pending).await?;
        let before = match open.take() {
            Some(open) => open,
            None => open_incidents(engine).await?,
        };
        open = match place_all(engine, pending, before).await {
            Ok(after) => Some(after),
            // A person wrote to an incident meanwhile; the batch is placed anew on what they wrote.
            Err(EngineError::Store(StoreError::Conflict { .. })) => None,
            Err(error) => return Err(error),
        };
        if is_last && open.is_some() {
            return Ok(());
        }
    }
    engine.wake.notify_one();
    Ok(())
}

/// An open incident, as it is with what this round adds.
struct Slot {
    lines: Vec<Line>,
    /// Lines that are on record.
    recorded: usize,
    open: Open,
}

impl Slot {
    fn of(lines: Vec<Line>, recorded: usize) -> Option<Self> {
        let open = Incident::fold(&lines)?.as_open();
        Some(Self { lines, recorded, open })
    }
}

type Slots = BTreeMap<IncidentId, Slot>;

async fn open_incidents(engine: &Engine) -> Result<Slots, EngineError> {
    let mut slots = Slots::new();
    for row in engine.store.incidents(true, u32::MAX).await? {
        let id = IncidentId::new(row.id);
        let Some(journal) = engine.store.read_intact(&StreamId::Incident(id.clone())).await? else {
            continue;
        };
        let lines = journal.lines().to_vec();
        if let Some(slot) = Slot::of(lines, journal.lines().len()) {
            slots.insert(id, slot);
        }
    }
    Ok(slots)
}

/// Places a batch and commits it. Gives the open incidents as they are then.
async fn place_all(engine: &Engine, pending: Vec<IntakeRow>, mut slots: Slots) -> Result<Slots, EngineError> {
    let (registrations, graph) = engine.services().await;
    let registered = registrations
        .into_iter()
        .map(|known| Entity::of_service(&ServiceName::new(&known.name), known.namespace));
    let mut commit = Commit::default();
    let (mut signals, mut repeated) = (Vec::with_capacity(pending.len()), Vec::new());
    for (row, duplicate) in with_duplicates(engine, pending).await {
        match (serde_json::from_slice::<Signal>(&row.payload), duplicate) {
            (Ok(signal), None) => signals.push(signal),
            (Ok(signal), Some(duplicate)) => repeated.push((signal, duplicate)),
            (Err(error), _) => engine.fail(row, &format!("it cannot be read: {error}"), &mut commit),
        }
    }
    let open = slots.values().map(|slot| &slot.open);
    let topology = topology_of(open, signals.iter(), registered, &graph);
    // Trouble that comes back reopens its incident first, so that its neighbours' symptoms of the same moment find that
    // open and do not become incidents of their own.
    signals.sort_by_cached_key(|signal| !slots.values().any(|slot| slot.open.returns_with(signal)));
    let mut incidents = HashMap::new();
    for signal in &signals {
        let (step, incident) = place(engine, signal, &mut slots, &graph, &topology);
        incidents.insert(signal.id.clone(), incident.to_string());
        commit.handled.push((signal.id.to_string(), stored(step), Some(incident.to_string()), true));
    }
    for (signal, duplicate) in repeated {
        let incident = match incidents.get(&duplicate.of) {
            Some(incident) => Some(incident.clone()),
            None => engine.store.intake(duplicate.of.as_str()).await?.and_then(|row| row.incident),
        };
        let (step, incident) = match incident {
            Some(incident) => (deduplicated(&signal.id, duplicate, engine.now()), incident),
            // Nobody handles what it repeats: it is handled by itself, and nothing is lost.
            None => {
                engine.desk.lock().await.leave_alone(&signal.id);
                let (step, incident) = place(engine, &signal, &mut slots, &graph, &topology);
                (stored(step), incident.to_string())
            }
        };
        incidents.insert(signal.id.clone(), incident.clone());
        commit.handled.push((signal.id.to_string(), step, Some(incident), true));
    }
    for (id, slot) in &slots {
        let (before, new) = slot.lines.split_at(slot.recorded);
        if !new.is_empty() {
            let stream = StreamId::Incident(id.clone());
            commit = with_derived(engine, &stream, before, new.to_vec(), commit);
        }
    }
    engine.store.commit(commit).await?;
    for slot in slots.values_mut() {
        slot.recorded = slot.lines.len();
    }
    Ok(slots)
}

/// Rows, each with what it repeats, if it does.
async fn with_duplicates(engine: &Engine, pending: Vec<IntakeRow>) -> Vec<(IntakeRow, Option<Duplicate>)> {
    let desk = engine.desk.lock().await;
    let of = |row: &IntakeRow| desk.duplicate_of(row.alert.as_ref()?, &row.id);
    pending.into_iter().map(|row| (of(&row), row)).map(|(duplicate, row)| (row, duplicate)).collect()
}

/// Places one signal: the step for the record, and the incident.
fn place(
    engine: &Engine,
    signal: &Signal,
    slots: &mut Slots,
    graph: &ServiceGraph,
    topology: &Topology,
) -> (LineageStep, IncidentId) {
    let now = engine.now();
    let candidates: Vec<&Open> = slots.values().map(|slot| &slot.open).collect();
    let joined = |score: &Score, reason: &str| Entry::SignalJoined {
        signal: signal.clone(),
        reason: reason.to_owned(),
        score: Some(score.clone()),
    };
    let belongs = correlate(signal, &candidates, graph, topology, &engine.config.incident);
    let (incident, entries, step, reason, score) = match belongs {
        Belongs::Opens { parent, score, reason } => {
            let id = IncidentId::new(format!("inc-{}", engine.ids.next(now)));
            tracing::info!(incident.id = %id, service = %signal.service, "incident opened: {}", signal.summary);
            let opened =
                Entry::Opened { incident: id.clone(), signal: signal.clone(), reason: reason.clone() };
            let linked = parent.map(|parent| Entry::Linked { parent, score: score.clone() });
            let related = linked.is_some().then_some(score);
            (id, std::iter::once(opened).chain(linked).collect(), HandlingStep::Opened, reason, related)
        }
        Belongs::Joins { incident, score, reason } => {
            (incident, vec![joined(&score, &reason)], HandlingStep::Joined, reason, Some(score))
        }
        Belongs::Recurs { incident, score, reason } => {
            let entries = vec![joined(&score, &reason), Entry::Recurred { reason: reason.clone() }];
            (incident, entries, HandlingStep::Recurred, reason, Some(score))
        }
        Belongs::Duplicate { incident, reason } => {
            (incident, Vec::new(), HandlingStep::Deduplicated, reason, None)
        }
        Belongs::Echo { incident, reason } => (incident, Vec::new(), HandlingStep::Echo, reason, None),
    };
    add(slots, &incident, signal, entries, now);
    let step = LineageStep::new(now, Some(signal.id.to_string()), step, reason);
    (LineageStep { score, ..step }, incident)
}

fn add(slots: &mut Slots, id: &IncidentId, signal: &Signal, entries: Vec<Entry>, now: Timestamp) {
    let only_joins = matches!(entries[..], [Entry::SignalJoined { .. }]);
    let lines = entries.into_iter().map(|entry| Line::new(now, entry));
    match slots.get_mut(id) {
        // Folding the whole stream for each alert of a storm would take most of the time.
        Some(slot) if only_joins => {
            slot.lines.extend(lines);
            slot.open.join(signal, now);
        }
        Some(slot) if lines.len() > 0 => {
            let all = slot.lines.drain(..).chain(lines).collect();
            if let Some(folded) = Slot::of(all, slot.recorded) {
                *slot = folded;
            }
        }
        Some(_) => {}
        None => {
            if let Some(slot) = Slot::of(lines.collect(), 0) {
                slots.insert(id.clone(), slot);
            }
        }
    }
}
