//! What speaks for a forecast now: quantities that are far from what is usual, at the service and next to it.

use crate::features::{Featured, SNAPSHOTS};
use crate::window::{Quantity, Window};

/// From here on, a level counts as moved: a fifth more latency, a fifth of what was left of the memory, one percent more errors.
const MOVED: f32 = 0.2;

/// A quantity that is where it hurts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beyond {
    pub quantity: Quantity,
    pub now: f32,
    pub usual: f32,
}

impl Beyond {
    /// In the words of the person on call.
    #[must_use]
    pub fn told(&self) -> String {
        let quantity = self.quantity;
        format!("{} {} (usually {})", quantity.title(), quantity.show(self.now), quantity.show(self.usual))
    }
}

/// The quantities of a service that moved to the bad side, the farthest first.
#[must_use]
pub fn beyond(window: &Window, service: usize) -> Vec<Beyond> {
    let featured =
        Featured::at_ticks(&[(window.of(service), &window.normals[service])], &[2 * SNAPSHOTS - 1]);
    let levels = featured.at(0, 0);
    // Fewer instances hurt; of anything else, more does.
    let harm = |quantity: Quantity| {
        let level = levels[quantity as usize];
        if quantity == Quantity::Replicas { -level } else { level }
    };
    let mut moved: Vec<Quantity> = Quantity::ALL.iter().copied().filter(|q| harm(*q) >= MOVED).collect();
    moved.sort_by(|a, b| harm(*b).total_cmp(&harm(*a)));
    let shown = |quantity: Quantity| {
        let newest = window.of(service).iter().rev().map(|tick| tick[quantity as usize]);
        let now = newest.clone().find(|value| value.is_finite()).unwrap_or(f32::NAN);
        Beyond { quantity, now, usual: window.normals[service].mean[quantity as usize] }
    };
    moved.into_iter().map(shown).collect()
}

/// Services next to one: those that it calls and those that call it.
#[must_use]
pub fn neighbours(window: &Window, service: usize) -> Vec<usize> {
    let next = window.links.iter().filter_map(|link| match (link.from as usize, link.to as usize) {
        (from, to) if from == service => Some(to),
        (from, to) if to == service => Some(from),
        _ => None,
    });
    let mut next: Vec<usize> = next.collect();
    next.sort_unstable();
    next.dedup();
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Link, Normal, TICK_S, WINDOW_TICKS};

    #[test]
    fn only_what_moved_to_the_bad_side_speaks_for_a_forecast() {
        let usual = [40.0, 120.0, 0.001, 50.0, 0.3, 0.4, 2.0, 0.0];
        let mut readings = vec![usual; 2 * WINDOW_TICKS];
        for tick in &mut readings[WINDOW_TICKS - 10..WINDOW_TICKS] {
            tick[Quantity::Memory as usize] = 0.9;
            tick[Quantity::LatencyP99 as usize] = 160.0;
            tick[Quantity::LatencyP50 as usize] = 10.0;
            tick[Quantity::Replicas as usize] = 1.0;
        }
        let window = Window {
            services: vec!["a".into(), "b".into()],
            normals: vec![Normal { mean: usual, std: usual.map(|value| value * 0.1) }; 2],
            readings,
            links: vec![Link { from: 0, to: 1, rate: 1.0, errors: 0.0, latency_ms: 1.0 }],
            tick_s: TICK_S,
        };
        let told: Vec<String> = beyond(&window, 0).iter().map(Beyond::told).collect();
        assert_eq!(
            told,
            [
                "memory 90.0 % (usually 40.0 %)",
                "replicas 1.0 replicas (usually 2.0 replicas)",
                "p99 latency 160 ms (usually 120 ms)"
            ]
        );
        assert_eq!(beyond(&window, 1), []);
        assert_eq!((neighbours(&window, 0), neighbours(&window, 1)), (vec![1], vec![0]));
    }
}
