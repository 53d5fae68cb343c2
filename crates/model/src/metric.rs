//! The metrics that midwatch watches per service, with their units.

use crate::{ServiceName, Timestamp};
use serde::{Deserialize, Serialize};

/// One watched quantity of a service. Units are fixed, so that a threshold means the same from every source.
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
pub enum Metric {
    /// 99th percentile of request duration, milliseconds.
    LatencyP99,
    /// Share of requests answered with a 5xx status, 0–1.
    ErrorRate,
    /// Requests per second.
    RequestRate,
    /// CPU used as a share of the instance's limit, busiest instance, 0–1.
    Cpu,
    /// Resident memory as a share of the instance's limit, fullest instance, 0–1.
    Memory,
    /// Database connections in use as a share of the pool, fullest instance, 0–1.
    DbPool,
    /// Messages waiting in the queue that the service consumes.
    QueueLag,
    /// Unplanned restarts within the last minute, or two rate windows where that is less.
    Restarts,
    /// Share of known instances that answered the last scrape, 0–1.
    Up,
    /// Lines per second in the service's log that match a critical pattern.
    CriticalLogs,
}

impl Metric {
    /// Every metric, in a fixed order.
    pub const ALL: &'static [Metric] = <Metric as strum::VariantArray>::VARIANTS;

    /// The metric's name as it is written in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// A value in the words of the person on call: `412 ms`, `45.0 %`, `12,400 messages`.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Metric::LatencyP99 => format!("{value:.0} ms"),
            Metric::ErrorRate | Metric::Cpu | Metric::Memory | Metric::DbPool | Metric::Up => {
                format!("{:.1} %", value * 100.0)
            }
            Metric::RequestRate => format!("{value:.1} requests/s"),
            Metric::QueueLag => format!("{value:.0} messages"),
            Metric::Restarts => format!("{value:.0} restarts lately"),
            Metric::CriticalLogs => format!("{value:.1} lines/s"),
        }
    }

    /// What a person calls the metric.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Metric::LatencyP99 => "p99 latency",
            Metric::ErrorRate => "error rate",
            Metric::RequestRate => "request rate",
            Metric::Cpu => "CPU",
            Metric::Memory => "memory",
            Metric::DbPool => "DB connections in use",
            Metric::QueueLag => "queue lag",
            Metric::Restarts => "restarts",
            Metric::Up => "instances up",
            Metric::CriticalLogs => "critical log lines",
        }
    }

    /// What stands between the title and a value.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Metric::DbPool | Metric::CriticalLogs | Metric::Restarts | Metric::Up => "are at",
            _ => "is",
        }
    }

    /// The range that a real reading lies in; what is outside is a measuring error and is clamped.
    #[must_use]
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Metric::ErrorRate | Metric::Up => (0.0, 1.0),
            // CPU, memory and pools may pass their limit for a moment.
            Metric::Cpu | Metric::Memory | Metric::DbPool => (0.0, 16.0),
            Metric::LatencyP99 => (0.0, 3_600_000.0),
            Metric::RequestRate | Metric::QueueLag | Metric::Restarts | Metric::CriticalLogs => (0.0, 1e12),
        }
    }
}

impl std::str::FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::one_of(Metric::ALL, "a metric", text)
    }
}

/// One reading. `at` is the time of the scrape that produced it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub service: ServiceName,
    pub metric: Metric,
    pub value: f64,
    pub at: Timestamp,
}
