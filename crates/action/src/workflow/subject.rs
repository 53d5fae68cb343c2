//! What a workflow is chosen for, and which is chosen.

use midwatch_model::label::parse_matchers;
use midwatch_model::workflow::Trigger;
use midwatch_model::{Cause, Labels, ServiceName, Severity, Workflow};

/// The incident as workflows see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The service that the verdict names: what a workflow acts upon.
    pub service: ServiceName,
    pub cause: Cause,
    pub severity: Severity,
    /// 0–1.
    pub confidence: f64,
    /// The labels of each of its signals.
    pub labels: Vec<Labels>,
}

impl Subject {
    pub(super) fn context(&self) -> serde_json::Value {
        let severity: &str = self.severity.into();
        serde_json::json!({
            "service": self.service, "cause": self.cause, "severity": severity, "confidence": self.confidence,
        })
    }
}

/// Why a workflow is for this incident.
///
/// # Errors
/// Why it is not.
pub fn matching(trigger: &Trigger, subject: &Subject) -> Result<String, String> {
    if trigger.is_empty() {
        return Err("it has no trigger, so it begins for no incident".to_owned());
    }
    let mut why = Vec::new();
    if !trigger.causes.is_empty() {
        if !trigger.causes.contains(&subject.cause) {
            return Err(format!("it is for {}", listed(&trigger.causes)));
        }
        why.push(format!("the cause is {}", subject.cause));
    }
    if !trigger.components.is_empty() {
        if !trigger.components.contains(&subject.service) {
            return Err(format!("it is for {}", listed(&trigger.components)));
        }
        why.push(format!("the component is {}", subject.service));
    }
    if let Some(least) = trigger.severity {
        if subject.severity < least {
            return Err(format!("it is {}, and {least} is asked for", subject.severity));
        }
        why.push(format!("it is {}", subject.severity));
    }
    if !trigger.labels.is_empty() {
        let mut matchers = Vec::new();
        for text in &trigger.labels {
            matchers.extend(parse_matchers(text).map_err(|error| error.to_string())?);
        }
        let of_all = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches(labels));
        let wanted = trigger.labels.join(", ");
        if !subject.labels.iter().any(of_all) {
            return Err(format!("no signal has {wanted}"));
        }
        why.push(format!("a signal has {wanted}"));
    }
    Ok(why.join(", "))
}

fn listed<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The workflow for an incident, and why: the one that asks for most; of several, the first by name. None of those that were
/// `tried` already.
#[must_use]
pub fn choose<'a>(
    workflows: &'a [Workflow],
    subject: &Subject,
    tried: &[String],
) -> Option<(&'a Workflow, String)> {
    let fits = |workflow: &'a Workflow| {
        let why = matching(&workflow.trigger, subject).ok()?;
        (!tried.contains(&workflow.name)).then_some((workflow, why))
    };
    let rank = |(workflow, _): &(&Workflow, String)| {
        (std::cmp::Reverse(asked_for(&workflow.trigger)), workflow.name.clone())
    };
    workflows.iter().filter_map(fits).min_by_key(rank)
}

fn asked_for(trigger: &Trigger) -> usize {
    trigger.labels.len()
        + usize::from(!trigger.causes.is_empty())
        + usize::from(!trigger.components.is_empty())
        + usize::from(trigger.severity.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        let mut labels = Labels::new();
        labels.insert("alertname", "KubePodCrashLooping");
        Subject {
            service: "payment".into(),
            cause: Cause::CrashLoop,
            severity: Severity::High,
            confidence: 0.8,
            labels: vec![Labels::new(), labels],
        }
    }

    fn named(name: &str, trigger: Trigger) -> Workflow {
        Workflow { name: name.to_owned(), trigger, ..Workflow::default() }
    }

    #[test]
    fn all_conditions_must_hold_and_none_matches_nothing() {
        let check = |trigger: Trigger, fits: bool| {
            assert_eq!(matching(&trigger, &subject()).is_ok(), fits, "{trigger:?}");
        };
        let none = Trigger::default;
        check(none(), false);
        check(Trigger { causes: vec![Cause::CrashLoop], ..none() }, true);
        check(Trigger { causes: vec![Cause::MemoryLeak], ..none() }, false);
        check(Trigger { components: vec!["payment".into()], ..none() }, true);
        check(Trigger { components: vec!["order".into()], causes: vec![Cause::CrashLoop], ..none() }, false);
        check(Trigger { severity: Some(Severity::High), ..none() }, true);
        check(Trigger { severity: Some(Severity::Critical), ..none() }, false);
        check(Trigger { labels: vec!["alertname=~\"KubePod.*\"".into()], ..none() }, true);
        check(Trigger { labels: vec!["alertname=\"Other\"".into()], ..none() }, false);
    }

    #[test]
    fn the_one_that_asks_for_most_is_chosen_and_none_twice() {
        let general = named("a-general", Trigger { causes: vec![Cause::CrashLoop], ..Trigger::default() });
        let special = named(
            "z-special",
            Trigger {
                causes: vec![Cause::CrashLoop],
                components: vec!["payment".into()],
                ..Trigger::default()
            },
        );
        let all = [general, special];
        let chosen = |tried: &[String]| choose(&all, &subject(), tried).map(|(w, _)| w.name.as_str());
        assert_eq!(chosen(&[]), Some("z-special"));
        assert_eq!(chosen(&["z-special".into()]), Some("a-general"));
        assert_eq!(chosen(&["z-special".into(), "a-general".into()]), None);
    }
}
