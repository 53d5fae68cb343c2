//! Which alert tells again what another one tells that fires already. An alert that is told again by its own fingerprint is
//! one episode anyway; what is here looks at alerts that call themselves different.

mod config;

pub use config::{DedupConfig, ExactDedup, FuzzyDedup, SourceDedup, Strategies, WindowDedup};

use crate::alike::{alike, words_of, words_of_name};
use midwatch_model::{
    Alert, Entity, EntityKind, Fingerprint, Labels, Likeness, ServiceName, Severity, Timestamp,
    seconds_between,
};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// Alerts that are remembered for one word of a service's name, the newest: bounds what an alert is compared with in a
/// storm. What is not remembered any more is never found to be repeated, which loses nothing.
const REMEMBERED: usize = 32;

/// Labels that say in which of several alike places something is.
const PLACES: [&str; 15] = [
    "cluster",
    "namespace",
    "kube_cluster_name",
    "kube_namespace",
    "env",
    "environment",
    "stage",
    "region",
    "zone",
    "availability_zone",
    "datacenter",
    "dc",
    "site",
    "tenant",
    "stack",
];

/// What of an alert is compared with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Portrait {
    title: BTreeSet<String>,
    service: BTreeSet<String>,
    labels: Labels,
    entity: Option<Entity>,
    severity: Severity,
    starts_at: Timestamp,
}

impl Portrait {
    /// The title's words without those of the service: whether somebody repeats its name says nothing.
    #[must_use]
    pub fn of(alert: &Alert, title: &str, service: &ServiceName, entity: Option<Entity>) -> Self {
        let mut title = words_of(title);
        let in_titles = words_of(service.as_str());
        let service = words_of_name(service.as_str());
        title.retain(|word| !service.contains(word) && !in_titles.contains(word));
        let labels = alert.labels.clone();
        Self { title, service, labels, entity, severity: alert.severity, starts_at: alert.starts_at }
    }

    /// By what this one tells what the other one tells, if it does.
    #[must_use]
    pub fn repeats(&self, other: &Portrait, used: Strategies<'_>) -> Option<Likeness> {
        if self.is_elsewhere(other) {
            return None;
        }
        let apart_s = seconds_between(other.starts_at, self.starts_at).abs();
        self.is_like(other, used.fuzzy, apart_s).or_else(|| self.is_beside(other, used.window, apart_s))
    }

    /// Whether it may be about something else: another pod, namespace or cluster, or one where the other names none. What
    /// says less than the other may still be about the same.
    fn is_elsewhere(&self, other: &Portrait) -> bool {
        let differs =
            |name: &&str| self.labels.contains_key(name) && self.labels.get(name) != other.labels.get(name);
        if PLACES.iter().any(differs) {
            return true;
        }
        let Some(mine) = &self.entity else { return false };
        let theirs = other.entity.as_ref();
        let differs = |mine: &Option<String>, theirs: Option<&Option<String>>| {
            mine.is_some() && theirs.is_none_or(|theirs| theirs != mine)
        };
        differs(&mine.cluster, theirs.map(|entity| &entity.cluster))
            || differs(&mine.namespace, theirs.map(|entity| &entity.namespace))
            || theirs.is_some_and(|theirs| is_other(mine, theirs))
    }

    fn is_like(&self, other: &Portrait, fuzzy: &FuzzyDedup, apart_s: f64) -> Option<Likeness> {
        // What is worse than before is news.
        if !fuzzy.enabled || self.severity > other.severity || apart_s > fuzzy.within_s {
            return None;
        }
        let differs = |(name, value): (&str, &str)| {
            other.labels.get(name).is_some_and(|theirs| theirs != value)
                && !fuzzy.ignored_labels.iter().any(|ignored| ignored == name)
        };
        if self.labels.iter().any(differs) {
            return None;
        }
        let service = alike(&self.service, &other.service)?;
        let title = alike(&self.title, &other.title)?;
        (title >= fuzzy.title_min && service >= fuzzy.service_min).then_some(Likeness::Fuzzy {
            title,
            title_min: fuzzy.title_min,
            service,
            service_min: fuzzy.service_min,
        })
    }

    fn is_beside(&self, other: &Portrait, window: &WindowDedup, apart_s: f64) -> Option<Likeness> {
        let same = |name: &String| self.labels.get(name) == other.labels.get(name);
        (window.enabled
            && self.severity == other.severity
            && self.service == other.service
            && apart_s <= window.within_s
            && window.equal.iter().all(same))
        .then_some(Likeness::Window { apart_s, within_s: window.within_s })
    }
}

/// Whether these are two objects. Services are compared by their names' words instead: tools write those in many ways.
fn is_other(a: &Entity, b: &Entity) -> bool {
    match (a.kind, b.kind) {
        (EntityKind::Service, EntityKind::Service) => false,
        (x, y) if x == y => a.name != b.name,
        _ => a.owner().key != b.owner().key,
    }
}

/// Alerts that tell something of their own, by the words of their services.
#[derive(Clone, Debug, Default)]
pub struct Originals {
    portraits: HashMap<Fingerprint, Portrait>,
    by_word: HashMap<String, VecDeque<Fingerprint>>,
}

