//! GitHub's `deployment` and `deployment_status` events, and `pull_request` where one was merged. Which of them it is
//! stands in a header.

use super::{ChangeSource, cut, decode, malformed, moment, service};
use crate::source::PayloadError;
use crate::source::wire::{Moment, Text};
use midwatch_model::{Change, ChangeKind, Timestamp};
use serde::Deserialize;

#[derive(Deserialize)]
struct Event {
    deployment: Deployment,
    #[serde(default)]
    deployment_status: Option<Status>,
    repository: Repository,
}

#[derive(Deserialize)]
struct Deployment {
    id: u64,
    #[serde(default)]
    sha: Text,
    #[serde(default, rename = "ref")]
    reference: Text,
    /// `deploy` unless the one who deploys calls it otherwise: `deploy:rollback`, `rollback`.
    #[serde(default)]
    task: Text,
    #[serde(default)]
    environment: Text,
    #[serde(default)]
    description: Text,
    #[serde(default)]
    creator: Option<User>,
    #[serde(default)]
    created_at: Moment,
}

#[derive(Deserialize)]
struct Status {
    state: String,
    #[serde(default)]
    created_at: Moment,
    #[serde(default)]
    log_url: Text,
    #[serde(default)]
    target_url: Text,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    login: Text,
}

#[derive(Deserialize)]
struct Repository {
    name: String,
    full_name: String,
    #[serde(default)]
    html_url: Text,
}

pub(super) fn parse(event: Option<&str>, body: &[u8], now: Timestamp) -> Result<Vec<Change>, PayloadError> {
    let source = ChangeSource::GitHub;
    match event {
        Some("deployment" | "deployment_status") => {}
        Some(_) => return Ok(Vec::new()),
        None => return Err(malformed(source, "the header X-GitHub-Event is missing")),
    }
    let told: Event = decode(source, body)?;
    if event == Some("deployment_status") && told.deployment_status.is_none() {
        return Err(malformed(source, "missing field `deployment_status`"));
    }
    let touches = |status: &Status| {
        // What failed half way has changed something, too; what waits has not.
        matches!(status.state.as_str(), "in_progress" | "success" | "failure" | "error")
    };
    if told.deployment_status.as_ref().is_some_and(|status| !touches(status)) {
        return Ok(Vec::new());
    }
    Ok(vec![told.change(now)?])
}

/// A pull request that somebody has merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedPull {
    pub branch: String,
    /// Where people see it.
    pub url: String,
    pub by: String,
}

#[derive(Deserialize)]
struct PullEvent {
    action: String,
    pull_request: Pull,
}

#[derive(Deserialize)]
struct Pull {
    #[serde(default)]
    merged: bool,
    #[serde(default)]
    html_url: Text,
    head: Head,
    #[serde(default)]
    merged_by: Option<User>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    reference: String,
}

/// The pull request whose merging is told; nothing for any other event.
///
/// # Errors
/// What is wrong with the body.
pub(super) fn merged(event: Option<&str>, body: &[u8]) -> Result<Option<MergedPull>, PayloadError> {
    if event != Some("pull_request") {
        return Ok(None);
    }
    let PullEvent { action, pull_request } = decode(ChangeSource::GitHub, body)?;
    let by = cut(&pull_request.merged_by.map(|user| user.login.0).unwrap_or_default());
    let pull = MergedPull {
        branch: pull_request.head.reference,
        url: cut(&pull_request.html_url.0),
        by: if by.is_empty() { "somebody".to_owned() } else { by },
    };
    Ok((action == "closed" && pull_request.merged).then_some(pull))
}

impl Event {
    fn change(self, now: Timestamp) -> Result<Change, PayloadError> {
        let Self { deployment, deployment_status, repository } = self;
        let rolls_back = deployment.task.0.to_lowercase().contains("rollback");
        let state = deployment_status.as_ref().map_or("created", |status| status.state.as_str());
        let told =
            format!("deployment of {} to {}: {state}", deployment.reference.0, deployment.environment.0);
        let title = deployment.description.some().map_or(told.clone(), |text| format!("{text} ({told})"));
        let url = deployment_status
            .as_ref()
            .and_then(|status| status.log_url.clone().some().or_else(|| status.target_url.clone().some()));
        let at = deployment_status.map(|status| status.created_at).unwrap_or_default();
        Ok(Change {
            id: cut(&format!("github/{}/{}", repository.full_name, deployment.id)),
            at: moment(&at.or(deployment.created_at), now),
            service: service(ChangeSource::GitHub, "repository.name", &repository.name)?,
            kind: if rolls_back { ChangeKind::Rollback } else { ChangeKind::Deploy },
            from: String::new(),
            to: cut(&deployment.sha.some().unwrap_or(deployment.reference.0)),
            by: cut(&deployment.creator.map(|user| user.login.0).unwrap_or_default()),
            title: cut(&title),
            url: cut(&url.unwrap_or(repository.html_url.0)),
            content: None,
        })
    }
}
