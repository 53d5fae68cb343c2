//! A model in two files: `NAME.safetensors` holds the weights, `NAME.json` what is said about them.

use super::{Calibration, Model};
use crate::features::FEATURE_VERSION;
use crate::network::{Kind, Network};
use crate::score::Scores;
use crate::serving::Inputs;
use crate::train::checkpoint;
use crate::window::WINDOW_VERSION;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One of those that were trained, as it did on validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rival {
    pub name: String,
    pub may_serve: Serves,
    /// Per service, after calibration.
    pub scores: Scores,
}

/// Whether a rival may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    IfBest,
    /// It is there to compare with.
    Never,
}

/// What is known about a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    pub window_version: u32,
    pub feature_version: u32,
    pub kind: Kind,
    pub seed: u64,
    pub snapshots: usize,
    /// Ticks within which a breach counts.
    pub horizon_ticks: u32,
    /// Windows that it was trained on, and the digest of their file.
    pub trained_on: usize,
    pub data: String,
    /// Of the file of weights.
    pub weights_sha256: String,
    pub calibration: Calibration,
    /// What healthy windows of the training looked like, so that it shows how strange a production is to the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Inputs,
    /// Everybody who was tried, the one that serves first.
    pub rivals: Vec<Rival>,
    /// Why this one serves, in a sentence.
    pub why: String,
    /// The command that makes this model again.
    pub command: String,
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "what is said about the model cannot be read; it is the .json beside the weights. Train again with `midwatch train`"
    )]
    About(#[source] serde_json::Error),
    #[error(
        "the model reads {what} of version {found}, this midwatch makes version {expected}; train it again with `midwatch train`"
    )]
    Version { what: &'static str, found: u32, expected: u32 },
    #[error(
        "the weights are not those that the model was written with (sha256 {found}, expected {expected}); the file is cut off or changed: \
         restore it, or train again with `midwatch train`"
    )]
    Weights { found: String, expected: String },
    #[error("the weights cannot be used: {reason}; train again with `midwatch train`")]
    Shape { reason: String },
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Model {
    /// The weights and what is said about them, as files.
    ///
    /// # Errors
    /// None that a model in memory can cause.
    pub fn to_files(&self) -> Result<(Vec<u8>, String), ModelError> {
        let shape = |error: checkpoint::CheckpointError| ModelError::Shape { reason: error.to_string() };
        let weights = checkpoint::write(self.network.weights(), None).map_err(shape)?;
        let meta = Meta { weights_sha256: digest(&weights), ..self.meta.clone() };
        Ok((weights, serde_json::to_string_pretty(&meta).map_err(ModelError::About)?))
    }

    /// A model from its files.
    ///
    /// # Errors
    /// It is broken, or of another version; what to do.
    pub fn from_files(weights: &[u8], about: &str) -> Result<Self, ModelError> {
        check_version(about)?;
        let meta: Meta = serde_json::from_str(about).map_err(ModelError::About)?;
        let found = digest(weights);
        if found != meta.weights_sha256 {
            return Err(ModelError::Weights { found, expected: meta.weights_sha256 });
        }
        let weights =
            checkpoint::read(weights).map_err(|error| ModelError::Shape { reason: error.to_string() })?;
        let missing = |name| ModelError::Shape { reason: format!("{name} is missing or of another shape") };
        let network = Network::with(meta.kind, meta.snapshots, weights).map_err(missing)?;
        Ok(Self::new(network, meta))
    }
}

/// The versions alone: of another version, nothing else needs to look as it does here.
fn check_version(about: &str) -> Result<(), ModelError> {
    #[derive(Deserialize)]
    struct Versions {
        window_version: u32,
        feature_version: u32,
    }
    let found: Versions = serde_json::from_str(about).map_err(ModelError::About)?;
    let pairs = [
        ("windows", found.window_version, WINDOW_VERSION),
        ("features", found.feature_version, FEATURE_VERSION),
    ];
    match pairs.into_iter().find(|(_, found, expected)| found != expected) {
        Some((what, found, expected)) => Err(ModelError::Version { what, found, expected }),
        None => Ok(()),
    }
}
