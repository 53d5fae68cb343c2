//! The closed list of faults, and where the fact of each one lives.

use serde::{Deserialize, Serialize};

use crate::catalogue::{Behaviour, ServiceName};

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

    /// What a build does that has this fault at this strength.
    pub(super) fn behaviour(self, magnitude: f64) -> Behaviour {
        match self {
            FaultType::MemoryLeak => Behaviour { leak_share: magnitude, ..Behaviour::default() },
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
