//! A silence: what somebody does not want to hear of for a while.

use crate::label::all_match;
use crate::{Labels, Matcher, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SilenceState {
    Active,
    Pending,
    Expired,
}

/// What a silence is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceKind {
    /// Somebody does not want to hear of certain alerts.
    #[default]
    Silence,
    /// Work is planned: midwatch's own anomalies are held back, too.
    Maintenance,
}

impl SilenceKind {
    #[must_use]
    pub fn is_silence(&self) -> bool {
        *self == SilenceKind::Silence
    }
}

/// A silence as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    pub id: String,
    pub matchers: Vec<Matcher>,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub created_by: String,
    pub comment: String,
    pub updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "SilenceKind::is_silence")]
    pub kind: SilenceKind,
}

impl Silence {
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now < self.ends_at {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }

    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        all_match(&self.matchers, labels)
    }
}
