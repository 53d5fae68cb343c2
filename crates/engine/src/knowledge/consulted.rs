//! What an investigation with a language model may look up.

use super::{Knowledge, Shelf};
use crate::EngineError;
use midwatch_diagnosis::agent::{self, Document};
use midwatch_knowledge::{Collection, Compared, Library, Query, shipped};
use std::sync::Arc;

/// The library as it is now. It is searched by words alone: an answer that depends on the question only can be replayed.
pub struct Consulted {
    shelf: Arc<Shelf>,
    /// Incidents that ended last, newest first.
    last: Vec<Document>,
}

impl Consulted {
    pub(super) fn of(knowledge: &Knowledge, last: Vec<Document>) -> Self {
        Self { shelf: knowledge.shelf(), last }
    }

    /// What ships with midwatch, for whoever has no server.
    ///
    /// # Errors
    /// Never: a test reads every document that ships.
    pub fn shipped() -> Result<Self, EngineError> {
        let shelf = Shelf { library: Library::new(shipped()?), ..Shelf::default() };
        Ok(Self { shelf: Arc::new(shelf), last: Vec::new() })
    }

    fn search(&self, collection: Collection, text: &str, service: Option<&str>) -> Vec<Document> {
        let query = Query { text, collection, service, anomaly_type: None, limit: None };
        let found = self.shelf.library.search(&query, Compared::Not);
        let document = |hit: midwatch_knowledge::Hit<'_>| {
            let title = if hit.heading.is_empty() {
                hit.document.title.clone()
            } else {
                format!("{}: {}", hit.document.title, hit.heading)
            };
            Document { id: hit.document.id.clone(), title, text: hit.text.to_owned() }
        };
        found.into_iter().map(document).collect()
    }
}

impl agent::Knowledge for Consulted {
    fn similar_incidents(&self, words: &str) -> Vec<Document> {
        self.search(Collection::Incidents, words, None)
    }

    fn runbooks(&self, words: &str) -> Vec<Document> {
        self.search(Collection::Runbooks, words, None)
    }

    /// Only by its exact name: another service's page would tell of something else.
    fn service_doc(&self, component: &str) -> Option<Document> {
        let found = self.search(Collection::Services, component, Some(component));
        found.into_iter().find(|document| document.id == component)
    }

    fn last_incidents(&self) -> Vec<Document> {
        self.last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_diagnosis::agent::Knowledge as _;

    #[test]
    fn an_investigation_finds_runbooks_incidents_and_the_service_that_it_names() {
        let consulted = Consulted::shipped().expect("documents that ship");
        let runbooks = consulted.runbooks("database connection pool exhausted");
        assert!(runbooks[0].title.to_lowercase().contains("connection"), "{:?}", runbooks[0].title);
        let incidents = consulted.similar_incidents("certificate expired");
        assert!(incidents[0].id.contains("certificate"), "{:?}", incidents[0].id);
        assert_eq!(
            consulted.service_doc("payment-service").map(|doc| doc.id).as_deref(),
            Some("payment-service")
        );
        assert_eq!(consulted.service_doc("payment"), None, "a name that is only like one is another service");
    }
}
