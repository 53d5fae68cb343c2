//! Changes from outside: what deployed, as those tell it that did it.
//!
//! A source is a module with one parse function, a variant and a match arm here. One deployment may be told several times
//! while it runs; its change has the same id each time, and the last telling holds.

mod argocd;
mod generic;
mod github;
mod gitlab;

pub use generic::GenericChange;
pub use github::MergedPull;

use crate::source::wire::{self, Moment};
use crate::source::{BODY_BYTES_MAX, PayloadError};
use midwatch_model::{Change, ServiceName, Timestamp};
use serde::de::DeserializeOwned;

/// Longest text of a change, characters; longer ones of vendors are cut.
const TEXT_CHARS_MAX: usize = 500;

/// Who tells of changes.
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
pub enum ChangeSource {
    /// Our own schema, [`GenericChange`], one or a list.
    Generic,
    /// GitHub's `deployment` and `deployment_status` events.
    GitHub,
    /// GitLab's deployment events.
    GitLab,
    /// Argo CD's notifications, with the template that `docs/sources.md` shows.
    ArgoCd,
}

impl ChangeSource {
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        <Self as strum::VariantArray>::VARIANTS.iter().copied().find(|source| source.name() == name)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The header that says what kind of event it is, where the sender has one.
    #[must_use]
    pub fn event_header(self) -> Option<&'static str> {
        match self {
            ChangeSource::GitHub => Some("X-GitHub-Event"),
            ChangeSource::GitLab => Some("X-Gitlab-Event"),
            ChangeSource::Generic | ChangeSource::ArgoCd => None,
        }
    }

    /// Reads a body that arrived at `now`, with the value of [`Self::event_header`]. Nothing for events that change nothing.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn parse(
        self,
        event: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<Change>, PayloadError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(PayloadError::TooLarge { bytes: body.len() });
        }
        match self {
            ChangeSource::Generic => generic::parse(body, now),
            ChangeSource::GitHub => github::parse(event, body, now),
            ChangeSource::GitLab => gitlab::parse(event, body, now),
            ChangeSource::ArgoCd => argocd::parse(body, now),
        }
    }
}

impl ChangeSource {
    /// The pull request that a body tells was merged; nothing for other bodies and sources.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn merged(self, event: Option<&str>, body: &[u8]) -> Result<Option<MergedPull>, PayloadError> {
        match self {
            _ if body.len() > BODY_BYTES_MAX => Err(PayloadError::TooLarge { bytes: body.len() }),
            ChangeSource::GitHub => github::merged(event, body),
            ChangeSource::Generic | ChangeSource::GitLab | ChangeSource::ArgoCd => Ok(None),
        }
    }
}

fn decode<T: DeserializeOwned>(source: ChangeSource, body: &[u8]) -> Result<T, PayloadError> {
    wire::decode(body).map_err(|reason| malformed(source, reason))
}

fn malformed(source: ChangeSource, reason: impl AsRef<str>) -> PayloadError {
    PayloadError::Malformed { source_name: source.name(), reason: wire::sentence(reason.as_ref()) }
}

/// The service that a repository's or application's name stands for.
fn service(source: ChangeSource, field: &str, name: &str) -> Result<ServiceName, PayloadError> {
    let exact = ServiceName::new(name);
    let service = if exact.is_valid() { exact } else { crate::source::slug(&name.to_lowercase()) };
    Some(service).filter(ServiceName::is_valid).ok_or_else(|| {
        malformed(source, format!("`{field}` holds no letter or digit, so it cannot name a service"))
    })
}

/// A change has happened: not before it is told, and now if its time cannot be read.
fn moment(at: &Moment, now: Timestamp) -> Timestamp {
    at.at.map_or(now, |at| at.min(now))
}

fn cut(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().chars().take(TEXT_CHARS_MAX).collect()
}
