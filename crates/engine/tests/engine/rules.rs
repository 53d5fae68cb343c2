//! Operators' policies: they narrow, and the reason reaches the person.

use crate::harness::{Rig, outcomes, scale};
use midwatch_incident::State;

#[tokio::test]
async fn a_forbidden_remedy_waits_for_a_person_who_is_told_why() {
    let policy = "@id(\"no-restarts\")\nforbid(principal, action == Action::\"restart\", resource);";
    let rig = Rig::with(|_| {}, policy).await;
    rig.break_payment();
    let incident = rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let why = &incident.waiting.as_ref().expect("a request").why;
    assert!(why.contains("forbidden by no-restarts"), "{why}");
    rig.ticks(20).await;
    assert!(rig.world.calls().is_empty());

    // A person's yes does not overrule the policy either.
    let hash = incident.waiting.expect("a request").plan;
    rig.engine.approve(&incident.id, &hash, "ann").await.expect("a yes");
    rig.ticks(20).await;
    assert!(rig.world.calls().is_empty());
    let story = rig.story().await;
    assert!(story.contains("Refused by policy"), "{story}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn where_only_scaling_is_permitted_scaling_is_tried_taken_back_and_handed_over() {
    let policy = "permit(principal, action == Action::\"scale\", resource);";
    let rig = Rig::with(|_| {}, policy).await;
    rig.break_payment();
    let incident = rig.until_state(State::Escalated).await;
    assert_eq!(rig.world.applied(), [scale(4), scale(2)]);
    assert_eq!(outcomes(&incident), ["applied", "applied"]);
    let entries = rig.entries(&incident.id).await;
    assert!(entries.contains(&"step_skipped"), "{entries:?}");
    let reasons = rig.escalations(&incident.id).await;
    assert!(reasons[0].contains("the one remedy that may be used did not help"), "{reasons:?}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_policy_that_asks_for_a_person_gets_one() {
    let policy = "@advice(\"require_approval\")\npermit(principal, action, resource);";
    let rig = Rig::with(|_| {}, policy).await;
    rig.break_payment();
    let incident = rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let waiting = incident.waiting.expect("a request");
    assert!(waiting.why.contains("asks for a person"), "{}", waiting.why);
    assert!(rig.world.calls().is_empty());
    rig.engine.approve(&incident.id, &waiting.plan, "ann").await.expect("a yes");
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.calls().len(), 1);
}

#[tokio::test]
async fn a_policy_that_permits_nothing_hands_over_with_the_reason() {
    let rig = Rig::with(|_| {}, "forbid(principal, action, resource);").await;
    rig.break_payment();
    let incident = rig.until_state(State::Escalated).await;
    let reasons = rig.escalations(&incident.id).await;
    assert!(reasons[0].contains("no remedy may be used"), "{reasons:?}");
    assert!(rig.world.calls().is_empty());
}
