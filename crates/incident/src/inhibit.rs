//! Inhibition: an alert that is explained by another one that fires does not page, with Alertmanager's semantics.

use midwatch_model::label::{all_match, value_of};
use midwatch_model::{Alert, Fingerprint, Labels, Matcher, Timestamp};

/// While a source alert fires, target alerts with equal labels stay quiet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InhibitRule {
    pub source: Vec<Matcher>,
    pub target: Vec<Matcher>,
    /// Labels that both must have with the same value; missing on both sides is equal.
    pub equal: Vec<String>,
}

impl InhibitRule {
    fn links(&self, source: &Labels, target: &Labels) -> bool {
        self.equal.iter().all(|name| value_of(source, name) == value_of(target, name))
    }
}

/// Inhibition rules in the order of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inhibitor(Vec<InhibitRule>);

impl Inhibitor {
    #[must_use]
    pub fn new(rules: Vec<InhibitRule>) -> Self {
        Self(rules)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The alert that keeps `labels` quiet now, if one does. An alert that matches both sides of a rule cannot be
    /// inhibited by another one of which the same is true, itself included.
    pub fn inhibited_by<'a>(
        &self,
        labels: &Labels,
        alerts: impl Iterator<Item = &'a Alert> + Clone,
        now: Timestamp,
    ) -> Option<Fingerprint> {
        self.0.iter().filter(|rule| all_match(&rule.target, labels)).find_map(|rule| {
            let both_sides = all_match(&rule.source, labels);
            let source = alerts.clone().find(|alert| {
                !alert.is_resolved(now)
                    && all_match(&rule.source, &alert.labels)
                    && rule.links(&alert.labels, labels)
                    && !(both_sides && all_match(&rule.target, &alert.labels))
            })?;
            Some(source.fingerprint())
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
            updated_at: at(0),
        }
    }

    fn check(rule: (&str, &str, &[&str]), firing: &[&str], target: &str, inhibited: bool) {
        let rule = InhibitRule {
            source: parse_matchers(rule.0).expect("matchers"),
            target: parse_matchers(rule.1).expect("matchers"),
            equal: rule.2.iter().map(|name| (*name).to_owned()).collect(),
        };
        let alerts: Vec<Alert> = firing.iter().map(|text| alert(text, 200)).collect();
        let now = Timestamp::from_second(100).expect("a time");
        let found = Inhibitor::new(vec![rule]).inhibited_by(&alert(target, 200).labels, alerts.iter(), now);
        assert_eq!(found.is_some(), inhibited, "{target} under {firing:?}");
    }

    #[test]
    fn a_firing_source_with_equal_labels_inhibits() {
        let rule = ("severity=critical", "severity=warning", &["cluster"][..]);
        check(rule, &["severity=critical,cluster=a"], "severity=warning,cluster=a", true);
        check(rule, &["severity=critical,cluster=a"], "severity=warning,cluster=b", false);
        check(rule, &["severity=critical"], "severity=warning", true);
        check(rule, &["severity=info,cluster=a"], "severity=warning,cluster=a", false);
        let over = alert("severity=critical,cluster=a", 50);
        let inhibitor = Inhibitor::new(vec![InhibitRule {
            source: parse_matchers(rule.0).expect("matchers"),
            target: parse_matchers(rule.1).expect("matchers"),
            equal: vec!["cluster".into()],
        }]);
        let labels = alert("severity=warning,cluster=a", 200).labels;
        let now = Timestamp::from_second(100).expect("a time");
        assert_eq!(
            inhibitor.inhibited_by(&labels, [over].iter(), now),
            None,
            "a resolved source explains nothing"
        );
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
