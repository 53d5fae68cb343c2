//! The catalogue of causes: the closed list that every verdict picks from.

use serde::{Deserialize, Serialize};

/// What went wrong at the component that a verdict names.
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
pub enum Cause {
    LatencySpike,
    ErrorRateSpike,
    CpuSaturation,
    MemoryLeak,
    DbConnectionExhaustion,
    ConsumerLag,
    DeploymentFailure,
    CrashLoop,
    TrafficSpike,
    DependencyFailure,
}

impl Cause {
    /// Every cause, in a fixed order.
    pub const ALL: [Cause; 10] = [
        Cause::LatencySpike,
        Cause::ErrorRateSpike,
        Cause::CpuSaturation,
        Cause::MemoryLeak,
        Cause::DbConnectionExhaustion,
        Cause::ConsumerLag,
        Cause::DeploymentFailure,
        Cause::CrashLoop,
        Cause::TrafficSpike,
        Cause::DependencyFailure,
    ];

    /// The name as it is written in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cause::LatencySpike => "latency_spike",
            Cause::ErrorRateSpike => "error_rate_spike",
            Cause::CpuSaturation => "cpu_saturation",
            Cause::MemoryLeak => "memory_leak",
            Cause::DbConnectionExhaustion => "db_connection_exhaustion",
            Cause::ConsumerLag => "consumer_lag",
            Cause::DeploymentFailure => "deployment_failure",
            Cause::CrashLoop => "crash_loop",
            Cause::TrafficSpike => "traffic_spike",
            Cause::DependencyFailure => "dependency_failure",
        }
    }

    /// The cause as the middle of a sentence: "payment-service has *a latency spike*".
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Cause::LatencySpike => "a latency spike",
            Cause::ErrorRateSpike => "an error rate spike",
            Cause::CpuSaturation => "CPU saturation",
            Cause::MemoryLeak => "a memory leak",
            Cause::DbConnectionExhaustion => "an exhausted DB connection pool",
            Cause::ConsumerLag => "a consumer that lags",
            Cause::DeploymentFailure => "a failed deployment",
            Cause::CrashLoop => "a crash loop",
            Cause::TrafficSpike => "a traffic spike",
            Cause::DependencyFailure => "a failing dependency",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Cause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Cause::ALL.into_iter().find(|cause| cause.name() == text).ok_or_else(|| {
            format!("`{text}` is not a cause; known: {}", Cause::ALL.map(Cause::name).join(", "))
        })
    }
}
