//! Shadow, propose and dry run: nothing is done that nobody allowed.

use crate::harness::{Rig, outcomes, restart, scale};
use midwatch_engine::{EngineConfig, EngineError};
use midwatch_incident::{Incident, State};
use midwatch_model::decision::Mode;
use midwatch_model::{Metric, PlanHash, Signal};
use midwatch_signal::SeriesStatus;

async fn waiting(rig: &Rig) -> (Incident, PlanHash) {
    let incident = rig.until("waiting for approval", |i| i.waiting.is_some()).await;
    let hash = incident.waiting.as_ref().map(|w| w.plan.clone()).expect("a request");
    assert_eq!(incident.state, State::AwaitingApproval);
    (incident, hash)
}

async fn proposing() -> Rig {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.break_payment();
    rig
}

#[tokio::test]
async fn shadow_mode_says_what_it_would_do_and_touches_nothing() {
    let rig = Rig::with(|config| config.mode = Mode::Shadow, "").await;
    rig.break_payment();
    rig.until("diagnosed", |incident| incident.gate.is_some()).await;
    rig.ticks(60).await;
    let incident = rig.incident().await;
    assert_eq!(incident.state, State::Diagnosed);
    let gate = incident.gate.expect("a gate record");
    assert!(gate.because.contains("mode is shadow"), "{}", gate.because);
    assert!(rig.world.calls().is_empty());
    rig.world.heal(rig.now());
    rig.until_state(State::Resolved).await;
}

