//! What is known beside the incident itself. It tells where to look; it is never evidence that something happened.

/// A document, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: String,
    pub title: String,
    pub text: String,
}

/// Whoever can look things up. An answer must depend on the question alone, so that an investigation can be replayed.
pub trait Knowledge: Sync {
    /// Past incidents that resemble the words, best first.
    fn similar_incidents(&self, words: &str) -> Vec<Document>;
    /// Sections of runbooks for the words, best first.
    fn runbooks(&self, words: &str) -> Vec<Document>;
    /// What is documented of a component.
    fn service_doc(&self, component: &str) -> Option<Document>;
    /// Incidents that ended last, newest first.
    fn last_incidents(&self) -> Vec<Document>;
}

/// Documents that were handed in; found by how many of the words they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Newest first.
    pub incidents: Vec<Document>,
    pub runbooks: Vec<Document>,
    /// Each with the component's name as its id.
    pub services: Vec<Document>,
}

impl Knowledge for Shelf {
    fn similar_incidents(&self, words: &str) -> Vec<Document> {
        by_words(&self.incidents, words)
    }

    fn runbooks(&self, words: &str) -> Vec<Document> {
        by_words(&self.runbooks, words)
    }

    fn service_doc(&self, component: &str) -> Option<Document> {
        self.services.iter().find(|doc| doc.id == component).cloned()
    }

    fn last_incidents(&self) -> Vec<Document> {
        self.incidents.clone()
    }
}

fn by_words(documents: &[Document], words: &str) -> Vec<Document> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let held = |doc: &Document| {
        let text = format!("{} {}", doc.title, doc.text).to_lowercase();
        words.iter().filter(|word| text.contains(word.as_str())).count()
    };
    let mut found: Vec<(usize, &Document)> = documents.iter().map(|doc| (held(doc), doc)).collect();
    found.retain(|(count, _)| *count > 0);
    found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    found.into_iter().map(|(_, doc)| doc.clone()).collect()
}
