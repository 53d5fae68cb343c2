//! The webhook contact point of Grafana's unified alerting, with its default payload.

use super::wire::{Moment, Text, put_some};
use super::{Parsed, PayloadError, Source, Standing, Told, decode};
use crate::source::told::Unreadable;
use midwatch_model::Labels;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Webhook {
    alerts: Vec<Fired>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fired {
    status: Status,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    #[serde(default)]
    starts_at: Moment,
    #[serde(default)]
    ends_at: Moment,
    #[serde(default, rename = "generatorURL")]
    generator_url: Text,
    /// A hash of the labels, which a relabelled alert keeps.
    #[serde(default)]
    fingerprint: Text,
    #[serde(default, rename = "dashboardURL")]
    dashboard_url: Text,
    #[serde(default, rename = "panelURL")]
    panel_url: Text,
    #[serde(default, rename = "silenceURL")]
    silence_url: Text,
    #[serde(default, rename = "imageURL")]
    image_url: Text,
    /// What the rule's queries gave, by the letter of the query; null where there is none.
    #[serde(default)]
    values: Option<BTreeMap<String, Text>>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Firing,
    Resolved,
}

pub(super) fn parse(body: &[u8]) -> Result<Parsed, PayloadError> {
    let webhook: Webhook = decode(Source::Grafana, body)?;
    Ok(Parsed::of(webhook.alerts.into_iter().map(Fired::told).collect()))
}

impl Fired {
    fn told(self) -> Told {
        let resolved = self.status == Status::Resolved;
        // A firing alert's end is when Grafana would let it go.
        let ends_at = if resolved { self.ends_at } else { Moment::default() };
        let mut annotations = self.annotations;
        put_some(&mut annotations, "dashboard_url", self.dashboard_url.some());
        put_some(&mut annotations, "panel_url", self.panel_url.some());
        put_some(&mut annotations, "silence_url", self.silence_url.some());
        put_some(&mut annotations, "image_url", self.image_url.some());
        let values = self.values.unwrap_or_default();
        let values: Vec<_> = values.into_iter().map(|(name, value)| format!("{name}={}", value.0)).collect();
        put_some(&mut annotations, "values", Some(values.join(", ")));
        Told {
            occurred_at: None,
            id: self.fingerprint.some(),
            labels: self.labels,
            annotations,
            starts_at: self.starts_at.at,
            ends_at: ends_at.at,
            standing: if resolved { Standing::Resolved } else { Standing::Firing },
            generator_url: self.generator_url.0,
            severity: None,
            unreadable: Unreadable { starts_at: self.starts_at.unreadable, ends_at: ends_at.unreadable },
        }
    }
}
