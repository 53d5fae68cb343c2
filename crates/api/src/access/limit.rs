//! How often somebody may call.

use crate::error::ApiError;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// Calls after which those are forgotten that have not called for a while.
const SWEEP_EVERY: u32 = 4096;

/// Seconds' worth of requests that may come at once: senders come in bursts.
const BURST_S: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

/// Keys that an address may try at once before it has to wait. A person mistypes a few times.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

/// Passwords that may be tried at once for one name, from wherever: who guesses may have many addresses.
const ATTEMPTS_FOR: NonZeroU32 = NonZeroU32::new(20).expect("not zero");

/// How often somebody may call; `None` for as often as they like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests per second from one address.
    pub ip_per_s: Option<NonZeroU32>,
    /// Requests per second with one key, or of one source that proves who it is.
    pub caller_per_s: Option<NonZeroU32>,
}

struct Counter<K: Hash + Eq + Clone> {
    counts: DefaultKeyedRateLimiter<K>,
    calls: AtomicU32,
}

impl<K: Hash + Eq + Clone> Counter<K> {
    fn new(quota: Quota) -> Self {
        Self { counts: RateLimiter::keyed(quota), calls: AtomicU32::new(0) }
    }

    fn check(&self, key: &K) -> Result<(), ApiError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.counts.retain_recent();
            self.counts.shrink_to_fit();
        }
        self.counts.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            // Whole seconds, rounded up: who comes back earlier waits again.
            ApiError::too_many(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1))
        })
    }
}

/// Who has called how often.
pub(crate) struct Limiter {
    ip: Option<Counter<IpAddr>>,
    caller: Option<Counter<String>>,
    attempts: Counter<IpAddr>,
    attempts_for: Counter<String>,
}

impl Limiter {
    pub fn new(limits: Limits) -> Self {
        let quota = |per_s: NonZeroU32| Quota::per_second(per_s).allow_burst(per_s.saturating_mul(BURST_S));
        Self {
            ip: limits.ip_per_s.map(|per_s| Counter::new(quota(per_s))),
            caller: limits.caller_per_s.map(|per_s| Counter::new(quota(per_s))),
            attempts: Counter::new(Quota::per_second(NonZeroU32::MIN).allow_burst(ATTEMPTS)),
            attempts_for: Counter::new(Quota::per_second(NonZeroU32::MIN).allow_burst(ATTEMPTS_FOR)),
        }
    }

    pub fn check_ip(&self, peer: IpAddr) -> Result<(), ApiError> {
        self.ip.as_ref().map_or(Ok(()), |counter| counter.check(&network(peer)))
    }

    pub fn check_caller(&self, name: &str) -> Result<(), ApiError> {
        self.caller.as_ref().map_or(Ok(()), |counter| counter.check(&name.to_owned()))
    }

    /// Before a key is tried that may be wrong.
    pub fn check_attempt(&self, peer: IpAddr) -> Result<(), ApiError> {
        self.attempts.check(&network(peer))
    }

    /// Before a password is tried for a name, whether there is such a one or not.
    pub fn check_attempt_for(&self, name: &str) -> Result<(), ApiError> {
        self.attempts_for.check(&name.to_owned())
    }
}

/// What counts as one address: of IPv6 the network of 64 bits, all of which a single host may use.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_one_ipv6_network_count_as_one() {
        let check = |a: &str, b: &str, same: bool| {
            let network = |text: &str| network(text.parse().expect("an address"));
            assert_eq!(network(a) == network(b), same, "{a} and {b}");
        };
        check("2001:db8::1", "2001:db8::ffff:2", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
        check("::ffff:10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
    }
}
