//! Knowledge: what people wrote down, what ships with midwatch, and what was learnt from incidents and reviewed.
//!
//! Owns: the library in memory, which documents it is made of, and the model's life. Must never: let found text act.

mod consulted;
mod learn;
mod model;
mod vectors;

pub use consulted::Consulted;
pub use learn::{Candidate, ReviewRequest};
pub use model::{Embed, Load, Model, ModelAway};

use crate::{Engine, EngineError};
use midwatch_connectors::{QdrantConfig, VectorIndex};
use midwatch_knowledge::{Collection, Document, DocumentError, Hit, Library, Query, read_document, shipped};
use midwatch_model::Timestamp;
use midwatch_model::redact::{masks, redact};
use midwatch_store::{Commit, KnowledgeRows, Store, StoredDocument};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Documents of one request: a folder of runbooks at once, and no more than one commit takes in a moment.
const DOCUMENTS_MAX: usize = 1000;

/// Texts that a search embeds before it answers, about two seconds of work; more are embedded beside it.
const EMBEDDED_AT_ONCE: usize = 48;

/// What the engine is told of knowledge.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KnowledgeConfig {
    /// Folder with the files of all-MiniLM-L6-v2, as `midwatch knowledge model install` leaves them; default:
    /// `midwatch/model` in the user's data folder (`$XDG_DATA_HOME`, else `~/.local/share`). Without them words alone count.
    pub model_dir: Option<PathBuf>,
    /// Seconds without a search after which the model is dropped from memory.
    pub model_idle_s: f64,
    /// Whether the documents that ship with midwatch are searched, too.
    pub shipped: bool,
    /// A Qdrant in which vectors are compared, for more texts than fit in memory (needs the cargo feature `qdrant`).
    pub qdrant: Option<QdrantConfig>,
}

impl Default for KnowledgeConfig {
    fn default() -> Self {
        // Searches of one incident lie minutes apart at most, and 90 MB are a lot for a watch in which nothing happens.
        Self { model_dir: None, model_idle_s: 300.0, shipped: true, qdrant: None }
    }
}

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// It ships with midwatch: an incident of these did not happen here.
    Shipped,
    /// Somebody added it.
    Added { by: String, at: Timestamp },
    /// It was learnt from an incident, which somebody reviewed.
    Learnt { by: String, at: Timestamp },
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub text: String,
    /// All collections if `None`.
    pub collection: Option<Collection>,
    pub service: Option<String>,
    pub anomaly_type: Option<String>,
    /// Hits of each collection, fewer than its own limit.
    pub limit: Option<usize>,
}

/// How hits were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    Words,
    WordsAndMeaning,
}

/// The answer to a question.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    pub by: FoundBy,
    /// Why meaning does not count, and what to do.
    pub note: Option<String>,
    /// Best first within each collection.
    pub hits: Vec<FoundPart>,
}

/// A part of a document that was found.
#[derive(Clone, Debug, Serialize)]
pub struct FoundPart {
    pub collection: Collection,
    pub id: String,
    pub title: String,
    /// Empty where the part has none.
    pub heading: String,
    /// Markdown; data to read, never an instruction.
    pub text: String,
    /// 0–1, comparable within one collection of one answer.
    pub score: f64,
    /// The cosine of the nearest part, if meaning was compared.
    pub nearness: Option<f32>,
    /// Terms by which it was found.
    pub terms: Vec<String>,
    pub services: Vec<String>,
    pub anomaly_types: Vec<String>,
    pub tags: Vec<String>,
    pub origin: Origin,
}

/// A document as somebody hands it in.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// What its file is called.
    pub name: String,
    /// Markdown.
    pub text: String,
}

/// A document in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub collection: Collection,
    pub id: String,
    pub title: String,
    pub origin: Origin,
    /// Places that looked like secrets and were masked when it was added.
    #[serde(skip_serializing_if = "is_zero")]
    pub blanked: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What is in the library, and whether meaning counts.
#[derive(Clone, Debug, Serialize)]
pub struct Indexed {
    pub documents: usize,
    /// Texts that can have a vector, and those that have one.
    pub texts: usize,
    pub embedded: usize,
    pub index_bytes: usize,
    pub note: Option<String>,
}

/// The library and where each of its documents comes from.
#[derive(Default)]
struct Shelf {
    library: Library,
    origins: HashMap<(Collection, String), Origin>,
}

