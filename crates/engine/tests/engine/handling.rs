//! What people do with an incident beside deciding: taken up, given away, put off, merged, split, written anew.

use crate::harness::{Rig, alert};
use crate::tell::routed_again_after;
use midwatch_engine::EngineError;
use midwatch_incident::{Incident, State};
use midwatch_model::decision::Mode;
use midwatch_model::{Cause, IncidentId, SignalId, after};
use serde_json::Value;
use std::collections::BTreeSet;

/// Seconds after which the same is told again; a tick has two.
const REPEAT_S: f64 = 20.0;

/// Ticks in which it would be told again several times.
const LONG: usize = 40;

const NOTHING: [Value; 0] = [];

/// An incident that waits for a person, in a world that tells people again and again.
async fn waiting() -> (Rig, IncidentId) {
    let set = |config: &mut midwatch_engine::EngineConfig| {
        routed_again_after(config, 0.0, REPEAT_S);
        config.mode = Mode::Propose;
    };
    let rig = Rig::with(set, "").await;
    rig.break_payment();
    let incident = rig.until("waiting", |incident| incident.waiting.is_some()).await;
    told(&rig, 10).await;
    (rig, incident.id)
}

/// What somebody is told in so many ticks.
async fn told(rig: &Rig, ticks: usize) -> Vec<Value> {
    let mut told = Vec::new();
    for _ in 0..ticks {
        rig.tick().await;
        rig.engine.tell_due().await.expect("told");
        told.extend(rig.world.take_told().into_iter().map(|(_, _, message)| message));
    }
    told
}

async fn folded(rig: &Rig, id: &IncidentId) -> Incident {
    Incident::fold(&rig.lines(id).await).expect("an incident")
}

