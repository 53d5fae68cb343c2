//! Alert sources: each vendor's payload becomes alerts of one shape.
//!
//! A source is a module with one parse function, a variant and a match arm here. What a payload says is data: nothing in
//! it is looked up, expanded or obeyed.

mod alertmanager;
mod cloudevents;
mod cloudwatch;
mod datadog;
mod entity;
mod generic;
mod grafana;
mod mapped;
mod newrelic;
mod opsgenie;
mod pagerduty;
mod reading;
mod service;
mod told;
pub(crate) mod wire;

pub use entity::entity_of;
pub use generic::GenericAlert;
pub use mapped::{Mapping, MappingError};
pub use pagerduty::{CHANGED_BY, INCIDENT_KEY};
pub use reading::reading_of;
pub(crate) use service::slug;
pub use service::{cause_of, service_of, signal_of, title_of};
pub use told::{Standing, Teller, Told};

use serde::de::DeserializeOwned;

/// Largest body of one request, bytes. Prometheus sends 64 alerts at once, about 64 KB; a storm through a relay is larger.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Most alerts of one request.
pub const BATCH_MAX: usize = 10_000;
/// Most labels or annotations of one alert.
pub const LABELS_MAX: usize = 128;
/// Longest label name or value, characters.
pub const LABEL_CHARS_MAX: usize = 4096;
/// Longest id of a sender's, characters.
pub const ID_CHARS_MAX: usize = 1024;

/// Where alerts come from.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Source {
    /// Our own schema, `docs/schemas/alert.schema.json`.
    Generic,
    /// The webhook of Alertmanager, version 4.
    Alertmanager,
    /// Prometheus and amtool, over the Alertmanager API v2.
    #[strum(serialize = "alertmanager_v2")]
    AlertmanagerV2,
    /// The webhook contact point of Grafana's unified alerting.
    Grafana,
    /// Datadog's webhooks integration, with the payload that `docs/sources.md` shows.
    Datadog,
    /// The webhook of New Relic's workflows.
    NewRelic,
    /// PagerDuty's webhooks, version 3.
    PagerDuty,
    /// Opsgenie's webhook integration.
    Opsgenie,
    /// The webhook integration of Jira Service Management's operations, which is Opsgenie's.
    Jsm,
    /// CloudWatch alarms over SNS, in its envelope or raw.
    CloudWatch,
    /// CloudEvents 1.0 in structured mode, one or a batch.
    CloudEvents,
}

impl Source {
    /// The sources that `POST /api/v1/ingest/{source}` reads, by name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::readable().find(|source| source.name() == name)
    }

    /// Any source, by name.
    #[must_use]
    pub fn any(name: &str) -> Option<Self> {
        <Self as strum::VariantArray>::VARIANTS.iter().copied().find(|source| source.name() == name)
    }

    /// Every source.
    pub fn all() -> impl Iterator<Item = Self> {
        <Self as strum::VariantArray>::VARIANTS.iter().copied()
    }

    /// The sources that may be named.
    pub fn readable() -> impl Iterator<Item = Self> {
        let all = <Self as strum::VariantArray>::VARIANTS.iter().copied();
        // The API v2 has an address of its own.
        all.filter(|source| *source != Source::AlertmanagerV2)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whose alerts they are, and how they are told.
    #[must_use]
    pub fn teller(self) -> Teller<'static> {
        // The others tell once, or again only after hours; Alertmanager's webhook repeats every four hours by default.
        let repeats = matches!(self, Source::Generic | Source::AlertmanagerV2);
        let plans_ahead = matches!(self, Source::Alertmanager | Source::AlertmanagerV2);
        Teller { name: self.name(), repeats, plans_ahead }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with the body as a whole. Alerts that cannot be used one by one are told in [`Parsed::refused`].
    pub fn parse(self, body: &[u8]) -> Result<Parsed, PayloadError> {
        check_size(body)?;
        let parsed = match self {
            Source::Generic => generic::parse(body)?,
            Source::Alertmanager => alertmanager::parse_webhook(body)?,
            Source::AlertmanagerV2 => alertmanager::parse_postable(body)?,
            Source::Grafana => grafana::parse(body)?,
            Source::Datadog => datadog::parse(body)?,
            Source::NewRelic => newrelic::parse(body)?,
            Source::PagerDuty => pagerduty::parse(body)?,
            Source::Opsgenie | Source::Jsm => opsgenie::parse(self, body)?,
            Source::CloudWatch => cloudwatch::parse(body)?,
            Source::CloudEvents => cloudevents::parse(body)?,
        };
        check_count(parsed)
    }
}

fn check_size(body: &[u8]) -> Result<(), PayloadError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(PayloadError::TooLarge { bytes: body.len() });
    }
    Ok(())
}

fn check_count(parsed: Parsed) -> Result<Parsed, PayloadError> {
    match parsed.told.len() + parsed.refused.len() {
        0..=BATCH_MAX => Ok(parsed),
        found => Err(PayloadError::TooMany { found, max: BATCH_MAX }),
    }
}

/// Why a body cannot be used. The text is meant for the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error("the body has {bytes} bytes; at most {BODY_BYTES_MAX} are allowed")]
    TooLarge { bytes: usize },
    #[error("the body is not what {source_name} sends: {reason}")]
    Malformed { source_name: &'static str, reason: String },
    #[error("the body has {found} alerts; at most {max} are allowed")]
    TooMany { found: usize, max: usize },
    #[error("alert {index}: {reason}")]
    Alert { index: usize, reason: String },
}

/// What a body held. A body that says nothing about an alert's standing (a note, a ping) holds nothing, and is no error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    pub told: Vec<Told>,
    /// Alerts that cannot be used: their place in the body, and why.
    pub refused: Vec<(usize, String)>,
    /// The sender's ids of what happened, where it has such: a body all of whose events are known was delivered before.
    pub event_ids: Vec<String>,
    /// An address that the sender wants to be visited before it delivers anything. Only for a person or a caller who
    /// expects it, and only after the body's signature was verified.
    pub confirm: Option<String>,
}

impl Parsed {
    fn of(told: Vec<Told>) -> Self {
        Self { told, ..Self::default() }
    }
}

fn decode<T: DeserializeOwned>(source: Source, body: &[u8]) -> Result<T, PayloadError> {
    wire::decode(body).map_err(|reason| malformed(source, reason))
}

fn malformed(source: Source, reason: impl AsRef<str>) -> PayloadError {
    PayloadError::Malformed { source_name: source.name(), reason: wire::sentence(reason.as_ref()) }
}
