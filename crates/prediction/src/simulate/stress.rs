//! What goes wrong in a made-up production: one cause at one service. Everything else follows.

use crate::random::Random;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Memory that is never given back, until the instance is killed.
    Leak,
    /// What the service itself needs (a disk, a database) gets slower.
    Slow,
    /// Workers or connections that stuck jobs never give back.
    Held,
    /// More requests come from outside.
    Traffic,
    /// A part of the requests fails, and is tried again.
    Errors,
    /// Somebody else takes the CPU.
    Stolen,
    /// Instances go away one by one.
    Lost,
}

const CAUSES: [Cause; 7] =
    [Cause::Leak, Cause::Slow, Cause::Held, Cause::Traffic, Cause::Errors, Cause::Stolen, Cause::Lost];

/// A cause at a service, and how it comes and goes.
#[derive(Clone, Copy, Debug)]
pub struct Stress {
    pub cause: Cause,
    pub service: usize,
    pub start: usize,
    /// Ticks until it is whole.
    pub ramp: f64,
    /// How much: of memory, workers, CPU, instances and requests a share; of time and traffic a factor less one.
    pub size: f64,
    /// The tick at which somebody repairs it, and how many ticks it takes to be gone.
    pub repaired: Option<(usize, f64)>,
    /// 1: it grows evenly; above, slowly at first.
    pub bend: f64,
}

impl Stress {
    /// A stress that begins at `start`; its ramp is as long as a part of the horizon, or half longer than it.
    pub fn random(
        random: &mut Random,
        services: usize,
        entries: &[usize],
        start: usize,
        horizon: f64,
    ) -> Self {
        let cause = CAUSES[random.below(CAUSES.len())];
        let service = match cause {
            Cause::Traffic if !entries.is_empty() => entries[random.below(entries.len())],
            _ => random.below(services),
        };
        let size = match cause {
            Cause::Leak => random.between(0.2, 1.2),
            Cause::Slow => random.scaled(0.5, 12.0),
            Cause::Held => random.between(0.3, 1.0),
            Cause::Traffic => random.scaled(0.3, 4.0),
            Cause::Errors => random.between(0.01, 0.5),
            Cause::Stolen => random.between(0.3, 0.9),
            Cause::Lost => random.between(0.3, 0.95),
        };
        let ramp = random.scaled(0.05, 1.5) * horizon;
        let bend = if random.chance(0.5) { 1.0 } else { random.between(1.0, 3.0) };
        Self { cause, service, start, ramp, size, repaired: None, bend }
    }

    /// How much of it there is at a tick.
    pub fn at(&self, tick: usize) -> f64 {
        let grown = ((tick as f64 - self.start as f64) / self.ramp).clamp(0.0, 1.0).powf(self.bend);
        let left = self
            .repaired
            .map_or(1.0, |(at, ticks)| 1.0 - ((tick as f64 - at as f64) / ticks.max(1.0)).clamp(0.0, 1.0));
        self.size * grown * left
    }
}

/// What moves while nothing is wrong.
#[derive(Clone, Debug)]
pub struct Everyday {
    /// Traffic's slow wave: how high, how many ticks long, where it is.
    wave: (f64, f64, f64),
    /// A peak that comes and goes: when, how high, how long.
    peak: Option<(f64, f64, f64)>,
    /// Deployments: at which tick, of which service.
    pub deploys: Vec<(usize, usize)>,
    /// Short hiccups: at which tick, of which service, how many times slower.
    pub hiccups: Vec<(usize, usize, f64)>,
    /// A cache that fills and stays: which service, how much memory, over how many ticks.
    pub filling: Option<(usize, f64, f64)>,
}

impl Everyday {
    pub fn random(random: &mut Random, services: usize, ticks: usize) -> Self {
        let some = |random: &mut Random, chance: f64| -> Vec<(usize, usize)> {
            let count = if random.chance(chance) { random.count(1, 3) } else { 0 };
            (0..count).map(|_| (random.below(ticks), random.below(services))).collect()
        };
        let deploys = some(random, 0.5);
        let hiccups =
            some(random, 0.6).into_iter().map(|(at, service)| (at, service, random.between(1.3, 4.0)));
        let hiccups = hiccups.collect();
        let all = ticks as f64;
        Self {
            wave: (
                random.between(0.0, 0.15),
                random.scaled(100.0, 2000.0),
                random.unit() * std::f64::consts::TAU,
            ),
            peak: random.chance(0.4).then(|| {
                (random.between(0.2, 1.0) * all, random.between(0.05, 0.35), random.scaled(20.0, 200.0))
            }),
            deploys,
            hiccups,
            filling: random
                .chance(0.4)
                .then(|| (random.below(services), random.between(0.05, 0.25), random.scaled(100.0, 600.0))),
        }
    }

    /// Traffic as a factor of what is usual.
    pub fn traffic(&self, tick: usize) -> f64 {
        let tick = tick as f64;
        let wave = self.wave.0 * (tick / self.wave.1 * std::f64::consts::TAU + self.wave.2).sin();
        let peak =
            self.peak.map_or(0.0, |(at, height, length)| height * (-((tick - at) / length).powi(2)).exp());
        1.0 + wave + peak
    }
}
