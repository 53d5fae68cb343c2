//! What an investigation answers, with exactly the fields that are published.

use midwatch_model::{ActionKind, Cause, EvidenceSource};
use serde::{Deserialize, Serialize};

/// How an investigation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    RootCause,
    NoFault,
    Inconclusive,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub verdict: VerdictKind,
    /// Best first; ties have equal confidence.
    pub ranked: Vec<Ranked>,
    pub first_failing_service: Option<String>,
    pub blast_radius: Vec<String>,
    pub remediation: Option<Remediation>,
    pub evidence: Vec<AnswerEvidence>,
    pub next_query: Option<String>,
    /// Set by whoever has a clock.
    pub elapsed_ms: f64,
    /// `None` when no language model was asked.
    pub llm: Option<Llm>,
}

/// One explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    pub component: String,
    /// The series that shows it best, as the bundle names it.
    pub metric: Option<String>,
    pub kind: Cause,
    /// 0–1.
    pub confidence: f64,
    /// The id of the change that did it, if one did.
    pub change: Option<String>,
    pub evidence: Vec<String>,
    pub against: Vec<String>,
}

/// What should be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remediation {
    pub action: ActionKind,
    pub target: String,
    pub reason: String,
}

/// A reference to an observation that can be looked at again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerEvidence {
    pub id: String,
    pub source: EvidenceSource,
    pub query: String,
    pub window: Window,
    /// SHA-256 in hex over what was seen.
    pub digest: String,
    pub excerpt: String,
    /// What it is about; not published, since query and excerpt say it to a reader.
    #[serde(skip)]
    pub about: About,
}

/// What a piece of evidence is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Empty where it is about no one component.
    pub component: String,
    /// The series, as the bundle names it.
    pub metric: Option<String>,
}

/// A stretch of time, RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub from: String,
    pub to: String,
}

/// What a language model was asked, and what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Llm {
    pub provider: String,
    pub calls: u64,
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
}
