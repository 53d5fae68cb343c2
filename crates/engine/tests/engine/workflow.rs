//! Workflows in whole incidents: through the gate, through crashes, and back.

use crate::harness::{Rig, TICKS_MAX, outcomes, restart, scale};
use crate::world::Answer;
use midwatch_engine::EngineConfig;
use midwatch_engine::workflow::{Subject, read};
use midwatch_incident::{Incident, State};
use midwatch_model::decision::{Mode, Principal};
use midwatch_model::workflow::RunOutcome;
use midwatch_model::{Action, ActionKind, Cause, Severity, Workflow};
use midwatch_store::CrashPoint;
use std::sync::Arc;

pub const CURE: &str = r#"
name: cure
trigger: { causes: [latency_spike] }
steps:
  - { id: before, look: state }
  - { id: one, act: { action: scale, replicas: "= steps.before.replicas + 1" } }
  - { id: pause, wait_s: 4 }
  - { id: two, act: { action: restart } }
  - { id: after, look: health }
"#;

/// The same, with an end that cannot be seen to be well: there is no Prometheus in this world.
pub fn failing() -> String {
    CURE.replace("look: health", "check: { kind: promql, query: up, at_least: 1 }")
}

fn workflow(yaml: &str) -> Workflow {
    read("w.yaml", yaml).unwrap_or_else(|errors| panic!("{errors:?}")).expect("steps")
}

pub async fn rig(yaml: &str, change: impl FnOnce(&mut EngineConfig)) -> Rig {
    let workflows = Arc::new(vec![workflow(yaml)]);
    Rig::with(
        |config| {
            config.workflows = workflows;
            change(config);
        },
        "",
    )
    .await
}

#[tokio::test]
async fn an_enabled_workflow_is_the_plan_of_the_incidents_that_it_is_for() {
    let rig = rig(CURE, |_| {}).await;
    rig.break_payment();
    let incident = rig.until_state(State::Resolved).await;
    let story = rig.story().await;
    assert_eq!(rig.world.applied(), [scale(3), restart()], "{story}");
    let by: Vec<&Principal> = incident.effects.iter().map(|e| &e.intent.principal).collect();
    assert_eq!(by, [&Principal::Runbook("cure".into()); 2]);
    let ended = incident.run.as_ref().and_then(|run| run.ended.as_ref()).map(|(outcome, _)| *outcome);
    assert_eq!((ended, incident.workflows), (Some(RunOutcome::Completed), vec!["cure".to_owned()]));
    assert!(story.contains("Workflow cure begins: the cause is latency_spike"), "{story}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_run_that_fails_is_taken_back_the_last_first_and_handed_over() {
    let rig = rig(&failing(), |_| {}).await;
    rig.break_payment();
    let incident = rig.until_state(State::Escalated).await;
    let story = rig.story().await;
    assert_eq!(rig.world.applied(), [scale(3), restart(), scale(2)], "{story}");
    let why = rig.escalations(&incident.id).await.join("; ");
    assert!(why.contains("the workflow was taken back: step after failed"), "{why}\n{story}");
    assert!(why.contains("leaves nothing to take back"), "{why}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_run_that_did_not_help_is_taken_back_and_not_run_again() {
    let yaml = CURE.replace("restart", "circuit_break");
    let rig = rig(&yaml, |_| {}).await;
    rig.break_payment_until(None);
    rig.until_state(State::Escalated).await;
    let open = |open| Action::CircuitBreak { target: "payment".into(), open };
    let applied = rig.world.applied();
    assert_eq!(applied, [scale(3), open(true), open(false), scale(2)], "{}", rig.story().await);
    rig.assert_sound().await;
}

/// The calls of a run end in one way or another.
async fn check(answers: &[Answer], state: State, ends: &[&str], applied: &[Action]) {
    let rig = rig(CURE, |_| {}).await;
    rig.break_payment();
    rig.world.answer(answers);
    let incident = rig.until_state(state).await;
    let story = rig.story().await;
    assert_eq!(outcomes(&incident), ends, "{answers:?}\n{story}");
    assert_eq!(rig.world.applied(), applied, "{answers:?}\n{story}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn whichever_call_of_a_run_ends_in_whichever_way_nothing_is_left_half_done() {
    use Answer::{Apply, Fail, Lose, Refuse};
    let all = [scale(3), restart()];
    check(&[Lose], State::Resolved, &["applied", "applied"], &all).await;
    check(&[Apply, Lose], State::Resolved, &["applied", "applied"], &all).await;
    check(&[Fail], State::Escalated, &["failed", "applied"], &[scale(2)]).await;
    check(&[Apply, Refuse], State::Escalated, &["applied", "not_applied", "applied"], &[scale(3), scale(2)])
        .await;
    check(&[Apply, Fail], State::Escalated, &["applied", "failed", "applied"], &[scale(3), scale(2)]).await;
}

#[tokio::test]
async fn a_run_whose_first_action_is_turned_down_leaves_the_incident_to_midwatchs_own_plan() {
    let rig = rig(CURE, |_| {}).await;
    rig.break_payment();
    rig.world.answer(&[Answer::Refuse]);
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()], "{}", rig.story().await);
}

#[tokio::test]
async fn a_workflow_that_has_nothing_to_do_leaves_the_incident_to_midwatchs_own_plan() {
    let yaml = "name: idle\ntrigger: { causes: [latency_spike] }\nsteps:\n  - { id: one, when: \"1 > 2\", act: { action: scale, replicas: 4 } }\n";
    let rig = rig(yaml, |_| {}).await;
    rig.break_payment();
    let incident = rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()], "{}", rig.story().await);
    assert_eq!(incident.workflows, ["idle"]);
}

