//! How requests flow: a tick of every queue.
//!
//! A worker is held while its request waits for others, so that what is slow below fills pools above; a queue that is full
//! refuses; what fails is tried again, which is more load. No cascade is written down anywhere.

use super::stress::{Cause, Everyday, Stress};
use super::world::{Call, Fallback, Node, World};
use crate::random::Random;
use crate::window::Reading;

/// Ticks for which an instance that was killed does not serve.
const RESTART_TICKS: u32 = 8;

/// Ticks for which a restart is told: a minute.
const TOLD_TICKS: usize = 30;

/// Ticks with a full queue after which the health check fails and the instance is killed.
const UNHEALTHY_TICKS: u32 = 20;

/// A service at a tick.
#[derive(Clone, Debug)]
struct State {
    queue: f64,
    /// Milliseconds until a request is answered, and of it those in the queue.
    latency_ms: f64,
    /// Share of requests that fail.
    fail: f64,
    served: f64,
    arrived: f64,
    cpu: f64,
    /// Beyond what is taken at rest.
    leaked: f64,
    memory: f64,
    /// Instances that are starting, and for how long still.
    starting: (f64, u32),
    /// Ticks at which an instance was killed.
    kills: Vec<usize>,
    full: u32,
}

/// A world that goes on tick by tick.
pub struct Flow<'a> {
    world: &'a World,
    stress: Option<Stress>,
    everyday: &'a Everyday,
    states: Vec<State>,
    tick: usize,
    tick_s: f64,
}

/// A call as its caller sees it.
struct Seen {
    /// Milliseconds of all attempts.
    ms: f64,
    attempts: f64,
    fail: f64,
}

impl<'a> Flow<'a> {
    pub fn new(world: &'a World, stress: Option<Stress>, everyday: &'a Everyday, tick_s: f64) -> Self {
        let state = |node: &Node| State {
            queue: 0.0,
            latency_ms: node.own_ms,
            fail: 0.0,
            served: node.entry_rps,
            arrived: node.entry_rps,
            cpu: 0.3,
            leaked: 0.0,
            memory: node.memory,
            starting: (0.0, 0),
            kills: vec![],
            full: 0,
        };
        Self { world, stress, everyday, states: world.nodes.iter().map(state).collect(), tick: 0, tick_s }
    }

    /// What one cause does to a service now.
    fn hurt(&self, service: usize, cause: Cause) -> f64 {
        let here = self.stress.filter(|stress| stress.service == service && stress.cause == cause);
        here.map_or(0.0, |stress| stress.at(self.tick))
    }

    /// Goes on by a tick.
    pub fn step(&mut self, random: &mut Random) {
        let arrivals = self.arrivals(random);
        let next: Vec<State> =
            (0..self.states.len()).map(|service| self.next(service, arrivals[service], random)).collect();
        self.states = next;
        self.tick += 1;
    }

    fn arrivals(&self, random: &mut Random) -> Vec<f64> {
        let traffic = self.everyday.traffic(self.tick);
        let mut arrivals: Vec<f64> = Vec::with_capacity(self.states.len());
        for (service, node) in self.world.nodes.iter().enumerate() {
            let rps = node.entry_rps * traffic * (1.0 + self.hurt(service, Cause::Traffic));
            // Requests come at random: a Poisson number within a tick.
            let noise = (rps / self.tick_s).sqrt() * random.normal();
            arrivals.push((rps + noise).max(0.0));
        }
        for (node, state) in self.world.nodes.iter().zip(&self.states) {
            for call in &node.calls {
                arrivals[call.to] += state.served * call.per_request * self.seen(call).attempts;
            }
        }
        arrivals
    }