impl Originals {
    /// The alert that this one repeats, if there is one that `may` stand for it: the newest of those that could. Every
    /// likeness needs a word that both services share, so that only those have to be looked at.
    #[must_use]
    pub fn find(
        &self,
        asked: &Portrait,
        used: Strategies<'_>,
        may: impl Fn(Fingerprint) -> bool,
    ) -> Option<(Fingerprint, Likeness)> {
        let near = asked.service.iter().filter_map(|word| self.by_word.get(word));
        let mut near: Vec<Fingerprint> = near.flat_map(|bucket| bucket.iter().rev().copied()).collect();
        let mut seen = BTreeSet::new();
        near.retain(|fingerprint| seen.insert(*fingerprint));
        near.into_iter().find_map(|fingerprint| {
            let likeness = asked.repeats(self.portraits.get(&fingerprint)?, used)?;
            may(fingerprint).then_some((fingerprint, likeness))
        })
    }

    /// Takes in an alert that repeats none, or says anew what it tells.
    pub fn insert(&mut self, fingerprint: Fingerprint, portrait: Portrait) {
        self.remove(fingerprint);
        for word in &portrait.service {
            let bucket = self.by_word.entry(word.clone()).or_default();
            bucket.push_back(fingerprint);
            if bucket.len() > REMEMBERED
                && let Some(oldest) = bucket.pop_front()
            {
                self.let_go(oldest, word, &portrait.service);
            }
        }
        self.portraits.insert(fingerprint, portrait);
    }

    /// Forgets one that was pushed out under a word, wherever else it is.
    fn let_go(&mut self, oldest: Fingerprint, word: &str, busy: &BTreeSet<String>) {
        let Some(portrait) = self.portraits.remove(&oldest) else { return };
        for other in portrait.service.iter().filter(|other| *other != word) {
            if let Some(bucket) = self.by_word.get_mut(other) {
                bucket.retain(|fingerprint| *fingerprint != oldest);
                if bucket.is_empty() && !busy.contains(other) {
                    self.by_word.remove(other);
                }
            }
        }
    }

    pub fn remove(&mut self, fingerprint: Fingerprint) {
        let Some(portrait) = self.portraits.remove(&fingerprint) else { return };
        for word in &portrait.service {
            if let Some(bucket) = self.by_word.get_mut(word) {
                bucket.retain(|other| *other != fingerprint);
                if bucket.is_empty() {
                    self.by_word.remove(word);
                }
            }
        }
    }

