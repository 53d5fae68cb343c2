//! Why a probability is as it is: what it would be without each quantity.

use super::{ForecastError, Model};
use crate::features::FEATURES;
use crate::window::{QUANTITIES, Quantity, WINDOW_TICKS, Window};
use serde::Serialize;

/// A quantity of a service, where it is, where it usually is, and what that does to the probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moved {
    pub quantity: Quantity,
    /// Mean of the last five readings.
    pub now: f32,
    /// At the start of the window.
    pub before: f32,
    pub usual: f32,
    /// By how much the probability would be lower if this quantity were as usual.
    pub influence: f64,
}

impl Model {
    /// The quantities of a service, those first that raise its probability most.
    ///
    /// # Errors
    /// The window cannot be judged; why.
    pub fn explain(&self, window: &Window, service: usize) -> Result<Vec<Moved>, ForecastError> {
        window.check()?;
        let example = self.example(window);
        let platt = self.meta.calibration.services;
        let probability = platt.probability(self.ask(&example)?.services[service][0]);
        let mut moved = Vec::new();
        for quantity in Quantity::ALL {
            let mut without = example.clone();
            for snapshot in without.featured.values.chunks_exact_mut(window.services.len()) {
                let features: &mut [f32; FEATURES] = &mut snapshot[service];
                features[*quantity as usize] = 0.0;
                features[QUANTITIES + *quantity as usize] = 0.0;
            }
            let other = platt.probability(self.ask(&without)?.services[service][0]);
            let (Some(now), Some(before)) =
                (mean(window, service, *quantity, WINDOW_TICKS - 5), mean(window, service, *quantity, 0))
            else {
                continue;
            };
            let usual = window.normals[service].mean[*quantity as usize];
            moved.push(Moved { quantity: *quantity, now, before, usual, influence: probability - other });
        }
        moved.sort_by(|a, b| b.influence.total_cmp(&a.influence));
        Ok(moved)
    }
}

/// The mean of what was read within five ticks.
fn mean(window: &Window, service: usize, quantity: Quantity, from: usize) -> Option<f32> {
    let ticks = &window.of(service)[from..from + 5];
    let read: Vec<f32> = ticks.iter().map(|tick| tick[quantity as usize]).filter(|v| v.is_finite()).collect();
    (!read.is_empty()).then(|| read.iter().sum::<f32>() / read.len() as f32)
}
