//! What the services do for a request: the business of the six services, one match.

use axum::http::StatusCode;

use super::cache::Lookup;
use super::dependency::{self, DependencyError, Reply};
use super::storage::StorageError;
use super::{App, count, publisher};
use crate::catalogue::{CUSTOMERS, ServiceName};

/// Largest CPU time one report may ask for.
const REPORT_CPU_MS_MAX: f64 = 50.0;
/// Share of orders that are paid with this request; the others are prepaid.
const PAID_SHARE_PERCENT: u32 = 75;
/// Share of orders with goods that need a reservation.
const RESERVED_SHARE_PERCENT: u32 = 40;

/// One request of a client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    /// api-gateway
    Browse,
    Pay,
    Checkout,
    /// payment-service
    Charge,
    Authorize,
    /// order-service
    PlaceOrder,
    /// user-service
    ReadUser,
    /// inventory-service
    Reserve,
    /// notification-service
    DeliveryStatus,
    /// Any service: an expensive report for its operators' customers.
    Report {
        cpu_ms: f64,
    },
}

impl Operation {
    /// Finds the operation and the customer in `/{operation}/{customer}`.
    pub(super) fn parse(service: ServiceName, path: &str, query: Option<&str>) -> Option<(Operation, u32)> {
        let mut parts = path.trim_start_matches('/').split('/');
        let (name, customer, end) = (parts.next()?, parts.next()?, parts.next());
        let customer: u32 =
            customer.parse().ok().filter(|customer| *customer < CUSTOMERS && end.is_none())?;
        let operation = match (service, name) {
            (ServiceName::ApiGateway, "browse") => Operation::Browse,
            (ServiceName::ApiGateway, "pay") => Operation::Pay,
            (ServiceName::ApiGateway, "checkout") => Operation::Checkout,
            (ServiceName::PaymentService, "charge") => Operation::Charge,
            (ServiceName::PaymentService, "authorize") => Operation::Authorize,
            (ServiceName::OrderService, "orders") => Operation::PlaceOrder,
            (ServiceName::UserService, "users") => Operation::ReadUser,
            (ServiceName::InventoryService, "reserve") => Operation::Reserve,
            (ServiceName::NotificationService, "deliveries") => Operation::DeliveryStatus,
            (_, "report") => Operation::Report { cpu_ms: report_cost(query)? },
            _ => return None,
        };
        Some((operation, customer))
    }

    fn record(self) -> Option<&'static str> {
        match self {
            Operation::Charge => Some("charge"),
            Operation::Authorize => Some("authorization"),
            Operation::PlaceOrder => Some("order"),
            Operation::Reserve => Some("reservation"),
            _ => None,
        }
    }
}

fn report_cost(query: Option<&str>) -> Option<f64> {
    let cost: f64 = query?.strip_prefix("cpu_ms=")?.parse().ok()?;
    (cost.is_finite() && (0.0..=REPORT_CPU_MS_MAX).contains(&cost)).then_some(cost)
}

/// Why a request failed: the status it is answered with and the reason that is logged.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) reason: String,
}

impl Failure {
    fn new(status: StatusCode, reason: impl Into<String>) -> Failure {
        Failure { status, reason: reason.into() }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let status = match error {
            StorageError::PoolExhausted => StatusCode::SERVICE_UNAVAILABLE,
            StorageError::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<DependencyError> for Failure {
    fn from(error: DependencyError) -> Self {
        match error {
            DependencyError::Failed(reason) => Failure::new(StatusCode::BAD_GATEWAY, reason),
            DependencyError::TimedOut(reason) => Failure::new(StatusCode::GATEWAY_TIMEOUT, reason),
        }
    }
}

/// Performs one request; the answer says whether a dependency was left out.
pub(super) async fn perform(app: &App, operation: Operation, customer: u32) -> Result<Reply, Failure> {
    let cpu_ms = match operation {
        Operation::Report { cpu_ms } => cpu_ms,
        _ => app.profile.cpu_ms_per_request(),
    };
    let queued = app.cpu.run(cpu_ms).await;
    queued.map_err(|_| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded: cpu budget exhausted"))?;
    let cached = profile_from_cache(app, customer).await?;
    if app.release.fails() {
        let reason = "unhandled error: missing field `currency` in the price snapshot";
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, reason));
    }
    // An authorization reads what the order has just touched.
    let cold = operation != Operation::Authorize;
    let loan = app.storage.begin(customer, app.release.round_trips(), cold).await?;
    // The gateway only reads its session; the others hold their transaction while they wait for a dependency.
    if app.service() == ServiceName::ApiGateway {
        app.storage.finish(loan, customer, None).await?;
        return call_dependencies(app, operation, customer, cached).await;
    }
    let reply = call_dependencies(app, operation, customer, cached).await?;
    app.storage.finish(loan, customer, operation.record()).await?;
    if operation == Operation::PlaceOrder {
        publisher::order_placed(app, customer).await;
    }
    Ok(reply)
}

/// Fills the cache on a miss; true on a hit.
async fn profile_from_cache(app: &App, customer: u32) -> Result<bool, Failure> {
    match app.cache.look_up(customer) {
        Lookup::Hit => {
            count(&app.metrics.cache_hits, 1);
            Ok(true)
        }
        Lookup::Miss => {
            count(&app.metrics.cache_misses, 1);
            let body = app.storage.load_profile(customer).await?;
            app.cache.insert(customer, &body);
            Ok(false)
        }
        Lookup::Undecodable => {
            count(&app.metrics.cache_hits, 1);
            Err(Failure::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cache entry failed to decode: unexpected end of input",
            ))
        }
    }
}

async fn call_dependencies(
    app: &App,
    operation: Operation,
    customer: u32,
    cached: bool,
) -> Result<Reply, Failure> {
    let call =
        async |service, path: String| dependency::call(app, service, &path).await.map_err(Failure::from);
    match operation {
        // A browse page with the profile in the cache needs nobody else.
        Operation::Browse if cached => Ok(Reply::Answered),
        Operation::Browse => call(ServiceName::UserService, format!("/users/{customer}")).await,
        Operation::Pay => call(ServiceName::PaymentService, format!("/charge/{customer}")).await,
        Operation::Checkout => call(ServiceName::OrderService, format!("/orders/{customer}")).await,
        Operation::PlaceOrder => {
            let mut reply = Reply::Answered;
            if draw_percent() < PAID_SHARE_PERCENT {
                reply = call(ServiceName::PaymentService, format!("/authorize/{customer}")).await?;
            }
            if draw_percent() < RESERVED_SHARE_PERCENT {
                let reserved = call(ServiceName::InventoryService, format!("/reserve/{customer}")).await?;
                if reserved == Reply::Degraded {
                    reply = Reply::Degraded;
                }
            }
            Ok(reply)
        }
        _ => Ok(Reply::Answered),
    }
}

fn draw_percent() -> u32 {
    use rand::Rng;
    rand::rng().random_range(0..100)
}
