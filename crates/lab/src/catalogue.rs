//! What the six services are: their baselines, resources, dependencies and version histories.
//!
//! Owns every constant of the world at rest. It must not know about faults: those are in `supervisor::faults`.

use serde::{Deserialize, Serialize};

/// Production rates are multiplied by this, so that the whole lab at rest fits into half a core of a debug build.
pub const RATE_FACTOR: f64 = 0.2;
/// Resident memory a process may use before it is killed: 128 MiB.
pub const MEMORY_LIMIT_BYTES: u64 = 128 * 1024 * 1024;
/// Most replicas of one service the control plane starts.
pub const REPLICAS_MAX: u32 = 6;
/// Most database connections of one process.
pub const POOL_MAX: u32 = 64;
/// Distinct customers that requests are about; small enough that caches warm up within a minute.
pub const CUSTOMERS: u32 = 400;
/// The queue between order-service and notification-service.
pub const QUEUE: &str = "order-events";

/// One of the six services; the closed list that the whole lab is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceName {
    ApiGateway,
    PaymentService,
    OrderService,
    UserService,
    InventoryService,
    NotificationService,
}

use ServiceName::{
    ApiGateway, InventoryService, NotificationService, OrderService, PaymentService, UserService,
};

impl ServiceName {
    pub const ALL: [ServiceName; 6] =
        [ApiGateway, PaymentService, OrderService, UserService, InventoryService, NotificationService];

    pub fn as_str(self) -> &'static str {
        match self {
            ApiGateway => "api-gateway",
            PaymentService => "payment-service",
            OrderService => "order-service",
            UserService => "user-service",
            InventoryService => "inventory-service",
            NotificationService => "notification-service",
        }
    }

    pub fn parse(name: &str) -> Option<ServiceName> {
        ServiceName::ALL.into_iter().find(|service| service.as_str() == name)
    }

    /// All names, for error messages that say what would have been valid.
    pub fn listing() -> String {
        ServiceName::ALL.map(ServiceName::as_str).join(", ")
    }

    /// Services that this one calls over HTTP.
    pub fn depends_on(self) -> &'static [ServiceName] {
        match self {
            ApiGateway => &[PaymentService, OrderService, UserService],
            OrderService => &[PaymentService, InventoryService],
            PaymentService | UserService | InventoryService | NotificationService => &[],
        }
    }

    /// Services whose events this one consumes from a queue.
    pub fn consumes_from(self) -> &'static [ServiceName] {
        match self {
            NotificationService => &[OrderService],
            _ => &[],
        }
    }

    pub fn profile(self) -> Profile {
        match self {
            ApiGateway => Profile::new(150.0, 120.0, 0.25, 8, Latency::new(6.0, 0.4, 0.004, 60.0, 110.0)),
            PaymentService => {
                Profile::new(80.0, 380.0, 0.15, 16, Latency::new(22.0, 0.6, 0.055, 290.0, 415.0))
            }
            OrderService => Profile::new(60.0, 280.0, 0.15, 8, Latency::new(16.0, 0.5, 0.008, 190.0, 250.0)),
            UserService => Profile::new(200.0, 150.0, 0.25, 12, Latency::new(12.0, 0.5, 0.02, 115.0, 165.0)),
            InventoryService => {
                Profile::new(30.0, 220.0, 0.12, 8, Latency::new(15.0, 0.5, 0.025, 150.0, 210.0))
            }
            NotificationService => {
                Profile::new(40.0, 500.0, 0.12, 8, Latency::new(30.0, 0.6, 0.025, 370.0, 500.0))
            }
        }
    }

    /// Versions that have been built, oldest first; the last three are good builds nobody has deployed yet.
    pub fn good_versions(self) -> &'static [&'static str] {
        match self {
            ApiGateway => &["v3.6.2", "v3.7.0", "v3.7.1", "v3.7.2", "v3.8.0", "v3.8.1"],
            PaymentService => &["v2.13.4", "v2.14.0", "v2.14.1", "v2.14.2", "v2.14.3", "v2.14.4"],
            OrderService => &["v4.1.0", "v4.1.3", "v4.2.0", "v4.2.1", "v4.2.2", "v4.2.3"],
            UserService => &["v1.19.0", "v1.20.0", "v1.20.1", "v1.20.2", "v1.20.3", "v1.20.4"],
            InventoryService => &["v2.2.1", "v2.3.0", "v2.3.1", "v2.3.2", "v2.3.3", "v2.3.4"],
            NotificationService => &["v1.7.5", "v1.8.0", "v1.8.1", "v1.8.2", "v1.8.3", "v1.8.4"],
        }
    }

    /// How many of `good_versions` had been deployed before the lab started.
    pub const DEPLOYED_AT_START: usize = 3;

    /// Major and minor number of the next release train; its patch number counts up with every build.
    pub fn next_release_train(self) -> &'static str {
        match self {
            ApiGateway => "v3.9",
            PaymentService => "v2.15",
            OrderService => "v4.3",
            UserService => "v1.21",
            InventoryService => "v2.4",
            NotificationService => "v1.9",
        }
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long the storage device takes for a request's main query: a lognormal body and a slow share.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Latency {
    pub median_ms: f64,
    pub sigma: f64,
    /// Share of requests whose pages are not in the device's cache.
    pub slow_share: f64,
    pub slow_min_ms: f64,
    pub slow_max_ms: f64,
}

impl Latency {
    const fn new(median_ms: f64, sigma: f64, slow_share: f64, slow_min_ms: f64, slow_max_ms: f64) -> Self {
        Latency { median_ms, sigma, slow_share, slow_min_ms, slow_max_ms }
    }
}

/// A service's baseline and resources.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Profile {
    /// Requests per second in production, before `RATE_FACTOR`.
    pub nominal_rps: f64,
    pub slo_p99_ms: f64,
    pub cpu_limit_cores: f64,
    pub pool_size: u32,
    pub latency: Latency,
}

/// Share of its CPU budget that a service's own work takes at rest; a sevenfold load then exceeds the budget.
const CPU_SHARE_AT_REST: f64 = 0.16;

impl Profile {
    const fn new(
        nominal_rps: f64,
        slo_p99_ms: f64,
        cpu_limit_cores: f64,
        pool_size: u32,
        latency: Latency,
    ) -> Self {
        Profile { nominal_rps, slo_p99_ms, cpu_limit_cores, pool_size, latency }
    }

    /// Requests per second that the lab's traffic really makes at rest.
    pub fn rest_rps(&self) -> f64 {
        self.nominal_rps * RATE_FACTOR
    }

    /// CPU time that the handler of one request burns.
    pub fn cpu_ms_per_request(&self) -> f64 {
        self.cpu_limit_cores * CPU_SHARE_AT_REST * 1000.0 / self.rest_rps()
    }
}

/// Memory that a build never gives back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    /// Share of the free memory that its buffers fill up to.
    pub share: f64,
    /// Seconds until they do.
    pub full_after_s: f64,
    /// Whether it stops short of the limit. One that does not goes on beyond its share until the process is killed.
    pub held: bool,
}

/// What a build of a service does differently from a good one. The default is a good build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Memory that the build never gives back, if any.
    pub leak: Option<Leak>,
    /// Seconds of service after which the process dies, if any.
    pub crash_after_s: Option<f64>,
    /// Share of requests that end in an unhandled error.
    pub error_share: f64,
    /// Times as many storage round trips per request.
    pub slowdown: Option<f64>,
}

impl Behaviour {
    pub fn is_good(&self) -> bool {
        *self == Behaviour::default()
    }
}

/// A build: its public name and what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub name: String,
    pub behaviour: Behaviour,
}
