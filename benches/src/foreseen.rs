//! Forecasts of the live lab: seeded faults that come slowly, and a healthy time with deployments and swings of traffic.
//!
//! `MIDWATCH_SOAK_RUNS`, `MIDWATCH_SOAK_HEALTHY_MIN` and `MIDWATCH_SOAK_SEED` say how much of both, and which.

mod lab;
mod run;

use crate::numbers::Random;
use crate::table::{NOTHING, Row};
use anyhow::{Context as _, Result};
use lab::Lab;
use run::{Grade, Run};
use serde_json::json;
use std::time::{Duration, Instant};

/// How often forecasts are looked at; they are made every two seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Services of the lab.
const SERVICES: [&str; 6] = [
    "api-gateway",
    "payment-service",
    "order-service",
    "user-service",
    "inventory-service",
    "notification-service",
];

/// Faults that can be seen coming. A lagging consumer breaks no objective of latency or errors, and a bad build breaks it at once.
const FAULTS: [&str; 6] = ["memory_leak", "latency", "db_connections", "cpu", "traffic_spike", "error_rate"];

/// Seconds until a fault is all there.
const RAMP_S: (f64, f64) = (120.0, 240.0);

/// Seconds after a fault is all there in which something may still break.
const AFTER_RAMP_S: f64 = 45.0;

/// Seconds after the first breach in which others may follow.
const FOLLOW_S: f64 = 25.0;

/// Seconds of calm before the next run, and how long it is waited for at most.
const CALM_S: f64 = 30.0;
const CALM_WITHIN: Duration = Duration::from_secs(240);

/// Seconds until what is usual is known.
const LEARN: Duration = Duration::from_secs(150);

/// Seconds between two everyday events of a healthy time.
const EVENT_S: (f64, f64) = (60.0, 240.0);

/// The number that a variable holds.
fn setting(name: &str, default: u64) -> Result<u64> {
    std::env::var(name)
        .map_or(Ok(default), |text| text.parse().with_context(|| format!("{name} is not a number")))
}

pub fn run() -> Result<Vec<Row>> {
    let runs = setting("MIDWATCH_SOAK_RUNS", 12)?;
    let healthy_min = setting("MIDWATCH_SOAK_HEALTHY_MIN", 60)?;
    let seed = setting("MIDWATCH_SOAK_SEED", 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let lab = Lab::begin(seed).await?;
        let mut random = Random::new(seed);
        tokio::time::sleep(LEARN).await;
        let mut rows = Vec::new();
        if runs > 0 {
            let mut grades = Vec::new();
            for number in 1..=runs {
                grades.push(troubled(&lab, &mut random, number).await?);
            }
            rows.extend(of_runs(&grades));
        }
        if healthy_min > 0 {
            let grade = healthy(&lab, &mut random, healthy_min as f64 * 60.0).await?;
            let per_hour = grade.false_alarms as f64 / (healthy_min as f64 / 60.0);
            let told = format!(
                "{} in {healthy_min} min ({per_hour:.2} an hour); {} breaches",
                grade.false_alarms,
                grade.missed + grade.hits
            );
            rows.push(Row::new("false alarms while the lab is healthy", told, "≤ 1 an hour"));
        }
        Ok(rows)
    })
}

fn between(random: &mut Random, (low, high): (f64, f64)) -> f64 {
    low + (high - low) * random.unit()
}

fn one_of<'a>(random: &mut Random, all: &[&'a str]) -> &'a str {
    all[(random.next() % all.len() as u64) as usize]
}

