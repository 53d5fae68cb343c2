//! The cycle: fold → next step → perform → append. This is the first page of the book.

use crate::next::{Step, next_step};
use crate::{Engine, EngineError, autonomy, gather, look, perform, proposal};
use futures::future::{BoxFuture, join_all};
use midwatch_incident::Incident;
use midwatch_model::IncidentId;
use midwatch_model::journal::StreamId;
use midwatch_store::StoreError;
use std::collections::BTreeSet;

/// Steps that one incident may take in one cycle. A way through all stages takes about eight.
const STEPS_MAX: usize = 16;

/// Incidents that are cycled at the same time: their waits overlap, their writes share commits.
const CONCURRENT_MAX: usize = 8;

/// Brings one incident as far as it can go now.
pub(crate) async fn cycle(engine: &Engine, id: &IncidentId) -> Result<(), EngineError> {
    let mut journal = engine.store.read(&StreamId::Incident(id.clone())).await?;
    let Some(mut incident) = Incident::fold(journal.lines()) else { return Ok(()) };
    let mut facts = gather::gather(engine, &incident).await?;
    for _ in 0..STEPS_MAX {
        engine.follow(journal.lines()).await;
        let step = next_step(&journal, &incident, &facts, &engine.config, &engine.policy);
        journal = match step {
            Step::Wait => return proposal::propose(engine, &journal, &incident).await,
            Step::Record(entries) => autonomy::record(engine, &journal, entries).await?,
            // One look a cycle: others are waiting.
            Step::Look(wanted) => return look::look(engine, &journal, &wanted).await,
            Step::Report => perform::report(engine, &journal, &incident).await?,
            Step::Reconcile(intent) => return perform::reconcile(engine, &intent).await,
            // An effect changes the world that the facts describe: what follows is the next cycle's business.
            Step::Act { record, authorized, seen } => {
                return perform::act(engine, &journal, record, authorized, seen).await;
            }
            Step::Undo { authorized, done, target } => {
                return perform::undo(engine, &journal, &incident, authorized, done, target).await;
            }
        };
        let Some(folded) = Incident::fold(journal.lines()) else { return Ok(()) };
        if folded.state != incident.state {
            tracing::info!(incident.id = %id, from = %incident.state, to = %folded.state, "incident moved on");
        }
        let other_needs = gather::needs(folded.state) != gather::needs(incident.state);
        incident = folded;
        if other_needs {
            facts = gather::gather(engine, &incident).await?;
        }
    }
    Ok(())
}

/// Cycles every incident that is open or whose wake-up is due.
pub(crate) async fn cycle_all(engine: &Engine) -> Result<(), EngineError> {
    let due = engine.store.due(engine.now()).await?;
    let mut ids: BTreeSet<IncidentId> = due
        .into_iter()
        .filter_map(|(stream, _)| match stream {
            StreamId::Incident(id) => Some(id),
            StreamId::Service(_)
            | StreamId::Config
            | StreamId::Silences
            | StreamId::Autonomy
            | StreamId::Forecasts(_) => None,
        })
        .collect();
    ids.extend(engine.store.incidents(true, u32::MAX).await?.into_iter().map(|row| IncidentId::new(row.id)));
    let ids: Vec<IncidentId> = ids.into_iter().collect();
    let mut results = Vec::with_capacity(ids.len());
    for group in ids.chunks(CONCURRENT_MAX) {
        let cycles: Vec<BoxFuture<'_, Result<(), EngineError>>> =
            group.iter().map(|id| Box::pin(cycle(engine, id)) as _).collect();
        results.extend(join_all(cycles).await);
    }
    let mut failed = None;
    for (result, id) in results.into_iter().zip(ids) {
        match result {
            Ok(()) => {}
            // A person or another incident wrote first; the next tick sees what they wrote.
            Err(EngineError::Store(StoreError::Conflict { .. })) => {
                tracing::debug!(incident.id = %id, "retrying")
            }
            Err(error) => {
                tracing::error!(incident.id = %id, error = %error, "an incident could not be worked on");
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
