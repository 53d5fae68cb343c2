//! What a pull request proposes.

use super::Resources;
use serde::{Deserialize, Serialize};

/// What the title of a proposal begins with, and the message of every commit for it.
pub const PROPOSAL_TITLE: &str = "[midwatch]";

/// A lasting change, for people to look at and merge.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// One line.
    pub title: String,
    /// Markdown: what happened, what was found, what was done, what to look at.
    pub document: String,
    /// What changes in the service's manifest; nothing where the fix is no line of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<FileChange>,
}

/// A change of a manifest.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum FileChange {
    Replicas { replicas: u32 },
    Image { container: Option<String>, image: String },
    Resources { container: Option<String>, resources: Resources },
}

impl std::fmt::Display for FileChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = |container: &Option<String>| {
            container.as_ref().map_or_else(String::new, |container| format!(" of {container}"))
        };
        match self {
            FileChange::Replicas { replicas } => write!(f, "replicas: {replicas}"),
            FileChange::Image { container, image } => write!(f, "image{}: {image}", place(container)),
            FileChange::Resources { container, resources } => {
                write!(f, "resources{}: {resources}", place(container))
            }
        }
    }
}