/// A fault that comes slowly, until something breaks and others had time to follow.
async fn troubled(lab: &Lab, random: &mut Random, number: u64) -> Result<Grade> {
    let (service, fault) = (one_of(random, &SERVICES), FAULTS[(number as usize - 1) % FAULTS.len()]);
    let ramp_s = between(random, RAMP_S).round();
    calm(lab).await?;
    let mut body = json!({ "type": fault, "ramp_s": ramp_s });
    if fault == "memory_leak" {
        body["held"] = json!(false);
    }
    let mut run = Run::default();
    run.look(0.0, &lab.forecasts().await?);
    lab.inject(service, &body).await?;
    let began = Instant::now();
    let mut end_s = ramp_s + AFTER_RAMP_S;
    while began.elapsed().as_secs_f64() < end_s {
        tokio::time::sleep(LOOK_EVERY).await;
        run.look(began.elapsed().as_secs_f64(), &lab.forecasts().await?);
        if let Some(first) = run.first_breach() {
            end_s = end_s.min(first + FOLLOW_S);
        }
    }
    lab.clear(service).await?;
    let grade = run.grade();
    eprintln!("run {number}: {fault} at {service} over {ramp_s} s: {grade:?}");
    Ok(grade)
}

/// Waits until nothing is broken or alarmed for a while; an alarm for nothing may stand for longer than anybody waits.
async fn calm(lab: &Lab) -> Result<()> {
    let (began, mut since) = (Instant::now(), Instant::now());
    while since.elapsed().as_secs_f64() < CALM_S && began.elapsed() < CALM_WITHIN {
        tokio::time::sleep(LOOK_EVERY).await;
        if !Run::is_calm(&lab.forecasts().await?) {
            since = Instant::now();
        }
    }
    Ok(())
}

/// A time in which nothing is wrong and things move as they do every day.
async fn healthy(lab: &Lab, random: &mut Random, seconds: f64) -> Result<Grade> {
    calm(lab).await?;
    let (began, mut run) = (Instant::now(), Run::default());
    let mut next_s = between(random, EVENT_S);
    while began.elapsed().as_secs_f64() < seconds {
        let at_s = began.elapsed().as_secs_f64();
        if at_s >= next_s {
            everyday(lab, random).await?;
            next_s = at_s + between(random, EVENT_S);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        run.look(began.elapsed().as_secs_f64(), &lab.forecasts().await?);
    }
    let grade = run.grade();
    eprintln!("healthy: {grade:?}");
    Ok(grade)
}

async fn everyday(lab: &Lab, random: &mut Random) -> Result<()> {
    if random.unit() < 0.5 {
        let service = one_of(random, &SERVICES);
        eprintln!("healthy: another good build of {service}");
        return lab.deploy(service).await;
    }
    let (factor, over_s) = (between(random, (1.0, 2.0)), between(random, (30.0, 120.0)));
    eprintln!("healthy: traffic to {factor:.1} over {over_s:.0} s");
    lab.traffic(factor, over_s).await
}

fn of_runs(grades: &[Grade]) -> Vec<Row> {
    let sum = |count: fn(&Grade) -> usize| grades.iter().map(count).sum::<usize>();
    let (hits, missed, false_alarms) = (sum(|g| g.hits), sum(|g| g.missed), sum(|g| g.false_alarms));
    let share = |part: usize, all: usize| format!("{:.2} ({part} of {all})", part as f64 / all as f64);
    let leads: Vec<f64> = grades.iter().flat_map(|grade| grade.leads_s.iter().copied()).collect();
    let run_leads: Vec<f64> = grades.iter().filter_map(|grade| grade.lead_s).collect();
    let breached = grades.iter().filter(|grade| grade.breached).count();
    let paths: Vec<bool> = grades.iter().filter_map(|grade| grade.path).collect();
    let right = paths.iter().filter(|right| **right).count();
    vec![
        Row::new("runs in which something broke", format!("{breached} of {}", grades.len()), NOTHING),
        Row::new("of these, warned before the first breach", share(run_leads.len(), breached), NOTHING),
        Row::new("first alarm to first breach of a run, median", median(run_leads), "≥ 60 s"),
        Row::new("alarm of a service to its breach, median", median(leads), "≥ 60 s"),
        Row::new("precision, by services", share(hits, hits + false_alarms), "≥ 0.8"),
        Row::new("recall, by services", share(hits, hits + missed), "≥ 0.7"),
        Row::new("next to break among the first two that are named", share(right, paths.len()), NOTHING),
    ]
}

fn median(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or_else(|| "–".into(), |value| format!("{value:.0} s"))
}
