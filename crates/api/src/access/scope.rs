//! What a key is good for, and what each route needs.

use axum::http::Method;
use serde::{Deserialize, Serialize};

/// What a key is good for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Scope {
    /// See everything: incidents, evidence, metrics, forecasts, configuration without secrets.
    Read,
    /// Bring alerts and changes.
    Ingest,
    /// Decide and act: approvals, actions, silences, maintenance, dead letters, false alarms, knowledge.
    Act,
    /// Everything, including what changes what is watched.
    Admin,
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        midwatch_model::one_of(<Self as strum::VariantArray>::VARIANTS, "a scope", text)
    }
}

/// What writing to a route needs. Reading needs `read`; what is not listed is only for `admin`.
const WRITES: [(&str, Scope); 32] = [
    ("/api/v1/ingest/{source}", Scope::Ingest),
    ("/webhook", Scope::Ingest),
    ("/api/v1/changes", Scope::Ingest),
    ("/api/v2/alerts", Scope::Ingest),
    // A question: nothing is written.
    ("/api/v1/predict", Scope::Read),
    ("/api/v1/backtests", Scope::Read),
    ("/api/v1/session/ticket", Scope::Read),
    ("/api/v1/incidents/{id}/false-alarm", Scope::Act),
    ("/api/v1/incidents/{id}/acknowledge", Scope::Act),
    ("/api/v1/incidents/{id}/assign", Scope::Act),
    ("/api/v1/incidents/{id}/snooze", Scope::Act),
    ("/api/v1/incidents/{id}/merge", Scope::Act),
    ("/api/v1/incidents/{id}/split", Scope::Act),
    ("/api/v1/incidents/{id}/postmortem", Scope::Act),
    ("/api/v1/approvals", Scope::Act),
    // Slack signs instead.
    ("/api/v1/slack/interactions", Scope::Act),
    ("/api/v1/autonomy", Scope::Act),
    // Nothing is done, but looks of the caller's own making are taken.
    ("/api/v1/workflow/rehearsals", Scope::Act),
    ("/api/v1/actions", Scope::Act),
    ("/api/v1/maintenance", Scope::Act),
    ("/api/v1/maintenance/{id}", Scope::Act),
    ("/api/v1/dead-letters/{id}/retry", Scope::Act),
    ("/api/v1/knowledge", Scope::Act),
    ("/api/v1/knowledge/{collection}/{id}", Scope::Act),
    ("/api/v1/knowledge/reindex", Scope::Act),
    ("/api/v1/knowledge/candidates/{id}", Scope::Act),
    ("/api/v1/notifications/test", Scope::Act),
    ("/api/v2/silences", Scope::Act),
    ("/api/v2/silence/{id}", Scope::Act),
    ("/api/v1/services", Scope::Admin),
    ("/api/v1/services/{name}", Scope::Admin),
    ("/api/v1/lab/{*path}", Scope::Admin),
];

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Anybody may ask, for a load balancer does.
    Nothing,
    /// Anybody may ask, as often as one address may: the dashboard's files, and to be signed in.
    Open,
    /// Whoever has a key or a session, whatever it is good for: to be told just that.
    Known,
    Scope(Scope),
}

impl Needs {
    /// By the method and the route's pattern; where there is no route, by the path that was asked for.
    pub fn of(method: &Method, path: Option<&str>, asked: &str) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match path {
            Some("/health") if reads => Needs::Nothing,
            Some("/api/v1/session") if !reads => Needs::Open,
            Some("/api/v1/session") => Needs::Known,
            None if reads && !asked.starts_with("/api/") => Needs::Open,
            _ if reads => Needs::Scope(Scope::Read),
            path => {
                let listed = WRITES.iter().find(|(route, _)| Some(*route) == path);
                Needs::Scope(listed.map_or(Scope::Admin, |(_, scope)| *scope))
            }
        }
    }
}
