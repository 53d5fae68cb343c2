//! Runs that the incident goes on without, and what they leave.

use crate::harness::{Rig, restart, scale};
use crate::workflow::{CURE, failing, rig};
use crate::world::Answer;
use midwatch_engine::{ActRequest, EngineConfig};
use midwatch_incident::{Incident, State};
use midwatch_model::decision::Mode;
use midwatch_model::workflow::RunOutcome;
use midwatch_model::{Action, ActionKind};

fn outcome(incident: &Incident) -> Option<RunOutcome> {
    incident.run.as_ref().and_then(|run| run.ended.as_ref()).map(|(outcome, _)| *outcome)
}

fn circuit(open: bool) -> Action {
    Action::CircuitBreak { target: "payment".into(), open }
}

/// A run in mode propose that has scaled and waits for a yes to its restart.
async fn half_way() -> (Rig, Incident) {
    let rig = rig(CURE, |config| config.mode = Mode::Propose).await;
    rig.break_payment();
    let asked = rig.until("asked", |i| i.waiting.is_some()).await;
    let plan = asked.waiting.expect("it waits").plan;
    rig.engine.approve(&asked.id, &plan, "ann").await.expect("a yes");
    let asked = rig.until("asked again", |i| i.waiting.as_ref().is_some_and(|w| w.step == 1)).await;
    assert_eq!(rig.world.applied(), [scale(3)]);
    (rig, asked)
}

