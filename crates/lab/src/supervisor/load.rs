//! The world's demand: open-loop Poisson traffic of ordinary clients, and what unusual clients add.
//!
//! Owns how much is asked of the services. Requests enter at each service's proxy, as those of any client.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp};
use tokio::sync::watch;

use super::proxy::forward;
use super::world::World;
use crate::catalogue::{CUSTOMERS, ServiceName};

/// A spike brings the service's rate to this many times its normal rate.
const SPIKE_FACTOR: f64 = 7.0;
/// CPU time of one expensive report, and how much of one replica's budget the reports ask for in all.
const REPORT_CPU_MS: f64 = 20.0;
const REPORTS_BUDGET_SHARE: f64 = 1.10;
/// Customers that a spike is about: popular ones, whose profiles are in every cache.
const POPULAR: u32 = 20;
/// Requests that the clients of one service leave open at most; then they give up asking.
const OPEN_MAX: usize = 400;
/// A client gives up after this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Arrivals are drawn again after this time, so that a changed rate takes effect soon. A Poisson process does not mind.
const REDRAW: Duration = Duration::from_millis(200);
/// Shares of the gateway's traffic; the rest browses.
const PAY_SHARE: f64 = 0.10;
const CHECKOUT_SHARE: f64 = 0.10;

/// Demand beyond the ordinary on one service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extra {
    pub(super) magnitude: f64,
    since: Instant,
    /// Seconds until it is all there.
    ramp_s: f64,
}

impl Extra {
    fn now(self) -> f64 {
        let progress =
            if self.ramp_s <= 0.0 { 1.0 } else { self.since.elapsed().as_secs_f64() / self.ramp_s };
        self.magnitude * progress.min(1.0)
    }
}

/// A slow change of the ordinary traffic.
#[derive(Debug, Clone, Copy)]
struct Tide {
    from: f64,
    to: f64,
    since: Instant,
    over_s: f64,
}

struct Demand {
    tide: Tide,
    spikes: BTreeMap<ServiceName, Extra>,
    reports: BTreeMap<ServiceName, Extra>,
}

