//! Vectors of texts: made once, kept in the store, compared only when all texts have one.

use super::model::{Embed, ModelAway};
use super::{EMBEDDED_AT_ONCE, Knowledge};
use crate::EngineError;
use midwatch_connectors::{ConnectorError, Point, VectorIndex};
use midwatch_knowledge::{Compared, Library, MODEL_FILES};
use midwatch_model::Timestamp;
use midwatch_store::{Commit, KnowledgeRows, Store};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Texts whose vectors are made durable together: what is lost when the process ends meanwhile.
const BATCH: usize = 32;

type Vectors = HashMap<Arc<str>, Arc<[f32]>>;

/// Names a text's vector: another model's would not be comparable.
fn digest(text: &str) -> [u8; 32] {
    Sha256::new().chain_update(MODEL_FILES[0].sha256).chain_update([0]).chain_update(text).finalize().into()
}

fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn numbers(bytes: &[u8]) -> Option<Arc<[f32]>> {
    let numbers: Arc<[f32]> = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    (!numbers.is_empty()).then_some(numbers)
}

/// Gives a library the vectors that the store has.
pub(super) async fn recall(store: &Store, library: &Library) -> Result<(), EngineError> {
    let texts: HashMap<[u8; 32], Arc<str>> =
        library.without_vector().into_iter().map(|text| (digest(&text), text)).collect();
    let digests: Vec<[u8; 32]> = texts.keys().copied().collect();
    let found = store.vectors(&digests).await?;
    let vector = |(digest, bytes): ([u8; 32], Vec<u8>)| Some((texts.get(&digest)?.clone(), numbers(&bytes)?));
    library.set_vectors(&found.into_iter().filter_map(vector).collect());
    Ok(())
}

/// Takes vectors out of the store that are of no text any more: documents that were removed or replaced, another model.
pub(super) async fn forget(store: &Store, library: &Library) -> Result<(), EngineError> {
    let texts: HashSet<[u8; 32]> = library.with_vectors().map(|(text, _)| digest(text)).collect();
    let mut removed_vectors = store.vector_digests().await?;
    removed_vectors.retain(|digest| !texts.contains(digest));
    if removed_vectors.is_empty() {
        return Ok(());
    }
    tracing::debug!(vectors = removed_vectors.len(), "vectors of texts that are gone are forgotten");
    let knowledge = KnowledgeRows { removed_vectors, ..KnowledgeRows::default() };
    store.commit(Commit { knowledge, ..Commit::default() }).await?;
    Ok(())
}

/// Nearest texts that an index elsewhere is asked for: many more than a search shows, since several are of one document and
/// filters leave some out.
const NEAREST: usize = 256;

/// A question as it is compared by meaning.
pub(super) enum Asked {
    Not,
    Here(Vec<f32>),
    Elsewhere(HashMap<Arc<str>, f32>),
}

impl Asked {
    pub(super) fn compared(&self) -> Compared<'_> {
        match self {
            Self::Not => Compared::Not,
            Self::Here(vector) => Compared::Here(vector),
            Self::Elsewhere(near) => Compared::Elsewhere(near),
        }
    }

    pub(super) fn is_compared(&self) -> bool {
        !matches!(self, Self::Not)
    }
}

/// The question as it can be compared now, and what is not as it should be.
pub(super) async fn of_question(
    knowledge: &Arc<Knowledge>,
    text: &str,
    now: Timestamp,
) -> (Asked, Option<String>) {
    let vector = match compare(knowledge, text, now).await {
        Ok(vector) => vector,
        Err(away) => return (Asked::Not, Some(away.to_string())),
    };
    let Some(index) = &knowledge.index else { return (Asked::Here(vector), None) };
    match elsewhere(knowledge, index.as_ref(), &vector).await {
        Ok(near) => (Asked::Elsewhere(near), None),
        // The store has the same vectors: nothing is lost but room.
        Err(error) => (Asked::Here(vector), Some(format!("compared in memory: {error}"))),
    }
}