    /// A call as it is now: latencies are spread, so that some attempts time out before the mean does.
    fn seen(&self, call: &Call) -> Seen {
        let callee = &self.states[call.to];
        let lateness = (callee.latency_ms / call.timeout_ms).max(1e-6).ln();
        let late = 1.0 / (1.0 + (-4.0 * lateness).exp());
        let fail = (1.0 - (1.0 - late) * (1.0 - callee.fail)).clamp(0.0, 1.0);
        let tries = f64::from(call.retries + 1);
        let attempts = if fail > 0.999 { tries } else { (1.0 - fail.powf(tries)) / (1.0 - fail) };
        let once = callee.latency_ms.min(call.timeout_ms) * (1.0 - late) + call.timeout_ms * late;
        Seen { ms: attempts * once, attempts, fail: fail.powf(tries) }
    }

    fn next(&self, service: usize, arrived: f64, random: &mut Random) -> State {
        let node = &self.world.nodes[service];
        let mut state = self.states[service].clone();
        state.arrived = arrived;
        self.breathe(service, &mut state);
        let replicas = self.replicas(service);
        let deploying =
            self.everyday.deploys.iter().any(|(at, of)| *of == service && (*at..at + 6).contains(&self.tick));
        let serving = (replicas - state.starting.0 - if deploying { 0.5 } else { 0.0 }).max(0.2);
        let own_ms = node.own_ms * self.slowness(service, &state);
        let seen: Vec<Seen> = node.calls.iter().map(|call| self.seen(call)).collect();
        let calls_ms: f64 = node.calls.iter().zip(&seen).map(|(call, seen)| call.per_request * seen.ms).sum();
        let hold_s = (own_ms + calls_ms) / 1000.0;
        let held = self.hurt(service, Cause::Held).min(0.98);
        let workers = node.workers * serving * (1.0 - held);
        let by_cpu = node.cpu_rps * serving * (1.0 - self.hurt(service, Cause::Stolen));
        let by_pools =
            node.calls.iter().zip(&seen).map(|(call, seen)| {
                call.pool * (1.0 - held) / (call.per_request * seen.ms / 1000.0).max(1e-6)
            });
        let capacity = by_pools.fold((workers / hold_s).min(by_cpu), f64::min).max(0.05);
        let refused = enqueue(&mut state, arrived, capacity, node.queue_max, self.tick_s);
        let busy = (arrived / capacity).min(0.98);
        // What waits although there is room: M/M/c by Sakasegawa (1977).
        let waits_ms =
            1000.0 * hold_s * busy.powf((2.0 * (workers + 1.0)).sqrt()) / (workers * (1.0 - busy)).max(0.05);
        state.latency_ms = own_ms + calls_ms + waits_ms + 1000.0 * state.queue / capacity;
        state.latency_ms = state.latency_ms.min(120_000.0);
        let through = node.calls.iter().zip(&seen).filter(|(call, _)| call.fallback == Fallback::None);
        let answered: f64 =
            through.map(|(call, seen)| 1.0 - seen.fail * call.per_request.min(1.0)).product::<f64>();
        let own_errors = self.hurt(service, Cause::Errors) + if deploying { 0.002 } else { 0.0 };
        state.fail = 1.0 - (1.0 - refused) * answered * (1.0 - own_errors).max(0.0);
        let cpu = state.served / (by_cpu / serving * serving.max(0.2)).max(0.05);
        state.cpu = (0.04 + 0.94 * cpu.min(1.05) + 0.01 * random.normal()).clamp(0.0, 1.1);
        self.kill_the_unhealthy(&mut state, random);
        state
    }

    /// Memory, and what happens when there is none left.
    fn breathe(&self, service: usize, state: &mut State) {
        let node = &self.world.nodes[service];
        let leak = self.hurt(service, Cause::Leak);
        let filling = self.everyday.filling.filter(|(of, ..)| *of == service);
        let filled =
            filling.map_or(0.0, |(_, share, ticks)| share * (1.0 - (-(self.tick as f64) / ticks).exp()));
        let waiting = 0.1 * (state.queue / node.queue_max).min(1.0);
        // What was given back by being killed stays given back.
        state.memory = node.memory + filled + waiting + (leak - state.leaked).max(0.0);
        if state.memory >= 1.0 {
            state.leaked += (leak - state.leaked).max(0.0);
            state.kills.push(self.tick);
            state.starting = ((node.replicas * 0.5).max(1.0), RESTART_TICKS);
        }
        if state.starting.1 > 0 {
            state.starting.1 -= 1;
        } else {
            state.starting.0 = 0.0;
        }
    }

