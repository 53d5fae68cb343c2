//! Changes: what somebody or something did to a service.

use crate::redact::redact;
use crate::{ServiceName, Timestamp};
use serde::{Deserialize, Serialize};

/// The kinds of change that correlate with incidents.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Deploy,
    Rollback,
    Restart,
    Scale,
    Config,
}

impl ChangeKind {
    /// Whether the change put other code into production.
    #[must_use]
    pub fn replaces_code(self) -> bool {
        matches!(self, ChangeKind::Deploy | ChangeKind::Rollback)
    }
}

/// One change as the control plane recorded it, or as whoever made it told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Change {
    pub id: String,
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub at: Timestamp,
    pub service: ServiceName,
    pub kind: ChangeKind,
    pub from: String,
    pub to: String,
    pub by: String,
    /// One line for a person; empty where kind and versions say it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Where it can be looked at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// What it did to the code, where that was told. A verdict names the change without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ChangeContent>,
}

/// What a change did to the code: data that somebody else wrote.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct ChangeContent {
    /// Paths of the files that it touched.
    #[serde(default)]
    pub files: Vec<String>,
    /// A unified diff.
    #[serde(default)]
    pub diff: String,
}

impl Change {
    /// The change as a verdict names it: without what it did to the code.
    #[must_use]
    pub fn named(&self) -> Self {
        Self { content: None, ..self.clone() }
    }

    /// The change without secrets in what somebody else wrote: titles, versions, addresses and diffs hold tokens, too.
    #[must_use]
    pub fn redacted(self) -> Self {
        let clean = |text: &String| redact(text).into_owned();
        let content = self.content.map(|content| ChangeContent {
            files: content.files.iter().map(clean).collect(),
            diff: clean(&content.diff),
        });
        Self {
            from: clean(&self.from),
            to: clean(&self.to),
            by: clean(&self.by),
            title: clean(&self.title),
            url: clean(&self.url),
            content,
            ..self
        }
    }
}
