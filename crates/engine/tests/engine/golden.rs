//! The way from detection to postmortem, entry by entry.

use crate::harness::{FAULT_AT_S, Rig, outcomes, restart, scale};
use midwatch_incident::State;
use midwatch_model::journal::Entry;
use midwatch_model::{Cause, after};
use std::fmt::Write as _;

#[tokio::test]
async fn a_slow_service_is_found_restarted_verified_and_written_up() {
    let rig = Rig::start().await;
    rig.break_payment();
    let incident = rig.until_state(State::Resolved).await;

    assert_eq!(incident.component().as_str(), "payment");
    assert_eq!(rig.world.applied(), [restart()]);
    assert_eq!(outcomes(&incident), ["applied"]);
    assert!(incident.mttr_ms.is_some_and(|ms| ms > 0), "{:?}", incident.mttr_ms);
    rig.assert_sound().await;

    let report = incident.report.clone().expect("a report");
    let postmortem = std::fs::read_to_string(&report).expect("a postmortem");
    for part in ["payment", "latency_spike", "Restart payment", "**Outcome:**"] {
        assert!(postmortem.contains(part), "{part} is not in:\n{postmortem}");
    }

    let lines = rig.lines(&incident.id).await;
    let mut story = String::new();
    for line in &lines {
        let _ = writeln!(story, "{} {}", line.at.strftime("%H:%M:%S"), line.entry.type_name());
    }
    story.push('\n');
    for row in midwatch_report::timeline(&lines) {
        let _ = writeln!(story, "{}", row.what);
    }
    insta::assert_snapshot!(story.replace(&rig.dir.path().display().to_string(), "DIR"));
}

#[tokio::test]
async fn what_a_service_was_asked_for_shows_once_it_has_the_cpu_to_serve_it() {
    let rig = Rig::start().await;
    rig.world.rush(after(rig.now(), FAULT_AT_S));
    let incident = rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [scale(4)]);
    let causes: Vec<Cause> = rig
        .lines(&incident.id)
        .await
        .iter()
        .filter_map(|line| match &line.entry {
            Entry::Diagnosed { verdict, .. } => verdict.root().map(|root| root.cause),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [Cause::CpuSaturation, Cause::TrafficSpike], "{}", rig.story().await);
    let story = rig.story().await;
    assert!(story.contains("which it had no CPU to serve before"), "{story}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_resolved_incident_is_closed_when_the_trouble_stays_away() {
    let rig = Rig::start().await;
    rig.break_payment();
    let incident = rig.until_state(State::Closed).await;
    let entries = rig.entries(&incident.id).await;
    assert_eq!(entries.iter().filter(|name| **name == "resolved").count(), 1, "{entries:?}");
    assert!(rig.engine.store.incidents(true, 10).await.expect("rows").is_empty());
    rig.assert_sound().await;
}

#[tokio::test]
async fn trouble_that_passes_before_anybody_acted_resolves_by_itself() {
    let rig = Rig::with(|config| config.decision.warm_up_ticks = 10_000, "").await;
    rig.break_payment();
    rig.until("diagnosed", |incident| incident.state == State::Diagnosed).await;
    rig.world.heal(rig.now());
    let incident = rig.until_state(State::Resolved).await;
    assert!(incident.effects.is_empty());
    assert!(rig.world.calls().is_empty());
    assert!(rig.story().await.contains("Resolved by itself"), "{}", rig.story().await);
}

#[tokio::test]
async fn a_calm_world_opens_no_incident() {
    let rig = Rig::start().await;
    rig.ticks(120).await;
    assert!(rig.incidents().await.is_empty(), "{}", rig.story().await);
    assert!(rig.world.calls().is_empty());
}
