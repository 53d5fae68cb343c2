//! Bulletins: what people are told of an incident, or of a group of alerts, at one moment. Made from the journal by
//! `report`, put into a vendor's shape by `connectors`, and kept in the outbox in between.
//!
//! Every text in it is redacted, and none is markup: whoever shows it escapes it.

use crate::{PlanHash, Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// What has happened, so that people are told.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Moment {
    /// Something was noticed.
    Alert,
    /// A cause was named, or another one than before, or it was said that none can be told.
    Verdict,
    /// It is known what would be done.
    Plan,
    /// An action waits for a person.
    Approval,
    /// A person has said yes or no, or nobody has in time.
    Answer,
    /// Something was done, was tried, was taken back, or would have been done.
    Action,
    /// A person has to take over.
    Escalated,
    /// It is over.
    Resolved,
    /// It has come back.
    Recurred,
    /// It was none.
    FalseAlarm,
    /// What happened is written up.
    Postmortem,
}

impl Moment {
    /// Every moment, in the order of an incident's life.
    pub const ALL: &'static [Moment] = <Moment as strum::VariantArray>::VARIANTS;
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::one_of(Self::ALL, "a moment of an incident", text)
    }
}

/// How a receiver wants to hear of incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Telling {
    /// As alerts among other alerts.
    #[default]
    Alerts,
    /// In one place that is kept up to date: whoever comes to it late reads how it stands.
    Thread,
    /// In a message for each moment.
    Letters,
}

/// Where it stands for whoever is on call.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Standing {
    #[default]
    Open,
    /// A person has taken it up.
    Acknowledged,
    Over,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bulletin {
    /// The incident's id, or the key of a group of alerts: what belongs together at the receiver, too.
    pub topic: String,
    /// Whether it is about an incident, and not about alerts from outside.
    pub is_incident: bool,
    pub moment: Moment,
    pub at: Timestamp,
    pub opened_at: Timestamp,
    pub standing: Standing,
    /// The lifecycle's state, such as `awaiting approval`.
    pub state: String,
    pub severity: Severity,
    pub service: String,
    /// One line to recognise it by: severity, service and cause.
    pub title: String,
    /// The verdict in one sentence, or what is known instead.
    pub verdict: String,
    /// What is new at this moment, one sentence.
    pub news: String,
    /// Of the catalogue of causes; `None` while none is likelier than not.
    pub cause: Option<String>,
    /// Of the cause, 0–1.
    pub confidence: Option<f64>,
    /// Set while it has not happened yet.
    pub foreseen: Option<Foreseen>,
    pub symptoms: Vec<Symptom>,
    /// The way that it takes: the root first, then those it reached, then those it may reach.
    pub path: Vec<String>,
    /// Strongest first.
    pub evidence: Vec<Piece>,
    /// What to look at next, where there is no verdict.
    pub next_query: Option<String>,
    /// What was done last, or is proposed, with the word that says which.
    pub action: Option<String>,
    /// What takes that back.
    pub undo: Option<String>,
    pub steps: Vec<Step>,
    /// What was done so far, a sentence each.
    pub done: Vec<String>,
    pub approval: Option<Asked>,
    /// The command that answers or shows more.
    pub answer: String,
    /// Detection to verified recovery, seconds; none for what ended by itself.
    pub mttr_s: Option<f64>,
    /// Markdown.
    pub postmortem: Option<String>,
    /// Where people find it.
    pub url: String,
    pub pull_request: Option<String>,
    /// Nothing has happened: somebody wants to know whether they can be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_test: bool,
}

/// What will probably happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foreseen {
    /// 0–1.
    pub probability: f64,
    /// When, if it does; none where only the probability is known.
    pub expected_at: Option<Timestamp>,
}

impl Foreseen {
    /// Minutes that are left at `at`; 0 once the moment has come.
    #[must_use]
    pub fn minutes_left(&self, at: Timestamp) -> Option<f64> {
        Some((crate::seconds_between(at, self.expected_at?) / 60.0).max(0.0))
    }
}

/// Something that was noticed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Symptom {
    pub service: String,
    pub text: String,
    /// Distance from what is normal in standard deviations, where there is a baseline.
    pub sigma: Option<f64>,
}

impl Symptom {
    /// 0–1: the least share of normal readings that lie nearer to the baseline, whatever their distribution (Chebyshev's
    /// inequality, 1 − 1/σ²).
    #[must_use]
    pub fn anomaly_score(&self) -> Option<f64> {
        self.sigma.map(|sigma| if sigma.abs() <= 1.0 { 0.0 } else { 1.0 - 1.0 / (sigma * sigma) })
    }
}

/// A piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Such as `logs`.
    pub source: String,
    pub text: String,
    /// How to ask again; empty for a reason that no single query shows.
    pub query: String,
}

/// A step of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub what: String,
    pub why: String,
    pub expected: String,
    pub undo: Option<String>,
    pub owner: String,
}

/// What waits for a person's yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// An answer holds for this plan only, and for this step of it.
    pub plan: PlanHash,
    #[serde(default)]
    pub step: usize,
    /// How many people have said yes of how many that must, where one is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<String>,
    pub what: String,
    pub why: String,
    pub expires_at: Timestamp,
}
