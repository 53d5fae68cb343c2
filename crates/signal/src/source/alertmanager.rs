//! Prometheus' and Alertmanager's own formats.

use super::wire::{self, real};
use super::{Parsed, PayloadError, Source, Standing, Told, decode, malformed};
use midwatch_model::{Labels, Timestamp};
use serde::Deserialize;

/// One alert of `POST /api/v2/alerts`, and (with a status) of a webhook.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    #[serde(default, deserialize_with = "wire::labels_once")]
    labels: Labels,
    #[serde(default, deserialize_with = "wire::labels_once")]
    annotations: Labels,
    #[serde(default)]
    starts_at: Option<Timestamp>,
    #[serde(default)]
    ends_at: Option<Timestamp>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Firing,
    Resolved,
}

impl Postable {
    fn told(self) -> Told {
        Told {
            labels: self.labels,
            annotations: self.annotations,
            starts_at: real(self.starts_at),
            ends_at: real(self.ends_at),
            standing: if self.status == Some(Status::Resolved) {
                Standing::Resolved
            } else {
                Standing::Firing
            },
            generator_url: self.generator_url.unwrap_or_default(),
            ..Told::default()
        }
    }
}

/// The body of `POST /api/v2/alerts`: each alert stands for itself, so one that is bad does not cost the others. It is
/// read in one go, since this is where storms come in: the types themselves refuse a key that is there twice.
pub(super) fn parse_postable(body: &[u8]) -> Result<Parsed, PayloadError> {
    let postable: Vec<Postable> =
        serde_json::from_slice(body).map_err(|error| malformed(Source::AlertmanagerV2, error.to_string()))?;
    Ok(Parsed::of(postable.into_iter().map(Postable::told).collect()))
}

/// A webhook of version 4.
#[derive(Deserialize)]
struct Webhook {
    version: String,
    alerts: Vec<Postable>,
}

pub(super) fn parse_webhook(body: &[u8]) -> Result<Parsed, PayloadError> {
    let webhook: Webhook = decode(Source::Alertmanager, body)?;
    if webhook.version != "4" {
        return Err(malformed(
            Source::Alertmanager,
            format!("its version is `{}`, not `4`", webhook.version),
        ));
    }
    let told = webhook.alerts.into_iter().map(|alert| {
        let told = alert.told();
        // A firing alert's end is when it would time out over there.
        Told { ends_at: told.ends_at.filter(|_| told.standing == Standing::Resolved), ..told }
    });
    Ok(Parsed::of(told.collect()))
}
