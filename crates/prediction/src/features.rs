//! Numbers that mean the same for every service: how far each quantity is from what is usual there.
//!
//! Owns: the 16 features of a service at a tick: mean and standard deviation of the last five samples of eight quantities,
//! each against the service's own baseline. What was not read stays at 0 and is masked; no value is made up.

use crate::window::{Normal, QUANTITIES, Quantity, Reading, WINDOW_TICKS, Window};

/// Features of a service at a tick: the means, then the deviations.
pub const FEATURES: usize = 2 * QUANTITIES;

/// Snapshots of a window: every second tick.
pub const SNAPSHOTS: usize = WINDOW_TICKS / 2;

/// Version of what is computed here. Models of another version are refused.
pub const FEATURE_VERSION: u32 = 1;

/// Samples that a feature looks back.
const SAMPLES: usize = 5;

/// Quantities that must be measured of a service at least: of fewer, what is missing counts as missing.
const MEASURED_MIN: usize = 4;

/// No feature says more than this: beyond it, more of the same is no news.
const MAX: f32 = 4.0;

/// One service at one tick.
pub type Features = [f32; FEATURES];

/// The features of a window, with what of them was there.
#[derive(Clone, Debug, PartialEq)]
pub struct Featured {
    /// Of each snapshot its services: time first, as the network reads it.
    pub values: Vec<Features>,
    /// Of each snapshot and service whether anything was read.
    pub seen: Vec<bool>,
    /// Of each service the share of the features of what is measured of it that could be computed, 0–1. A quantity of which
    /// it is not known what is usual is not measured there.
    pub coverage: Vec<f32>,
    pub services: usize,
}

impl Featured {
    /// The features of every service at every second tick.
    #[must_use]
    pub fn of(window: &Window) -> Self {
        let services: Vec<(&[Reading], &Normal)> =
            window.normals.iter().enumerate().map(|(service, normal)| (window.of(service), normal)).collect();
        let ticks: Vec<usize> = (0..SNAPSHOTS).map(|snapshot| 2 * snapshot + 1).collect();
        Self::at_ticks(&services, &ticks)
    }

    /// The features of services, each with its readings and what is usual, at some ticks.
    #[must_use]
    pub fn at_ticks(services: &[(&[Reading], &Normal)], ticks: &[usize]) -> Self {
        let mut featured = Self {
            values: Vec::with_capacity(services.len() * ticks.len()),
            seen: Vec::with_capacity(services.len() * ticks.len()),
            coverage: vec![0.0; services.len()],
            services: services.len(),
        };
        for tick in ticks {
            for (service, (readings, normal)) in services.iter().enumerate() {
                let last = &readings[(tick + 1).saturating_sub(SAMPLES)..=*tick];
                let (values, known) = features(last, normal);
                featured.values.push(values);
                featured.seen.push(known > 0);
                let measured = normal.mean.iter().filter(|mean| mean.is_finite()).count().max(MEASURED_MIN);
                featured.coverage[service] += known as f32 / (measured * ticks.len()) as f32;
            }
        }
        featured
    }

    /// A service at a snapshot.
    #[must_use]
    pub fn at(&self, snapshot: usize, service: usize) -> &Features {
        &self.values[snapshot * self.services + service]
    }
}

/// Features from the last samples, and how many quantities were known.
fn features(last: &[Reading], normal: &Normal) -> (Features, usize) {
    let mut features = [0.0; FEATURES];
    let mut known = 0;
    for quantity in Quantity::ALL {
        let index = *quantity as usize;
        let usual = (normal.mean[index], normal.std[index]);
        let read = last.iter().map(|reading| reading[index]).filter(|value| value.is_finite());
        let Some((mean, std)) = mean_and_std(read) else { continue };
        if !usual.0.is_finite() {
            continue;
        }
        known += 1;
        let spread = if usual.1.is_finite() { usual.1 } else { 0.0 };
        features[index] = level(*quantity, mean, usual.0).clamp(-MAX, MAX);
        features[QUANTITIES + index] = unrest(*quantity, std, usual.0, spread).clamp(-MAX, MAX);
    }
    (features, known)
}

fn mean_and_std(values: impl Iterator<Item = f32> + Clone) -> Option<(f32, f32)> {
    let count = values.clone().count();
    if count == 0 {
        return None;
    }
    let mean = values.clone().sum::<f32>() / count as f32;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f32>() / count as f32;
    Some((mean, variance.sqrt()))
}

/// One percent of errors is where a deviation begins to matter: about 0.3 there, 1 at ten percent.
fn errors(share: f32) -> f32 {
    (share / 0.01).asinh() / 3.0
}

