//! Inhibition: an alert that is explained by another one that fires does not page, with Alertmanager's semantics.

use midwatch_model::label::{all_match, value_of};
use midwatch_model::{Alert, Fingerprint, Labels, Matcher, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// While a source alert fires, target alerts with equal labels stay quiet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InhibitRule {
    pub source: Vec<Matcher>,
    pub target: Vec<Matcher>,
    /// Labels that both must have with the same value; missing on both sides is equal.
    pub equal: Vec<String>,
}

impl InhibitRule {
    /// The values of the equal labels.
    fn values(&self, labels: &Labels) -> Vec<String> {
        self.equal.iter().map(|name| value_of(labels, name).to_owned()).collect()
    }
}

/// Inhibition rules in the order of the configuration, with the alerts that can inhibit by each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inhibitor(Vec<Watched>);

/// A rule with the source alerts that are known, by the values of its equal labels.
#[derive(Clone, Debug, PartialEq)]
struct Watched {
    rule: InhibitRule,
    sources: HashMap<Vec<String>, BTreeMap<Fingerprint, SourceAlert>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct SourceAlert {
    ends_at: Timestamp,
    /// Whether it is also a target of the rule.
    is_target: bool,
}

impl Inhibitor {
    #[must_use]
    pub fn new(rules: Vec<InhibitRule>) -> Self {
        Self(rules.into_iter().map(|rule| Watched { rule, sources: HashMap::new() }).collect())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note of an alert as it is now told.
    pub fn note(&mut self, alert: &Alert) {
        for Watched { rule, sources } in &mut self.0 {
            if all_match(&rule.source, &alert.labels) {
                let is_target = all_match(&rule.target, &alert.labels);
                let source = SourceAlert { ends_at: alert.ends_at, is_target };
                sources.entry(rule.values(&alert.labels)).or_default().insert(alert.fingerprint(), source);
            }
        }
    }

    /// Forgets alerts that were over at `since`.
    pub fn forget(&mut self, since: Timestamp) {
        for watched in &mut self.0 {
            watched.sources.retain(|_, alerts| {
                alerts.retain(|_, source| source.ends_at > since);
                !alerts.is_empty()
            });
        }
    }

    /// The alert that keeps `labels` quiet now, if one does. An alert that matches both sides of a rule cannot be
    /// inhibited by another one of which the same is true, itself included.
    #[must_use]
    pub fn inhibited_by(&self, labels: &Labels, now: Timestamp) -> Option<Fingerprint> {
        self.0.iter().filter(|watched| all_match(&watched.rule.target, labels)).find_map(|watched| {
            let both_sides = all_match(&watched.rule.source, labels);
            let sources = watched.sources.get(&watched.rule.values(labels))?;
            let inhibits = |source: &SourceAlert| source.ends_at > now && !(both_sides && source.is_target);
            sources.iter().find(|(_, source)| inhibits(source)).map(|(fingerprint, _)| *fingerprint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::label::parse_matchers;
    use midwatch_model::{Original, Severity};

    fn alert(text: &str, ends: i64) -> Alert {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let matchers = parse_matchers(text).expect("labels");
        Alert {
            source: "test".into(),
            id: None,
            labels: matchers.iter().map(|m| (m.name().to_owned(), m.value().to_owned())).collect(),
            annotations: Labels::new(),
            starts_at: at(0),
            ends_at: at(ends),
            timeout: false,
            generator_url: String::new(),
            severity: Severity::Warning,
            acknowledged: None,
            original: Original::default(),
            occurred_at: None,
            updated_at: at(0),
        }
    }

    fn check(rule: (&str, &str, &[&str]), firing: &[&str], target: &str, inhibited: bool) {
        let rule = InhibitRule {
            source: parse_matchers(rule.0).expect("matchers"),
            target: parse_matchers(rule.1).expect("matchers"),
            equal: rule.2.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut inhibitor = Inhibitor::new(vec![rule]);
        firing.iter().for_each(|text| inhibitor.note(&alert(text, 200)));
        let now = Timestamp::from_second(100).expect("a time");
        let found = inhibitor.inhibited_by(&alert(target, 200).labels, now);
        assert_eq!(found.is_some(), inhibited, "{target} under {firing:?}");
    }

    #[test]
    fn a_firing_source_with_equal_labels_inhibits() {
        let rule = ("severity=critical", "severity=warning", &["cluster"][..]);
        check(rule, &["severity=critical,cluster=a"], "severity=warning,cluster=a", true);
        check(rule, &["severity=critical,cluster=a"], "severity=warning,cluster=b", false);
        check(rule, &["severity=critical"], "severity=warning", true);
        check(rule, &["severity=info,cluster=a"], "severity=warning,cluster=a", false);
    }

    #[test]
    fn a_source_that_is_over_explains_nothing() {
        let mut inhibitor = Inhibitor::new(vec![InhibitRule {
            source: parse_matchers("severity=critical").expect("matchers"),
            target: parse_matchers("severity=warning").expect("matchers"),
            equal: vec!["cluster".into()],
        }]);
        let source = |ends| alert("severity=critical,cluster=a", ends);
        let labels = alert("severity=warning,cluster=a", 200).labels;
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut inhibited = |ends, now| {
            inhibitor.note(&source(ends));
            inhibitor.inhibited_by(&labels, at(now)).is_some()
        };
        assert!(inhibited(200, 100) && !inhibited(50, 100));
        inhibitor.forget(at(50));
        assert_eq!(inhibitor.0[0].sources.len(), 0);
    }

    #[test]
    fn alerts_on_both_sides_do_not_silence_each_other() {
        let rule = ("job=~.+", "job=~.+", &["job"][..]);
        check(rule, &["job=a,x=1", "job=a,x=2"], "job=a,x=1", false);
        let rule = ("a=b", "c=d", &[][..]);
        check(rule, &["a=b"], "a=b,c=d", true);
        check(rule, &["a=b,c=d"], "a=b,c=d", false);
    }
}
