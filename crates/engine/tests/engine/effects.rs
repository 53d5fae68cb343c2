//! Every way in which a call can end, and what follows.

use crate::harness::{FAULT_AT_S, Rig, outcomes, restart, scale};
use crate::world::Answer;
use midwatch_incident::State;
use midwatch_model::journal::Entry;
use midwatch_model::{Action, ActionKind, Cause, after, seconds_between};

struct Case {
    answers: &'static [Answer],
    cure: Option<ActionKind>,
    ends: State,
    outcomes: &'static [&'static str],
    applied: Vec<Action>,
}

async fn check(case: Case) -> Rig {
    let rig = Rig::start().await;
    rig.break_payment_until(case.cure);
    rig.world.answer(case.answers);
    let incident = rig.until_state(case.ends).await;
    let story = rig.story().await;
    assert_eq!(outcomes(&incident), case.outcomes, "{story}");
    assert_eq!(rig.world.applied(), case.applied, "{story}");
    rig.assert_sound().await;
    rig
}

const RESTART: Option<ActionKind> = Some(ActionKind::Restart);

#[tokio::test]
async fn a_lost_answer_is_settled_by_looking_at_the_target_once_the_call_has_timed_out() {
    let rig = check(Case {
        answers: &[Answer::Lose],
        cure: RESTART,
        ends: State::Resolved,
        outcomes: &["applied"],
        applied: vec![restart()],
    })
    .await;
    assert_eq!(rig.world.calls().len(), 1);
    let incident = rig.incident().await;
    let deadline = incident.effects[0].intent.deadline;
    let lines = rig.lines(&incident.id).await;
    let found = lines.iter().find(|l| matches!(l.entry, Entry::Performed { reconciled: true, .. }));
    let waited = seconds_between(deadline, found.expect("a reconciliation").at);
    assert!(waited > rig.engine.config.call_timeout_s, "looked {waited} s after the deadline");
}

#[tokio::test]
async fn a_call_that_never_arrived_is_made_anew_with_a_new_key() {
    let rig = check(Case {
        answers: &[Answer::TimeOut],
        cure: RESTART,
        ends: State::Resolved,
        outcomes: &["not_applied", "applied"],
        applied: vec![restart()],
    })
    .await;
    let calls = rig.world.calls();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0], calls[1]);
}

#[tokio::test]
async fn a_refused_call_changes_nothing_and_is_tried_again_on_what_the_target_is_then() {
    check(Case {
        answers: &[Answer::Refuse],
        cure: RESTART,
        ends: State::Resolved,
        outcomes: &["not_applied", "applied"],
        applied: vec![restart()],
    })
    .await;
}

#[tokio::test]
async fn a_target_that_refuses_for_ever_is_handed_to_a_person() {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.world.answer(&[Answer::Refuse; 200]);
    let incident = rig.until_state(State::Escalated).await;
    assert!(rig.world.applied().is_empty());
    assert_eq!(incident.effects.len(), 12, "six calls for each of the two remedies");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_failed_restart_is_verified_before_the_next_remedy_is_tried() {
    check(Case {
        answers: &[Answer::Fail],
        cure: Some(ActionKind::Scale),
        ends: State::Resolved,
        outcomes: &["failed", "applied"],
        applied: vec![scale(4)],
    })
    .await;
}

#[tokio::test]
async fn remedies_that_do_not_help_are_taken_back_and_the_incident_is_handed_over() {
    let rig = check(Case {
        answers: &[],
        cure: None,
        ends: State::Escalated,
        outcomes: &["applied", "applied", "applied"],
        applied: vec![restart(), scale(4), scale(2)],
    })
    .await;
    assert_eq!(rig.world.target_of("payment").replicas, 2);
    let incident = rig.incident().await;
    assert!(incident.effects[2].intent.undoes.as_ref() == Some(&incident.effects[1].intent.key));
    let verified = rig.entries(&incident.id).await.into_iter().filter(|name| *name == "verified").count();
    assert_eq!(verified, 2);
    assert!(rig.story().await.contains("Verification: regressed"), "{}", rig.story().await);
}

#[tokio::test]
async fn a_remedy_that_fails_with_its_own_symptom_gone_gives_way_to_the_cause_that_is_left() {
    let rig = Rig::start().await;
    rig.break_payment();
    let from = after(rig.now(), FAULT_AT_S);
    rig.world.fill_pool(from, after(from, 30.0));
    let incident = rig.until_state(State::Resolved).await;
    let restart_pool = Action::RestartDbPool { target: "payment".into() };
    assert_eq!(rig.world.applied(), [restart_pool, restart()], "{}", rig.story().await);
    assert_eq!(incident.verdict.as_ref().and_then(|v| v.root()).map(|r| r.cause), Some(Cause::LatencySpike));
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_pool_that_was_full_for_a_moment_is_not_the_cause() {
    let rig = Rig::start().await;
    rig.break_payment();
    let from = after(rig.now(), FAULT_AT_S);
    rig.world.fill_pool(from, after(from, 2.0));
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()], "{}", rig.story().await);
}

#[tokio::test]
async fn an_undo_that_fails_is_handed_to_a_person_at_once() {
    for (answer, ended) in [(Answer::Fail, "failed"), (Answer::Refuse, "not_applied")] {
        let rig = Rig::start().await;
        rig.break_payment_until(None);
        rig.world.answer(&[Answer::Apply, Answer::Apply, answer]);
        let incident = rig.until_state(State::Escalated).await;
        assert_eq!(outcomes(&incident), ["applied", "applied", ended]);
        let reasons = rig.escalations(&incident.id).await;
        assert!(reasons[0].contains("could not be undone"), "{reasons:?}");
        assert_eq!(rig.world.target_of("payment").replicas, 4, "the target is as the person finds it");
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn an_undo_whose_answer_is_lost_is_settled_by_looking() {
    check(Case {
        answers: &[Answer::Apply, Answer::Apply, Answer::Lose],
        cure: None,
        ends: State::Escalated,
        outcomes: &["applied", "applied", "applied"],
        applied: vec![restart(), scale(4), scale(2)],
    })
    .await;
}

#[tokio::test]
async fn an_unknown_outcome_stays_unknown_until_the_target_can_be_looked_at() {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.world.answer(&[Answer::Lose]);
    rig.until("acted", |incident| !incident.effects.is_empty()).await;
    rig.world.set_blind(true);
    rig.ticks(30).await;
    assert_eq!(outcomes(&rig.incident().await), ["unknown"]);
    assert_eq!(rig.world.calls().len(), 1);
    rig.world.set_blind(false);
    let incident = rig.until_state(State::Resolved).await;
    assert_eq!(outcomes(&incident), ["applied"]);
    assert_eq!(rig.world.applied(), [restart()]);
    rig.assert_sound().await;
}
