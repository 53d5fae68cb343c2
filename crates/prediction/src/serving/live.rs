//! The live window: the last ticks of every service, what is usual for each, and whether it keeps its objective.

use super::drift::Drift;
use super::objective::{Change, Kept, ObjectiveConfig};
use super::usual::Usual;
use crate::history::History;
use crate::window::{Quantity, Reading, Window};
use midwatch_model::{ForecastEvent, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Services that are looked at; later ones are left out. Each takes 3 KB, and a thousand take a quarter of a second a tick.
const SERVICES_MAX: usize = 1000;

/// Ticks after start in which nothing follows from a forecast.
pub(super) const WARM_UP_TICKS: u64 = 30;

/// What was read of a service at a tick.
#[derive(Clone, Debug)]
pub struct Read {
    pub service: ServiceName,
    pub reading: Reading,
    /// Share of its instances that answer.
    pub up: Option<f32>,
    /// Whether no detector suspects it: only then it is learnt what is usual.
    pub calm: bool,
}

/// Everything that is remembered of services, but forecasts.
#[derive(Clone, Debug)]
pub struct Live {
    objective: ObjectiveConfig,
    history: History,
    usual: BTreeMap<ServiceName, Usual>,
    kept: BTreeMap<ServiceName, Kept>,
    drift: Drift,
    left_out: BTreeSet<ServiceName>,
}

/// What survives a restart; the window itself is full again after 60 ticks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remembered {
    usual: BTreeMap<ServiceName, Usual>,
    drift: Drift,
}

impl Live {
    /// Begins with what is remembered. `in_breach` are services that were in breach when the record ended.
    #[must_use]
    pub fn new(
        objective: ObjectiveConfig,
        model: &str,
        remembered: Option<Remembered>,
        in_breach: impl Iterator<Item = ServiceName>,
    ) -> Self {
        let (usual, drift) = remembered.map_or_else(Default::default, |r| (r.usual, Some(r.drift)));
        // A reference that another model was given is none for this one.
        let drift = drift.filter(|drift| drift.model() == model).unwrap_or_else(|| Drift::of(model));
        let kept = in_breach.map(|service| (service, Kept::breached())).collect();
        Self { objective, history: History::default(), usual, kept, drift, left_out: BTreeSet::new() }
    }

    #[must_use]
    pub fn remembered(&self) -> Remembered {
        Remembered { usual: self.usual.clone(), drift: self.drift.clone() }
    }

    /// Takes a tick; what breached its objective with it, or keeps it again.
    pub fn tick(&mut self, read: &[Read]) -> Vec<ForecastEvent> {
        let mut events = Vec::new();
        let mut taken = Vec::with_capacity(read.len());
        for read in read {
            if !self.usual.contains_key(&read.service) && self.usual.len() >= SERVICES_MAX {
                self.left_out.insert(read.service.clone());
                continue;
            }
            let usual = self.usual.entry(read.service.clone()).or_default();
            let normal = usual.normal();
            let broken = self.objective.broken(&read.reading, &normal, read.up);
            let kept = self.kept.entry(read.service.clone()).or_default();
            let change = kept.tick(broken.is_some());
            if broken.is_none() && read.calm && !kept.in_breach {
                usual.learn(&read.reading);
            }
            let service = read.service.clone();
            match (change, broken) {
                (Change::Breached, Some((by, reason))) => {
                    events.push(ForecastEvent::ObjectiveBreached { service, by, reason });
                }
                (Change::Met, _) => events.push(ForecastEvent::ObjectiveMet { service }),
                _ => {}
            }
            taken.push((read.service.to_string(), read.reading, usual.normal()));
        }
        self.history.push(taken);
        events
    }

    /// Forgets services that are watched no more.
    pub fn retain(&mut self, watched: impl Fn(&ServiceName) -> bool) {
        self.usual.retain(|service, _| watched(service));
        self.kept.retain(|service, _| watched(service));
        self.left_out.retain(watched);
    }

    /// The window as it is now; `calls` are pairs of caller and callee. Of an edge nobody reads anything: its rate is the
    /// callee's shared among those who call it, its errors are the callee's.
    #[must_use]
    pub fn window(&self, tick_s: f32, calls: &[(ServiceName, ServiceName)]) -> Window {
        let bare = self.history.window(tick_s, std::iter::empty());
        let place =
            |name: &ServiceName| bare.services.binary_search_by(|s| s.as_str().cmp(name.as_str())).ok();
        let newest = |service: usize, quantity: Quantity| {
            let ticks = bare.of(service).iter().rev();
            ticks.map(|tick| tick[quantity as usize]).find(|value| value.is_finite()).unwrap_or(0.0)
        };
        let mut callers: BTreeMap<&ServiceName, f32> = BTreeMap::new();
        for (_, callee) in calls {
            *callers.entry(callee).or_default() += 1.0;
        }
        let edges = calls.iter().filter_map(|(caller, callee)| {
            let at = place(callee)?;
            let rate = newest(at, Quantity::RequestRate) / callers[callee];
            let about = [rate, newest(at, Quantity::ErrorRate), newest(at, Quantity::LatencyP99)];
            Some((caller.as_str(), callee.as_str(), about))
        });
        self.history.window(tick_s, edges)
    }

