//! One interface over the two ways of remembering what is normal.

use crate::{Ewma, Pushed, Rolling};
use serde::{Deserialize, Serialize};

/// What is normal for a series, by one of two memories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Baseline {
    /// The last samples, all of equal weight.
    Window(Rolling),
    /// All samples, the newest weighing most.
    Ewma(Ewma),
}

impl Baseline {
    /// Takes a number in.
    pub fn push(&mut self, value: f64) -> Pushed {
        match self {
            Baseline::Window(window) => window.push(value),
            Baseline::Ewma(ewma) => ewma.push(value),
        }
    }

    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Baseline::Window(window) => window.mean(),
            Baseline::Ewma(ewma) => ewma.mean(),
        }
    }

    #[must_use]
    pub fn std(&self) -> f64 {
        match self {
            Baseline::Window(window) => window.std(),
            Baseline::Ewma(ewma) => ewma.std(),
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Baseline::Window(window) => window.len(),
            Baseline::Ewma(ewma) => ewma.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Baseline::Window(window) => window.is_full(),
            Baseline::Ewma(ewma) => ewma.is_full(),
        }
    }

    /// Distance of `value` from the mean in standard deviations, each at least `std_floor`.
    #[must_use]
    pub fn z(&self, value: f64, std_floor: f64) -> f64 {
        match self {
            Baseline::Window(window) => window.z(value, std_floor),
            Baseline::Ewma(ewma) => ewma.z(value, std_floor),
        }
    }
}