/// Brings the index what it does not have, and asks it.
async fn elsewhere(
    knowledge: &Knowledge,
    index: &dyn VectorIndex,
    vector: &[f32],
) -> Result<HashMap<Arc<str>, f32>, ConnectorError> {
    let shelf = knowledge.shelf();
    let texts: HashMap<[u8; 32], &Arc<str>> =
        shelf.library.with_vectors().map(|(text, _)| (digest(text), text)).collect();
    // Said before it is so: whatever comes into the library meanwhile says otherwise again.
    if !knowledge.index_is_current.swap(true, Ordering::SeqCst) {
        let point = |(text, vector): (&Arc<str>, Option<&Arc<[f32]>>)| {
            Some(Point { digest: digest(text), vector: vector?.to_vec() })
        };
        let put = index.put(shelf.library.with_vectors().filter_map(point).collect()).await;
        put.inspect_err(|_| knowledge.index_is_current.store(false, Ordering::SeqCst))?;
    }
    let near = index.nearest(vector.to_vec(), NEAREST).await?;
    // What was taken away is still there, and nobody's any more.
    Ok(near.into_iter().filter_map(|(digest, near)| Some(((*texts.get(&digest)?).clone(), near))).collect())
}

async fn compare(knowledge: &Arc<Knowledge>, text: &str, now: Timestamp) -> Result<Vec<f32>, ModelAway> {
    let model = knowledge.model.get(now).await?;
    let missing = knowledge.shelf().library.without_vector().len();
    if missing > EMBEDDED_AT_ONCE {
        embed_beside(knowledge, now);
        let (embedded, texts, _) = knowledge.shelf().library.vectors();
        return Err(ModelAway::Embedding { embedded, texts });
    }
    if missing > 0 {
        catch_up(knowledge, now).await?;
    }
    let text = text.to_owned();
    let vector = tokio::task::spawn_blocking(move || model.embed(&text)).await;
    vector.map_err(|error| broken(&error))?.map_err(|error| broken(&error))
}

fn broken(error: &dyn std::error::Error) -> ModelAway {
    ModelAway::Broken(error.to_string())
}

/// Makes what is missing while the search is answered by words.
fn embed_beside(knowledge: &Arc<Knowledge>, now: Timestamp) {
    let mut underway = knowledge.underway.lock().unwrap_or_else(PoisonError::into_inner);
    if underway.as_ref().is_some_and(|task| !task.is_finished()) {
        return;
    }
    let weak = Arc::downgrade(knowledge);
    *underway = Some(tokio::spawn(async move {
        let Some(knowledge) = weak.upgrade() else { return };
        if let Err(away) = catch_up(&knowledge, now).await {
            tracing::warn!(%away, "not every text has a vector");
        }
    }));
}

/// Makes the vectors that are missing, a batch at a time, each durable and in use when the next one begins.
///
/// # Errors
/// Why there is no model, or why it or the store failed.
pub(super) async fn catch_up(knowledge: &Knowledge, now: Timestamp) -> Result<(), ModelAway> {
    let model = knowledge.model.get(now).await?;
    let _one = knowledge.embedding.lock().await;
    loop {
        let mut texts = knowledge.shelf().library.without_vector();
        texts.truncate(BATCH);
        if texts.is_empty() {
            return Ok(());
        }
        let vectors = embed(model.clone(), texts).await?;
        let rows = vectors.iter().map(|(text, vector)| (digest(text), bytes(vector))).collect();
        let rows = KnowledgeRows { vectors: rows, ..KnowledgeRows::default() };
        let kept = knowledge.store.commit(Commit { knowledge: rows, ..Commit::default() }).await;
        kept.map_err(|error| broken(&error))?;
        knowledge.give(&vectors);
    }
}

async fn embed(model: Arc<dyn Embed>, texts: Vec<Arc<str>>) -> Result<Vectors, ModelAway> {
    let all = move || -> Result<Vectors, ModelAway> {
        let one = |text: Arc<str>| {
            let vector = model.embed(&text).map_err(|error| broken(&error))?;
            Ok((text, Arc::from(vector)))
        };
        texts.into_iter().map(one).collect()
    };
    tokio::task::spawn_blocking(all).await.unwrap_or_else(|error| Err(broken(&error)))
}

impl Knowledge {
    /// Puts vectors into the library as it is now; documents may have come and gone meanwhile.
    fn give(&self, vectors: &Vectors) {
        self.shelf().library.set_vectors(vectors);
        self.index_is_current.store(false, Ordering::SeqCst);
    }
}
