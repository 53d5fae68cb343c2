//! The built-in rule of every metric, and how the configuration's rules change it.

use super::config::{DetectionConfig, N_MAX, Rule, TrendRule};
use midwatch_model::{Cause, EvidenceSource, FrozenBaseline, Metric, Timestamp};

/// For `up`: a service has recovered when at least so large a share of its instances answers. It lies above the floor
/// of 0.5, so that a service at half strength is neither called broken anew nor recovered.
pub(super) const UP_NORMAL_FROM: f64 = 0.75;

/// A climb needs at least every second step to rise; a single step between two plateaus does not have that.
pub(super) const RISING_SHARE_MIN: f64 = 0.5;

/// What judges the series of one metric: built-in values with the configuration's on top.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judge {
    pub metric: Metric,
    pub sigma: f64,
    pub floor: f64,
    pub min_ratio: f64,
    pub min_delta: f64,
    pub m: u32,
    pub n: u32,
    pub std_floor_abs: f64,
    pub std_floor_rel: f64,
    pub trend: Option<Climb>,
}

/// When a climb is suspicious.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Climb {
    pub min_rise: f64,
    pub min_z: f64,
    pub floor: f64,
    pub limit: Option<f64>,
    pub horizon_s: f64,
}

impl Judge {
    pub fn new(metric: Metric, config: &DetectionConfig) -> Self {
        let own = config.rules.get(&metric).cloned().unwrap_or_default();
        let base = built_in(metric);
        let n = own.n.or(base.n).unwrap_or(config.n).clamp(1, N_MAX);
        Self {
            metric,
            sigma: config.sigma,
            floor: own.floor.or(base.floor).unwrap_or(0.0),
            min_ratio: own.min_ratio.or(base.min_ratio).unwrap_or(0.0),
            min_delta: own.min_delta.or(base.min_delta).unwrap_or(0.0),
            m: own.m.or(base.m).unwrap_or(config.m).clamp(1, n),
            n,
            std_floor_abs: own.std_floor_abs.or(base.std_floor_abs).unwrap_or(0.0),
            std_floor_rel: own.std_floor_rel.or(base.std_floor_rel).unwrap_or(0.0),
            trend: Climb::new(own.trend, base.trend),
        }
    }

    /// The standard deviation, not below the metric's noise floor.
    pub fn spread(&self, mean: f64, std: f64) -> f64 {
        std.max(self.std_floor_abs).max(self.std_floor_rel * mean.abs())
    }

    /// The value that separates normal from not, for a baseline.
    pub fn bound(&self, mean: f64, spread: f64) -> f64 {
        match self.metric {
            Metric::Up => UP_NORMAL_FROM,
            Metric::Restarts => self.floor,
            _ => {
                let by_sigma = mean + self.sigma * spread;
                by_sigma.max(self.floor).max(mean * self.min_ratio).max(mean + self.min_delta)
            }
        }
    }

    /// The bound of a baseline from before a climb: what is not above it needs no explanation.
    pub fn climb_bound(&self, climb: &Climb, mean: f64, spread: f64) -> f64 {
        (mean + self.sigma * spread).max(mean + climb.min_rise).max(climb.floor)
    }

    pub fn freeze(&self, mean: f64, std: f64, samples: u32, at: Timestamp) -> FrozenBaseline {
        let spread = self.spread(mean, std);
        FrozenBaseline { mean, std: spread, samples, bound: self.bound(mean, spread), frozen_at: at }
    }

    /// Distance in standard deviations, positive towards the bad side.
    pub fn distance(&self, value: f64, baseline: &FrozenBaseline) -> f64 {
        let towards_bad =
            if self.metric == Metric::Up { baseline.mean - value } else { value - baseline.mean };
        if towards_bad == 0.0 {
            return 0.0;
        }
        (towards_bad / baseline.std).clamp(-midwatch_series::Z_MAX, midwatch_series::Z_MAX)
    }
}

impl Climb {
    fn new(own: Option<TrendRule>, base: Option<TrendRule>) -> Option<Self> {
        if own.is_none() && base.is_none() {
            return None;
        }
        let (own, base) = (own.unwrap_or_default(), base.unwrap_or_default());
        Some(Self {
            min_rise: own.min_rise.or(base.min_rise).unwrap_or(0.0),
            // Of 12 points' 66 pairs at least 59 must rise; a single step between two plateaus reaches 2.8.
            min_z: own.min_z.or(base.min_z).unwrap_or(3.5),
            floor: own.floor.or(base.floor).unwrap_or(0.0),
            limit: own.limit.or(base.limit),
            // An hour: what gets there sooner must not wait for the morning; a daily swing takes longer.
            horizon_s: own.horizon_s.or(base.horizon_s).unwrap_or(3600.0),
        })
    }
}

