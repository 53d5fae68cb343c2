//! How far what is read lately is from what was read at first: a record that was earned on other inputs is worth less.
//!
//! The measure is the population stability index: Σ (a − b) · ln(a / b) over the shares of each bin (Siddiqi, Credit Risk
//! Scorecards, 2006): below 0.1 nothing has changed, from 0.25 on it is another population.

use crate::features::{FEATURES, Features};
use crate::window::{QUANTITIES, Quantity};
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

    /// Takes the newest features of all services; what is NaN was not read.
    pub fn take<'a>(&mut self, services: impl Iterator<Item = (&'a Features, [bool; QUANTITIES])>) {
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
    pub fn quantities(&self) -> Vec<QuantityDrift> {
        let of = |quantity: &Quantity| {
            let place = *quantity as usize;
            // Before the first day is over, both are the same readings.
            let index =
                self.has_reference().then(|| index(&self.reference[place], &self.lately[place])).flatten();
            QuantityDrift { quantity: *quantity, index, drifted: index.is_some_and(|i| i >= DRIFTED) }
        };
        Quantity::ALL.iter().map(of).collect()
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
        drift.quantities()[Quantity::Cpu as usize]
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
        assert_eq!(drift.quantities()[Quantity::Memory as usize].index, None, "never read");
    }
}
