//! The closed list of faults, and where the fact of each one lives.

use serde::{Deserialize, Serialize};

use super::faults::Strength;
use crate::catalogue::{Behaviour, Leak, ServiceName};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultType {
    Latency,
    ErrorRate,
    Cpu,
    TrafficSpike,
    MemoryLeak,
    DbConnections,
    ConsumerLag,
    CrashLoop,
    BadDeployment,
}

/// What kind of fact a fault is; the cure follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// A deployed build does it: only another build cures it.
    Version,
    /// A running process's state: a new process does not have it.
    ProcessState,
    /// Demand from outside: only capacity cures it.
    Load,
}

impl FaultType {
    pub const ALL: [FaultType; 9] = [
        FaultType::Latency,
        FaultType::ErrorRate,
        FaultType::Cpu,
        FaultType::TrafficSpike,
        FaultType::MemoryLeak,
        FaultType::DbConnections,
        FaultType::ConsumerLag,
        FaultType::CrashLoop,
        FaultType::BadDeployment,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            FaultType::Latency => "latency",
            FaultType::ErrorRate => "error_rate",
            FaultType::Cpu => "cpu",
            FaultType::TrafficSpike => "traffic_spike",
            FaultType::MemoryLeak => "memory_leak",
            FaultType::DbConnections => "db_connections",
            FaultType::ConsumerLag => "consumer_lag",
            FaultType::CrashLoop => "crash_loop",
            FaultType::BadDeployment => "bad_deployment",
        }
    }

    pub fn parse(name: &str) -> Option<FaultType> {
        FaultType::ALL.into_iter().find(|fault| fault.as_str() == name)
    }

    /// All names, for error messages.
    pub fn listing() -> String {
        FaultType::ALL.map(FaultType::as_str).join(", ")
    }

    /// Only a consumer can lag; everything else can happen to every service.
    pub fn fits(self, service: ServiceName) -> bool {
        self != FaultType::ConsumerLag || !service.consumes_from().is_empty()
    }

    pub fn mechanism(self) -> Mechanism {
        match self {
            FaultType::MemoryLeak | FaultType::CrashLoop | FaultType::BadDeployment => Mechanism::Version,
            FaultType::Latency | FaultType::ErrorRate | FaultType::DbConnections | FaultType::ConsumerLag => {
                Mechanism::ProcessState
            }
            FaultType::Cpu | FaultType::TrafficSpike => Mechanism::Load,
        }
    }

    /// Seconds until it is all there, unless somebody says otherwise.
    pub(super) fn ramp_s(self) -> f64 {
        // A leak takes long enough to be seen coming; everything else comes as it does when somebody breaks something.
        if self == FaultType::MemoryLeak { 65.0 } else { 8.0 }
    }

    /// Whether it matters how long it takes to be all there: a build that crashes or fails does so from its start.
    pub(super) fn has_ramp(self) -> bool {
        !matches!(self, FaultType::CrashLoop | FaultType::BadDeployment)
    }

    /// What a build does that has this fault at this strength.
    pub(super) fn behaviour(self, strength: Strength) -> Behaviour {
        let Strength { magnitude, ramp_s, held } = strength;
        match self {
            FaultType::MemoryLeak => {
                let leak = Leak { share: magnitude, full_after_s: ramp_s, held };
                Behaviour { leak: Some(leak), ..Behaviour::default() }
            }
            // Weaker builds live a little longer; all of them die.
            FaultType::CrashLoop => {
                Behaviour { crash_after_s: Some(2.0 + 4.0 * (1.0 - magnitude)), ..Behaviour::default() }
            }
            FaultType::BadDeployment => Behaviour {
                error_share: 0.45 * magnitude,
                slowdown: Some(1.0 + 2.0 * magnitude),
                ..Behaviour::default()
            },
            _ => Behaviour::default(),
        }
    }
}

impl std::fmt::Display for FaultType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