/// How far the level is from what is usual: in factors of e for what has no limit, in shares of what is left to the limit
/// for what has one.
fn level(quantity: Quantity, mean: f32, usual: f32) -> f32 {
    // What is left to a limit that is reached already is not nothing.
    let left = (1.0 - usual).max(0.05);
    match quantity {
        Quantity::LatencyP50 | Quantity::LatencyP99 => ((mean + 1.0) / (usual + 1.0)).max(1e-3).ln(),
        Quantity::RequestRate => ((mean + 0.1) / (usual + 0.1)).max(1e-3).ln(),
        Quantity::ErrorRate => errors(mean - usual),
        Quantity::Cpu | Quantity::Memory => (mean - usual) / left,
        Quantity::Replicas => mean / usual.max(1.0) - 1.0,
        Quantity::Restarts => mean - usual,
    }
}

/// How much more it moves within five samples than is usual.
fn unrest(quantity: Quantity, std: f32, usual: f32, usual_std: f32) -> f32 {
    match quantity {
        Quantity::LatencyP50 | Quantity::LatencyP99 | Quantity::RequestRate => {
            let floor = 0.02 * usual + 0.1;
            ((std + floor) / (usual_std + floor)).max(1e-3).ln()
        }
        Quantity::ErrorRate => errors(std - usual_std),
        // Five points of the limit are much.
        Quantity::Cpu | Quantity::Memory => (std - usual_std) / 0.05,
        Quantity::Replicas => std / usual.max(1.0),
        Quantity::Restarts => std - usual_std,
    }
}

/// The quantity that a feature tells of, and whether it tells of its unrest.
#[must_use]
pub fn told_by(feature: usize) -> (Quantity, Told) {
    let told = if feature < QUANTITIES { Told::Level } else { Told::Unrest };
    (Quantity::ALL[feature % QUANTITIES], told)
}

/// What a feature tells of its quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Where it is.
    Level,
    /// How much it moves.
    Unrest,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{NOTHING_READ, TICK_S};

    /// A service that is as usual but for one quantity.
    fn window(quantity: Quantity, value: impl Fn(usize) -> f32) -> Window {
        let usual: Reading = [40.0, 120.0, 0.001, 50.0, 0.3, 0.4, 2.0, 0.0];
        let readings = (0..WINDOW_TICKS).map(|tick| {
            let mut reading = usual;
            reading[quantity as usize] = value(tick);
            reading
        });
        Window {
            services: vec!["a".into()],
            normals: vec![Normal { mean: usual, std: usual.map(|value| value * 0.1) }],
            readings: readings.collect(),
            links: vec![],
            tick_s: TICK_S,
        }
    }

    fn check(quantity: Quantity, value: f32, expected: f32) {
        let featured = Featured::of(&window(quantity, |_| value));
        let found = featured.at(SNAPSHOTS - 1, 0)[quantity as usize];
        assert!((found - expected).abs() < 0.02, "{quantity:?} at {value}: {found}, not {expected}");
    }

    #[test]
    fn a_level_means_the_same_for_every_service() {
        check(Quantity::LatencyP99, 120.0, 0.0);
        check(Quantity::LatencyP99, 328.0, 1.0);
        check(Quantity::ErrorRate, 0.101, 1.0);
        check(Quantity::Memory, 1.0, 1.0);
        check(Quantity::Memory, 0.7, 0.5);
        check(Quantity::Replicas, 1.0, -0.5);
        check(Quantity::LatencyP99, 1e9, MAX);
    }

    #[test]
    fn what_was_not_read_is_masked_and_not_invented() {
        let mut window = window(Quantity::Cpu, |tick| if tick < 30 { 0.3 } else { f32::NAN });
        let featured = Featured::of(&window);
        let last = featured.at(SNAPSHOTS - 1, 0);
        assert_eq!(last[Quantity::Cpu as usize], 0.0);
        assert!(featured.coverage[0] < 1.0 && featured.coverage[0] > 0.9, "{:?}", featured.coverage);
        window.readings.fill(NOTHING_READ);
        let featured = Featured::of(&window);
        assert!(featured.seen.iter().all(|seen| !seen) && featured.coverage == [0.0]);
        assert!(featured.values.iter().flatten().all(|value| *value == 0.0));
    }

    #[test]
    fn a_service_without_a_baseline_says_nothing() {
        let mut window = window(Quantity::Cpu, |_| 0.9);
        window.normals[0] = Normal { mean: NOTHING_READ, std: NOTHING_READ };
        assert_eq!(Featured::of(&window).coverage, [0.0]);
    }
}