#[tokio::test]
async fn people_are_asked_before_each_action_in_mode_propose_and_a_no_takes_back_what_was_done() {
    let rig = rig(CURE, |config| config.mode = Mode::Propose).await;
    rig.break_payment();
    let waits = |step: usize| move |i: &Incident| i.waiting.as_ref().is_some_and(|w| w.step == step);
    let incident = rig.until("asked", waits(0)).await;
    assert!(rig.world.calls().is_empty());
    let plan = incident.waiting.expect("it waits").plan;
    rig.engine.approve(&incident.id, &plan, "ann").await.expect("a yes");
    let incident = rig.until("asked again", waits(1)).await;
    assert_eq!(rig.world.applied(), [scale(3)]);
    let second = incident.waiting.expect("it waits").plan;
    rig.engine.deny(&incident.id, &second, "bob", "not now").await.expect("a no");
    rig.until_state(State::Escalated).await;
    assert_eq!(rig.world.applied(), [scale(3), scale(2)], "{}", rig.story().await);
    let why = rig.escalations(&incident.id).await.join("; ");
    assert!(why.contains("bob refused it: not now"), "{why}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_step_that_asks_waits_for_a_person_also_in_mode_auto() {
    let yaml =
        CURE.replace("action: restart }", "action: restart }, approval: \"Is {{ incident.service }} idle?\"");
    let rig = rig(&yaml, |_| {}).await;
    rig.break_payment();
    let incident = rig.until("asked", |i| i.waiting.is_some()).await;
    let waiting = incident.waiting.expect("it waits");
    assert_eq!((waiting.why.as_str(), rig.world.applied()), ("Is payment idle?", vec![scale(3)]));
    rig.engine.approve(&incident.id, &waiting.plan, "ann").await.expect("a yes");
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [scale(3), restart()], "{}", rig.story().await);
}

