//! A pause between two notifications about the same service to the same receiver.

use midwatch_model::{ServiceName, Severity, Timestamp, after};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// When each receiver was last told of each service, and how bad it was.
#[derive(Clone, Debug, Default)]
pub struct Cooldown(HashMap<(String, ServiceName), (Timestamp, Severity)>);

impl Cooldown {
    /// Until when a notification has to wait, if it has to: every service that it is about was told of within the pause,
    /// with the same severity or a worse one. What gets worse or is about another service goes out at once.
    #[must_use]
    pub fn until(
        &self,
        receiver: &str,
        about: &BTreeMap<ServiceName, Severity>,
        pause_s: f64,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut until = None;
        for (service, severity) in about {
            let (at, told) = self.0.get(&(receiver.to_owned(), service.clone()))?;
            let over = after(*at, pause_s);
            if over <= now || severity > told {
                return None;
            }
            until = until.max(Some(over));
        }
        until
    }

    /// Notes that a receiver was told of services at `at`; of two times the later counts.
    pub fn told(&mut self, receiver: &str, about: &BTreeMap<ServiceName, Severity>, at: Timestamp) {
        for (service, severity) in about {
            let told = self.0.entry((receiver.to_owned(), service.clone())).or_insert((at, *severity));
            *told = (*told).max((at, *severity));
        }
    }

    /// Forgets what was told before `since`.
    pub fn forget(&mut self, since: Timestamp) {
        self.0.retain(|_, (at, _)| *at >= since);
    }

    /// The services of which a receiver was told.
    #[must_use]
    pub fn services(&self, receiver: &str) -> BTreeSet<&ServiceName> {
        self.0.keys().filter(|(name, _)| name == receiver).map(|(_, service)| service).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn about(list: &[(&str, Severity)]) -> BTreeMap<ServiceName, Severity> {
        list.iter().map(|(service, severity)| (ServiceName::from(*service), *severity)).collect()
    }

    #[test]
    fn the_same_service_is_not_told_of_twice_within_the_pause_unless_it_gets_worse() {
        let mut cooldown = Cooldown::default();
        let warning = about(&[("pay", Severity::Warning)]);
        let until = |cooldown: &Cooldown, receiver: &str, about: &_, now| {
            cooldown.until(receiver, about, 300.0, at(now)).map(|at| at.as_second())
        };
        assert_eq!(until(&cooldown, "ops", &warning, 0), None);
        cooldown.told("ops", &warning, at(0));
        assert_eq!(until(&cooldown, "ops", &warning, 10), Some(300));
        assert_eq!(until(&cooldown, "dev", &warning, 10), None);
        assert_eq!(until(&cooldown, "ops", &warning, 300), None);
        assert_eq!(until(&cooldown, "ops", &about(&[("pay", Severity::Critical)]), 10), None);
        let more = about(&[("pay", Severity::Warning), ("shop", Severity::Info)]);
        assert_eq!(until(&cooldown, "ops", &more, 10), None);
        assert_eq!(until(&cooldown, "ops", &about(&[]), 10), None);
        // What is read back need not come in order.
        cooldown.told("ops", &about(&[("pay", Severity::Critical)]), at(-50));
        assert_eq!(until(&cooldown, "ops", &warning, 10), Some(300));
        cooldown.forget(at(1));
        assert!(cooldown.services("ops").is_empty());
    }
}
