//! The last ticks of every service, kept while time goes on.

use crate::window::{Link, NOTHING_READ, Normal, Reading, WINDOW_TICKS, Window};
use std::collections::{BTreeMap, VecDeque};

/// A ring of [`WINDOW_TICKS`] ticks for each service.
#[derive(Clone, Debug, Default)]
pub struct History {
    services: BTreeMap<String, Kept>,
    ticks: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    ring: VecDeque<Reading>,
    normal: Normal,
    /// Ticks in a row for which nothing was read.
    silent: u32,
}

impl History {
    /// Takes in a tick: a reading of each service that was read, with what is usual for it. A service that is not among
    /// them was not read at this tick, and is forgotten when nothing of it is left in the window.
    pub fn push(&mut self, read: impl IntoIterator<Item = (String, Reading, Normal)>) {
        self.ticks += 1;
        for kept in self.services.values_mut() {
            kept.ring.push_back(NOTHING_READ);
            kept.silent += 1;
        }
        for (service, reading, normal) in read {
            let kept = self.services.entry(service).or_insert_with(|| Kept {
                ring: VecDeque::from([NOTHING_READ]),
                normal,
                silent: 1,
            });
            if let Some(newest) = kept.ring.back_mut() {
                *newest = reading;
            }
            kept.normal = normal;
            if reading.iter().any(|value| value.is_finite()) {
                kept.silent = 0;
            }
        }
        for kept in self.services.values_mut() {
            while kept.ring.len() > WINDOW_TICKS {
                kept.ring.pop_front();
            }
        }
        self.services.retain(|_, kept| (kept.silent as usize) < WINDOW_TICKS);
    }

    /// Ticks that were taken in so far; below [`WINDOW_TICKS`] a forecast is still warming up.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Ticks in a row for which nothing was read of a service; `None` for one that is not known.
    #[must_use]
    pub fn silent(&self, service: &str) -> Option<u32> {
        self.services.get(service).map(|kept| kept.silent)
    }

    /// The window as it is now. Edges are named by caller and callee; those of unknown services are left out.
    pub fn window<'a>(
        &self,
        tick_s: f32,
        edges: impl Iterator<Item = (&'a str, &'a str, [f32; 3])>,
    ) -> Window {
        let services: Vec<String> = self.services.keys().cloned().collect();
        let place = |name: &str| services.binary_search_by(|service| service.as_str().cmp(name)).ok();
        let link = |(from, to, [rate, errors, latency_ms]): (&str, &str, [f32; 3])| {
            Some(Link { from: place(from)? as u32, to: place(to)? as u32, rate, errors, latency_ms })
        };
        let links = edges.filter_map(link).collect();
        let padded = |kept: &Kept| {
            let missing = WINDOW_TICKS - kept.ring.len();
            let ring: Vec<Reading> = kept.ring.iter().copied().collect();
            std::iter::repeat_n(NOTHING_READ, missing).chain(ring)
        };
        Window {
            normals: self.services.values().map(|kept| kept.normal).collect(),
            readings: self.services.values().flat_map(padded).collect(),
            services,
            links,
            tick_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMAL: Normal = Normal { mean: [1.0; 8], std: [0.1; 8] };

    fn tick(history: &mut History, services: &[(&str, f32)]) {
        history.push(services.iter().map(|(name, value)| ((*name).to_owned(), [*value; 8], NORMAL)));
    }

    #[test]
    fn a_window_holds_the_last_sixty_ticks_and_gaps_stay_gaps() {
        let mut history = History::default();
        for value in 0..70 {
            let both = [("a", value as f32), ("b", value as f32)];
            tick(&mut history, if value % 2 == 0 { &both } else { &both[..1] });
        }
        let window = history.window(2.0, [("a", "b", [1.0, 0.0, 5.0]), ("a", "?", [0.0; 3])].into_iter());
        assert_eq!((window.services.len(), window.links.len()), (2, 1));
        assert_eq!((window.of(0)[0][0], window.of(0)[59][0]), (10.0, 69.0));
        assert!(window.of(1)[59][0].is_nan() && window.of(1)[58][0] == 68.0);
        assert_eq!((history.silent("a"), history.silent("b")), (Some(0), Some(1)));
        assert_eq!(window.check(), Ok(()));
    }

    #[test]
    fn a_service_that_is_gone_for_a_whole_window_is_forgotten() {
        let mut history = History::default();
        tick(&mut history, &[("a", 1.0), ("b", 1.0)]);
        for _ in 0..WINDOW_TICKS {
            tick(&mut history, &[("a", 1.0)]);
        }
        assert_eq!(history.window(2.0, std::iter::empty()).services, ["a"]);
    }
}
