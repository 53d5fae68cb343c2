//! What would be foreseen if something were different: other readings of a service, or an edge less.

use crate::window::{Quantity, Window};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Ticks that a changed reading is taken to have lasted: the second half of the window.
const CHANGED_TICKS: usize = 30;

/// What is different.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhatIf {
    pub changed: Vec<Changed>,
    pub removed_edges: Vec<RemovedEdge>,
}

/// Readings of a service as they would be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    pub service: String,
    /// Each quantity at this value for the second half of the window.
    pub readings: BTreeMap<Quantity, f32>,
}

/// An edge that would not be there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovedEdge {
    pub from: String,
    pub to: String,
}

/// Why that cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    #[error("nothing is read of {0} now; GET /api/v1/forecasts lists the services of which something is")]
    Service(String),
    #[error("there is no edge from {from} to {to}; GET /api/v1/graph lists those there are")]
    Edge { from: String, to: String },
    #[error("{quantity} of {service} is no number that it can have; leave out what stays as it is")]
    Value { service: String, quantity: &'static str },
}

impl WhatIf {
    /// The window as it would be.
    ///
    /// # Errors
    /// It names what is not there.
    pub fn apply(&self, mut window: Window) -> Result<Window, WhatIfError> {
        let place = |window: &Window, name: &str| {
            let found = window.services.iter().position(|service| service == name);
            found.ok_or_else(|| WhatIfError::Service(name.to_owned()))
        };
        for changed in &self.changed {
            let at = place(&window, &changed.service)?;
            for (quantity, value) in &changed.readings {
                if !(value.is_finite() && *value >= 0.0) {
                    let service = changed.service.clone();
                    return Err(WhatIfError::Value { service, quantity: quantity.name() });
                }
                let end = window.readings.len() / window.services.len() * (at + 1);
                let lasting = &mut window.readings[end - CHANGED_TICKS..end];
                lasting.iter_mut().for_each(|tick| tick[*quantity as usize] = *value);
            }
        }
        for RemovedEdge { from, to } in &self.removed_edges {
            let ends = (place(&window, from)? as u32, place(&window, to)? as u32);
            let before = window.links.len();
            window.links.retain(|link| (link.from, link.to) != ends);
            if window.links.len() == before {
                return Err(WhatIfError::Edge { from: from.clone(), to: to.clone() });
            }
        }
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Link, NOTHING_READ, Normal, TICK_S, WINDOW_TICKS};

    fn check(json: &str) -> Result<Window, WhatIfError> {
        let window = Window {
            services: vec!["a".into(), "b".into()],
            normals: vec![Normal { mean: NOTHING_READ, std: NOTHING_READ }; 2],
            readings: vec![[1.0; 8]; 2 * WINDOW_TICKS],
            links: vec![Link { from: 0, to: 1, rate: 1.0, errors: 0.0, latency_ms: 1.0 }],
            tick_s: TICK_S,
        };
        serde_json::from_str::<WhatIf>(json).expect("a question").apply(window)
    }

    #[test]
    fn readings_change_for_half_of_the_window_and_edges_go() {
        let window = check(r#"{"changed": [{"service": "a", "readings": {"cpu": 0.9}}]}"#).expect("a window");
        let cpu = |service: usize, tick: usize| window.of(service)[tick][Quantity::Cpu as usize];
        assert_eq!((cpu(0, 29), cpu(0, 30), cpu(0, 59), cpu(1, 59)), (1.0, 0.9, 0.9, 1.0));
        let window = check(r#"{"removed_edges": [{"from": "a", "to": "b"}]}"#).expect("a window");
        assert_eq!(window.links, []);
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (json, told) in [
            (r#"{"changed": [{"service": "x", "readings": {}}]}"#, "nothing is read of x"),
            (r#"{"removed_edges": [{"from": "b", "to": "a"}]}"#, "no edge from b to a"),
            (r#"{"changed": [{"service": "a", "readings": {"cpu": -1}}]}"#, "cpu of a is no number"),
        ] {
            let error = check(json).expect_err("not there").to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
