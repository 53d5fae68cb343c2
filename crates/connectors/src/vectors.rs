//! Vectors that another server keeps and compares, for more texts than fit in memory.

#[cfg(feature = "qdrant")]
mod qdrant;

#[cfg(feature = "qdrant")]
pub use qdrant::Qdrant;

use crate::ConnectorError;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a Qdrant answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QdrantConfig {
    /// Its address, such as `http://127.0.0.1:6333`.
    pub url: String,
    /// The collection; made when missing, and midwatch's alone.
    #[serde(default = "QdrantConfig::default_collection")]
    pub collection: String,
    /// File that holds its API key (first line); none if absent.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
}

impl QdrantConfig {
    fn default_collection() -> String {
        "midwatch".to_owned()
    }
}

/// A vector under the digest of its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub digest: [u8; 32],
    pub vector: Vec<f32>,
}

/// The digest of a text that is near, and its cosine.
pub type Near = ([u8; 32], f32);

/// Keeps vectors and says which are near.
pub trait VectorIndex: Send + Sync {
    /// Keeps vectors; one whose digest is there already is replaced. They are found when this returns.
    fn put(&self, points: Vec<Point>) -> BoxFuture<'_, Result<(), ConnectorError>>;

    /// The nearest ones with their cosines, nearest first.
    fn nearest(&self, vector: Vec<f32>, limit: usize) -> BoxFuture<'_, Result<Vec<Near>, ConnectorError>>;
}