#[tokio::test]
async fn a_person_who_acts_beside_a_run_ends_it_where_it_is() {
    let (rig, incident) = half_way().await;
    let act =
        ActRequest { action: restart(), by: "bob".into(), reason: "I know this one".into(), once: None };
    rig.engine.act(act).await.expect("an answer");
    let incident = rig.until(&incident.id.to_string(), |i| i.state == State::Resolved).await;
    assert_eq!(outcome(&incident), Some(RunOutcome::Abandoned), "{}", rig.story().await);
    assert_eq!(rig.world.applied(), [scale(3), restart()], "what it did stays, and it does nothing more");
    // The trouble comes back: what was done long ago is not taken back now.
    rig.break_payment_until(None);
    rig.until_state(State::Escalated).await;
    rig.ticks(60).await;
    assert_eq!(rig.world.applied(), [scale(3), restart()], "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_a_person_did_in_vain_beside_a_run_is_followed_by_a_person() {
    let (rig, _) = half_way().await;
    let act =
        ActRequest { action: circuit(true), by: "bob".into(), reason: "to shed load".into(), once: None };
    rig.engine.act(act).await.expect("an answer");
    let incident = rig.until_state(State::Escalated).await;
    let why = rig.escalations(&incident.id).await.join("; ");
    assert!(why.contains("the workflow was left where it was, and what it did stays: bob acted"), "{why}");
    assert_eq!(rig.world.target_of("payment").replicas, 3, "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_somebody_changed_meanwhile_is_not_overwritten() {
    let rig = rig(&failing(), |_| {}).await;
    rig.break_payment();
    rig.until("half way", |_| rig.world.applied().len() == 2).await;
    rig.world.rescale("payment", 5);
    let incident = rig.until_state(State::Escalated).await;
    rig.ticks(60).await;
    assert_eq!(rig.world.applied(), [scale(3), restart()], "{}", rig.story().await);
    let why = rig.escalations(&incident.id).await.join("; ");
    assert!(
        why.contains("somebody has changed payment since") && why.contains("by hand: Scale payment"),
        "{why}"
    );
    assert_eq!(outcome(&rig.incidents().await[0]), Some(RunOutcome::NotRolledBack));
}

#[tokio::test]
async fn midwatchs_own_remedy_is_not_taken_back_over_what_a_person_did_either() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.break_payment_until(None);
    rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let act = ActRequest { action: scale(3), by: "ann".into(), reason: "more of them".into(), once: None };
    rig.engine.act(act).await.expect("an answer");
    rig.world.rescale("payment", 4);
    let incident = rig.until_state(State::Escalated).await;
    let why = rig.escalations(&incident.id).await.join("; ");
    assert!(why.contains("somebody has changed payment since"), "{why}");
    assert_eq!(rig.world.target_of("payment").replicas, 4);
}

#[tokio::test]
async fn a_workflow_that_only_tells_may_hand_over_instead_of_leaving_it_to_midwatch() {
    let yaml = "name: tell\ntrigger: { causes: [latency_spike] }\notherwise: hand_over\nsteps:\n  - { id: say, notify: \"look\" }\n";
    let rig = rig(yaml, |_| {}).await;
    rig.break_payment();
    let incident = rig.until_state(State::Escalated).await;
    let why = rig.escalations(&incident.id).await.join("; ");
    assert!(why.contains("the workflow has touched nothing and hands over"), "{why}");
    assert!(rig.world.applied().is_empty());
}

#[tokio::test]
async fn what_a_run_opened_it_closes_although_the_service_is_well_again() {
    let yaml = "name: a\ntrigger: { causes: [latency_spike] }\nsteps:\n  - { id: open, act: { action: circuit_break } }\n  \
                - { id: one, act: { action: restart } }\n  - { id: pause, wait_s: 60 }\n  - { id: more, act: { action: scale, replicas: 3 } }\n  \
                - { id: close, act: { action: circuit_break, open: false } }\n";
    let rig = rig(yaml, |config: &mut EngineConfig| config.incident.self_resolve_s = 20.0).await;
    rig.break_payment();
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [circuit(true), restart(), circuit(false)], "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_a_run_opened_is_closed_after_a_yes_where_its_author_asks() {
    let yaml = "name: a\ntrigger: { causes: [latency_spike] }\nsteps:\n  - { id: open, act: { action: circuit_break } }\n  \
                - { id: one, act: { action: restart } }\n  - { id: pause, wait_s: 60 }\n  \
                - { id: close, act: { action: circuit_break, open: false }, approval: \"Is it well?\" }\n";
    let rig = rig(yaml, |config: &mut EngineConfig| config.incident.self_resolve_s = 20.0).await;
    rig.break_payment();
    let asked = rig.until("asked", |incident| incident.waiting.is_some()).await;
    let waiting = asked.waiting.expect("it waits");
    assert_eq!(waiting.why, "Is it well?");
    rig.engine.approve(&asked.id, &waiting.plan, "ann").await.expect("a yes");
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [circuit(true), restart(), circuit(false)], "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_person_whose_action_the_target_does_not_take_leaves_the_run_where_it_was() {
    let (rig, incident) = half_way().await;
    rig.world.answer(&[Answer::Refuse]);
    let act =
        ActRequest { action: circuit(true), by: "bob".into(), reason: "to shed load".into(), once: None };
    rig.engine.act(act).await.expect("an answer");
    let asked = rig.until("asked again", |i| i.waiting.as_ref().is_some_and(|w| w.step == 1)).await;
    assert_eq!(outcome(&asked), None, "{}", rig.story().await);
    let plan = asked.waiting.expect("it waits").plan;
    rig.engine.approve(&incident.id, &plan, "ann").await.expect("a yes");
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [scale(3), restart()], "{}", rig.story().await);
}

#[tokio::test]
async fn a_run_whose_trouble_comes_back_costs_all_of_its_actions_their_trust() {
    let rig = rig(CURE, |_| {}).await;
    rig.break_payment();
    rig.until_state(State::Resolved).await;
    let propose = |standings: Vec<midwatch_engine::Standing>| {
        let low = standings.into_iter().filter(|standing| standing.level.mode == Mode::Propose);
        let mut kinds: Vec<ActionKind> = low.map(|standing| standing.combination.action).collect();
        kinds.sort_by_key(|kind| kind.name());
        kinds
    };
    assert_eq!(propose(rig.engine.autonomy().await.expect("readable")), []);
    rig.break_payment_until(None);
    rig.until_state(State::Escalated).await;
    let lost = propose(rig.engine.autonomy().await.expect("readable"));
    assert_eq!(lost, [ActionKind::Restart, ActionKind::Scale], "{}", rig.story().await);
}
