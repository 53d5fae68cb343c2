//! How long a large storm takes.

use super::seed::Seed;
use midwatch_incident::{Grouping, IncidentConfig, Subject, Symptom, Topology};
use midwatch_model::{Cause, Entity, EntityKind, Timestamp, after};
use serde::Serialize;
use std::time::Instant;

const ALERTS: usize = 100_000;
const ENTITIES: u64 = 5_000;
const NAMESPACES: u64 = 200;
/// Seconds over which the alerts begin.
const SPREAD_S: u64 = 3600;

#[derive(Serialize)]
pub struct Speed {
    pub alerts: usize,
    pub entities: u64,
    pub namespaces: u64,
    pub elapsed_ms: f64,
    /// Groups that an alert was compared with on average: what must not grow with the storm.
    pub compared_per_alert: f64,
    pub groups: usize,
}

pub fn measure() -> Speed {
    let mut seed = Seed(1);
    let mut told: Vec<Subject> = (0..ALERTS).map(|_| subject(&mut seed)).collect();
    told.sort_by_key(|subject| subject.onset_at);
    let (topology, config) = (Topology::default(), IncidentConfig::default());
    let begun = Instant::now();
    let mut grouping = Grouping::new(&topology, &config);
    for (number, subject) in told.iter().enumerate() {
        grouping.place(number, subject);
    }
    let elapsed_ms = begun.elapsed().as_secs_f64() * 1000.0;
    Speed {
        alerts: ALERTS,
        entities: ENTITIES,
        namespaces: NAMESPACES,
        elapsed_ms,
        compared_per_alert: grouping.compared() as f64 / ALERTS as f64,
        groups: grouping.into_groups().len(),
    }
}

fn subject(seed: &mut Seed) -> Subject {
    let number = seed.below(ENTITIES);
    let entity = Entity {
        kind: EntityKind::Pod,
        cluster: None,
        namespace: Some(format!("team-{}", number % NAMESPACES)),
        name: format!("app-{number}-7d9f8b5c4-x2x1z"),
    };
    Subject {
        entities: vec![entity],
        class: Cause::ALL[seed.below(Cause::ALL.len() as u64) as usize],
        symptom: Symptom::Failing,
        onset_at: after(Timestamp::UNIX_EPOCH, seed.below(SPREAD_S) as f64),
    }
}