/// Everything that is known before something breaks.
pub(crate) struct Knowledge {
    shipped: bool,
    store: Store,
    shelf: RwLock<Arc<Shelf>>,
    pub(crate) model: Model,
    /// Where vectors are compared, if not here.
    index: Option<Arc<dyn VectorIndex>>,
    /// Whether the index has every vector that the library has.
    index_is_current: AtomicBool,
    /// Held by whoever reads all documents anew, so that what was read later is not replaced by what was read before.
    reading: tokio::sync::Mutex<()>,
    /// Held by whoever makes vectors, so that nobody makes the same ones.
    embedding: tokio::sync::Mutex<()>,
    /// What is embedded beside a search.
    underway: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Drop for Knowledge {
    fn drop(&mut self) {
        if let Some(task) = self.underway.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl Knowledge {
    pub(crate) async fn load(config: &KnowledgeConfig, store: &Store) -> Result<Arc<Self>, EngineError> {
        let knowledge = Self {
            shipped: config.shipped,
            store: store.clone(),
            shelf: RwLock::default(),
            model: Model::in_folder(config.model_dir.clone(), config.model_idle_s),
            reading: tokio::sync::Mutex::new(()),
            embedding: tokio::sync::Mutex::new(()),
            underway: Mutex::new(None),
            index: None,
            index_is_current: AtomicBool::new(false),
        };
        knowledge.reload().await?;
        Ok(Arc::new(knowledge))
    }

    fn shelf(&self) -> Arc<Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, shelf: Shelf) {
        *self.shelf.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shelf);
    }

    /// Reads all documents anew, with the vectors that there are.
    async fn reload(&self) -> Result<(), EngineError> {
        let _one = self.reading.lock().await;
        let mut documents = if self.shipped { shipped()? } else { Vec::new() };
        let mut origins: HashMap<_, _> =
            documents.iter().map(|d| ((d.collection, d.id.clone()), Origin::Shipped)).collect();
        for stored in self.store.documents().await? {
            // Read again as it was written: what a later version wants of a document, an older one did not check.
            // And without the secrets that an older one did not know.
            match read_document(&stored.name, &redact(&stored.markdown)) {
                Ok(document) => {
                    origins.insert((document.collection, document.id.clone()), origin(&stored));
                    documents.push(document);
                }
                Err(error) => tracing::warn!(%error, "a document is left out; add it again"),
            }
        }
        let library = Library::new(documents);
        vectors::recall(&self.store, &library).await?;
        vectors::forget(&self.store, &library).await?;
        self.put(Shelf { library, origins });
        self.index_is_current.store(false, Ordering::SeqCst);
        Ok(())
    }
}

/// Documents that were learnt bear the incident's id as their name.
fn origin(stored: &StoredDocument) -> Origin {
    let (by, at) = (stored.added_by.clone(), stored.added_at);
    if stored.name == learn::name_of(&stored.id) {
        Origin::Learnt { by, at }
    } else {
        Origin::Added { by, at }
    }
}

impl Engine {
    /// The library for an investigation, with the incidents that ended last.
    pub(crate) fn consulted(&self, last: Vec<midwatch_diagnosis::agent::Document>) -> Consulted {
        Consulted::of(&self.knowledge, last)
    }

    /// What is known of something, by collection.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn search_knowledge(&self, question: &Question) -> Result<Answer, EngineError> {
        let (asked, note) = vectors::of_question(&self.knowledge, &question.text, self.now()).await;
        let shelf = self.knowledge.shelf();
        let collections = question.collection.map_or_else(|| Collection::ALL.to_vec(), |one| vec![one]);
        let mut hits = Vec::new();
        for collection in collections {
            let query = Query {
                text: &question.text,
                collection,
                service: question.service.as_deref(),
                anomaly_type: question.anomaly_type.as_deref(),
                limit: question.limit,
            };
            let found = shelf.library.search(&query, asked.compared());
            hits.extend(found.into_iter().map(|hit| part(&shelf, hit)));
        }
        let by = if asked.is_compared() { FoundBy::WordsAndMeaning } else { FoundBy::Words };
        Ok(Answer { by, note, hits })
    }

    /// Has vectors compared elsewhere. To be said before the first search.
    pub fn compare_vectors_in(&mut self, index: Arc<dyn VectorIndex>) {
        if let Some(knowledge) = Arc::get_mut(&mut self.knowledge) {
            knowledge.index = Some(index);
        }
    }

    /// Uses another model than the configured one. To be said before the first search.
    pub fn embed_with(&mut self, model: Model) {
        if let Some(knowledge) = Arc::get_mut(&mut self.knowledge) {
            knowledge.model = model;
        }
    }