#[tokio::test]
async fn what_a_person_has_taken_up_is_not_told_again_and_its_end_is() {
    let (rig, id) = waiting().await;
    assert!(told(&rig, LONG).await.len() > 1, "it is told again while nobody has it");
    for _ in 0..2 {
        rig.engine.acknowledge(&id, "ann", "the command line").await.expect("taken up");
    }
    told(&rig, 2).await;
    assert_eq!(told(&rig, LONG).await, NOTHING);
    let count = rig.entries(&id).await.into_iter().filter(|name| *name == "acknowledged").count();
    assert_eq!(count, 1, "{}", rig.story().await);
    // A restart does not forget it.
    let rig = rig.reopen().await;
    assert_eq!(told(&rig, LONG).await, NOTHING);
    rig.engine.false_alarm(&id, "ann", "a load test").await.expect("marked");
    assert_eq!(told(&rig, LONG).await.len(), 1);
    let refused = rig.engine.acknowledge(&id, "bob", "the command line").await;
    assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn what_is_snoozed_is_told_again_when_the_time_is_over() {
    let (rig, id) = waiting().await;
    let until = after(rig.now(), 100.0);
    for _ in 0..2 {
        rig.engine.snooze(&id, until, "ann", "after lunch").await.expect("snoozed");
    }
    assert_eq!(folded(&rig, &id).await.snoozed_until, Some(until));
    assert_eq!(told(&rig, 45).await, NOTHING);
    assert!(!told(&rig, LONG).await.is_empty(), "{}", rig.story().await);
    for wrong in [after(rig.now(), -1.0), after(rig.now(), 8.0 * 86_400.0)] {
        let refused = rig.engine.snooze(&id, wrong, "ann", "").await;
        assert!(matches!(refused, Err(EngineError::Unfit(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn somebody_answers_for_it_until_somebody_else_does() {
    let (rig, id) = waiting().await;
    for to in [Some("bob"), Some("bob"), None] {
        rig.engine.assign(&id, to, "ann").await.expect("assigned");
        assert_eq!(folded(&rig, &id).await.assignee.as_deref(), to);
    }
    let count = rig.entries(&id).await.into_iter().filter(|name| *name == "assigned").count();
    assert_eq!(count, 2);
}

/// Two incidents: payment's, and one that an alert from elsewhere opened.
async fn two() -> (Rig, IncidentId, IncidentId) {
    let (rig, first) = waiting().await;
    rig.tell(&[alert("x", "elsewhere", Cause::LatencySpike, rig.now())]).await.expect("taken");
    rig.ticks(3).await;
    let other = rig.incidents().await.into_iter().find(|incident| incident.id != first);
    let other = other.unwrap_or_else(|| panic!("one incident only"));
    (rig, first, other.id)
}

#[tokio::test]
async fn a_merged_incident_is_closed_and_the_other_goes_on_with_what_it_knew() {
    let (rig, into, id) = two().await;
    let signal = folded(&rig, &id).await.signals[0].id.clone();
    for _ in 0..2 {
        rig.engine.merge(&id, &into, "ann", "one cause").await.expect("merged");
    }
    let (from, to) = (folded(&rig, &id).await, folded(&rig, &into).await);
    assert_eq!((from.state, from.merged_into.as_ref()), (State::Closed, Some(&into)));
    assert!(to.signals.iter().any(|known| known.id == signal));
    let row = rig.engine.store.intake(signal.as_str()).await.expect("readable").expect("a row");
    assert_eq!(row.incident.as_deref(), Some(into.as_str()));
    let count = rig.entries(&into).await.into_iter().filter(|name| *name == "absorbed").count();
    assert_eq!(count, 1, "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn only_what_is_open_and_untouched_can_be_merged() {
    let (rig, into, id) = two().await;
    let missing = IncidentId::new("inc-none");
    for (id, into) in [(&id, &id), (&missing, &into), (&id, &missing)] {
        assert!(rig.engine.merge(id, into, "ann", "").await.is_err(), "{id} {into}");
    }
    let waiting = folded(&rig, &into).await.waiting.expect("it waits");
    rig.engine.approve(&into, &waiting.plan, "ann").await.expect("approved");
    rig.ticks(2).await;
    let refused = rig.engine.merge(&into, &id, "ann", "").await.expect_err("something was done").to_string();
    assert!(refused.contains("cannot be merged after that"), "{refused}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_is_split_off_is_an_incident_of_its_own_and_both_are_looked_at_anew() {
    let (rig, into, other) = two().await;
    rig.engine.merge(&other, &into, "ann", "a mistake").await.expect("merged");
    let foreign = folded(&rig, &other).await.signals[0].id.clone();
    let signals = BTreeSet::from([foreign.clone()]);
    let to = rig.engine.split(&into, &signals, "ann", "two causes").await.expect("split");
    assert_eq!(rig.engine.split(&into, &signals, "ann", "two causes").await.expect("the same"), to);
    let (old, new) = (folded(&rig, &into).await, folded(&rig, &to).await);
    assert!(old.signals.iter().all(|known| known.id != foreign));
    assert_eq!(new.signals.iter().map(|known| &known.id).collect::<Vec<_>>(), [&foreign]);
    assert!(old.verdict.is_none() && old.waiting.is_none(), "{}", rig.story().await);
    told(&rig, 10).await;
    let old = folded(&rig, &into).await;
    assert!(old.verdict.is_some(), "{}", rig.story().await);
    let all: BTreeSet<SignalId> = old.signals.iter().map(|signal| signal.id.clone()).collect();
    for wrong in [all, BTreeSet::new(), BTreeSet::from([SignalId::new("sig-none")])] {
        let refused = rig.engine.split(&into, &wrong, "ann", "").await;
        assert!(matches!(refused, Err(EngineError::Unfit(_))), "{refused:?}");
    }
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_a_person_was_called_for_is_looked_at_anew_once_it_is_another_thing() {
    let (rig, into, id) = two().await;
    let waiting = folded(&rig, &into).await.waiting.expect("it waits");
    rig.engine.deny(&into, &waiting.plan, "ann", "not now").await.expect("denied");
    rig.ticks(2).await;
    assert_eq!(folded(&rig, &into).await.state, State::Escalated);
    rig.engine.merge(&id, &into, "ann", "one cause").await.expect("merged");
    let merged = folded(&rig, &into).await;
    assert!(merged.escalated.is_none() && merged.verdict.is_none(), "{}", rig.story().await);
    told(&rig, 10).await;
    assert!(folded(&rig, &into).await.verdict.is_some(), "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_persons_postmortem_is_on_the_journal_and_is_not_written_over_unseen() {
    let rig = Rig::start().await;
    rig.break_payment();
    let incident = rig.until_state(State::Resolved).await;
    let (id, base) = (&incident.id, incident.report_digest.clone().expect("a digest"));
    let text = "# What happened\n\nWe were lucky. password=hunter2hunter2";
    let digest = rig.engine.revise(id, text, &base, "ann").await.expect("saved");
    assert_eq!(rig.engine.revise(id, text, &base, "ann").await.expect("the same"), digest);
    let refused = rig.engine.revise(id, "# Mine", &base, "bob").await.expect_err("stale").to_string();
    assert!(refused.contains("was written anew meanwhile"), "{refused}");
    let now = folded(&rig, id).await;
    assert_eq!((now.report_digest.as_ref(), now.report_is_revised), (Some(&digest), true));
    let file = std::fs::read_to_string(now.report.expect("a path")).expect("a file");
    assert!(file.contains("We were lucky") && !file.contains("hunter2"), "{file}");
    for wrong in ["", &"x".repeat(300_000)] {
        assert!(matches!(rig.engine.revise(id, wrong, &digest, "ann").await, Err(EngineError::Unfit(_))));
    }
    rig.assert_sound().await;
}
