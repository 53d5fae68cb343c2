//! Where the world misleads: symptoms that fade, flap or come back, remedies that others try, alerts without readings.

use crate::harness::{FAULT_AT_S, Rig, alert, restart, scale};
use crate::world::Answer;
use midwatch_engine::ActRequest;
use midwatch_incident::{Incident, State};
use midwatch_model::decision::Mode;
use midwatch_model::journal::VerificationOutcome;
use midwatch_model::{Cause, after};

/// Ticks for eight minutes; `poke` may act on the only incident after each.
async fn watch(rig: &Rig, mut poke: impl AsyncFnMut(&Rig, &Incident)) {
    for _ in 0..240 {
        rig.tick().await;
        if let [incident] = rig.incidents().await.as_slice() {
            poke(rig, incident).await;
        }
    }
}

async fn postmortem(rig: &Rig) -> String {
    let report = rig.incident().await.report.expect("a report");
    std::fs::read_to_string(report).expect("a postmortem")
}

#[tokio::test]
async fn callers_whose_symptoms_fade_last_are_left_alone() {
    let rig = Rig::start().await;
    rig.break_payment_until(None);
    watch(&rig, async |rig, incident| {
        if matches!(&incident.verified, Some((VerificationOutcome::Regressed, ..))) {
            rig.world.heal(rig.now());
        }
    })
    .await;
    let elsewhere = rig.world.applied().into_iter().find(|action| action.target().as_str() != "payment");
    assert_eq!(elsewhere, None, "{}", rig.story().await);
}

#[tokio::test]
async fn a_symptom_that_flaps_does_not_make_verdicts_go_round() {
    for half_s in [4, 6, 10, 14, 20] {
        let rig = Rig::start().await;
        rig.break_payment_until(None);
        rig.world.flap_pool(after(rig.now(), FAULT_AT_S), half_s);
        rig.ticks(240).await;
        let incident = rig.incidents().await.remove(0);
        let entries = rig.entries(&incident.id).await;
        let verdicts = entries.iter().filter(|name| **name == "diagnosed").count();
        assert!(verdicts <= 8 && entries.len() < 200, "{half_s} s: {verdicts}\n{}", rig.story().await);
        assert!(entries.contains(&"escalated"), "{half_s} s\n{}", rig.story().await);
    }
}

#[tokio::test]
async fn refused_calls_of_an_old_plan_are_not_held_against_the_new_one() {
    let rig = Rig::start().await;
    rig.break_payment();
    let from = after(rig.now(), FAULT_AT_S);
    rig.world.fill_pool(from, after(from, 60.0));
    rig.world.answer(&[Answer::Refuse; 6]);
    watch(&rig, async |_, _| {}).await;
    assert!(rig.world.applied().contains(&restart()), "{}", rig.story().await);
}

#[tokio::test]
async fn what_a_person_tries_is_no_step_of_the_plan_and_is_not_tried_again() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.break_payment();
    let mut acted = false;
    watch(&rig, async |rig, incident| {
        if !acted && incident.waiting.is_some() {
            let more =
                ActRequest { action: scale(4), by: "ann".into(), reason: "more hands".into(), once: None };
            rig.engine.act(more).await.expect("done");
            acted = true;
        } else if let (Some(waiting), None) = (&incident.waiting, &incident.approval) {
            rig.engine.approve(&incident.id, &waiting.plan, "ann").await.expect("a yes");
        }
    })
    .await;
    assert_eq!(rig.world.applied(), [scale(4), scale(2), restart()], "{}", rig.story().await);
    assert!(rig.story().await.contains("taking back what ann did"));
}

#[tokio::test]
async fn an_action_that_changes_nothing_is_refused() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let nothing = ActRequest { action: scale(2), by: "ann".into(), reason: "a hunch".into(), once: None };
    let error = rig.engine.act(nothing).await.expect_err("refused");
    assert!(error.to_string().contains("changes nothing"), "{error}");
}

#[tokio::test]
async fn trouble_that_comes_back_untouched_is_looked_at_anew() {
    let rig = Rig::start().await;
    rig.ticks(20).await;
    let mut told = alert("a", "payment", Cause::LatencySpike, rig.now());
    rig.tell(std::slice::from_ref(&told)).await.expect("taken in");
    rig.ticks(3).await;
    told["status"] = "resolved".into();
    rig.tell(&[told]).await.expect("taken in");
    rig.until_state(State::Resolved).await;
    rig.world.slow_down("payment", after(rig.now(), 20.0), None);
    rig.ticks(60).await;
    let lines = rig.lines(&rig.incidents().await[0].id).await;
    let verdict = lines.iter().rposition(|line| line.entry.type_name() == "diagnosed").expect("a verdict");
    let story = rig.story().await;
    let acted = lines.iter().position(|line| line.entry.type_name() == "intended");
    let acted = acted.unwrap_or_else(|| panic!("no action:\n{story}"));
    assert!(verdict < acted, "{story}");
    let settled_s = midwatch_model::seconds_between(lines[verdict].at, lines[acted].at);
    assert!(settled_s >= 4.0 && !story.contains("is 0 ms"), "{settled_s} s\n{story}");
}

#[tokio::test]
async fn an_alert_without_readings_is_told_as_what_somebody_says() {
    let rig = Rig::start().await;
    rig.ticks(20).await;
    rig.tell(&[alert("a", "elsewhere", Cause::MemoryLeak, rig.now())]).await.expect("taken in");
    let incident = rig.until_state(State::Escalated).await;
    let verdict = incident.verdict.expect("a verdict");
    let sentence = verdict.sentence();
    let said = "Inconclusive about elsewhere: an alert says: \"elsewhere: memory_leak\". Next best query: ";
    assert!(sentence.starts_with(said), "{sentence}");
    let root = verdict.root().expect("a guess");
    assert_eq!((root.cause, root.confidence <= 0.4), (Cause::MemoryLeak, true));
}

#[tokio::test]
async fn a_postmortem_credits_nobody_for_what_ended_by_itself() {
    let rig = Rig::start().await;
    rig.break_payment_until(None);
    rig.world.answer(&[Answer::Refuse; 6]);
    watch(&rig, async |rig, incident| {
        if !incident.effects.is_empty() {
            rig.world.heal(rig.now());
        }
    })
    .await;
    let text = postmortem(&rig).await;
    assert!(text.contains("not by what was done here") && !text.contains("MTTR"), "{text}");
}

#[tokio::test]
async fn a_false_alarm_after_an_escalation_is_written_up_as_one() {
    let rig = Rig::with(|_| {}, "forbid(principal, action, resource);").await;
    rig.break_payment();
    let incident = rig.until_state(State::Escalated).await;
    rig.engine.false_alarm(&incident.id, "ann", "a load test").await.expect("told");
    rig.ticks(3).await;
    assert!(postmortem(&rig).await.contains("marked as a false alarm by a person"));
}
