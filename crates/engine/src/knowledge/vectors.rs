//! Vectors of texts: made once, kept in the store, compared only when all texts have one.

use super::model::{Embed, ModelAway};
use super::{EMBEDDED_AT_ONCE, Knowledge};
use crate::EngineError;
use midwatch_knowledge::{DIMENSIONS, Library, MODEL_FILES};
use midwatch_model::Timestamp;
use midwatch_store::{Commit, KnowledgeRows, Store};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
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
    (numbers.len() == DIMENSIONS).then_some(numbers)
}

/// Gives a library the vectors that the store has.
pub(super) async fn recall(store: &Store, library: &mut Library) -> Result<(), EngineError> {
    let texts: HashMap<[u8; 32], Arc<str>> =
        library.without_vector().into_iter().map(|text| (digest(&text), text)).collect();
    let digests: Vec<[u8; 32]> = texts.keys().copied().collect();
    let found = store.vectors(&digests).await?;
    let vector = |(digest, bytes): ([u8; 32], Vec<u8>)| Some((texts.get(&digest)?.clone(), numbers(&bytes)?));
    library.set_vectors(&found.into_iter().filter_map(vector).collect());
    Ok(())
}

/// The vector of a question if meaning can count now, else why it does not.
pub(super) async fn of_question(
    knowledge: &Arc<Knowledge>,
    text: &str,
    now: Timestamp,
) -> (Option<Vec<f32>>, Option<String>) {
    match compare(knowledge, text, now).await {
        Ok(vector) => (Some(vector), None),
        Err(away) => (None, Some(away.to_string())),
    }
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
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let mut library = shelf.library.clone();
        library.set_vectors(vectors);
        *shelf = Arc::new(super::Shelf { library, origins: shelf.origins.clone() });
    }
}
