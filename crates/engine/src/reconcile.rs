//! Actions of people outside of any incident: if the server died between intent and outcome, look at the target.

use crate::{Engine, EngineError, perform};
use midwatch_model::after;
use midwatch_model::journal::{EffectOutcome, Entry, Intent, StreamId, VerifiedJournal};
use std::collections::BTreeSet;

/// Reconciles every pending intent on a service stream that no incident takes care of.
pub(crate) async fn settle_services(engine: &Engine) -> Result<(), EngineError> {
    for stream in engine.store.streams("service/").await? {
        let StreamId::Service(_) = &stream else { continue };
        // Nobody acts on a service whose stream is damaged: the gate reads it first.
        let Some(journal) = engine.store.read_intact(&stream).await? else { continue };
        for intent in pending(&journal) {
            if engine.now() > after(intent.deadline, engine.config.call_timeout_s) {
                perform::reconcile(engine, &intent).await?;
            }
        }
    }
    Ok(())
}

fn pending(journal: &VerifiedJournal) -> Vec<Intent> {
    let known: BTreeSet<_> = journal
        .lines()
        .iter()
        .filter_map(|line| match &line.entry {
            Entry::Performed { key, outcome, .. } if !matches!(outcome, EffectOutcome::Unknown { .. }) => {
                Some(key)
            }
            _ => None,
        })
        .collect();
    journal
        .lines()
        .iter()
        .filter_map(|line| match &line.entry {
            Entry::Intended { intent } if intent.incident.is_none() && !known.contains(&intent.key) => {
                Some(intent.clone())
            }
            _ => None,
        })
        .collect()
}
