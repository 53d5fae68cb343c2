//! Verdicts: ranked hypotheses, or the honest absence of one.

use crate::{Cause, Change, Evidence, EvidenceId, ServiceName};
use serde::{Deserialize, Serialize};

/// One explanation of an incident with what speaks for and against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Hypothesis {
    pub cause: Cause,
    pub component: ServiceName,
    /// 0–1.
    pub confidence: f64,
    /// Why, one sentence each, strongest first.
    pub reasons: Vec<String>,
    /// Evidence that supports it.
    #[serde(rename = "for")]
    pub supports: Vec<EvidenceId>,
    /// Evidence that speaks against it.
    pub against: Vec<EvidenceId>,
    /// The change that it correlates with, if any.
    pub change: Option<Change>,
}

/// How far a fault reaches.
#[derive(
    Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct BlastRadius {
    /// Services that show symptoms, the root included.
    pub affected: Vec<ServiceName>,
    /// Services that call an affected one and may follow.
    pub at_risk: Vec<ServiceName>,
    /// Requests per second of the affected entry services that fail or are slow, estimated.
    pub impacted_requests_per_s: f64,
    /// Share of the entry services' requests that fail or are slow, 0–1, estimated.
    pub impacted_share: f64,
}

/// How an incident spreads.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Only the component itself shows symptoms.
    #[default]
    Contained,
    /// Services that call the component are slow, none fails.
    UpstreamDegradation,
    /// A calling service's error rate is above 5 %.
    Cascade,
}

/// The outcome of a diagnosis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Verdict {
    /// Best first. Empty means inconclusive.
    pub ranked: Vec<Hypothesis>,
    pub evidence: Vec<Evidence>,
    pub blast_radius: BlastRadius,
    pub spread: Spread,
    /// Earlier incidents on the same component, newest first, as `id: cause, how it ended`.
    pub past: Vec<String>,
    /// What to look at next when no hypothesis is strong.
    pub next_query: Option<String>,
    /// Factor by which stale telemetry lowered every confidence: 1 or 0.5.
    pub freshness: f64,
    /// Nothing has happened yet: it is what will probably happen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreseen: bool,
}

/// A hypothesis that is less likely than not is no conclusion.
const INCONCLUSIVE_BELOW: f64 = 0.5;

impl Verdict {
    /// How far it reaches is how bad it is at least: what fails for those who call is critical, what slows them down is
    /// high.
    #[must_use]
    pub fn severity(&self) -> crate::Severity {
        match self.spread {
            Spread::Cascade => crate::Severity::Critical,
            Spread::UpstreamDegradation => crate::Severity::High,
            Spread::Contained => crate::Severity::Warning,
        }
    }

    /// The leading hypothesis, if the verdict is conclusive.
    #[must_use]
    pub fn root(&self) -> Option<&Hypothesis> {
        self.ranked.first()
    }

    /// Whether it names a cause that is likelier than not.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        self.root().is_some_and(|root| root.confidence >= INCONCLUSIVE_BELOW)
    }

    /// The verdict in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.root() {
            Some(h) if self.foreseen => h.reasons.join("; "),
            Some(h) => {
                let reason = h.reasons.first().map_or(String::new(), |r| format!(": {r}"));
                if let Some(next) = self.next_query.as_ref().filter(|_| h.confidence < INCONCLUSIVE_BELOW) {
                    // The best guess is in the ranking; as a sentence it would sound like more than it is.
                    return format!("Inconclusive about {}{reason}. Next best query: {next}", h.component);
                }
                format!(
                    "{} has {} ({:.0} % confident){reason}",
                    h.component,
                    h.cause.phrase(),
                    h.confidence * 100.0
                )
            }
            None => {
                let next = self.next_query.as_deref().unwrap_or("more telemetry");
                format!("Inconclusive. Next best query: {next}")
            }
        }
    }
}
