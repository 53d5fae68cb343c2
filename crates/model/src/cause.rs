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
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    StorageExhaustion,
}

impl Cause {
    /// Every cause, in a fixed order.
    pub const ALL: &'static [Cause] = <Cause as strum::VariantArray>::VARIANTS;

    /// The name as it is written in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
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
            Cause::StorageExhaustion => "no storage left",
        }
    }
}

impl std::str::FromStr for Cause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::one_of(Cause::ALL, "a cause", text)
    }
}