    /// Counts the newest tick of a window towards the drift of inputs.
    pub fn note_drift(&mut self, window: &Window) {
        self.drift.take_newest(window);
    }

    #[must_use]
    pub fn drift(&self) -> &Drift {
        &self.drift
    }

    #[must_use]
    pub fn objective(&self) -> &ObjectiveConfig {
        &self.objective
    }

    /// Ticks that were taken in.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.history.ticks()
    }

    /// Whether enough ticks were taken in that something may follow from a forecast.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.ticks() >= WARM_UP_TICKS
    }

    /// Ticks in a row for which nothing was read of a service.
    #[must_use]
    pub fn silent(&self, service: &str) -> u32 {
        self.history.silent(service).unwrap_or(u32::MAX)
    }

    #[must_use]
    pub fn in_breach(&self, service: &ServiceName) -> bool {
        self.kept.get(service).is_some_and(|kept| kept.in_breach)
    }

    /// Services for which there is no room.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::Breach;

    fn reading(latency: f32) -> Reading {
        [10.0, latency, 0.0, 50.0, 0.2, 0.3, 2.0, 0.0]
    }

    fn read(service: &str, latency: f32) -> Read {
        Read { service: service.into(), reading: reading(latency), up: Some(1.0), calm: true }
    }

    fn live() -> Live {
        Live::new(ObjectiveConfig::default(), "m", None, std::iter::empty())
    }

    #[test]
    fn a_breach_is_told_once_and_its_end_once_and_is_never_learnt_as_usual() {
        let mut live = live();
        for _ in 0..20 {
            assert_eq!(live.tick(&[read("a", 100.0)]), []);
        }
        let events: Vec<_> = (0..40).flat_map(|_| live.tick(&[read("a", 900.0)])).collect();
        let [ForecastEvent::ObjectiveBreached { by: Breach::Latency, reason, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(reason, "p99 latency 900 ms, objective 320 ms");
        assert!(live.in_breach(&"a".into()));
        let events: Vec<_> = (0..40).flat_map(|_| live.tick(&[read("a", 100.0)])).collect();
        assert_eq!(events, [ForecastEvent::ObjectiveMet { service: "a".into() }]);
        let window = live.window(2.0, &[]);
        assert_eq!(window.normals[0].mean[Quantity::LatencyP99 as usize], 100.0);
    }

    #[test]
    fn edges_carry_the_callees_rate_and_errors() {
        let mut live = live();
        for _ in 0..20 {
            live.tick(&[read("a", 10.0), read("b", 20.0), read("c", 30.0)]);
        }
        let calls = [("a".into(), "c".into()), ("b".into(), "c".into()), ("c".into(), "nobody".into())];
        let window = live.window(2.0, &calls);
        let rates: Vec<_> = window.links.iter().map(|link| (link.from, link.to, link.rate)).collect();
        assert_eq!(rates, [(0, 2, 25.0), (1, 2, 25.0)]);
    }

    #[test]
    fn what_is_usual_survives_a_restart_and_services_that_are_gone_do_not() {
        let mut before = live();
        for _ in 0..20 {
            before.tick(&[read("a", 100.0), read("b", 50.0)]);
        }
        before.retain(|service| service.as_str() == "a");
        let json = serde_json::to_string(&before.remembered()).expect("plain data");
        let remembered = serde_json::from_str(&json).expect("what was written");
        let mut live =
            Live::new(ObjectiveConfig::default(), "m", Some(remembered), std::iter::once("a".into()));
        assert!(live.in_breach(&"a".into()) && live.ticks() == 0);
        live.tick(&[read("a", 100.0), read("b", 50.0)]);
        let window = live.window(2.0, &[]);
        assert_eq!(window.normals[0].mean[1], 100.0);
        assert!(window.normals[1].mean[1].is_nan());
    }

    #[test]
    fn there_is_room_for_a_thousand_services() {
        let mut live = live();
        let many: Vec<Read> = (0..SERVICES_MAX + 5).map(|n| read(&format!("s{n}"), 10.0)).collect();
        live.tick(&many);
        assert_eq!(live.left_out(), 5);
    }
}