pub(super) struct Load {
    demand: Mutex<Demand>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ExtraKind {
    Spike,
    Reports,
}

impl Load {
    pub(super) fn new() -> Load {
        let tide = Tide { from: 1.0, to: 1.0, since: Instant::now(), over_s: 0.0 };
        Load { demand: Mutex::new(Demand { tide, spikes: BTreeMap::new(), reports: BTreeMap::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the ordinary traffic to `factor` times its normal rate within `over_s`.
    pub(super) fn set_tide(&self, factor: f64, over_s: f64) {
        let from = self.tide();
        self.lock().tide = Tide { from, to: factor, since: Instant::now(), over_s };
    }

    pub(super) fn tide(&self) -> f64 {
        let tide = self.lock().tide;
        let progress =
            if tide.over_s <= 0.0 { 1.0 } else { tide.since.elapsed().as_secs_f64() / tide.over_s };
        tide.from + (tide.to - tide.from) * progress.clamp(0.0, 1.0)
    }

    /// Sets demand beyond the ordinary by its magnitude and the seconds until it is all there, or ends it.
    pub(super) fn set_extra(&self, kind: ExtraKind, service: ServiceName, extra: Option<(f64, f64)>) {
        let mut demand = self.lock();
        let extras = match kind {
            ExtraKind::Spike => &mut demand.spikes,
            ExtraKind::Reports => &mut demand.reports,
        };
        match extra {
            Some((magnitude, ramp_s)) => {
                extras.insert(service, Extra { magnitude, since: Instant::now(), ramp_s })
            }
            None => extras.remove(&service),
        };
    }

    pub(super) fn has_extra(&self, kind: ExtraKind, service: ServiceName) -> bool {
        let demand = self.lock();
        match kind {
            ExtraKind::Spike => demand.spikes.contains_key(&service),
            ExtraKind::Reports => demand.reports.contains_key(&service),
        }
    }

    /// Requests per second of a stream at this moment.
    fn rate(&self, stream: Stream) -> f64 {
        let tide = self.tide();
        let demand = self.lock();
        let extra =
            |extras: &BTreeMap<ServiceName, Extra>, service| extras.get(&service).map_or(0.0, |e| e.now());
        match stream {
            Stream::Ordinary(service) => direct_rps(service) * tide,
            Stream::Spike(service) => {
                service.profile().rest_rps() * (SPIKE_FACTOR - 1.0) * extra(&demand.spikes, service)
            }
            Stream::Reports(service) => {
                let budget_ms = service.profile().cpu_limit_cores * 1000.0;
                budget_ms * REPORTS_BUDGET_SHARE / REPORT_CPU_MS * extra(&demand.reports, service)
            }
        }
    }

    /// CPU time per second that the handlers of a service are asked for, in cores.
    pub(super) fn demanded_cores(&self, service: ServiceName) -> f64 {
        let profile = service.profile();
        let ordinary = profile.rest_rps() * self.tide() + self.rate(Stream::Spike(service));
        let reports = self.rate(Stream::Reports(service)) * REPORT_CPU_MS;
        (ordinary * profile.cpu_ms_per_request() + reports) / 1000.0
    }
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Ordinary(ServiceName),
    Spike(ServiceName),
    Reports(ServiceName),
}

impl Stream {
    fn service(self) -> ServiceName {
        match self {
            Stream::Ordinary(service) | Stream::Spike(service) | Stream::Reports(service) => service,
        }
    }

    /// The next request's path.
    fn path(self, random: &mut StdRng) -> String {
        let anyone = random.random_range(0..CUSTOMERS);
        match self {
            Stream::Ordinary(ServiceName::ApiGateway) => {
                let draw: f64 = random.random();
                let operation = match draw {
                    draw if draw < PAY_SHARE => "pay",
                    draw if draw < PAY_SHARE + CHECKOUT_SHARE => "checkout",
                    _ => "browse",
                };
                format!("/{operation}/{anyone}")
            }
            Stream::Ordinary(service) => format!("/{}/{anyone}", direct_operation(service)),
            Stream::Spike(service) => {
                format!("/{}/{}", direct_operation(service), random.random_range(0..POPULAR))
            }
            Stream::Reports(_) => format!("/report/{anyone}?cpu_ms={REPORT_CPU_MS}"),
        }
    }
}

/// What clients other than the lab's own services ask of a service.
fn direct_operation(service: ServiceName) -> &'static str {
    match service {
        ServiceName::ApiGateway => "browse",
        ServiceName::PaymentService => "charge",
        ServiceName::OrderService => "orders",
        ServiceName::UserService => "users",
        ServiceName::InventoryService => "reserve",
        ServiceName::NotificationService => "deliveries",
    }
}

/// Share of the gateway's browse requests that miss its cache, measured at rest.
const BROWSE_MISS_SHARE: f64 = 0.18;

/// Requests per second at rest that come from outside: each service's rate less what other services ask of it.
fn direct_rps(service: ServiceName) -> f64 {
    let rest = |service: ServiceName| service.profile().rest_rps();
    let gateway = rest(ServiceName::ApiGateway);
    let asked = match service {
        ServiceName::ApiGateway | ServiceName::NotificationService => 0.0,
        ServiceName::PaymentService => gateway * PAY_SHARE + rest(ServiceName::OrderService) * 0.75,
        ServiceName::OrderService => gateway * CHECKOUT_SHARE,
        ServiceName::UserService => gateway * (1.0 - PAY_SHARE - CHECKOUT_SHARE) * BROWSE_MISS_SHARE,
        ServiceName::InventoryService => rest(ServiceName::OrderService) * 0.40,
    };
    (rest(service) - asked).max(0.0)
}

/// Starts the streams; they end when the lab stops.
pub(super) fn start(world: &Arc<World>) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for (index, service) in ServiceName::ALL.into_iter().enumerate() {
        let streams = [Stream::Ordinary(service), Stream::Spike(service), Stream::Reports(service)];
        for (kind, stream) in streams.into_iter().enumerate() {
            // Each stream has its own sequence, so that one does not change another.
            let random = StdRng::seed_from_u64(world.seed.wrapping_mul(1000) + (index * 10 + kind) as u64);
            tasks.spawn(generate(Arc::clone(world), stream, random, world.stop.subscribe()));
        }
    }
    tasks
}

async fn generate(world: Arc<World>, stream: Stream, mut random: StdRng, mut stop: watch::Receiver<bool>) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let gap = gap(world.load.rate(stream), &mut random);
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(gap.min(REDRAW)) => {}
        }
        if gap <= REDRAW && open.load(Ordering::Relaxed) < OPEN_MAX {
            send(&world, stream, &mut random, &open);
        }
    }
}

fn gap(rate: f64, random: &mut StdRng) -> Duration {
    let never = Duration::from_secs(3600);
    match Exp::new(rate) {
        Ok(gaps) if rate > 0.0 => Duration::try_from_secs_f64(gaps.sample(random)).unwrap_or(never),
        _ => never,
    }
}

fn send(world: &Arc<World>, stream: Stream, random: &mut StdRng, open: &Arc<AtomicUsize>) {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::POST;
    let Ok(uri) = stream.path(random).parse() else { return };
    *request.uri_mut() = uri;
    let (world, open) = (Arc::clone(world), Arc::clone(open));
    open.fetch_add(1, Ordering::Relaxed);
    // Open loop: the next request does not wait for this one, whose answer is the client's business.
    tokio::spawn(async move {
        let fleet = Arc::clone(world.fleet(stream.service()));
        let _ = tokio::time::timeout(PATIENCE, forward(&world, &fleet, request)).await;
        open.fetch_sub(1, Ordering::Relaxed);
    });
}