#[tokio::test]
async fn silence_is_no_consent() {
    for (id, applied) in [("one", vec![]), ("two", vec![scale(3), scale(2)])] {
        let yaml = CURE.replace(&format!("id: {id},"), &format!("id: {id}, approval: \"Is it idle?\","));
        let rig = rig(&yaml, |config| config.decision.approval_ttl_s = 30.0).await;
        rig.break_payment_until(None);
        let incident = rig.until_state(State::Escalated).await;
        rig.ticks(60).await;
        assert_eq!(rig.world.applied(), applied, "{}", rig.story().await);
        let why = rig.escalations(&incident.id).await.join("; ");
        assert!(why.contains("nobody answered in time: Is it idle?"), "{why}");
        let ended = rig.incidents().await[0].run.as_ref().and_then(|run| run.ended.clone());
        assert_eq!(ended.map(|(outcome, _)| outcome), Some(RunOutcome::RolledBack));
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn what_a_run_does_after_its_last_action_takes_nothing_from_the_time_to_recover() {
    let yaml = CURE.replace("- { id: after,", "- { id: settle, wait_s: 60 }\n  - { id: after,");
    let rig = rig(&yaml, |_| {}).await;
    rig.break_payment();
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [scale(3), restart()], "{}", rig.story().await);
}

#[tokio::test]
async fn what_a_workflow_has_begun_is_no_false_alarm_until_it_is_taken_back() {
    let rig = rig(CURE, |config| config.mode = Mode::Propose).await;
    rig.break_payment();
    let incident = rig.until("asked", |i| i.waiting.is_some()).await;
    let plan = incident.waiting.expect("it waits").plan;
    rig.engine.approve(&incident.id, &plan, "ann").await.expect("a yes");
    rig.until("asked again", |i| i.waiting.as_ref().is_some_and(|w| w.step == 1)).await;
    let refused = rig.engine.false_alarm(&incident.id, "ann", "a test").await.expect_err("not now");
    assert!(refused.to_string().contains("deny the step that it asks about"), "{refused}");
}

#[tokio::test]
async fn people_see_the_authors_question_in_mode_propose_too() {
    let yaml = CURE.replace("action: restart }", "action: restart }, approval: \"Is it idle?\"");
    let rig = rig(&yaml, |config| config.mode = Mode::Propose).await;
    rig.break_payment();
    let incident = rig.until("asked", |i| i.waiting.is_some()).await;
    let first = incident.waiting.expect("it waits");
    assert!(!first.why.contains("idle"), "{}", first.why);
    rig.engine.approve(&incident.id, &first.plan, "ann").await.expect("a yes");
    let asked = rig.until("asked again", |i| i.waiting.as_ref().is_some_and(|w| w.step == 1)).await;
    let why = asked.waiting.expect("it waits").why;
    assert!(why.starts_with("Is it idle? ("), "{why}");
}

#[tokio::test]
async fn nothing_is_touched_in_shadow_or_dry_run() {
    for change in [|c: &mut EngineConfig| c.mode = Mode::Shadow, |c: &mut EngineConfig| c.dry_run = true] {
        let rig = rig(CURE, change).await;
        rig.break_payment();
        rig.ticks(120).await;
        assert!(rig.world.calls().is_empty(), "{}", rig.story().await);
    }
}

/// The server dies at its `nth` commit of a run and another one takes over.
async fn check_crash(yaml: &str, nth: u64, point: CrashPoint, ends: State, expected: &[Action]) {
    let mut rig = rig(yaml, |_| {}).await;
    rig.break_payment();
    rig.engine.store.crash_at(nth, point);
    for _ in 0..TICKS_MAX {
        if rig.try_tick().await.is_err() {
            rig = rig.reopen().await;
        }
        let done = |i: &Incident| i.state == ends && i.report_is_current;
        if rig.incidents().await.iter().any(done) {
            break;
        }
    }
    let at = format!("crash {point:?} commit {nth}:\n{}", rig.story().await);
    assert_eq!(rig.incidents().await.iter().map(|i| i.state).collect::<Vec<_>>(), [ends], "{at}");
    assert_eq!(rig.world.applied(), expected, "{at}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_crash_at_any_commit_of_a_run_loses_nothing_and_repeats_nothing() {
    for (yaml, ends, expected) in [
        (CURE.to_owned(), State::Resolved, vec![scale(3), restart()]),
        (failing(), State::Escalated, vec![scale(3), restart(), scale(2)]),
    ] {
        let undisturbed = rig(&yaml, |_| {}).await;
        let before = undisturbed.engine.store.commits();
        undisturbed.break_payment();
        undisturbed.until_state(ends).await;
        let commits = undisturbed.engine.store.commits() - before;
        for nth in 1..=commits {
            for (index, point) in [(0, CrashPoint::Before), (2, CrashPoint::After)] {
                // Every fourth, each time another half of the call; all of them with the whole matrix.
                if crate::matrix::is_whole() || (nth + index) % 4 == 0 {
                    check_crash(&yaml, nth, point, ends, &expected).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_rehearsal_looks_and_touches_nothing() {
    let rig = rig(CURE, |_| {}).await;
    let (service, cause) = ("payment".into(), Cause::LatencySpike);
    let subject = Subject { service, cause, severity: Severity::High, confidence: 1.0, labels: Vec::new() };
    let rehearsal = rig.engine.rehearse(&workflow(CURE), &subject).await.expect("a watched service");
    assert_eq!(rehearsal.outcome, Some(RunOutcome::Completed), "{rehearsal:#?}");
    let told: Vec<&str> = rehearsal.lines.iter().map(|line| line.what.as_str()).collect();
    assert!(told.contains(&"Would ask the gate for: Scale payment to 3 replicas"), "{told:?}");
    let undo = rehearsal.lines.iter().find_map(|line| line.undo.as_deref());
    assert_eq!(undo, Some("Scale payment to 2 replicas"));
    let failed = rig.engine.rehearse(&workflow(&failing()), &subject).await.expect("a watched service");
    assert_eq!(failed.outcome, Some(RunOutcome::RolledBack), "{failed:#?}");
    assert!(rig.world.calls().is_empty());
    let nowhere = Subject { service: "nowhere".into(), ..subject };
    assert!(rig.engine.rehearse(&workflow(CURE), &nowhere).await.is_err());
}

#[tokio::test]
async fn an_outline_comes_from_what_helped() {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.until_state(State::Resolved).await;
    let (text, incidents) = rig.engine.outline(Cause::LatencySpike, None).await.expect("readable");
    let drafted = workflow_of(&text.expect("a draft"));
    assert_eq!(incidents, 1);
    let acts: Vec<ActionKind> = drafted.steps.iter().filter_map(|s| Some(s.act.as_ref()?.action)).collect();
    assert_eq!(acts, [ActionKind::Restart]);
    let (none, _) = rig.engine.outline(Cause::MemoryLeak, None).await.expect("readable");
    assert_eq!(none, None);
}

fn workflow_of(page: &str) -> Workflow {
    read("draft.md", page).unwrap_or_else(|errors| panic!("{errors:?}\n{page}")).expect("steps")
}
