//! A window: what the services of a graph showed during the last ticks, as it was read.
//!
//! Owns: the shape of the input of every forecast. Readings are kept raw; what is made of them is `features`' business, so
//! that recorded windows outlive a change there.

mod file;
mod set;

pub use file::{Recorded, RecordedLink, RecordedService};
pub use set::{SetError, WindowSet};

use serde::{Deserialize, Serialize};

/// Ticks of a window: two minutes at the usual two seconds.
pub const WINDOW_TICKS: usize = 60;

/// Version of a window's shape: ticks, quantities and their units. Models of another version are refused.
pub const WINDOW_VERSION: u32 = 1;

/// Seconds between two ticks, unless somebody says otherwise.
pub const TICK_S: f32 = 2.0;

/// What is read of a service at each tick.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Quantity {
    /// Milliseconds.
    LatencyP50,
    /// Milliseconds.
    LatencyP99,
    /// Share of requests that failed, 0–1.
    ErrorRate,
    /// Requests per second.
    RequestRate,
    /// Share of the limit, 0–1.
    Cpu,
    /// Share of the limit, 0–1.
    Memory,
    /// Instances that serve.
    Replicas,
    /// Unplanned restarts within the last minute.
    Restarts,
}

/// How many quantities there are.
pub const QUANTITIES: usize = 8;

impl Quantity {
    pub const ALL: &'static [Quantity] = <Quantity as strum::VariantArray>::VARIANTS;

    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What a person calls it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Quantity::LatencyP50 => "median latency",
            Quantity::LatencyP99 => "p99 latency",
            Quantity::ErrorRate => "error rate",
            Quantity::RequestRate => "request rate",
            Quantity::Cpu => "CPU",
            Quantity::Memory => "memory",
            Quantity::Replicas => "replicas",
            Quantity::Restarts => "restarts",
        }
    }

    /// A value in the words of the person on call.
    #[must_use]
    pub fn show(self, value: f32) -> String {
        match self {
            Quantity::LatencyP50 | Quantity::LatencyP99 if value < 10.0 => format!("{value:.1} ms"),
            Quantity::LatencyP50 | Quantity::LatencyP99 => format!("{value:.0} ms"),
            Quantity::ErrorRate | Quantity::Cpu | Quantity::Memory => format!("{:.1} %", value * 100.0),
            Quantity::RequestRate => format!("{value:.1} requests/s"),
            Quantity::Replicas => format!("{value:.1} replicas"),
            Quantity::Restarts => format!("{value:.1} restarts lately"),
        }
    }
}

/// One tick of one service; NaN is what was not read.
pub type Reading = [f32; QUANTITIES];

/// A reading of nothing.
pub const NOTHING_READ: Reading = [f32::NAN; QUANTITIES];

/// What is usual for a service; NaN where that is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    pub mean: Reading,
    pub std: Reading,
}

impl Normal {
    /// What is usual, from readings of a time in which all was well. Below ten readings of a quantity, it is not known.
    #[must_use]
    pub fn of<'a>(readings: impl Iterator<Item = &'a Reading> + Clone) -> Self {
        const ENOUGH: f64 = 10.0;
        let mut normal = Self { mean: NOTHING_READ, std: NOTHING_READ };
        for quantity in 0..QUANTITIES {
            let values = || readings.clone().map(|r| f64::from(r[quantity])).filter(|v| v.is_finite());
            let count = values().count() as f64;
            if count < ENOUGH {
                continue;
            }
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0);
            normal.mean[quantity] = mean as f32;
            normal.std[quantity] = variance.sqrt() as f32;
        }
        normal
    }
}

/// An edge from a caller to whom it calls, as it was during the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub from: u32,
    pub to: u32,
    /// Calls per second.
    pub rate: f32,
    /// Share of calls that failed, 0–1.
    pub errors: f32,
    /// Mean milliseconds of a call.
    pub latency_ms: f32,
}

/// What is known at one moment: the last [`WINDOW_TICKS`] ticks of every service, and who calls whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    pub services: Vec<String>,
    pub normals: Vec<Normal>,
    /// Of each service its ticks, oldest first.
    pub readings: Vec<Reading>,
    pub links: Vec<Link>,
    pub tick_s: f32,
}

/// Why a window cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("the graph has no service; a forecast needs at least one")]
    Empty,
    #[error(
        "the window is of another shape: {what}; it needs {WINDOW_TICKS} ticks of {QUANTITIES} quantities for each service"
    )]
    Shape { what: String },
    #[error(
        "an edge goes from service {from} to service {to}, and there are {services}; name the services of each edge"
    )]
    Edge { from: u32, to: u32, services: usize },
    #[error("{service} has an infinite reading; leave out what was not read instead")]
    Infinite { service: String },
}

impl Window {
    /// The ticks of a service, oldest first.
    #[must_use]
    pub fn of(&self, service: usize) -> &[Reading] {
        &self.readings[service * WINDOW_TICKS..(service + 1) * WINDOW_TICKS]
    }

    /// Whether it can be judged.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), WindowError> {
        let services = self.services.len();
        if services == 0 {
            return Err(WindowError::Empty);
        }
        if self.normals.len() != services || self.readings.len() != services * WINDOW_TICKS {
            let what = format!(
                "{services} services, {} baselines and {} readings",
                self.normals.len(),
                self.readings.len()
            );
            return Err(WindowError::Shape { what });
        }
        if let Some(link) = self.links.iter().find(|link| link.from.max(link.to) as usize >= services) {
            return Err(WindowError::Edge { from: link.from, to: link.to, services });
        }
        let infinite = |service: &usize| self.of(*service).iter().flatten().any(|value| value.is_infinite());
        match (0..services).find(infinite) {
            Some(service) => Err(WindowError::Infinite { service: self.services[service].clone() }),
            None => Ok(()),
        }
    }
}

/// What happened after a window, by which a forecast is graded. Never an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub story: Story,
    /// Ticks from the window's end to the breach of each service's objective, within the horizon.
    pub breach_in: Vec<Option<u32>>,
    /// Services that are in breach at the window's end already: there is nothing to foresee.
    pub in_breach: Vec<bool>,
}

impl Outcome {
    /// Ticks until the first service that is well now breaches.
    #[must_use]
    pub fn first_breach(&self) -> Option<u32> {
        let well = self.breach_in.iter().zip(&self.in_breach).filter(|(_, already)| !**already);
        well.filter_map(|(breach, _)| *breach).min()
    }

    /// Services in the order in which they breach.
    #[must_use]
    pub fn path(&self) -> Vec<usize> {
        let mut order: Vec<(u32, usize)> =
            self.breach_in.iter().enumerate().filter_map(|(service, at)| Some(((*at)?, service))).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, service)| service).collect()
    }
}

/// What kind of story a window is from. The mix of a training set is stated in these.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Story {
    /// Nothing is wrong; traffic moves, versions are deployed.
    Healthy,
    /// Something was wrong and is going away.
    Recovery,
    /// Something is wrong and stops short of a breach.
    NearFailure,
    /// Two or more services will breach, in the second half of the horizon.
    DelayedCascade,
    /// Two or more services will breach, in the first half of the horizon.
    Cascade,
}

impl Story {
    pub const ALL: &'static [Story] = <Story as strum::VariantArray>::VARIANTS;

    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}