#[tokio::test]
async fn a_proposal_is_carried_out_once_and_only_after_a_yes_to_exactly_this_plan() {
    let rig = proposing().await;
    let (incident, hash) = waiting(&rig).await;
    rig.ticks(10).await;
    assert!(rig.world.calls().is_empty());

    let stale = PlanHash::new("0".repeat(64));
    let error = rig.engine.approve(&incident.id, &stale, "ann").await.expect_err("a stale plan");
    assert!(matches!(&error, EngineError::StalePlan { current, .. } if *current == hash), "{error}");
    rig.ticks(3).await;
    assert!(rig.world.calls().is_empty());

    rig.engine.approve(&incident.id, &hash, "ann").await.expect("the right plan");
    let error = rig.engine.approve(&incident.id, &hash, "bob").await.expect_err("a second yes");
    assert!(error.to_string().contains("ann has approved this plan already"), "{error}");
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()]);
    let error = rig.engine.approve(&incident.id, &hash, "ann").await.expect_err("nothing waits any more");
    assert!(matches!(error, EngineError::NotWaiting { .. }), "{error}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_refused_plan_is_not_carried_out_and_a_person_takes_over() {
    let rig = proposing().await;
    let (incident, hash) = waiting(&rig).await;
    rig.engine.deny(&incident.id, &hash, "ann", "not during the sale").await.expect("a no");
    let incident = rig.until_state(State::Escalated).await;
    let reasons = rig.escalations(&incident.id).await;
    assert!(reasons[0].contains("ann refused the plan: not during the sale"), "{reasons:?}");
    rig.ticks(20).await;
    assert!(rig.world.calls().is_empty());
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires_and_a_person_takes_over() {
    let rig = Rig::with(
        |config| {
            config.mode = Mode::Propose;
            config.decision.approval_ttl_s = 30.0;
        },
        "",
    )
    .await;
    rig.break_payment();
    let (incident, hash) = waiting(&rig).await;
    rig.until_state(State::Escalated).await;
    let entries = rig.entries(&incident.id).await;
    assert!(entries.contains(&"approval_expired"), "{entries:?}");
    let error = rig.engine.approve(&incident.id, &hash, "ann").await.expect_err("too late");
    assert!(matches!(error, EngineError::NotWaiting { .. }), "{error}");
    assert!(rig.world.calls().is_empty());
}

#[tokio::test]
async fn an_approval_that_could_not_be_used_in_time_expires_too() {
    let rig = Rig::with(
        |config| {
            config.mode = Mode::Propose;
            config.decision.approval_ttl_s = 30.0;
        },
        "",
    )
    .await;
    rig.break_payment();
    let (incident, hash) = waiting(&rig).await;
    // Without telemetry there is no fresh evidence, so the gate holds the approved step back.
    rig.world.set_blind(true);
    rig.engine.approve(&incident.id, &hash, "ann").await.expect("a yes");
    rig.until_state(State::Escalated).await;
    rig.world.set_blind(false);
    rig.ticks(5).await;
    assert!(rig.world.calls().is_empty(), "{}", rig.story().await);
}

#[tokio::test]
async fn a_server_that_may_touch_nothing_any_more_does_not_even_undo() {
    let disarm: [fn(&mut EngineConfig); 2] =
        [|config| config.dry_run = true, |config| config.mode = Mode::Shadow];
    for change in disarm {
        let rig = Rig::start().await;
        rig.break_payment_until(None);
        rig.until("scaled", |incident| outcomes(incident) == ["applied", "applied"]).await;
        let rig = rig.reopen_with(change).await;
        let incident = rig.until_state(State::Escalated).await;
        assert_eq!(rig.world.applied(), [restart(), scale(4)]);
        let reasons = rig.escalations(&incident.id).await;
        assert!(reasons[0].contains("to take it back: Scale payment to 2 replicas"), "{reasons:?}");
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn an_approved_plan_in_dry_run_says_what_it_would_have_done_and_how_to_arm_it() {
    let rig = Rig::with(
        |config| {
            config.mode = Mode::Propose;
            config.dry_run = true;
        },
        "",
    )
    .await;
    rig.break_payment();
    let (incident, hash) = waiting(&rig).await;
    rig.engine.approve(&incident.id, &hash, "ann").await.expect("a yes");
    rig.until("dry run", |incident| incident.would_have_acted).await;
    rig.ticks(30).await;
    let story = rig.story().await;
    assert_eq!(story.matches("would now have done \"Restart payment").count(), 1, "{story}");
    assert!(story.contains("dry_run = false"), "{story}");
    assert!(rig.world.calls().is_empty());
    let requests =
        rig.entries(&incident.id).await.iter().filter(|name| **name == "approval_requested").count();
    assert_eq!(requests, 1, "{story}");
}

#[tokio::test]
async fn automatic_mode_in_dry_run_touches_nothing() {
    let rig = Rig::with(|config| config.dry_run = true, "").await;
    rig.break_payment();
    rig.until("dry run", |incident| incident.would_have_acted).await;
    rig.ticks(30).await;
    assert!(rig.world.calls().is_empty());
    rig.world.heal(rig.now());
    rig.until_state(State::Resolved).await;
}

#[tokio::test]
async fn a_false_alarm_ends_the_incident_and_cannot_be_said_while_something_is_being_done() {
    let rig = proposing().await;
    let (incident, hash) = waiting(&rig).await;
    rig.engine.false_alarm(&incident.id, "ann", "a load test").await.expect("a false alarm");
    rig.ticks(5).await;
    assert_eq!(rig.incident().await.state, State::FalseAlarm);
    let fresh = latency_of_payment(&rig).await;
    assert!(!fresh.suspicious && fresh.baseline.is_none(), "what is normal is learnt anew: {fresh:?}");
    assert!(rig.engine.approve(&incident.id, &hash, "ann").await.is_err());
    assert!(rig.world.calls().is_empty());

    let rig = Rig::start().await;
    rig.break_payment();
    let incident = rig.until("verifying", |incident| incident.state == State::Verifying).await;
    let error = rig.engine.false_alarm(&incident.id, "ann", "a load test").await.expect_err("too late");
    assert!(matches!(error, EngineError::Refused(_)), "{error}");
}

#[tokio::test]
async fn a_fault_that_outlasts_a_long_outage_of_midwatch_is_not_learnt_as_normal() {
    let rig = proposing().await;
    let (incident, _) = waiting(&rig).await;
    let of_payment = |s: &&Signal| s.service.as_str() == "payment" && s.metric == Some(Metric::LatencyP99);
    let frozen = incident.signals.iter().find(of_payment).expect("its signal").baseline;
    // Rolling baselines of half an hour ago are thrown away at the start.
    rig.clock.advance(1800.0);
    let rig = rig.reopen().await;
    rig.ticks(40).await;
    let series = latency_of_payment(&rig).await;
    assert!(series.suspicious && series.baseline == frozen, "{series:?}");
    assert_eq!(rig.incidents().await.len(), 1, "{}", rig.story().await);
}

async fn latency_of_payment(rig: &Rig) -> SeriesStatus {
    let all = rig.engine.series().await;
    let found = all.into_iter().find(|s| s.service.as_str() == "payment" && s.metric == Metric::LatencyP99);
    found.expect("the series")
}
