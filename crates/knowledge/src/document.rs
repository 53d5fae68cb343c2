//! A document and what it is found by besides its words.

use serde::{Deserialize, Serialize};

/// Where a document belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collection {
    /// How past incidents went.
    Incidents,
    /// What to do when something breaks.
    Runbooks,
    /// What a service is, who owns it, how it fails.
    Services,
}

/// A text that somebody wrote down for the night.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Names it within its collection; one that is added again takes the place of the old one.
    pub id: String,
    pub collection: Collection,
    pub title: String,
    /// Markdown.
    pub text: String,
    /// Services that it is about; empty if it is about any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Types of anomaly that it helps with, as signals name them; empty if with any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomaly_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}
