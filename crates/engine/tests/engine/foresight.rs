//! Forecasts in the simulated world: made, kept, graded, and what follows from an alarm. The model is the one that ships.

use crate::harness::{Rig, TICKS_MAX, restart, scale};
use crate::world::Felt;
use midwatch_engine::{EngineConfig, LedgerRow, SettingsChange};
use midwatch_incident::{Incident, State};
use midwatch_model::decision::{Guard, Mode};
use midwatch_model::journal::Entry;
use midwatch_model::{SignalKind, Tier, Timestamp, after};

/// Ticks until the window is full and everything is known to be usual.
const CALM_TICKS: usize = 60;

/// Ticks in which strain has long raised an alarm.
const STRAINED_TICKS: usize = 60;

async fn ticks(rig: &Rig, count: usize) {
    for _ in 0..count {
        rig.tick().await;
        rig.engine.foresee().await.expect("a store that takes it");
    }
}

/// A watch that is calm, and then sees the payment service come nearer to its limits.
async fn strained(felt: Felt, change: impl FnOnce(&mut EngineConfig)) -> Rig {
    let rig = Rig::with(change, "").await;
    ticks(&rig, CALM_TICKS).await;
    rig.world.strain(rig.now(), Timestamp::MAX, felt);
    ticks(&rig, STRAINED_TICKS).await;
    rig
}

async fn foreseen(rig: &Rig) -> Incident {
    let story = rig.story().await;
    let incident = rig.incidents().await.into_iter().next();
    let incident = incident.unwrap_or_else(|| panic!("nothing was foreseen:\n{story}"));
    assert!(incident.is_predicted(), "{story}");
    incident
}

async fn until(rig: &Rig, what: &str, wanted: impl Fn(&Incident) -> bool) -> Incident {
    for _ in 0..TICKS_MAX {
        ticks(rig, 1).await;
        if let Some(incident) = rig.incidents().await.into_iter().find(&wanted) {
            return incident;
        }
    }
    panic!("never {what}:\n{}", rig.story().await);
}

fn row<'a>(rows: &'a [LedgerRow], service: &str) -> &'a LedgerRow {
    let named = |row: &&LedgerRow| row.service.as_ref().is_some_and(|name| name.as_str() == service);
    rows.iter().find(named).unwrap_or_else(|| panic!("no row of {service}: {rows:?}"))
}

