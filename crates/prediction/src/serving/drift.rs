//! How far what is read lately is from what was read at first: a record that was earned on other inputs is worth less.
//!
//! The measure is the population stability index: Σ (a − b) · ln(a / b) over the shares of each bin (Siddiqi, Credit Risk
//! Scorecards, 2006): below 0.1 nothing has changed, from 0.25 on it is another population.

use crate::features::{FEATURES, Featured, Features};
use crate::window::{NOTHING_READ, Normal, QUANTITIES, Quantity, Reading, WINDOW_TICKS, Window};
use serde::{Deserialize, Serialize};

/// Edges of the bins, in what features are measured in: how far a quantity is from what is usual.
const EDGES: [f32; 10] = [-1.0, -0.5, -0.2, -0.05, -0.01, 0.01, 0.05, 0.2, 0.5, 1.0];
const BINS: usize = EDGES.len() + 1;

/// Ticks whose readings are the reference: a day of two seconds each.
const REFERENCE_TICKS: u32 = 43_200;

/// Ticks that "lately" means, as the time in which a reading's weight falls to a third: an hour.
const LATELY_TICKS: f64 = 1800.0;

/// Readings of lately and of the reference from which on they are compared.
const READINGS_MIN: f64 = 1000.0;

/// From here on, it is another population.
const DRIFTED: f64 = 0.25;

/// Shares of the bins of each quantity, as a model saw them in the healthy windows that it learnt from.
pub type Inputs = Vec<Vec<f64>>;

/// What the newest tick of healthy windows looks like to a model.
#[must_use]
pub fn inputs<'a>(healthy: impl Iterator<Item = &'a Window>) -> Inputs {
    let mut drift = Drift::of("");
    for window in healthy {
        drift.take_newest(window);
    }
    let share = |counts: &[f64; BINS]| {
        let all = counts.iter().sum::<f64>();
        counts.iter().map(|count| if all > 0.0 { count / all } else { 0.0 }).collect()
    };
    drift.reference.iter().map(share).collect()
}

/// Histograms of features: the reference, and lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The model that the reference belongs to.
    model: String,
    ticks: u32,
    reference: [[f64; BINS]; QUANTITIES],
    lately: [[f64; BINS]; QUANTITIES],
}

/// How far one quantity has drifted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct QuantityDrift {
    pub quantity: Quantity,
    /// Population stability index; `None` until there is enough to compare.
    pub index: Option<f64>,
    /// The same against the healthy windows that the model learnt from: how strange this production is to it. Nothing follows
    /// from it, since a calm production is always strange to a model that learnt from a busy one.
    pub from_training: Option<f64>,
    pub drifted: bool,
}

impl Drift {
    #[must_use]
    pub fn of(model: &str) -> Self {
        let empty = [[0.0; BINS]; QUANTITIES];
        Self { model: model.to_owned(), ticks: 0, reference: empty, lately: empty }
    }

    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Counts the newest tick of a window.
    pub fn take_newest(&mut self, window: &Window) {
        let services: Vec<(&[Reading], &Normal)> =
            window.normals.iter().enumerate().map(|(at, normal)| (window.of(at), normal)).collect();
        let featured = Featured::at_ticks(&services, &[WINDOW_TICKS - 1]);
        let read = |at: usize| -> [bool; QUANTITIES] {
            let (readings, normal) = services[at];
            let newest = readings.last().unwrap_or(&NOTHING_READ);
            std::array::from_fn(|q| newest[q].is_finite() && normal.mean[q].is_finite())
        };
        self.take(featured.values.iter().enumerate().map(|(at, features)| (features, read(at))));
    }

    /// Takes the newest features of all services; what is NaN was not read.
    fn take<'a>(&mut self, services: impl Iterator<Item = (&'a Features, [bool; QUANTITIES])>) {
        let fade = (-1.0 / LATELY_TICKS).exp();
        self.lately.iter_mut().flatten().for_each(|count| *count *= fade);
        let learns = self.ticks < REFERENCE_TICKS;
        self.ticks = self.ticks.saturating_add(1);
        for (features, read) in services {
            for quantity in (0..QUANTITIES).filter(|quantity| read[*quantity]) {
                let value = features[quantity % FEATURES];
                let bin = EDGES.iter().take_while(|edge| value >= **edge).count();
                self.lately[quantity][bin] += 1.0;
                if learns {
                    self.reference[quantity][bin] += 1.0;
                }
            }
        }
    }

    /// Whether the first day is over, so that the reference stands.
    #[must_use]
    pub fn has_reference(&self) -> bool {
        self.ticks >= REFERENCE_TICKS
    }

    #[must_use]
    pub fn quantities(&self, training: Option<&Inputs>) -> Vec<QuantityDrift> {
        let of = |quantity: &Quantity| {
            let place = *quantity as usize;
            // Before the first day is over, both are the same readings.
            let index =
                self.has_reference().then(|| index(&self.reference[place], &self.lately[place])).flatten();
            let from_training = training.and_then(|inputs| self.strangeness(place, inputs.get(place)?));
            QuantityDrift {
                quantity: *quantity,
                index,
                from_training,
                drifted: index.is_some_and(|i| i >= DRIFTED),
            }
        };
        Quantity::ALL.iter().map(of).collect()
    }

    /// Against shares that a model holds, which count as many readings as were read lately.
    fn strangeness(&self, place: usize, shares: &[f64]) -> Option<f64> {
        let lately = &self.lately[place];
        let all: f64 = lately.iter().sum();
        let known = shares.len() == BINS && shares.iter().sum::<f64>() > 0.5;
        let reference: [f64; BINS] = std::array::from_fn(|bin| shares.get(bin).copied().unwrap_or(0.0) * all);
        known.then(|| index(&reference, lately)).flatten()
    }
}

/// The index of two histograms. An empty bin counts as half a reading, so that no share is nothing.
fn index(reference: &[f64; BINS], lately: &[f64; BINS]) -> Option<f64> {
    let total = |counts: &[f64; BINS]| counts.iter().sum::<f64>();
    let (all, new) = (total(reference), total(lately));
    if all < READINGS_MIN || new < READINGS_MIN {
        return None;
    }
    let shares = reference.iter().zip(lately).map(|(r, l)| (r.max(0.5) / all, l.max(0.5) / new));
    Some(shares.map(|(r, l)| (l - r) * (l / r).ln()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(drift: &mut Drift, ticks: u32, value: impl Fn(u32) -> f32) {
        for tick in 0..ticks {
            let mut features = [0.0; FEATURES];
            features[Quantity::Cpu as usize] = value(tick);
            let mut read = [false; QUANTITIES];
            read[Quantity::Cpu as usize] = true;
            drift.take(std::iter::once((&features, read)));
        }
    }

    fn cpu(drift: &Drift) -> QuantityDrift {
        drift.quantities(None)[Quantity::Cpu as usize]
    }

    #[test]
    fn the_same_readings_do_not_drift_and_others_do() {
        let everyday = |tick: u32| ((tick * 37) % 100) as f32 / 250.0;
        let mut drift = Drift::of("m");
        fed(&mut drift, 500, everyday);
        assert_eq!(cpu(&drift).index, None);
        fed(&mut drift, REFERENCE_TICKS, everyday);
        assert!(drift.has_reference() && cpu(&drift).index.is_some_and(|i| i < 0.01), "{:?}", cpu(&drift));
        fed(&mut drift, 3600, |tick| everyday(tick) + 0.7);
        assert!(cpu(&drift).drifted, "{:?}", cpu(&drift));
        assert_eq!(drift.quantities(None)[Quantity::Memory as usize].index, None, "never read");
    }
}
