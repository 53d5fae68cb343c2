//! Who may say yes, and how many of them it takes.
//!
//! Whoever comes is known by what their way proves: a user of Slack by a signed press, a key by its name. The configuration
//! says which person that is, so that one person with a phone and a keyboard is one person.

use crate::DecisionConfig;
use midwatch_model::Severity;
use midwatch_model::decision::{Approval, Caller, Way};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A person who may approve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Approver {
    /// The name that goes on record.
    pub name: String,
    /// Ids of the person in Slack (`U0123456789`), not names, which anybody can change.
    pub slack: Vec<String>,
    /// Names of the person's API keys (`[[api_key]] name`).
    pub api_keys: Vec<String>,
    /// Names that the person gives on the server's own machine (`--by`), where no key is needed; `name` is one of them.
    pub users: Vec<String>,
    /// Severities of incidents that the person decides on; every one if empty.
    pub severities: Vec<Severity>,
    /// Services whose incidents the person decides on; every one if empty.
    pub services: Vec<String>,
}

impl Approver {
    fn is(&self, caller: &Caller) -> bool {
        let ids = match caller.way {
            Way::Slack => &self.slack,
            Way::ApiKey => &self.api_keys,
            Way::Local if self.name == caller.id => return true,
            Way::Local => &self.users,
        };
        ids.contains(&caller.id)
    }

    fn decides_on(&self, severity: Severity, service: &str) -> bool {
        (self.severities.is_empty() || self.severities.contains(&severity))
            && (self.services.is_empty() || self.services.iter().any(|own| own == service))
    }
}

impl DecisionConfig {
    /// The person who comes, if that person may decide on an incident of this severity at this service.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn person(&self, caller: &Caller, severity: Severity, service: &str) -> Result<String, String> {
        if self.approvers.is_empty() {
            // Who may press is what Slack's side cannot say.
            return match caller.way {
                Way::Slack => Err(format!(
                    "no approver is configured, so nobody in Slack is known: name {} in a [[decision.approver]]",
                    caller.id
                )),
                Way::ApiKey | Way::Local => Ok(caller.id.clone()),
            };
        }
        let own = self.approvers.iter().find(|approver| approver.is(caller)).ok_or_else(|| {
            let field = match caller.way {
                Way::Slack => "slack",
                Way::ApiKey => "api_keys",
                Way::Local => "users",
            };
            format!(
                "{caller} is no approver: name it in `{field}` of a [[decision.approver]] if it should be"
            )
        })?;
        if !own.decides_on(severity, service) {
            return Err(format!(
                "{} does not decide on {severity} incidents of {service}: ask one who does ({})",
                own.name,
                self.who_decides(severity, service)
            ));
        }
        Ok(own.name.clone())
    }

    fn who_decides(&self, severity: Severity, service: &str) -> String {
        let names: Vec<&str> = self
            .approvers
            .iter()
            .filter(|approver| approver.decides_on(severity, service))
            .map(|approver| approver.name.as_str())
            .collect();
        if names.is_empty() {
            "nobody does; name somebody in [[decision.approver]]".into()
        } else {
            names.join(", ")
        }
    }

    /// Different people whose yes an incident of this severity needs.
    #[must_use]
    pub fn people_needed(&self, severity: Severity) -> usize {
        if !self.approvers.is_empty() && self.two_person.contains(&severity) { 2 } else { 1 }
    }

    /// The people whose yes counts now, in the order in which they gave it. Whoever was taken off the configuration since is
    /// none of them.
    #[must_use]
    pub fn people<'a>(&self, approvals: &'a [Approval], severity: Severity, service: &str) -> Vec<&'a str> {
        let mut people: Vec<&str> = Vec::new();
        for by in approvals.iter().map(|approval| approval.by.as_str()) {
            if !people.contains(&by) && self.may_decide(by, severity, service) {
                people.push(by);
            }
        }
        people
    }

    /// Whether a person who is on record by name may decide on this.
    pub(crate) fn may_decide(&self, name: &str, severity: Severity, service: &str) -> bool {
        self.approvers.is_empty()
            || self.approvers.iter().any(|own| own.name == name && own.decides_on(severity, service))
    }

    /// What is wrong with who may approve, each with the fix.
    #[must_use]
    pub fn wrong_approvers(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for approver in &self.approvers {
            let name = &approver.name;
            if name.trim().is_empty() || !names.insert(name) {
                problems.push(format!("[[decision.approver]] `{name}`: each needs a name of its own"));
            }
            let own = [
                (Way::Slack, &approver.slack),
                (Way::ApiKey, &approver.api_keys),
                (Way::Local, &approver.users),
            ];
            for (way, id) in own.into_iter().flat_map(|(way, all)| all.iter().map(move |id| (way, id))) {
                if !ids.insert((way, id)) {
                    problems.push(format!(
                        "[[decision.approver]] `{name}`: `{id}` stands for two people; one of them would have two voices"
                    ));
                }
                let is_id = id.len() > 1
                    && id.starts_with(['U', 'W'])
                    && id.chars().all(|c| c.is_ascii_alphanumeric());
                if way == Way::Slack && !is_id {
                    problems.push(format!(
                        "[[decision.approver]] `{name}`: slack `{id}` is no id of a user, such as U0123456789: it stands under \"Copy member ID\" in the profile"
                    ));
                }
            }
        }
        for severity in self.two_person.iter().filter(|_| !self.approvers.is_empty()) {
            let may = |one: &&Approver| one.severities.is_empty() || one.severities.contains(severity);
            if self.approvers.iter().filter(may).count() < 2 {
                problems.push(format!(
                    "decision.two_person has `{severity}`, but fewer than two approvers decide on it: add a [[decision.approver]], or take it off two_person"
                ));
            }
        }
        problems
    }
}
