//! Views: what lists show, folded from streams.

use crate::EngineError;
use midwatch_incident::{Incident, State};
use midwatch_model::Verdict;
use midwatch_model::journal::StreamId;
use midwatch_store::{Commit, IncidentRow, Store};

/// An incident's row. It stays live until it is closed, since a recurrence re-opens it.
#[must_use]
pub fn incident_row(incident: &Incident) -> IncidentRow {
    let verdict = incident.verdict.as_ref();
    IncidentRow {
        id: incident.id.to_string(),
        state: incident.state.name().to_owned(),
        open: !matches!(incident.state, State::Closed | State::FalseAlarm),
        service: incident.component().to_string(),
        cause: verdict.and_then(Verdict::root).map(|root| root.cause.name().to_owned()),
        opened_at: incident.opened_at,
        parent: incident.parent.as_ref().map(ToString::to_string),
        seq: incident.seq,
        summary: verdict.map_or_else(|| incident.signals[0].summary.clone(), Verdict::sentence),
    }
}

/// Throws the views away and folds them again from the streams, artifacts included.
///
/// # Errors
/// When a stream does not verify or the store cannot be written.
pub async fn rebuild(store: &Store) -> Result<usize, EngineError> {
    let (mut incidents, mut artifacts) = (Vec::new(), Vec::new());
    for stream in store.streams("incident/").await? {
        let journal = store.read(&stream).await?;
        if let StreamId::Incident(id) = &stream
            && let Some(incident) = Incident::fold(journal.lines())
        {
            incidents.push(incident_row(&incident));
            artifacts.extend(crate::artifacts::of(id, journal.lines(), 0));
        }
    }
    let count = incidents.len();
    store.commit(Commit { incidents, artifacts, replace_views: true, ..Commit::default() }).await?;
    Ok(count)
}
