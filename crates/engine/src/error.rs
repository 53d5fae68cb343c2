//! What can go wrong in the engine.

use midwatch_model::PlanHash;
use midwatch_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no incident {0}; `midwatch incident list` shows those there are")]
    NoIncident(String),
    #[error("incident {incident} is {state} and waits for nobody's approval")]
    NotWaiting { incident: String, state: String },
    #[error(
        "the approval is for plan {given}, but the plan is now {current}: look at it and approve that one"
    )]
    StalePlan { given: PlanHash, current: PlanHash },
    /// Whoever asks may not decide on this.
    #[error("{0}")]
    NotApprover(String),
    #[error("{0} is not a watched service; `midwatch` knows: {1}")]
    UnknownService(String, String),
    #[error("the target cannot be read: {0}")]
    Target(String),
    #[error(
        "the service name `{0}` cannot be used: 1–63 letters, digits, `-`, `_` or `.`, starting with a letter or digit"
    )]
    BadServiceName(String),
    #[error(
        "the health URL `{0}` cannot be used: give an http:// or https:// URL of the service itself, not of a link-local address"
    )]
    BadHealthUrl(String),
    #[error(transparent)]
    Silence(#[from] midwatch_incident::SilenceError),
    #[error("{0}")]
    Refused(String),
    /// What was handed in cannot be taken.
    #[error("{0}")]
    Unfit(String),
    #[error("there is no document {0}; `midwatch knowledge list` shows those there are")]
    NoDocument(String),
    #[error("the report cannot be written to {path}: {source}")]
    Report { path: String, source: std::io::Error },
    /// The call was made: whoever sees this must not make it again.
    #[error(
        "it was asked for, but its outcome could not be put on record, since others wrote at the same time: {0}; \
         midwatch looks at the target and records what it finds"
    )]
    Unrecorded(String),
    #[error("the journal and the gate disagree: {0}")]
    NotAuthorized(#[from] midwatch_action::NotAuthorized),
}