    #[must_use]
    pub fn holds(&self, fingerprint: Fingerprint) -> bool {
        self.portraits.contains_key(&fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::{Original, after};

    fn alert(service: &str, labels: &[(&str, &str)], severity: Severity, second: f64) -> Alert {
        let own = [("service", service), ("alertname", "a")];
        let pairs = own.iter().chain(labels).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let starts_at = after(Timestamp::UNIX_EPOCH, second);
        Alert {
            source: "test".into(),
            id: None,
            labels: pairs.collect(),
            annotations: Labels::new(),
            starts_at,
            ends_at: after(starts_at, 9000.0),
            timeout: true,
            generator_url: String::new(),
            severity,
            acknowledged: None,
            original: Original::default(),
            occurred_at: None,
            updated_at: starts_at,
        }
    }

    fn portrait(alert: &Alert, title: &str) -> Portrait {
        let service = ServiceName::new(alert.labels["service"].as_str());
        let entity = alert.labels.get("pod").map(|pod| Entity {
            kind: EntityKind::Pod,
            cluster: None,
            namespace: alert.labels.get("namespace").map(str::to_owned),
            name: pod.to_owned(),
        });
        Portrait::of(alert, title, &service, entity)
    }

    fn on(fuzzy: bool) -> DedupConfig {
        let mut config = DedupConfig::default();
        (config.fuzzy.enabled, config.window.enabled) = (fuzzy, !fuzzy);
        config
    }

    /// Whether an alert of payment with that title repeats one with this title, labels and severity aside.
    fn check_titles(first: &str, next: &str, expected: bool) {
        let config = on(true);
        let alert = alert("payment", &[], Severity::Warning, 0.0);
        let (first, next) = (portrait(&alert, first), portrait(&alert, next));
        let found = next.repeats(&first, config.strategies("test"));
        assert_eq!(found.is_some(), expected, "{first:?} {next:?} {found:?}");
        assert_eq!(
            first.repeats(&next, config.strategies("test")).is_some(),
            expected,
            "the other way round"
        );
    }

    #[test]
    fn titles_that_say_the_same_in_more_words_are_alike_and_a_word_for_another_is_another_thing() {
        check_titles("HighErrorRate", "[Triggered] High error rate on payment", true);
        check_titles("payment: error rate above 5%", "Error rate above 7.3 % (payment)", true);
        check_titles("Requests fail at checkout", "Requests failed at checkout", true);
        check_titles("Latency is 900ms", "latency is 1.2 s", true);
        for (first, next) in [
            ("Disk 1 is full", "Disk 2 is full"),
            ("Disk is full", "Disk 2 is full"),
            ("p95 latency too high", "p99 latency too high"),
            ("High error rate of the checkout page of web", "High error rate of the search page of web"),
            ("Pod payment-7d9f8b5c4-x2x1z not ready", "Pod payment-7d9f8b5c4-k7k2p not ready"),
            ("Replica of the database is ready to lead", "Replica of the database is not ready to lead"),
            ("10.0.0.1 does not answer", "10.1.0.0 does not answer"),
            ("Instance is up again", "Instance is down again"),
            ("Disk is in state warning", "Disk is in state critical"),
            ("v1.2 fails its health check", "v1.3 fails its health check"),
            ("High error rate", "Slow"),
        ] {
            check_titles(first, next, false);
        }
    }

    /// By what the second alert repeats the first, both with the same title.
    fn check(fuzzy: bool, first: &Alert, next: &Alert, expected: bool) {
        let config = on(fuzzy);
        let title = "Requests fail often";
        let found = portrait(next, title).repeats(&portrait(first, title), config.strategies("test"));
        assert_eq!(found.is_some(), expected, "{first:?} {next:?}");
    }

    #[test]
    fn what_is_elsewhere_or_worse_or_much_later_is_no_duplicate() {
        use Severity::{Critical, High, Info, Warning};
        let one = |labels: &[(&str, &str)], severity, second| alert("payment", labels, severity, second);
        let first = one(&[("namespace", "shop"), ("region", "eu")], High, 0.0);
        for fuzzy in [true, false] {
            check(fuzzy, &first, &one(&[("region", "eu")], High, 60.0), true);
            check(fuzzy, &first, &one(&[], Critical, 60.0), false);
            check(fuzzy, &first, &one(&[], High, 901.0), false);
            check(fuzzy, &first, &alert("payments-db", &[], High, 0.0), false);
            let pod = |namespace, name| one(&[("namespace", namespace), ("pod", name)], High, 0.0);
            check(fuzzy, &pod("shop", "payment-0"), &pod("shop", "payment-0"), true);
            check(fuzzy, &pod("shop", "payment-0"), &pod("shop", "payment-1"), false);
            check(fuzzy, &pod("shop", "payment-0"), &pod("bank", "payment-0"), false);
            check(fuzzy, &one(&[], High, 0.0), &pod("bank", "payment-0"), false);
            check(fuzzy, &pod("bank", "payment-0"), &one(&[], High, 0.0), true);
        }
        check(true, &first, &one(&[("region", "us")], High, 0.0), false);
        check(true, &first, &one(&[], Warning, 0.0), true);
        check(true, &first, &alert("payment-service", &[], Info, 0.0), true);
        check(true, &first, &one(&[("zone", "a")], High, 0.0), false);
        check(true, &first, &one(&[("team", "a")], High, 0.0), true);
        // The window only looks at places and at the labels that it is told to.
        check(false, &first, &one(&[("region", "us")], High, 0.0), false);
        check(false, &one(&[("disk", "1")], High, 0.0), &one(&[("disk", "2")], High, 0.0), true);
        check(true, &one(&[("disk", "1")], High, 0.0), &one(&[("disk", "2")], High, 0.0), false);
        check(false, &first, &one(&[], Warning, 0.0), false);
        check(false, &first, &one(&[("alertname", "b")], High, 0.0), false);
        check(false, &first, &one(&[], High, 301.0), false);
    }

    #[test]
    fn a_label_that_does_not_tell_alerts_apart_becomes_an_annotation() {
        let config = DedupConfig {
            exact: ExactDedup { ignored_labels: vec!["replica".into()] },
            ..DedupConfig::default()
        };
        let told = |replica| {
            let mut alert = alert("payment", &[("replica", replica)], Severity::High, 0.0);
            config.identify(&mut alert);
            alert
        };
        assert_eq!(told("a").fingerprint(), told("b").fingerprint());
        assert_eq!(told("a").annotations["replica"], "a");
    }

    #[test]
    fn a_storm_is_compared_with_a_few_and_what_is_pushed_out_is_forgotten_everywhere() {
        let config = on(true);
        let mut originals = Originals::default();
        let about = |n: usize| {
            let own: String = n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
            let alert = alert(&format!("pay-worker{own}"), &[], Severity::High, 0.0);
            (alert.fingerprint(), portrait(&alert, "slow"))
        };
        for n in 0..1000 {
            let (fingerprint, portrait) = about(n);
            assert_eq!(originals.find(&portrait, config.strategies("test"), |_| true), None);
            originals.insert(fingerprint, portrait);
        }
        assert_eq!(originals.portraits.len(), REMEMBERED);
        assert!(originals.by_word.len() <= 2 * REMEMBERED && originals.by_word["pay"].len() == REMEMBERED);
        let (fingerprint, portrait) = about(999);
        assert!(originals.holds(fingerprint));
        assert!(originals.find(&portrait, config.strategies("test"), |_| true).is_some());
        assert_eq!(originals.find(&portrait, config.strategies("test"), |_| false), None);
        originals.remove(fingerprint);
        assert!(!originals.holds(fingerprint) && !originals.by_word["pay"].contains(&fingerprint));
    }
}
