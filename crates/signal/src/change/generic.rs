//! Our own schema of a change: what `POST /api/v1/changes` takes.

use super::{ChangeSource, TEXT_CHARS_MAX, decode};
use crate::source::PayloadError;
use midwatch_model::{Change, ChangeContent, ChangeKind, Fingerprint, Labels, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};

/// Most changes of one request.
const BATCH_MAX: usize = 1000;

/// Bytes of a diff at most: what is longer is a migration of everything, and nobody reads it.
const DIFF_BYTES_MAX: usize = 256 * 1024;

/// Files of one change at most.
const FILES_MAX: usize = 1000;

/// A change that somebody or something made to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Change")]
pub struct GenericChange {
    /// The service that was changed: 1–63 letters, digits, `-`, `_` or `.`.
    pub service: ServiceName,
    /// What kind of change it was.
    pub kind: ChangeKind,
    /// What was there before: a version, a number of replicas, a value.
    #[serde(default)]
    pub from: String,
    /// What is there now.
    #[serde(default)]
    pub to: String,
    /// Who or what made it.
    #[serde(default)]
    pub by: String,
    /// When it was made (RFC 3339); the time of arrival if absent or in the future.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// The sender's own id, the same when it is told again. If absent, changes that say the same are the same.
    #[serde(default)]
    pub id: Option<String>,
    /// One line for a person.
    #[serde(default)]
    pub title: String,
    /// Where it can be looked at.
    #[serde(default)]
    pub url: String,
    /// Paths of the files that it touched.
    #[serde(default)]
    pub files_changed: Vec<String>,
    /// A unified diff: a change that cannot do what happened is not blamed for it. At most 256 KB.
    #[serde(default)]
    pub diff: String,
}

/// One change or an array of them; all or none, since one hand wrote them.
pub(super) fn parse(body: &[u8], now: Timestamp) -> Result<Vec<Change>, PayloadError> {
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let source = ChangeSource::Generic;
    let changes: Vec<GenericChange> =
        if is_array { decode(source, body)? } else { vec![decode(source, body)?] };
    if changes.len() > BATCH_MAX {
        return Err(PayloadError::TooMany { found: changes.len(), max: BATCH_MAX });
    }
    let changes = changes.into_iter().enumerate();
    changes.map(|(index, change)| change.made(now).map_err(|reason| bad(index, &reason))).collect()
}

fn bad(index: usize, reason: &str) -> PayloadError {
    super::malformed(ChangeSource::Generic, format!("change {index}: {reason}"))
}

impl GenericChange {
    fn made(self, now: Timestamp) -> Result<Change, String> {
        if !self.service.is_valid() {
            return Err("`service` must be 1–63 letters, digits, `-`, `_` or `.`".into());
        }
        if self.id.as_ref().is_some_and(String::is_empty) {
            return Err("`id` is empty; leave it out instead".into());
        }
        let texts = [
            ("from", &self.from),
            ("to", &self.to),
            ("by", &self.by),
            ("title", &self.title),
            ("url", &self.url),
            ("id", self.id.as_ref().unwrap_or(&self.to)),
        ];
        if let Some((name, text)) = texts.iter().find(|(_, text)| text.chars().count() > TEXT_CHARS_MAX) {
            let count = text.chars().count();
            return Err(format!("`{name}` has {count} characters; at most {TEXT_CHARS_MAX} are allowed"));
        }
        if self.diff.len() > DIFF_BYTES_MAX || self.files_changed.len() > FILES_MAX {
            return Err(format!(
                "`diff` may have {DIFF_BYTES_MAX} bytes and `files_changed` {FILES_MAX} paths; send the change without them, \
                 or those parts that run in production"
            ));
        }
        let id = self.id.clone().unwrap_or_else(|| self.digest());
        let is_told = !self.files_changed.is_empty() || !self.diff.is_empty();
        let content = is_told.then_some(ChangeContent { files: self.files_changed, diff: self.diff });
        Ok(Change {
            id: format!("generic/{id}"),
            at: self.at.map_or(now, |at| at.min(now)),
            service: self.service,
            kind: self.kind,
            from: self.from,
            to: self.to,
            by: self.by,
            title: self.title,
            url: self.url,
            content,
        })
    }

    /// What stands for the whole text of a change without an id.
    fn digest(&self) -> String {
        let at = self.at.map(|at| at.to_string()).unwrap_or_default();
        let kind = format!("{:?}", self.kind);
        let service = self.service.to_string();
        let parts = [&service, &kind, &self.from, &self.to, &self.by, &at];
        let numbered = parts.iter().enumerate().map(|(index, part)| (index.to_string(), (*part).clone()));
        Fingerprint::of(&numbered.collect::<Labels>()).to_string()
    }
}
