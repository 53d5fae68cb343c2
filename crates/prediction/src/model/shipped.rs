//! The model that ships with midwatch. `docs/foresight.md` has the command that makes it again.

use super::{Model, ModelError};

const WEIGHTS: &[u8] = include_bytes!("../../model/foresight.safetensors");
const ABOUT: &str = include_str!("../../model/foresight.json");

impl Model {
    /// The model that was trained on simulated windows and is part of the binary.
    ///
    /// # Errors
    /// It is of an older version than this code: it must be trained again before a release.
    pub fn shipped() -> Result<Self, ModelError> {
        Self::from_files(WEIGHTS, ABOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_that_ships_can_be_used_and_is_small() {
        let model = Model::shipped().expect("a model");
        assert!(WEIGHTS.len() < 5_000_000);
        assert!(!model.meta.why.is_empty() && !model.meta.rivals.is_empty());
    }
}
