//! A trained model: weights with what they are good for, and the forecasts that come of them.
//!
//! Owns: the two files of a model (weights, and what is said about them), which versions are refused, and how logits become
//! probabilities that mean what they say.

mod calibrate;
mod explain;
mod file;
mod shipped;

pub use calibrate::{Calibration, Platt};
pub use explain::Moved;
pub use file::{Meta, ModelError, Rival, Serves};

use crate::cascade::{self, Step};
use crate::network::{Batch, Example, Network};
use crate::window::{Window, WindowError};
use serde::Serialize;

/// Share of a service's features that must have been read for a forecast of it.
const COVERAGE_MIN: f32 = 0.5;

/// A model that can be asked.
pub struct Model {
    pub meta: Meta,
    network: Network,
}

/// What is foreseen of one service, or of all together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Foreseen {
    /// Of a breach within the horizon, 0–1.
    pub probability: f64,
    /// Until the breach, if there is one.
    pub minutes: f64,
    /// How far the probability can be believed, 0–1; lower where little was read.
    pub confidence: f64,
}

/// A service, and what is foreseen of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceForecast {
    pub service: String,
    #[serde(flatten)]
    pub outlook: Outlook,
}

/// What can be said of a service.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "outlook", rename_all = "snake_case")]
pub enum Outlook {
    Foreseen(Foreseen),
    /// Too little of it was read: the share that was.
    NotEnoughData {
        coverage: f32,
    },
}

impl Outlook {
    #[must_use]
    pub fn foreseen(&self) -> Option<Foreseen> {
        match self {
            Outlook::Foreseen(foreseen) => Some(*foreseen),
            Outlook::NotEnoughData { .. } => None,
        }
    }
}

/// A forecast of a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    pub horizon_minutes: f64,
    /// That any service that is well now fails.
    pub graph: Foreseen,
    /// In the order of the window.
    pub services: Vec<ServiceForecast>,
    /// The way that the failure will probably take, from where it is likeliest.
    pub path: Vec<Step>,
}

/// Why there is no forecast.
#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error("the arithmetic of the forecast failed")]
    Arithmetic(#[from] candle_core::Error),
}

/// Logits of one window and what the network made of its services.
struct Asked {
    services: Vec<Vec<f32>>,
    graph: Vec<f32>,
    embeddings: Vec<Vec<f32>>,
}

impl Model {
    /// A model of a network and what is known about it.
    #[must_use]
    pub fn new(network: Network, meta: Meta) -> Self {
        Self { meta, network }
    }

    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What is foreseen from a window.
    ///
    /// # Errors
    /// The window cannot be judged; why.
    pub fn forecast(&self, window: &Window) -> Result<Forecast, ForecastError> {
        window.check()?;
        let example = self.example(window);
        let asked = self.ask(&example)?;
        let horizon_minutes = self.horizon_minutes(window);
        let coverage = &example.featured.coverage;
        let outlooks = self.outlooks_of(&asked, coverage, horizon_minutes);
        let seen = coverage.iter().sum::<f32>() / coverage.len() as f32;
        let path = cascade::path(window, &outlooks, &asked.embeddings);
        let named = window.services.iter().zip(outlooks);
        Ok(Forecast {
            horizon_minutes,
            graph: foreseen(&asked.graph, self.meta.calibration.graphs, horizon_minutes, f64::from(seen)),
            services: named
                .map(|(service, outlook)| ServiceForecast { service: service.clone(), outlook })
                .collect(),
            path,
        })
    }

    fn horizon_minutes(&self, window: &Window) -> f64 {
        f64::from(self.meta.horizon_ticks) * f64::from(window.tick_s) / 60.0
    }

    fn outlooks_of(&self, asked: &Asked, coverage: &[f32], horizon_minutes: f64) -> Vec<Outlook> {
        let outlook = |(logits, covered): (&Vec<f32>, &f32)| {
            if *covered < COVERAGE_MIN {
                return Outlook::NotEnoughData { coverage: *covered };
            }
            let platt = self.meta.calibration.services;
            Outlook::Foreseen(foreseen(logits, platt, horizon_minutes, f64::from(*covered)))
        };
        asked.services.iter().zip(coverage).map(outlook).collect()
    }

    /// What is foreseen of each service, and what each looks like to the network: what [`cascade::next`] reads.
    ///
    /// # Errors
    /// The window cannot be judged; why.
    pub fn outlooks(&self, window: &Window) -> Result<(Vec<Outlook>, Vec<Vec<f32>>), ForecastError> {
        window.check()?;
        let example = self.example(window);
        let asked = self.ask(&example)?;
        let outlooks = self.outlooks_of(&asked, &example.featured.coverage, self.horizon_minutes(window));
        Ok((outlooks, asked.embeddings))
    }

    fn example(&self, window: &Window) -> Example {
        Example::of(window, self.meta.kind, self.meta.seed)
    }

    fn ask(&self, example: &Example) -> Result<Asked, ForecastError> {
        let output = self.network.forward(&Batch::of(&[example])?, None)?;
        Ok(Asked {
            services: output.services.to_vec2()?,
            graph: output.graphs.squeeze(0)?.to_vec1()?,
            embeddings: output.embeddings.to_vec2()?,
        })
    }
}

fn foreseen(logits: &[f32], platt: Platt, horizon_minutes: f64, coverage: f64) -> Foreseen {
    let sigmoid = |logit: f32| 1.0 / (1.0 + (-f64::from(logit)).exp());
    Foreseen {
        probability: platt.probability(logits[0]),
        minutes: sigmoid(logits[1]) * horizon_minutes,
        confidence: sigmoid(logits[2]) * coverage.min(1.0),
    }
}

#[cfg(test)]
mod tests;
