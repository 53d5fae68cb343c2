//! PagerDuty's webhooks, version 3: one event per request. Each event about an incident tells how it stands; what is about
//! something else (a note, a service, a ping) is accepted as nothing.

use super::wire::{Moment, Text, put_some};
use super::{Parsed, PayloadError, Source, Standing, Told, decode};
use crate::source::told::Unreadable;
use midwatch_model::Labels;
use serde::Deserialize;
use serde_json::Value;

/// The annotation with the key that whoever made PagerDuty's incident chose (`dedup_key`).
pub const INCIDENT_KEY: &str = "incident_key";

/// The annotation with the person who changed how it stands.
pub const CHANGED_BY: &str = "changed_by";

#[derive(Deserialize)]
struct Webhook {
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    id: Text,
    event_type: String,
    #[serde(default)]
    occurred_at: Moment,
    /// Who did it; null where PagerDuty itself did.
    #[serde(default)]
    agent: Option<Reference>,
    #[serde(default)]
    data: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Reference {
    #[serde(default)]
    summary: Text,
    #[serde(default)]
    id: Text,
    #[serde(default, rename = "type")]
    kind: Text,
}

impl Reference {
    /// Whether it is a person, and not an integration or a rule.
    fn is_person(&self) -> bool {
        matches!(self.kind.0.as_str(), "user_reference" | "user")
    }

    fn name(self) -> Option<String> {
        self.summary.some().or_else(|| self.id.some())
    }
}

#[derive(Deserialize)]
struct Incident {
    id: Text,
    #[serde(default)]
    status: Text,
    #[serde(default)]
    title: Text,
    #[serde(default)]
    html_url: Text,
    #[serde(default)]
    number: Text,
    #[serde(default)]
    incident_key: Text,
    #[serde(default)]
    created_at: Moment,
    #[serde(default)]
    service: Option<Reference>,
    #[serde(default)]
    priority: Option<Reference>,
    #[serde(default)]
    urgency: Text,
    #[serde(default)]
    resolve_reason: Value,
}

/// Events whose data is the incident. Others of the same prefix hold a note, a responder or an update of the status page.
const ABOUT_INCIDENTS: [&str; 10] = [
    "incident.triggered",
    "incident.acknowledged",
    "incident.unacknowledged",
    "incident.resolved",
    "incident.reopened",
    "incident.escalated",
    "incident.delegated",
    "incident.reassigned",
    "incident.priority_updated",
    "incident.service_updated",
];

pub(super) fn parse(body: &[u8]) -> Result<Parsed, PayloadError> {
    let Webhook { event } = decode(Source::PagerDuty, body)?;
    let event_ids = event.id.clone().some().into_iter().collect();
    if !ABOUT_INCIDENTS.contains(&event.event_type.as_str()) {
        return Ok(Parsed { event_ids, ..Parsed::default() });
    }
    let told = event.told().map_err(|reason| super::malformed(Source::PagerDuty, reason))?;
    Ok(Parsed { told: vec![told], event_ids, ..Parsed::default() })
}

impl Event {
    fn told(self) -> Result<Told, String> {
        let incident: Incident = serde_json::from_value(self.data)
            .map_err(|error| format!("`event.data` is no incident: {error}"))?;
        let person = self.agent.clone().filter(Reference::is_person).and_then(Reference::name);
        let standing = match (self.event_type.as_str(), incident.status.0.as_str()) {
            ("incident.resolved", _) => Standing::Resolved,
            ("incident.acknowledged", _) => {
                Standing::Acknowledged { by: self.agent.and_then(Reference::name) }
            }
            ("incident.triggered" | "incident.unacknowledged" | "incident.reopened", _) => Standing::Firing,
            (_, "resolved") => Standing::Resolved,
            // Whoever changed something else about it is not who has it.
            (_, "acknowledged") => Standing::Acknowledged { by: None },
            _ => Standing::Firing,
        };
        let over = standing == Standing::Resolved;
        let ends_at = if over { self.occurred_at.clone() } else { Moment::default() };
        let mut labels = Labels::new();
        put_some(&mut labels, "alertname", incident.title.clone().some());
        put_some(&mut labels, "service", incident.service.and_then(Reference::name));
        let mut annotations = Labels::new();
        put_some(&mut annotations, "summary", incident.title.some());
        put_some(&mut annotations, "incident_number", incident.number.some());
        put_some(&mut annotations, INCIDENT_KEY, incident.incident_key.some());
        put_some(&mut annotations, CHANGED_BY, person);
        put_some(&mut annotations, "urgency", incident.urgency.clone().some());
        put_some(&mut annotations, "resolve_reason", incident.resolve_reason.as_str());
        Ok(Told {
            id: Some(incident.id.some().ok_or("`event.data.id` is empty")?),
            labels,
            annotations,
            starts_at: incident.created_at.at,
            ends_at: ends_at.at,
            occurred_at: self.occurred_at.at,
            standing,
            generator_url: incident.html_url.0,
            severity: incident.priority.and_then(Reference::name).or_else(|| incident.urgency.some()),
            unreadable: Unreadable { starts_at: incident.created_at.unreadable, ends_at: ends_at.unreadable },
        })
    }
}
