//! A made-up production: services with instances, workers, queues and limits, and who calls whom.

use crate::random::Random;

/// A call that a service makes while it answers a request.
#[derive(Clone, Debug)]
pub struct Call {
    pub to: usize,
    /// Calls for each request.
    pub per_request: f64,
    pub timeout_ms: f64,
    /// How often a call that failed is tried again.
    pub retries: u32,
    /// Connections that the caller may hold to the other at a time.
    pub pool: f64,
    /// Whether a request can be answered without it.
    pub fallback: Fallback,
}

/// What a failed call does to the request that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The request fails, too.
    None,
    /// The request is answered without it.
    Degraded,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Node {
    pub calls: Vec<Call>,
    /// Requests per second from outside.
    pub entry_rps: f64,
    /// Milliseconds of a request without its calls.
    pub own_ms: f64,
    /// How much longer the slowest requests in a hundred take than the mean.
    pub spread: f64,
    pub replicas: f64,
    /// Requests that an instance works on at a time.
    pub workers: f64,
    /// Requests that wait at most, all instances together.
    pub queue_max: f64,
    /// Requests per second that the CPU limit of one instance allows.
    pub cpu_rps: f64,
    /// Share of the memory limit that is taken at rest.
    pub memory: f64,
}

/// All services. Callers come before those whom they call.
#[derive(Clone, Debug)]
pub struct World {
    pub nodes: Vec<Node>,
}

impl World {
    /// A world on a random graph of layers: entries above, what others need below.
    pub fn random(random: &mut Random, services: (usize, usize)) -> Self {
        let count = random.count(services.0.max(1), services.1.max(1));
        let entries = random.count(1, (count / 4).max(1));
        let mut edges = Vec::new();
        for to in entries..count {
            // One caller at least; popular services have some more.
            let callers = 1 + usize::from(random.chance(0.45)) + usize::from(random.chance(0.2));
            // Near callers are likelier: calls go through layers.
            let near = to.saturating_sub(random.count(2, 6));
            let mut chosen: Vec<usize> =
                (0..callers).map(|_| random.count(near.min(to - 1), to - 1)).collect();
            chosen.sort_unstable();
            chosen.dedup();
            edges.extend(chosen.into_iter().map(|from| (from, to)));
        }
        Self::on(random, count, &edges)
    }

    /// A world on given edges, from caller to callee. An edge that closes a circle is left out.
    pub fn on(random: &mut Random, count: usize, edges: &[(usize, usize)]) -> Self {
        let order = order(count, edges);
        let mut nodes: Vec<Node> = (0..count).map(|_| node(random)).collect();
        let place: Vec<usize> = {
            let mut place = vec![0; count];
            order.iter().enumerate().for_each(|(at, service)| place[*service] = at);
            place
        };
        for (from, to) in edges.iter().filter(|(from, to)| place[*from] < place[*to]) {
            nodes[*from].calls.push(call(random, *to));
        }
        let called: Vec<bool> = (0..count).map(|node| edges.iter().any(|(_, to)| *to == node)).collect();
        for (node, called) in nodes.iter_mut().zip(called) {
            // Some have clients of their own beside those who call them.
            node.entry_rps = if !called || random.chance(0.15) { random.scaled(10.0, 200.0) } else { 0.0 };
        }
        let mut world = Self { nodes };
        world.size(random, &order);
        world
    }

    /// Gives each service as many workers, connections and CPU as its load at rest needs, and some more.
    fn size(&mut self, random: &mut Random, order: &[usize]) {
        let load = self.load(order);
        let mut mean_ms = vec![0.0; self.nodes.len()];
        for service in order.iter().rev() {
            let node = &self.nodes[*service];
            let calls: f64 = node.calls.iter().map(|call| call.per_request * mean_ms[call.to]).sum();
            mean_ms[*service] = node.own_ms + calls;
        }
        for (service, node) in self.nodes.iter_mut().enumerate() {
            let rps = load[service].max(0.5);
            let busy = rps * mean_ms[service] / 1000.0;
            // Between a quarter and two thirds of what there is are used at rest.
            node.workers = (busy / node.replicas / random.between(0.25, 0.65)).ceil().max(2.0);
            node.queue_max = node.workers * node.replicas * random.scaled(2.0, 20.0) + 20.0;
            node.cpu_rps = rps / node.replicas / random.between(0.2, 0.6);
            for call in &mut node.calls {
                let held = rps * call.per_request * mean_ms[call.to] / 1000.0;
                call.pool = (held / random.between(0.15, 0.6)).ceil().max(2.0);
                call.timeout_ms = mean_ms[call.to].max(20.0) * random.scaled(4.0, 30.0);
            }
        }
    }

    /// Requests per second at each service when nothing is retried.
    fn load(&self, order: &[usize]) -> Vec<f64> {
        let mut load: Vec<f64> = self.nodes.iter().map(|node| node.entry_rps).collect();
        for service in order {
            for call in &self.nodes[*service].calls {
                load[call.to] += load[*service] * call.per_request;
            }
        }
        load
    }
}

/// Services so that callers come first; edges of circles do not count.
fn order(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut waits: Vec<usize> =
        (0..count).map(|node| edges.iter().filter(|(_, to)| *to == node).count()).collect();
    let mut left: Vec<usize> = (0..count).collect();
    let mut order = Vec::with_capacity(count);
    while !left.is_empty() {
        // In a circle the one that waits for the fewest goes first.
        let next = (0..left.len()).min_by_key(|index| waits[left[*index]]).unwrap_or(0);
        let node = left.swap_remove(next);
        edges
            .iter()
            .filter(|(from, _)| *from == node)
            .for_each(|(_, to)| waits[*to] = waits[*to].saturating_sub(1));
        order.push(node);
    }
    order
}

fn node(random: &mut Random) -> Node {
    Node {
        calls: vec![],
        entry_rps: 0.0,
        own_ms: random.scaled(3.0, 60.0),
        spread: random.between(2.0, 5.0),
        replicas: random.count(1, 4) as f64,
        workers: 2.0,
        queue_max: 20.0,
        cpu_rps: 1.0,
        memory: random.between(0.25, 0.6),
    }
}

fn call(random: &mut Random, to: usize) -> Call {
    Call {
        to,
        per_request: if random.chance(0.5) { 1.0 } else { random.between(0.2, 1.5) },
        timeout_ms: 1000.0,
        retries: [0, 1, 1, 2, 3][random.below(5)],
        pool: 8.0,
        fallback: if random.chance(0.2) { Fallback::Degraded } else { Fallback::None },
    }
}
