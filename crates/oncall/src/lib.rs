//! Who is told of which alerts, and when: the routing tree, groups and their timers, time intervals, what a receiver
//! already knows, cooldown and retries.
//!
//! Owns: Prometheus Alertmanager's routing semantics. Must never: send anything, read a clock, or know what keeps an
//! alert quiet (that is an input).

mod cooldown;
mod group;
mod interval;
mod log;
mod receiver;
mod retry;
mod route;

pub use cooldown::Cooldown;
pub use group::{Group, GroupId, Groups};
pub use interval::{TimeInterval, TimeIntervalConfig, TimeRangeConfig};
pub use log::{Logged, Paged, Seen, Why, needs_update};
pub use receiver::{Integration, Receiver};
pub use retry::retry_after_s;
pub use route::{
    Muted, NamedIntervals, Route, RouteConfig, RouteId, RoutingConfig, RoutingError, RoutingTree,
};
