//! The webhook of New Relic's workflows with its default template, and that of the notification channels before them.

use super::wire::{Moment, Text, put, put_some};
use super::{Parsed, PayloadError, Source, Standing, Told, decode};
use crate::source::told::Unreadable;
use midwatch_model::Labels;
use serde::Deserialize;

/// An issue, as the default template writes it; fields that people often add are read, too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issue {
    #[serde(default)]
    issue_id: Text,
    #[serde(default)]
    id: Text,
    #[serde(default)]
    issue_url: Text,
    #[serde(default)]
    issue_page_url: Text,
    #[serde(default)]
    title: Text,
    #[serde(default)]
    priority: Text,
    #[serde(default)]
    state: Text,
    #[serde(default)]
    trigger: Text,
    #[serde(default)]
    created_at: Moment,
    #[serde(default)]
    activated_at: Moment,
    #[serde(default)]
    closed_at: Moment,
    #[serde(default)]
    updated_at: Moment,
    #[serde(default)]
    acknowledged_by: Text,
    #[serde(default)]
    owner: Text,
    #[serde(default)]
    impacted_entities: Option<Vec<Entity>>,
    #[serde(default)]
    alert_policy_names: Option<Vec<Text>>,
    #[serde(default)]
    alert_condition_names: Option<Vec<Text>>,
    #[serde(default)]
    workflow_name: Text,
    #[serde(default)]
    total_incidents: Text,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entity {
    Whole {
        #[serde(default)]
        name: Text,
    },
    Name(Text),
}

impl Entity {
    fn name(self) -> Option<String> {
        match self {
            Entity::Whole { name } | Entity::Name(name) => name.some(),
        }
    }
}

/// What the legacy channels send.
#[derive(Deserialize)]
struct Legacy {
    current_state: String,
    incident_id: Text,
    #[serde(default)]
    incident_url: Text,
    #[serde(default)]
    condition_name: Text,
    #[serde(default)]
    policy_name: Text,
    #[serde(default)]
    severity: Text,
    #[serde(default)]
    details: Text,
    #[serde(default)]
    owner: Text,
    #[serde(default)]
    timestamp: Moment,
    #[serde(default)]
    targets: Option<Vec<Target>>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    name: Text,
}

#[derive(Deserialize)]
struct Peek {
    #[serde(default)]
    current_state: Option<Text>,
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed, PayloadError> {
    let peek: Peek = decode(Source::NewRelic, body)?;
    let told = match peek.current_state {
        Some(_) => decode::<Legacy>(Source::NewRelic, body)?.told(),
        None => decode::<Issue>(Source::NewRelic, body)?.told(),
    };
    Ok(Parsed::of(vec![told.map_err(|reason| super::malformed(Source::NewRelic, reason))?]))
}

impl Issue {
    fn told(self) -> Result<Told, String> {
        let id = self.issue_id.some().or(self.id.some()).ok_or("it has neither `issueId` nor `id`")?;
        let (state, trigger) = (self.state.0.to_uppercase(), self.trigger.0.to_uppercase());
        if state.is_empty() {
            return Err("it has no `state`; keep `\"state\": {{ json state }}` in the template".into());
        }
        let by = self.acknowledged_by.some();
        let standing = match state.as_str() {
            "CLOSED" | "RESOLVED" | "DEACTIVATED" => Standing::Resolved,
            "ACKNOWLEDGED" => Standing::Acknowledged { by: by.or(self.owner.some()) },
            _ if by.is_some() => Standing::Acknowledged { by },
            _ if trigger.contains("ACKNOWLEDGED") && !trigger.contains("UNACKNOWLEDGED") => {
                Standing::Acknowledged { by: self.owner.some() }
            }
            _ => Standing::Firing,
        };
        let entities: Vec<String> =
            self.impacted_entities.unwrap_or_default().into_iter().filter_map(Entity::name).collect();
        let mut labels = Labels::new();
        put_some(
            &mut labels,
            "alertname",
            join(self.alert_condition_names).or_else(|| self.title.clone().some()),
        );
        put_some(&mut labels, "service", entities.first());
        put(&mut labels, "entities", entities.join(", "));
        put_some(&mut labels, "policy", join(self.alert_policy_names));
        let mut annotations = Labels::new();
        put_some(&mut annotations, "summary", self.title.some());
        put_some(&mut annotations, "workflow", self.workflow_name.some());
        put_some(&mut annotations, "incidents", self.total_incidents.some());
        let over = standing == Standing::Resolved;
        let starts_at = self.created_at.or(self.activated_at);
        let occurred_at = self.updated_at.at;
        let ends_at = if over { self.closed_at.or(self.updated_at) } else { Moment::default() };
        Ok(Told {
            id: Some(id),
            occurred_at,
            labels,
            annotations,
            starts_at: starts_at.at,
            ends_at: ends_at.at,
            standing,
            generator_url: self.issue_url.some().unwrap_or(self.issue_page_url.0),
            severity: self.priority.some(),
            unreadable: Unreadable { starts_at: starts_at.unreadable, ends_at: ends_at.unreadable },
        })
    }
}

impl Legacy {
    fn told(self) -> Result<Told, String> {
        let standing = match self.current_state.to_lowercase().as_str() {
            "open" | "test" => Standing::Firing,
            "acknowledged" => Standing::Acknowledged { by: self.owner.some() },
            "closed" => Standing::Resolved,
            other => {
                return Err(format!("its `current_state` is `{other}`, not open, acknowledged or closed"));
            }
        };
        let targets = self.targets.unwrap_or_default().into_iter();
        let targets: Vec<String> = targets.filter_map(|target| target.name.some()).collect();
        let mut labels = Labels::new();
        put_some(&mut labels, "alertname", self.condition_name.some());
        put_some(&mut labels, "service", targets.first());
        put(&mut labels, "entities", targets.join(", "));
        put_some(&mut labels, "policy", self.policy_name.some());
        let mut annotations = Labels::new();
        put_some(&mut annotations, "summary", self.details.some());
        let mut told = Told {
            id: Some(self.incident_id.some().ok_or("its `incident_id` is empty")?),
            labels,
            annotations,
            generator_url: self.incident_url.0,
            severity: self.severity.some(),
            ..Told::default()
        };
        // The time is that of this telling, so an acknowledgement says nothing of the start.
        match standing {
            Standing::Firing => {
                told.starts_at = self.timestamp.at;
                told.unreadable.starts_at = self.timestamp.unreadable;
            }
            Standing::Resolved => {
                told.ends_at = self.timestamp.at;
                told.unreadable.ends_at = self.timestamp.unreadable;
            }
            Standing::Acknowledged { .. } => {}
        }
        told.standing = standing;
        Ok(told)
    }
}

fn join(texts: Option<Vec<Text>>) -> Option<String> {
    let texts: Vec<String> = texts.unwrap_or_default().into_iter().filter_map(Text::some).collect();
    Some(texts.join(", ")).filter(|text| !text.is_empty())
}
