//! Evidence: a reference that can be run again, never the raw telemetry.

use crate::{EvidenceId, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Independent kinds of witness. Two pieces from one source count once at the gate.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSource {
    /// What the service's own instances report.
    ServiceMetrics,
    /// What the service logged.
    Logs,
    /// How its requests fared, span by span.
    Traces,
    /// What its health endpoint answered to us.
    HealthProbe,
    /// What the control plane knows: versions, restarts, changes.
    ControlPlane,
    /// What the services around it measured.
    NeighbourMetrics,
}

impl EvidenceSource {
    /// What a person calls the source.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            EvidenceSource::ServiceMetrics => "service metrics",
            EvidenceSource::Logs => "logs",
            EvidenceSource::Traces => "traces",
            EvidenceSource::HealthProbe => "health probe",
            EvidenceSource::ControlPlane => "control plane",
            EvidenceSource::NeighbourMetrics => "neighbours' metrics",
        }
    }
}

/// A reference to an observation: where it came from, how to ask again, what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Evidence {
    pub id: EvidenceId,
    pub source: EvidenceSource,
    /// The service that the observation is about.
    pub service: ServiceName,
    /// The question in the source's own language: PromQL, an HTTP path, a log pattern.
    pub query: String,
    /// Start of the window that was looked at.
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// End of the window; also when the observation was fresh.
    #[schema(value_type = String)]
    #[schemars(with = "String")]
    pub to: Timestamp,
    /// SHA-256 in hex over the answer, so that a re-run can be compared.
    pub digest: String,
    /// One line for a person.
    pub excerpt: String,
}

impl Evidence {
    /// Hex SHA-256 of an answer's bytes.
    #[must_use]
    pub fn digest_of(answer: &[u8]) -> String {
        hex(&Sha256::digest(answer))
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}
