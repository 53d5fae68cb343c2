//! Argo CD's notifications. Their body is whatever the template says; `docs/sources.md` has the one to configure.

use super::{ChangeSource, cut, decode, malformed, moment, service};
use crate::source::PayloadError;
use crate::source::wire::{Moment, Text};
use midwatch_model::{Change, ChangeKind, Timestamp};
use serde::Deserialize;

#[derive(Deserialize)]
struct Notification {
    app: Text,
    #[serde(default)]
    project: Text,
    /// How the sync stands: `Running`, `Succeeded`, `Failed`, `Error`, `Terminating`.
    phase: Text,
    #[serde(default)]
    revision: Text,
    #[serde(default)]
    started_at: Text,
    #[serde(default)]
    finished_at: Text,
    #[serde(default)]
    by: Text,
    #[serde(default)]
    repo: Text,
    #[serde(default)]
    message: Text,
    #[serde(default)]
    url: Text,
}

pub(super) fn parse(body: &[u8], now: Timestamp) -> Result<Vec<Change>, PayloadError> {
    let told: Notification = decode(ChangeSource::ArgoCd, body)?;
    match told.phase.0.as_str() {
        "Running" | "Succeeded" | "Failed" | "Error" => Ok(vec![told.change(now)?]),
        "Terminating" => Ok(Vec::new()),
        other => {
            let other: String = other.chars().take(40).collect();
            Err(malformed(
                ChangeSource::ArgoCd,
                format!("its `phase` is `{other}`; use the template of docs/sources.md"),
            ))
        }
    }
}

/// A value that the template found; Go writes this for what is not there.
fn known(text: &Text) -> &str {
    match text.0.as_str() {
        "<no value>" | "<nil>" | "null" => "",
        text => text,
    }
}

impl Notification {
    fn change(&self, now: Timestamp) -> Result<Change, PayloadError> {
        let (revision, started) = (known(&self.revision), known(&self.started_at));
        let at = Moment::read(known(&self.finished_at)).or(Moment::read(started));
        let by = Some(known(&self.by)).filter(|by| !by.is_empty()).unwrap_or("Argo CD");
        let message = [" – ", known(&self.message)].concat();
        let message = if known(&self.message).is_empty() { "" } else { &message };
        let title = format!("sync of {} from {}: {}{message}", self.app.0, known(&self.repo), self.phase.0);
        Ok(Change {
            id: cut(&format!("argocd/{}/{}/{revision}/{started}", known(&self.project), self.app.0)),
            at: moment(&at, now),
            service: service(ChangeSource::ArgoCd, "app", &self.app.0)?,
            kind: ChangeKind::Deploy,
            from: String::new(),
            to: cut(revision),
            by: cut(by),
            title: cut(&title),
            url: cut(known(&self.url)),
            content: None,
        })
    }
}