    fn replicas(&self, service: usize) -> f64 {
        let node = &self.world.nodes[service];
        let lost = self.hurt(service, Cause::Lost);
        (node.replicas - (node.replicas * lost).floor()).max(if lost > 0.9 { 0.3 } else { 1.0 })
    }

    /// How many times slower than at rest.
    fn slowness(&self, service: usize, state: &State) -> f64 {
        let hiccup = self
            .everyday
            .hiccups
            .iter()
            .find(|(at, of, _)| *of == service && (*at..at + 3).contains(&self.tick));
        // Above 85 % of memory, collecting garbage takes more and more of the time.
        let collecting = 1.0 + 6.0 * ((state.memory - 0.85) / 0.15).clamp(0.0, 1.0).powi(2);
        (1.0 + self.hurt(service, Cause::Slow)) * collecting * hiccup.map_or(1.0, |(.., factor)| *factor)
    }

    fn kill_the_unhealthy(&self, state: &mut State, random: &mut Random) {
        state.full = if state.fail > 0.5 { state.full + 1 } else { 0 };
        if state.full > UNHEALTHY_TICKS && random.chance(0.1) {
            state.kills.push(self.tick);
            state.starting = (1.0, RESTART_TICKS);
            state.queue *= 0.5;
            state.full = 0;
        }
    }

    /// What a monitoring system reads of a service: the truth with the noise of few requests.
    pub fn read(&self, service: usize, random: &mut Random) -> Reading {
        let (node, state) = (&self.world.nodes[service], &self.states[service]);
        let requests = (state.arrived * self.tick_s).max(1.0);
        let mut noise = |share: f64| (share * random.normal()).exp();
        let p50 = state.latency_ms * 0.75 * noise(0.3 / requests.sqrt() + 0.02);
        // The tail rests on a hundredth of the requests; a queue makes all wait alike.
        let queued = (state.queue / node.queue_max).clamp(0.0, 1.0);
        let p99 = state.latency_ms
            * (node.spread * (1.0 - queued) + 1.3 * queued)
            * noise(0.8 / requests.sqrt() + 0.04);
        let failed = state.fail + (state.fail * (1.0 - state.fail) / requests).sqrt() * random.normal();
        let replicas = self.replicas(service) - state.starting.0;
        let restarts = state.kills.iter().filter(|at| self.tick.saturating_sub(**at) < TOLD_TICKS).count();
        [
            p50,
            p99,
            failed.clamp(0.0, 1.0),
            state.arrived,
            state.cpu,
            (state.memory + 0.004 * random.normal()).clamp(0.0, 1.05),
            replicas.max(0.0).round(),
            restarts as f64,
        ]
        .map(|value| value as f32)
    }

    /// Calls per second, share that fails and mean milliseconds of every call, callers in order.
    pub fn calls(&self) -> Vec<[f32; 3]> {
        let of = |(node, state): (&Node, &State)| -> Vec<[f32; 3]> {
            let call = |call: &Call| {
                let seen = self.seen(call);
                let rate = state.served * call.per_request * seen.attempts;
                [rate, seen.fail, seen.ms / seen.attempts.max(1.0)].map(|value| value as f32)
            };
            node.calls.iter().map(call).collect()
        };
        self.world.nodes.iter().zip(&self.states).flat_map(of).collect()
    }
}

/// Puts what arrived into the queue, takes out what is served, and says which share was refused.
fn enqueue(state: &mut State, arrived: f64, capacity: f64, queue_max: f64, tick_s: f64) -> f64 {
    let offered = state.queue + arrived * tick_s;
    let served = offered.min(capacity * tick_s);
    let waiting = offered - served;
    let refused = (waiting - queue_max).max(0.0);
    state.queue = waiting.min(queue_max);
    state.served = served / tick_s;
    if arrived > 0.0 { (refused / (arrived * tick_s)).clamp(0.0, 1.0) } else { 0.0 }
}
