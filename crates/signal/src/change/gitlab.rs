//! GitLab's deployment events. Other hooks are accepted as nothing: a pipeline is no deployment.

use super::{ChangeSource, cut, decode, moment, service};
use crate::source::PayloadError;
use crate::source::wire::{Moment, Text};
use midwatch_model::{Change, ChangeKind, Timestamp};
use serde::Deserialize;

#[derive(Deserialize)]
struct Peek {
    #[serde(default)]
    object_kind: Text,
}

#[derive(Deserialize)]
struct Hook {
    status: String,
    deployment_id: u64,
    /// `2021-04-28 21:50:00 +0200`
    #[serde(default)]
    status_changed_at: Moment,
    #[serde(default)]
    deployable_url: Text,
    #[serde(default)]
    environment: Text,
    project: Project,
    #[serde(default)]
    short_sha: Text,
    #[serde(default, rename = "ref")]
    reference: Text,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    commit_url: Text,
    #[serde(default)]
    commit_title: Text,
}

#[derive(Deserialize)]
struct Project {
    name: String,
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: Text,
}

pub(super) fn parse(event: Option<&str>, body: &[u8], now: Timestamp) -> Result<Vec<Change>, PayloadError> {
    let source = ChangeSource::GitLab;
    let Peek { object_kind } = decode(source, body)?;
    if object_kind.0 != "deployment" || event.is_some_and(|event| event != "Deployment Hook") {
        return Ok(Vec::new());
    }
    let hook: Hook = decode(source, body)?;
    match hook.status.as_str() {
        // What failed half way has changed something, too; what waits or was taken back has not.
        "running" | "success" | "failed" => Ok(vec![hook.change(now)?]),
        _ => Ok(Vec::new()),
    }
}

impl Hook {
    fn change(self, now: Timestamp) -> Result<Change, PayloadError> {
        // The path is what is in addresses; the name may hold anything.
        let path = self.project.path_with_namespace;
        let last = path.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or(&self.project.name);
        let told = format!("deployment of {} to {}: {}", self.reference.0, self.environment.0, self.status);
        let title = self.commit_title.some().map_or(told.clone(), |text| format!("{text} ({told})"));
        Ok(Change {
            id: cut(&format!("gitlab/{path}/{}", self.deployment_id)),
            at: moment(&self.status_changed_at, now),
            service: service(ChangeSource::GitLab, "project.path_with_namespace", last)?,
            kind: ChangeKind::Deploy,
            from: String::new(),
            to: cut(&self.short_sha.some().unwrap_or(self.reference.0)),
            by: cut(&self.user.map(|user| user.username.0).unwrap_or_default()),
            title: cut(&title),
            url: cut(&self.deployable_url.some().unwrap_or(self.commit_url.0)),
            content: None,
        })
    }
}
