//! The webhook integration of Opsgenie and, with the same payload, of Jira Service Management's operations. Actions that
//! do not change how the alert stands (notes, tags, teams) are accepted as nothing.

use super::wire::{Moment, Text, put, put_some, put_tags};
use super::{Parsed, PayloadError, Source, Standing, Told, decode};
use midwatch_model::Labels;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Webhook {
    action: String,
    #[serde(default)]
    alert: Option<Subject>,
    #[serde(default, rename = "integrationName")]
    integration_name: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subject {
    alert_id: Text,
    #[serde(default)]
    alias: Text,
    #[serde(default)]
    tiny_id: Text,
    #[serde(default)]
    message: Text,
    #[serde(default)]
    description: Text,
    #[serde(default)]
    priority: Text,
    #[serde(default)]
    entity: Text,
    #[serde(default)]
    source: Text,
    /// Who did it.
    #[serde(default)]
    username: Text,
    #[serde(default)]
    tags: Option<Vec<Text>>,
    #[serde(default)]
    details: Option<BTreeMap<String, Text>>,
    /// Milliseconds since 1970, though `updatedAt` beside it counts nanoseconds.
    #[serde(default)]
    created_at: Moment,
}

/// How the alert stands after an action; `None` if the action does not say.
fn standing(action: &str, by: &Text) -> Option<Standing> {
    match action.to_lowercase().as_str() {
        "create" | "unacknowledge" => Some(Standing::Firing),
        "acknowledge" => Some(Standing::Acknowledged { by: by.clone().some() }),
        // What was deleted over there is nobody's alert any more.
        "close" | "delete" => Some(Standing::Resolved),
        _ => None,
    }
}

pub(super) fn parse(source: Source, body: &[u8]) -> Result<Parsed, PayloadError> {
    let webhook: Webhook = decode(source, body)?;
    let by = webhook.alert.as_ref().map(|alert| alert.username.clone()).unwrap_or_default();
    let Some(standing) = standing(&webhook.action, &by) else { return Ok(Parsed::default()) };
    let alert = webhook.alert.ok_or_else(|| super::malformed(source, "missing field `alert`"))?;
    let told = alert.told(standing, webhook.integration_name);
    Ok(Parsed::of(vec![told.map_err(|reason| super::malformed(source, reason))?]))
}

impl Subject {
    fn told(self, standing: Standing, integration: Text) -> Result<Told, String> {
        let mut labels = Labels::new();
        put_some(&mut labels, "alertname", self.message.clone().some());
        let tags = self.tags.unwrap_or_default();
        put_tags(&mut labels, tags.iter().map(|tag| tag.0.as_str()));
        let details = self.details.unwrap_or_default();
        put_some(&mut labels, "service", details.get("service").map(|text| &text.0));
        put_some(&mut labels, "entity", self.entity.clone().some());
        // The entity is what the alert is about, if nothing names a service.
        put_some(&mut labels, "service", self.entity.some());
        put_some(&mut labels, "alias", self.alias.some());
        let mut annotations = Labels::new();
        put_some(&mut annotations, "summary", self.message.some());
        put_some(&mut annotations, "description", self.description.some());
        put_some(&mut annotations, "tiny_id", self.tiny_id.some());
        put_some(&mut annotations, "source", self.source.some());
        put_some(&mut annotations, "integration", integration.some());
        for (name, value) in &details {
            put(&mut annotations, name, &value.0);
        }
        Ok(Told {
            id: Some(self.alert_id.some().ok_or("`alert.alertId` is empty")?),
            labels,
            annotations,
            starts_at: self.created_at.at,
            standing,
            severity: self.priority.some(),
            unreadable: super::told::Unreadable { starts_at: self.created_at.unreadable, ends_at: None },
            ..Told::default()
        })
    }
}