#[tokio::test]
async fn a_ramp_is_foreseen_and_graded_as_a_hit_and_the_incident_goes_on_when_it_happens() {
    let rig = strained(Felt::Alone, |_| {}).await;
    let early = foreseen(&rig).await;
    assert_eq!(early.component().as_str(), "payment");
    assert_eq!(early.escalated, None);
    rig.world.slow_down("payment", rig.now(), None);
    let late = until(&rig, "real", |incident| !incident.is_predicted()).await;
    assert_eq!(late.id, early.id, "{}", rig.story().await);
    assert!(late.signals.iter().any(|signal| signal.kind == SignalKind::Anomaly));
    let diagnosed = |i: &Incident| i.verdict.as_ref().is_some_and(|verdict| !verdict.foreseen);
    let known = until(&rig, "diagnosed", diagnosed).await;
    assert!(known.plan.is_none_or(|(plan, _)| plan.steps[0].action == restart()), "{}", rig.story().await);

    let ledger = rig.engine.ledger();
    let payment = &row(&ledger.rows, "payment").summary;
    assert_eq!((payment.hits, payment.missed, payment.false_alarms), (1, 0, 0), "{payment:?}");
    assert!(payment.median_lead_s.is_some_and(|lead| lead > 30.0), "{payment:?}");
    assert_eq!(payment.base_rate, Some(1.0), "each forecast of the last minutes came true: {payment:?}");

    let before = ledger.rows;
    let rig = rig.reopen().await;
    assert_eq!(rig.engine.ledger().rows, before, "the record is the same after a restart");
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_does_not_happen_is_closed_with_the_reason_and_nobody_is_woken() {
    let rig = strained(Felt::Alone, |_| {}).await;
    let early = foreseen(&rig).await;
    rig.world.strain(rig.now(), rig.now(), Felt::Alone);
    let over = until(&rig, "closed", |incident| incident.state == State::FalseAlarm).await;
    assert_eq!((over.id, over.escalated), (early.id.clone(), None));
    let lines = rig.lines(&early.id).await;
    let reason = lines.iter().find_map(|line| match &line.entry {
        Entry::FalseAlarm { by, reason } if by == "midwatch" => Some(reason.clone()),
        _ => None,
    });
    let reason = reason.expect("midwatch closes it");
    assert!(reason.contains("did not happen: its probability fell to"), "{reason}");
    assert!(rig.world.calls().is_empty());
}

#[tokio::test]
async fn one_source_of_evidence_is_not_enough_to_act_early() {
    let rig = strained(Felt::Alone, |config| config.mode = Mode::Auto).await;
    let incident = foreseen(&rig).await;
    let gate = incident.gate.unwrap_or_else(|| panic!("no plan was put to the gate"));
    let failed: Vec<Guard> = gate.failed().map(|guard| guard.guard).collect();
    assert_eq!(failed, [Guard::FreshEvidence], "{gate:?}");
    assert!(rig.world.calls().is_empty());
}

#[tokio::test]
async fn what_is_not_earned_waits_for_a_person_even_in_auto() {
    let rig = strained(Felt::ByCallers, |config| config.mode = Mode::Auto).await;
    let incident = foreseen(&rig).await;
    let waiting = incident.waiting.unwrap_or_else(|| panic!("{:?}", incident.gate));
    assert!(rig.world.calls().is_empty());
    rig.engine.approve(&incident.id, &waiting.plan, "ann").await.expect("a yes");
    ticks(&rig, 3).await;
    assert_eq!(rig.world.applied(), [scale(3)], "{}", rig.story().await);
    rig.world.strain(rig.now(), rig.now(), Felt::Alone);
    until(&rig, "over", |incident| !incident.state.is_open()).await;
    rig.assert_sound().await;
}

#[tokio::test]
async fn without_a_usable_model_the_watch_goes_on_and_says_why_nothing_is_foreseen() {
    let nowhere = |config: &mut EngineConfig| config.foresight.model = Some("/nowhere".into());
    let rig = strained(Felt::Alone, nowhere).await;
    let error = rig.engine.forecasts().expect_err("no model").to_string();
    assert!(error.contains("/nowhere/model.safetensors"), "{error}");
    assert_eq!(rig.engine.health().await.status, "ok");

    let untrained = |config: &mut EngineConfig| {
        nowhere(config);
        config.foresight.allow_untrained_model = true;
        config.foresight.alarm_from = Tier::Low;
    };
    let rig = strained(Felt::Alone, untrained).await;
    let shown = rig.engine.forecasts().expect("forecasts that are shown");
    assert!(shown.services.iter().all(|told| !told.judged.held.is_empty() && told.alarm.is_none()));
    assert_eq!(rig.incidents().await.len(), 0);
}

#[tokio::test]
async fn what_is_changed_at_run_time_holds_through_restarts() {
    let rig = strained(Felt::Alone, |_| {}).await;
    assert_eq!(foreseen(&rig).await.state, State::Diagnosed);
    let off = SettingsChange { enabled: Some(false), ..SettingsChange::default() };
    rig.engine.change_foresight(off, "ann").await.expect("a change");
    until(&rig, "closed", |incident| incident.state == State::FalseAlarm).await;
    let rig = rig.reopen().await;
    assert!(!rig.engine.foresight_settings().enabled);
    ticks(&rig, 3).await;
    assert!(rig.engine.forecasts().is_err());
    let on = SettingsChange { enabled: Some(true), ..SettingsChange::default() };
    rig.engine.change_foresight(on, "ann").await.expect("a change");
    rig.world.strain(rig.now(), after(rig.now(), 0.0), Felt::Alone);
    ticks(&rig, 3).await;
    assert!(rig.engine.forecasts().is_ok());
}
