//! The detectors on a fleet: time per sample, with rules, trends and baselines.

use crate::numbers::{Random, Times, show};
use crate::table::{NOTHING, Row};
use anyhow::Result;
use midwatch_model::{Metric, Sample, ServiceName, SignalId, Timestamp, after};
use midwatch_signal::{DetectionConfig, Detectors};
use std::hint::black_box;
use std::time::Instant;

const SERVICES: usize = 1_000;

/// Polls until every baseline is full, and polls that are timed.
const POLLS_BEFORE: usize = 60;
const POLLS_TIMED: usize = 40;

const POLL_S: f64 = 15.0;

pub fn run() -> Result<Vec<Row>> {
    let names: Vec<ServiceName> = (0..SERVICES).map(|n| ServiceName::new(format!("service-{n}"))).collect();
    let mut random = Random::new(3);
    let mut detectors = Detectors::new(DetectionConfig::default());
    let mut times = Vec::with_capacity(POLLS_TIMED);
    let mut made = 0;
    for poll in 0..POLLS_BEFORE + POLLS_TIMED {
        let now = after(Timestamp::UNIX_EPOCH, poll as f64 * POLL_S);
        let samples = samples(&names, now, &mut random);
        let mut ids = || SignalId::new("sig-bench");
        let started = Instant::now();
        let signals = black_box(detectors.observe(now, &samples, &mut ids));
        let took = started.elapsed();
        if poll >= POLLS_BEFORE {
            times.push(took / samples.len() as u32);
            made += signals.len();
        }
    }
    let times = Times::new(times);
    let what = format!("detectors, {} series, per sample", SERVICES * Metric::ALL.len());
    let measured =
        format!("{} (slowest poll {}; {made} signals)", show(times.percentile(50.0)), show(times.max()));
    Ok(vec![Row::new(what, measured, NOTHING)])
}

/// One reading of every metric of every service on an ordinary day.
fn samples(names: &[ServiceName], at: Timestamp, random: &mut Random) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(names.len() * Metric::ALL.len());
    for service in names {
        for metric in Metric::ALL.iter().copied() {
            let value = ordinary(metric, random).max(0.0);
            samples.push(Sample { service: service.clone(), metric, value, at });
        }
    }
    samples
}

fn ordinary(metric: Metric, random: &mut Random) -> f64 {
    match metric {
        Metric::LatencyP99 => 120.0 + 15.0 * random.normal(),
        Metric::ErrorRate => 0.001 * random.unit(),
        Metric::RequestRate => 80.0 + 6.0 * random.normal(),
        Metric::Cpu => 0.35 + 0.04 * random.normal(),
        Metric::Memory => 0.50 + 0.01 * random.normal(),
        Metric::DbPool => 0.20 + 0.05 * random.normal(),
        Metric::QueueLag => 20.0 + 5.0 * random.normal(),
        Metric::Restarts | Metric::CriticalLogs => 0.0,
        Metric::Up => 1.0,
    }
}
