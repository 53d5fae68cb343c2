//! Learning: a closed incident becomes a document only when a person has looked at it and said yes.

use super::Origin;
use crate::{Engine, EngineError};
use midwatch_incident::{Incident, State};
use midwatch_knowledge::{Collection, read_document};
use midwatch_model::journal::{StreamId, VerifiedJournal};
use midwatch_model::{IncidentId, Timestamp};
use midwatch_report::{PostmortemInput, lesson};
use midwatch_store::{Commit, KnowledgeRows, Review, StoredDocument};
use serde::Serialize;

/// A closed incident that nobody has reviewed yet.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    pub incident: IncidentId,
    pub opened_at: Timestamp,
    pub service: String,
    pub title: String,
    /// The document that it would become.
    pub markdown: String,
}

/// What a person says to a candidate.
#[derive(Clone, Debug)]
pub struct ReviewRequest {
    pub accept: bool,
    pub by: String,
    pub reason: String,
    /// The document as the person would have it; as midwatch wrote it if `None`.
    pub markdown: Option<String>,
}

/// The name of a document that was learnt.
pub(super) fn name_of(id: &str) -> String {
    format!("learnt/{id}.md")
}

impl Engine {
    /// Closed incidents that wait for a review, the last one first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn candidates(&self, limit: u32) -> Result<Vec<Candidate>, EngineError> {
        let mut candidates = Vec::new();
        for id in self.store.unreviewed(limit).await? {
            match self.candidate(&id).await {
                Ok(candidate) => candidates.push(candidate),
                // What was merged has nothing of its own to teach.
                Err(EngineError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(candidates)
    }

    /// What would be learnt from one incident.
    ///
    /// # Errors
    /// When there is no such incident, or it is not closed.
    pub async fn candidate(&self, id: &IncidentId) -> Result<Candidate, EngineError> {
        let (journal, incident) = self.closed(id).await?;
        let input =
            PostmortemInput { incident: &incident, lines: journal.lines(), now: self.now(), owner: None };
        let markdown = lesson(&input);
        let title = read_document(&name_of(id.as_str()), &markdown)?.title;
        let (opened_at, service) = (incident.opened_at, incident.component().to_string());
        Ok(Candidate { incident: id.clone(), opened_at, service, title, markdown })
    }

    async fn closed(&self, id: &IncidentId) -> Result<(VerifiedJournal, Incident), EngineError> {
        let journal = self.store.read(&StreamId::Incident(id.clone())).await?;
        let incident =
            Incident::fold(journal.lines()).ok_or_else(|| EngineError::NoIncident(id.to_string()))?;
        if incident.state != State::Closed {
            let text =
                format!("{id} is {}; an incident can be learnt from once it is closed", incident.state);
            return Err(EngineError::Refused(text));
        }
        if let Some(into) = &incident.merged_into {
            let text = format!("{id} was merged into {into}: what it taught is learnt from that one");
            return Err(EngineError::Refused(text));
        }
        Ok((journal, incident))
    }

    /// A person's answer to a candidate. Accepted, it is a document like any other; refused, it is not asked about again.
    ///
    /// # Errors
    /// When it was reviewed already, is not closed, or cannot be a document.
    pub async fn review(
        &self,
        id: &IncidentId,
        request: ReviewRequest,
    ) -> Result<Option<Origin>, EngineError> {
        let candidate = self.candidate(id).await?;
        if let Some(earlier) = self.store.review(id).await? {
            let what = if earlier.accepted { "accepted" } else { "refused" };
            return Err(EngineError::Refused(format!("{} has {what} {id} already", earlier.by)));
        }
        let ReviewRequest { accept, by, reason, markdown } = request;
        let at = self.now();
        let mut rows = KnowledgeRows::default();
        if accept {
            rows.documents.push(document(id, markdown.unwrap_or(candidate.markdown), &by, at)?);
        }
        let (incident, by_whom) = (id.clone(), by.clone());
        rows.reviews.push(Review { incident, accepted: accept, by: by_whom, reason, at });
        self.store.commit(Commit { knowledge: rows, ..Commit::default() }).await?;
        self.knowledge.reload().await?;
        Ok(accept.then_some(Origin::Learnt { by, at }))
    }
}

fn document(
    id: &IncidentId,
    markdown: String,
    by: &str,
    at: Timestamp,
) -> Result<StoredDocument, EngineError> {
    let name = name_of(id.as_str());
    let read = read_document(&name, &markdown)?;
    if read.collection != Collection::Incidents || read.id != id.as_str() {
        return Err(EngineError::Unfit(format!(
            "{name}: keep `kind: incident` and `id: {id}`, and change the rest"
        )));
    }
    let (collection, id) = (read.collection.name().to_owned(), read.id);
    Ok(StoredDocument { collection, id, name, markdown, added_by: by.to_owned(), added_at: at })
}