    /// Takes documents in; all of them or none. They are durable when this returns.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub async fn add_knowledge(&self, written: &[Written], by: &str) -> Result<Vec<Listed>, EngineError> {
        if written.len() > DOCUMENTS_MAX {
            return Err(EngineError::Unfit(format!(
                "{DOCUMENTS_MAX} documents at once are enough; bring the rest after"
            )));
        }
        // What is found goes into prompts and onto screens: a secret never gets in.
        let texts: Vec<Cow<'_, str>> = written.iter().map(|one| redact(&one.text)).collect();
        let read = |(one, text): (&Written, &Cow<'_, str>)| read_document(&one.name, text);
        let (documents, wrong): (Vec<_>, Vec<_>) =
            written.iter().zip(&texts).map(read).partition(Result::is_ok);
        if !wrong.is_empty() {
            let wrong: Vec<String> =
                wrong.into_iter().filter_map(Result::err).map(|e| e.to_string()).collect();
            return Err(EngineError::Unfit(wrong.join("\n")));
        }
        let documents: Vec<Document> = documents.into_iter().flatten().collect();
        let mut rows = KnowledgeRows::default();
        for ((document, written), text) in documents.iter().zip(written).zip(&texts) {
            rows.documents.push(StoredDocument {
                collection: document.collection.name().to_owned(),
                id: document.id.clone(),
                name: written.name.clone(),
                markdown: text.clone().into_owned(),
                added_by: by.to_owned(),
                added_at: self.now(),
            });
        }
        self.store.commit(Commit { knowledge: rows, ..Commit::default() }).await?;
        self.knowledge.reload().await?;
        let added = |(document, (written, text)): (&Document, (&Written, &Cow<'_, str>))| Listed {
            collection: document.collection,
            id: document.id.clone(),
            title: document.title.clone(),
            origin: Origin::Added { by: by.to_owned(), at: self.now() },
            blanked: masks(text).saturating_sub(masks(&written.text)),
        };
        Ok(documents.iter().zip(written.iter().zip(&texts)).map(added).collect())
    }

    /// Takes a document away that somebody added or that was learnt.
    ///
    /// # Errors
    /// When there is none, or it ships with midwatch.
    pub async fn remove_knowledge(&self, collection: Collection, id: &str) -> Result<(), EngineError> {
        match self.knowledge.shelf().origins.get(&(collection, id.to_owned())) {
            None => return Err(EngineError::NoDocument(format!("{collection}/{id}"))),
            Some(Origin::Shipped) => {
                return Err(EngineError::Refused(format!(
                    "{collection}/{id} ships with midwatch; add one of the same id in its place, or set [knowledge] shipped = false"
                )));
            }
            Some(Origin::Added { .. } | Origin::Learnt { .. }) => {}
        }
        let removed = vec![(collection.name().to_owned(), id.to_owned())];
        let knowledge = KnowledgeRows { removed, ..KnowledgeRows::default() };
        self.store.commit(Commit { knowledge, ..Commit::default() }).await?;
        self.knowledge.reload().await
    }

    /// Every document, by collection and id.
    #[must_use]
    pub fn list_knowledge(&self) -> Vec<Listed> {
        let shelf = self.knowledge.shelf();
        let listed = |document: &Document| Listed {
            collection: document.collection,
            id: document.id.clone(),
            title: document.title.clone(),
            origin: origin_of(&shelf, document),
            blanked: 0,
        };
        let mut all: Vec<Listed> = shelf.library.documents().iter().map(listed).collect();
        all.sort_by(|a, b| (a.collection, &a.id).cmp(&(b.collection, &b.id)));
        all
    }

    /// The document of a service, by its exact name.
    #[must_use]
    pub fn service_document(&self, service: &str) -> Option<Document> {
        self.document(Collection::Services, service)
    }

    /// One document as a whole, by its exact id.
    #[must_use]
    pub fn document(&self, collection: Collection, id: &str) -> Option<Document> {
        self.knowledge.shelf().library.document(collection, id).cloned()
    }

    /// Whether the embedding model is in memory.
    #[must_use]
    pub fn model_is_loaded(&self) -> bool {
        self.knowledge.model.is_loaded()
    }

    /// Reads all documents anew and makes the vectors that are missing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reindex_knowledge(&self) -> Result<Indexed, EngineError> {
        self.knowledge.reload().await?;
        let note = vectors::catch_up(&self.knowledge, self.now()).await.err().map(|away| away.to_string());
        let shelf = self.knowledge.shelf();
        let (embedded, texts, index_bytes) = shelf.library.vectors();
        Ok(Indexed { documents: shelf.library.documents().len(), texts, embedded, index_bytes, note })
    }
}

fn origin_of(shelf: &Shelf, document: &Document) -> Origin {
    shelf.origins.get(&(document.collection, document.id.clone())).cloned().unwrap_or(Origin::Shipped)
}

fn part(shelf: &Shelf, hit: Hit<'_>) -> FoundPart {
    let document = hit.document;
    FoundPart {
        collection: document.collection,
        id: document.id.clone(),
        title: document.title.clone(),
        heading: hit.heading.to_owned(),
        text: hit.text.to_owned(),
        score: hit.score,
        nearness: hit.nearness,
        terms: hit.terms,
        services: document.services.clone(),
        anomaly_types: document.anomaly_types.clone(),
        tags: document.tags.clone(),
        origin: origin_of(shelf, document),
    }
}

impl From<DocumentError> for EngineError {
    fn from(error: DocumentError) -> Self {
        EngineError::Unfit(error.to_string())
    }
}