/// What a metric's anomaly looks like by itself.
pub(super) fn class(metric: Metric) -> Cause {
    match metric {
        Metric::LatencyP99 => Cause::LatencySpike,
        Metric::ErrorRate | Metric::CriticalLogs => Cause::ErrorRateSpike,
        Metric::RequestRate => Cause::TrafficSpike,
        Metric::Cpu => Cause::CpuSaturation,
        Metric::Memory => Cause::MemoryLeak,
        Metric::DbPool => Cause::DbConnectionExhaustion,
        Metric::QueueLag => Cause::ConsumerLag,
        Metric::Restarts => Cause::CrashLoop,
        Metric::Up => Cause::DependencyFailure,
    }
}

/// Which witness a metric's readings come from.
pub(super) fn witness(metric: Metric) -> EvidenceSource {
    match metric {
        Metric::Restarts => EvidenceSource::ControlPlane,
        Metric::CriticalLogs => EvidenceSource::Logs,
        _ => EvidenceSource::ServiceMetrics,
    }
}

/// Whether only a living instance can have reported the metric, so that a reading disproves "the service is gone".
pub(super) fn proves_life(metric: Metric) -> bool {
    !matches!(metric, Metric::Up | Metric::Restarts | Metric::CriticalLogs | Metric::QueueLag)
}

/// The production rule of a metric. Floors keep statistics from calling small numbers a disaster: a p99 that goes from
/// 4 to 14 ms is far out in standard deviations, and nobody should wake up for it.
fn built_in(metric: Metric) -> Rule {
    let level = |floor, min_delta, std_floor_abs| Rule {
        floor: Some(floor),
        min_delta: Some(min_delta),
        std_floor_abs: Some(std_floor_abs),
        ..Rule::default()
    };
    match metric {
        // Users feel a doubling at most as slowness; 2.5 times and 150 ms more they feel as a fault.
        Metric::LatencyP99 => {
            Rule { min_ratio: Some(2.5), std_floor_rel: Some(0.05), ..level(0.0, 150.0, 5.0) }
        }
        // One request in twenty: far above any sensible error budget's daily rate, so it burns a month's within hours.
        Metric::ErrorRate => level(0.05, 0.04, 0.005),
        // Ordinary traffic doubles within a minute; three times is a spike. Five requests/s keep idle services quiet.
        Metric::RequestRate => {
            Rule { min_ratio: Some(3.0), std_floor_rel: Some(0.10), ..level(0.0, 5.0, 0.2) }
        }
        // Above 80 % of the limit, throttling and queueing set in.
        Metric::Cpu => level(0.80, 0.10, 0.02),
        // The level alone speaks late (85 % of the limit); the climb speaks early: 10 % of the limit within the trend
        // window, already above 40 %, and at the limit within the horizon.
        Metric::Memory => Rule {
            trend: Some(TrendRule {
                min_rise: Some(0.10),
                floor: Some(0.40),
                limit: Some(1.0),
                ..TrendRule::default()
            }),
            ..level(0.85, 0.10, 0.01)
        },
        // From 85 % of the pool on, requests begin to wait for a connection.
        Metric::DbPool => level(0.85, 0.10, 0.03),
        // A level of 500 messages, or a steady climb by 150 to above 200: a batch is worked off before it does that.
        Metric::QueueLag => Rule {
            min_ratio: Some(2.0),
            trend: Some(TrendRule { min_rise: Some(150.0), floor: Some(200.0), ..TrendRule::default() }),
            ..level(500.0, 300.0, 20.0)
        },
        // One restart happens; two unplanned ones within a minute are a loop. 1.89 lets extrapolated counts of 1.9 pass.
        Metric::Restarts => Rule { m: Some(1), n: Some(1), ..level(1.89, 0.0, 0.5) },
        Metric::Up => level(0.5, 0.0, 0.05),
        // One critical line every two seconds is no longer a stray request.
        Metric::CriticalLogs => level(0.5, 0.4, 0.05),
    }
}
