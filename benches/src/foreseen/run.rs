//! One run: what was warned of, what broke, and how that is graded. A run is graded by itself: an alarm that was for nothing in
//! this run is not redeemed by a fault of the next one.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Services that a path names first: whoever fails next should be among them.
const NAMED: usize = 2;

/// What was seen of forecasts during a run. Times are seconds since it began.
#[derive(Default)]
pub struct Run {
    /// Services that were in breach or alarmed when it began: nothing is graded of them before they are well.
    before: BTreeSet<String>,
    began: bool,
    /// Every alarm that was raised, and when; a service can have several.
    alarms: Vec<(String, f64)>,
    standing: BTreeSet<String>,
    breaches: BTreeMap<String, f64>,
    named: Option<Vec<String>>,
    pub path: Option<bool>,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Grade {
    pub hits: usize,
    pub false_alarms: usize,
    pub missed: usize,
    /// Seconds from the alarm of a service to its breach.
    pub leads_s: Vec<f64>,
    /// Seconds from the first alarm to the first breach of the run.
    pub lead_s: Option<f64>,
    pub breached: bool,
    pub path: Option<bool>,
}

impl Run {
    /// Takes what `/api/v1/forecasts` says.
    pub fn look(&mut self, at_s: f64, forecasts: &Value) {
        let services = forecasts["services"].as_array().map(Vec::as_slice).unwrap_or_default();
        let in_breach: BTreeSet<&str> =
            services.iter().filter(|s| is_in_breach(s)).filter_map(name).collect();
        let alarmed: BTreeSet<&str> =
            services.iter().filter(|service| !service["alarm"].is_null()).filter_map(name).collect();
        if !self.began {
            self.before = in_breach.union(&alarmed).map(|service| (*service).to_owned()).collect();
            self.began = true;
        }
        self.before
            .retain(|service| in_breach.contains(service.as_str()) || alarmed.contains(service.as_str()));
        for service in in_breach.iter().filter(|service| !self.before.contains(**service)) {
            if !self.breaches.contains_key(*service) {
                self.breaches.insert((*service).to_owned(), at_s);
                if let Some(named) = self.named.take() {
                    self.path = Some(named.iter().any(|name| name == service));
                }
            }
        }
        for service in alarmed.iter().filter(|service| !self.before.contains(**service)) {
            if self.alarms.is_empty() && self.breaches.is_empty() {
                let steps = forecasts["path"].as_array().into_iter().flatten();
                let steps = steps.filter_map(name).filter(|service| !in_breach.contains(service));
                self.named = Some(steps.take(NAMED).map(str::to_owned).collect());
            }
            if !self.standing.contains(*service) {
                self.alarms.push(((*service).to_owned(), at_s));
            }
        }
        self.standing = alarmed.into_iter().map(str::to_owned).collect();
    }

    /// When the first service failed.
    pub fn first_breach(&self) -> Option<f64> {
        self.breaches.values().copied().reduce(f64::min)
    }

    /// Whether nothing is broken and nothing alarmed.
    pub fn is_calm(forecasts: &Value) -> bool {
        let services = forecasts["services"].as_array().map(Vec::as_slice).unwrap_or_default();
        !services.is_empty() && services.iter().all(|s| s["alarm"].is_null() && !is_in_breach(s))
    }

    pub fn grade(&self) -> Grade {
        let mut grade = Grade { path: self.path, breached: !self.breaches.is_empty(), ..Grade::default() };
        for (service, alarm) in &self.alarms {
            match self.breaches.get(service).filter(|breach| *breach >= alarm) {
                Some(breach) => {
                    grade.hits += 1;
                    grade.leads_s.push(breach - alarm);
                }
                None => grade.false_alarms += 1,
            }
        }
        let unforeseen = |(service, breach): &(&String, &f64)| {
            !self.alarms.iter().any(|(of, alarm)| of == *service && alarm <= *breach)
        };
        grade.missed = self.breaches.iter().filter(unforeseen).count();
        let first_alarm = self.alarms.first().map(|(_, at_s)| *at_s);
        grade.lead_s = self
            .first_breach()
            .zip(first_alarm)
            .map(|(breach, alarm)| breach - alarm)
            .filter(|lead| *lead >= 0.0);
        grade
    }
}

fn name(service: &Value) -> Option<&str> {
    service["service"].as_str()
}

fn is_in_breach(service: &Value) -> bool {
    service["held"].as_array().into_iter().flatten().any(|held| held["reason"] == "in_breach")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(services: &[(&str, bool, bool)], path: &[&str]) -> Value {
        let one = |(name, alarm, breach): &(&str, bool, bool)| {
            let held = if *breach { json!([{ "reason": "in_breach" }]) } else { json!([]) };
            json!({ "service": name, "alarm": alarm.then(|| json!({ "tier": "medium" })), "held": held })
        };
        let path: Vec<Value> = path.iter().map(|service| json!({ "service": service })).collect();
        json!({ "services": services.iter().map(one).collect::<Vec<_>>(), "path": path })
    }

    #[test]
    fn alarms_and_breaches_of_a_run_are_graded_by_what_happened_in_it() {
        let mut run = Run::default();
        run.look(0.0, &seen(&[("a", false, false), ("b", false, false), ("old", true, false)], &[]));
        run.look(
            10.0,
            &seen(&[("a", true, false), ("b", false, false), ("old", true, false)], &["a", "b", "c"]),
        );
        run.look(30.0, &seen(&[("a", true, false), ("b", false, true), ("old", false, false)], &[]));
        run.look(70.0, &seen(&[("a", false, true), ("b", false, true), ("c", true, false)], &[]));
        let grade = run.grade();
        assert_eq!((grade.hits, grade.missed, grade.false_alarms), (1, 1, 1), "{grade:?}");
        assert_eq!(grade.leads_s, [60.0]);
        assert_eq!((grade.lead_s, grade.path, grade.breached), (Some(20.0), Some(true), true));
    }
}
