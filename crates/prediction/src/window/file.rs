//! A window in a file that a person can read: `midwatch predict FILE`.

use super::{Link, NOTHING_READ, Normal, QUANTITIES, Quantity, Reading, WINDOW_TICKS, Window, WindowError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A recorded window. Every series has the same number of ticks, oldest first; `null` is what was not read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Seconds between two ticks.
    pub tick_s: f32,
    pub services: Vec<RecordedService>,
    #[serde(default)]
    pub edges: Vec<RecordedLink>,
}

/// One service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedService {
    pub name: String,
    /// Mean and standard deviation of each quantity when all is well.
    pub normal: BTreeMap<Quantity, [f32; 2]>,
    pub readings: BTreeMap<Quantity, Vec<Option<f32>>>,
}

/// One edge, from the caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedLink {
    pub from: String,
    pub to: String,
    /// Calls per second.
    pub rate: f32,
    /// Share of calls that failed.
    pub errors: f32,
    pub latency_ms: f32,
}

impl Recorded {
    /// The window that was recorded. Of longer series the last ticks count; missing ones at the start were not read.
    ///
    /// # Errors
    /// An edge names a service that is not there, or there is none at all.
    pub fn window(&self) -> Result<Window, WindowError> {
        let services: Vec<String> = self.services.iter().map(|service| service.name.clone()).collect();
        let place = |name: &str| services.iter().position(|service| service == name);
        let link = |edge: &RecordedLink| {
            let unknown = || WindowError::Shape {
                what: format!(
                    "the edge from {} to {} names a service that is not listed",
                    edge.from, edge.to
                ),
            };
            let from = place(&edge.from).ok_or_else(unknown)? as u32;
            let to = place(&edge.to).ok_or_else(unknown)? as u32;
            Ok(Link { from, to, rate: edge.rate, errors: edge.errors, latency_ms: edge.latency_ms })
        };
        let links = self.edges.iter().map(link).collect::<Result<_, WindowError>>()?;
        let normals = self.services.iter().map(RecordedService::normal).collect();
        let readings = self.services.iter().flat_map(RecordedService::readings).collect();
        let window = Window { services, normals, readings, links, tick_s: self.tick_s };
        window.check()?;
        Ok(window)
    }

    /// A window as a file.
    #[must_use]
    pub fn of(window: &Window) -> Self {
        let service = |(index, name): (usize, &String)| {
            let finite = |value: f32| value.is_finite().then_some(value);
            let normal = &window.normals[index];
            let usual =
                |q: &Quantity| Some((*q, [finite(normal.mean[*q as usize])?, normal.std[*q as usize]]));
            let series =
                |q: &Quantity| (*q, window.of(index).iter().map(|r| finite(r[*q as usize])).collect());
            RecordedService {
                name: name.clone(),
                normal: Quantity::ALL.iter().filter_map(usual).collect(),
                readings: Quantity::ALL.iter().map(series).collect(),
            }
        };
        let name = |index: u32| window.services[index as usize].clone();
        let edge = |link: &Link| RecordedLink {
            from: name(link.from),
            to: name(link.to),
            rate: link.rate,
            errors: link.errors,
            latency_ms: link.latency_ms,
        };
        Self {
            tick_s: window.tick_s,
            services: window.services.iter().enumerate().map(service).collect(),
            edges: window.links.iter().map(edge).collect(),
        }
    }
}

impl RecordedService {
    fn normal(&self) -> Normal {
        let mut normal = Normal { mean: NOTHING_READ, std: NOTHING_READ };
        for (quantity, [mean, std]) in &self.normal {
            normal.mean[*quantity as usize] = *mean;
            normal.std[*quantity as usize] = *std;
        }
        normal
    }

    fn readings(&self) -> Vec<Reading> {
        let mut readings = vec![[f32::NAN; QUANTITIES]; WINDOW_TICKS];
        for (quantity, series) in &self.readings {
            let newest_first = readings.iter_mut().rev().zip(series.iter().rev());
            newest_first.for_each(|(reading, value)| {
                reading[*quantity as usize] = value.unwrap_or(f32::NAN);
            });
        }
        readings
    }
}
