//! The eight artifacts: what each stage hands to the next.

use crate::evidence::hex;
use crate::{EvidenceId, IncidentId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The schema version of every artifact envelope.
pub const ARTIFACT_SCHEMA: u32 = 1;

/// Who may write what.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Observer,
    Analyzer,
    Planner,
    Gate,
    Executor,
    Verifier,
    Memory,
    Communicator,
}

/// One artifact per stage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    ObservationSummary,
    AnomalyFinding,
    RootCauseHypothesis,
    RemediationProposal,
    ExecutionPlan,
    ExecutionResult,
    VerificationResult,
    IncidentReport,
}

impl ArtifactKind {
    /// The role that writes it and the role that reads it next.
    #[must_use]
    pub fn roles(self) -> (Role, Role) {
        match self {
            ArtifactKind::ObservationSummary => (Role::Observer, Role::Analyzer),
            ArtifactKind::AnomalyFinding => (Role::Observer, Role::Analyzer),
            ArtifactKind::RootCauseHypothesis => (Role::Analyzer, Role::Planner),
            ArtifactKind::RemediationProposal => (Role::Planner, Role::Gate),
            ArtifactKind::ExecutionPlan => (Role::Gate, Role::Executor),
            ArtifactKind::ExecutionResult => (Role::Executor, Role::Verifier),
            ArtifactKind::VerificationResult => (Role::Verifier, Role::Memory),
            ArtifactKind::IncidentReport => (Role::Memory, Role::Communicator),
        }
    }
}

/// An artifact: the envelope and the stage's typed output as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Artifact {
    pub schema: u32,
    /// SHA-256 over kind, incident, inputs and body: the same output has the same id.
    pub id: String,
    pub kind: ArtifactKind,
    pub producer: Role,
    pub consumer: Role,
    pub incident: IncidentId,
    /// Ties together everything that one incident caused, across services and processes.
    pub correlation: String,
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub at: Timestamp,
    pub status: String,
    /// Ids of the artifacts that this one was made from.
    pub inputs: Vec<String>,
    pub evidence: Vec<EvidenceId>,
    /// Whether it was made by replaying a journal rather than by living through it.
    pub replay: bool,
    #[schema(value_type = Object)]
    pub body: serde_json::Value,
}

impl Artifact {
    /// Wraps a stage's output.
    ///
    /// # Panics
    /// Never: stage outputs are plain data and always serialise.
    pub fn new(
        kind: ArtifactKind,
        incident: &IncidentId,
        at: Timestamp,
        status: impl Into<String>,
        inputs: Vec<String>,
        evidence: Vec<EvidenceId>,
        body: &impl Serialize,
    ) -> Self {
        let body = serde_json::to_value(body).expect("a stage's output is plain data");
        let (producer, consumer) = kind.roles();
        let mut hasher = Sha256::new();
        hasher.update(serde_json::to_vec(&(kind, incident, &inputs, &body)).expect("plain data"));
        Self {
            schema: ARTIFACT_SCHEMA,
            id: hex(&hasher.finalize()[..16]),
            kind,
            producer,
            consumer,
            incident: incident.clone(),
            correlation: incident.to_string(),
            at,
            status: status.into(),
            inputs,
            evidence,
            replay: false,
            body,
        }
    }
}
