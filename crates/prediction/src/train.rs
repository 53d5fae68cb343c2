//! Training: the same loop for every kind of network.
//!
//! Owns: steps, epochs, the learning rate, when to stop, which weights were the best, and what is written down so that a run
//! that was stopped ends as if it had not been. Must never: write a file or look at a clock; whoever drives it does.

pub(crate) mod checkpoint;
mod loss;
mod optimiser;

pub use checkpoint::CheckpointError;

use crate::network::{Batch, Example, Kind, Labels, Network};
use crate::random::Random;
use candle_core::{Result, Tensor};
use optimiser::Learning;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub kind: Kind,
    pub seed: u64,
    /// At most; training stops early when validation no longer gets better.
    pub epochs: usize,
    /// Windows of a step.
    pub batch: usize,
    /// At its highest; it falls along a cosine to a fiftieth.
    pub rate: f64,
    pub decay: f64,
    /// Epochs without a better validation after which training stops.
    pub patience: usize,
    /// Of the data, so that a run does not go on with other data.
    pub data: String,
}

impl Settings {
    #[must_use]
    pub fn new(kind: Kind, seed: u64, data: String) -> Self {
        let (epochs, rate) = match kind {
            Kind::Graph | Kind::ShuffledGraph | Kind::NoGraph => (8, 2e-3),
            // A tenth of the time for an epoch, and none of the depth.
            Kind::Mlp => (30, 1e-3),
            Kind::Logistic => (40, 2e-3),
        };
        Self { kind, seed, epochs, batch: 16, rate, decay: 0.02, patience: 5, data }
    }
}

/// A whole pass over the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    pub number: usize,
    pub training: f64,
    pub validation: f64,
}

/// What a step brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Steps so far, and in all at most.
    Step(usize, usize),
    Epoch(Epoch),
    Done(Ended),
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ended {
    /// All epochs are done.
    AllEpochs,
    /// Validation no longer gets better.
    NoBetter,
}

/// Why training cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(
        "there are no windows to train or to validate with; generate some with `midwatch train generate`"
    )]
    NoWindows,
    #[error(
        "the loss is not a number at step {step}; a window holds what is no reading, or the rate {rate} is too high"
    )]
    NotFinite { step: usize, rate: f64 },
    #[error("the arithmetic of training failed")]
    Arithmetic(#[from] candle_core::Error),
}

/// A run of training between two steps.
pub struct Trainer {
    settings: Settings,
    network: Network,
    weights: Vec<Learning>,
    step: usize,
    /// Loss of the epoch so far, and of how many steps.
    sum: (f64, usize),
    epochs: Vec<Epoch>,
    best: Option<(usize, f64, BTreeMap<String, Tensor>)>,
}

impl Trainer {
    /// A run that has not begun.
    ///
    /// # Errors
    /// None but of the arithmetic.
    pub fn new(settings: Settings, snapshots: usize) -> std::result::Result<Self, TrainError> {
        let (network, variables) = Network::new(settings.kind, snapshots, settings.seed)?;
        let weights =
            variables.into_iter().map(|(name, var)| Learning::new(name, var)).collect::<Result<_>>()?;
        Ok(Self { settings, network, weights, step: 0, sum: (0.0, 0), epochs: vec![], best: None })
    }

    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The network with the weights that did best on validation.
    #[must_use]
    pub fn best(&self) -> Network {
        let weights = self.best.as_ref().map(|(.., weights)| weights.clone());
        let weights = weights.unwrap_or_else(|| self.network.weights().clone());
        Network::with(self.settings.kind, self.network.snapshots, weights)
            .unwrap_or_else(|_| self.network.clone())
    }

    /// Goes on by a step, or by the validation that ends an epoch.
    ///
    /// # Errors
    /// There is nothing to learn from, or what is learnt is no number.
    pub fn go_on(
        &mut self,
        training: &[Example],
        validation: &[Example],
    ) -> std::result::Result<Progress, TrainError> {
        if training.is_empty() || validation.is_empty() {
            return Err(TrainError::NoWindows);
        }
        let of_epoch = training.len().div_ceil(self.settings.batch);
        let all = of_epoch * self.settings.epochs;
        if self.sum.1 == of_epoch {
            return self.end_epoch(validation);
        }
        if let Some(ended) = self.ended() {
            return Ok(Progress::Done(ended));
        }
        let epoch = self.epochs.len();
        let mut order: Vec<usize> = (0..training.len()).collect();
        Random::of(self.settings.seed, &[5, epoch as u64]).shuffle(&mut order);
        let chosen = order.chunks(self.settings.batch).nth(self.sum.1).unwrap_or_default();
        let examples: Vec<&Example> = chosen.iter().map(|index| &training[*index]).collect();
        self.learn(&examples, all)?;
        Ok(Progress::Step(self.step, all))
    }

    fn learn(&mut self, examples: &[&Example], all: usize) -> std::result::Result<(), TrainError> {
        let mut random = Random::of(self.settings.seed, &[6, self.step as u64]);
        let output = self.network.forward(&Batch::of(examples)?, Some(&mut random))?;
        let loss = loss::loss(&output, &labels(examples))?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            return Err(TrainError::NotFinite { step: self.step, rate: self.settings.rate });
        }
        let rate = self.settings.rate * cosine(self.step, all);
        self.step += 1;
        optimiser::step(&mut self.weights, &loss.backward()?, self.step, rate, self.settings.decay)?;
        self.sum = (self.sum.0 + value, self.sum.1 + 1);
        Ok(())
    }

    fn end_epoch(&mut self, validation: &[Example]) -> std::result::Result<Progress, TrainError> {
        let mut sum = 0.0;
        for chunk in validation.chunks(self.settings.batch) {
            let examples: Vec<&Example> = chunk.iter().collect();
            let output = self.network.forward(&Batch::of(&examples)?, None)?;
            sum +=
                f64::from(loss::loss(&output, &labels(&examples))?.to_scalar::<f32>()?) * chunk.len() as f64;
        }
        let number = self.epochs.len() + 1;
        let training = self.sum.0 / self.sum.1.max(1) as f64;
        let epoch = Epoch { number, training, validation: sum / validation.len() as f64 };
        if self.best.as_ref().is_none_or(|(_, best, _)| epoch.validation < *best) {
            let kept = self.weights.iter().map(|w| Ok((w.name.clone(), w.var.as_tensor().copy()?.detach())));
            self.best = Some((number, epoch.validation, kept.collect::<Result<_>>()?));
        }
        self.epochs.push(epoch);
        self.sum = (0.0, 0);
        Ok(Progress::Epoch(epoch))
    }

    fn ended(&self) -> Option<Ended> {
        let best = self.best.as_ref().map_or(0, |(number, ..)| *number);
        if self.epochs.len() >= self.settings.epochs {
            Some(Ended::AllEpochs)
        } else if self.epochs.len() >= best + self.settings.patience {
            Some(Ended::NoBetter)
        } else {
            None
        }
    }
}

fn labels<'a>(examples: &[&'a Example]) -> Vec<&'a Labels> {
    examples.iter().filter_map(|example| example.labels.as_ref()).collect()
}

/// The share of the rate at a step: up over the first hundredth and a half, then down along a cosine (Loshchilov and Hutter 2017).
fn cosine(step: usize, all: usize) -> f64 {
    let done = step as f64 / all.max(1) as f64;
    let warm = (done / 0.015).clamp(0.05, 1.0);
    warm * (0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
}

#[cfg(test)]
mod tests;
