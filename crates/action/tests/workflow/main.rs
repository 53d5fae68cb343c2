//! Runs of workflows in a world that does as it is told: each step failing in each way, and asked again at each point.

mod shipped;
mod world;

use midwatch_action::workflow::{Asking, LOOPS_MAX, Next, Run, STARTS_MAX, StepInput, step};
use midwatch_model::workflow::{RunEvent, RunOutcome, StepEnd};
use midwatch_model::{Timestamp, after};
use serde_json::json;
use std::collections::BTreeMap;
use world::{Answer, World, subject};

const PLAIN: &str = r#"
name: plain
trigger: { causes: [latency_spike] }
steps:
  - { id: before, look: state }
  - { id: one, act: { action: scale, replicas: "= steps.before.replicas + 1" } }
  - { id: pause, wait_s: 5 }
  - { id: two, act: { action: circuit_break } }
  - { id: after, look: health }
"#;

const SCALE: &str = "Scale payment to 3 replicas";
const OPEN: &str = "Open the circuit breaker in front of payment";

#[test]
fn a_run_in_which_all_goes_well_does_each_step_once_and_in_order() {
    let mut world = World::of(PLAIN);
    assert_eq!(world.run().0, RunOutcome::Completed);
    assert_eq!(world.asked, [SCALE, OPEN]);
}

/// A run in which something fails: what it did, and what it took back, in order.
fn check(world: World, outcome: RunOutcome, asked: &[&str]) -> String {
    let mut world = world;
    let (found, reason) = world.run();
    assert_eq!(
        (found, world.asked.as_slice()),
        (outcome, asked.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().as_slice()),
        "{reason}"
    );
    reason
}

#[test]
fn whichever_step_fails_in_whichever_way_what_was_done_is_taken_back_the_last_first() {
    use Answer::{Deny, Fail, Hold, Lose, Refuse};
    let undo_scale = format!("undo {SCALE}");
    let undo_open = format!("undo {OPEN}");
    let back = RunOutcome::RolledBack;
    let plain = || World::of(PLAIN);
    // A state that cannot be read; one that is not well is only shown.
    check(plain().looking("before", &[None]), back, &[]);
    check(plain().looking("before", &[Some(false)]), RunOutcome::Completed, &[SCALE, OPEN]);
    // The first action: nothing happened, or perhaps something did.
    for answer in [Deny, Hold] {
        check(plain().acting("one", &[answer]), back, &[]);
    }
    check(plain().acting("one", &[Refuse]), back, &[SCALE]);
    check(plain().acting("one", &[Fail]), back, &[SCALE, &undo_scale]);
    check(plain().acting("one", &[Lose]), RunOutcome::Completed, &[SCALE, OPEN]);
    // The second.
    for answer in [Deny, Hold] {
        check(plain().acting("two", &[answer]), back, &[SCALE, &undo_scale]);
    }
    check(plain().acting("two", &[Refuse]), back, &[SCALE, OPEN, &undo_scale]);
    check(plain().acting("two", &[Fail]), back, &[SCALE, OPEN, &undo_open, &undo_scale]);
    // The last look.
    for answer in [Some(false), None] {
        check(plain().looking("after", &[answer]), back, &[SCALE, OPEN, &undo_open, &undo_scale]);
    }
}

#[test]
fn an_undo_that_fails_is_said_and_one_that_is_turned_down_is_asked_for_again() {
    use Answer::{Apply, Fail, Lose, Refuse};
    let (undo_scale, undo_open) = (format!("undo {SCALE}"), format!("undo {OPEN}"));
    let failing = || World::of(PLAIN).looking("after", &[Some(false)]);
    let reason = check(failing().undoing(&[Fail]), RunOutcome::NotRolledBack, &[SCALE, OPEN, &undo_open]);
    assert!(reason.contains(OPEN) && reason.contains("could not be taken back"), "{reason}");
    assert!(reason.ends_with(&format!("; \"{SCALE}\" was not taken back")), "{reason}");
    check(
        failing().undoing(&[Apply, Fail]),
        RunOutcome::NotRolledBack,
        &[SCALE, OPEN, &undo_open, &undo_scale],
    );
    check(failing().undoing(&[Lose]), RunOutcome::RolledBack, &[SCALE, OPEN, &undo_open, &undo_scale]);
    check(
        failing().undoing(&[Refuse]),
        RunOutcome::RolledBack,
        &[SCALE, OPEN, &undo_open, &undo_open, &undo_scale],
    );
    check(
        failing().undoing(&[Refuse, Refuse, Refuse]),
        RunOutcome::NotRolledBack,
        &[SCALE, OPEN, &undo_open, &undo_open, &undo_open],
    );
}

#[test]
fn what_leaves_nothing_to_take_back_is_named() {
    let yaml =
        "name: a\nsteps:\n  - { id: one, act: { action: restart } }\n  - { id: after, look: health }\n";
    let restart = "Restart payment, one instance after the other";
    let reason = check(World::of(yaml).looking("after", &[None]), RunOutcome::RolledBack, &[restart]);
    assert!(reason.contains("leaves nothing to take back") && reason.contains(restart), "{reason}");
}

#[test]
fn attempts_are_made_again_as_often_as_the_step_says() {
    let yaml = "name: a\nsteps:\n  - { id: look, look: health, retries: 2, retry_after_s: 10 }\n  - { id: one, act: { action: circuit_break }, retries: 1 }\n";
    let mut world = World::of(yaml).looking("look", &[None, Some(false)]).acting("one", &[Answer::Refuse]);
    let began = world.now;
    assert_eq!(world.run().0, RunOutcome::Completed);
    assert_eq!(world.asked, [OPEN, OPEN]);
    assert!(midwatch_model::seconds_between(began, world.now) >= 25.0, "pauses are kept");
    let world = World::of(yaml).looking("look", &[None, Some(false), Some(false)]);
    check(world, RunOutcome::RolledBack, &[]);
    let world = World::of(yaml).acting("one", &[Answer::Refuse, Answer::Refuse]);
    check(world, RunOutcome::RolledBack, &[OPEN, OPEN]);
    let world = World::of(yaml).acting("one", &[Answer::Fail]);
    check(world, RunOutcome::RolledBack, &[OPEN, &format!("undo {OPEN}")]);
}

#[test]
fn a_call_that_a_crash_kept_from_being_made_is_no_attempt() {
    let yaml = "name: a\nsteps:\n  - { id: one, act: { action: circuit_break } }\n";
    let mut world = World::of(yaml).acting("one", &[Answer::Stop, Answer::Stop]);
    assert_eq!(world.run().0, RunOutcome::Completed);
    assert_eq!(world.asked, [OPEN, OPEN, OPEN]);
    let lost = |(_, event): &&(Timestamp, RunEvent)| matches!(event, RunEvent::CallLost { attempt: 1, .. });
    assert_eq!(world.events.iter().filter(lost).count(), 2, "{:#?}", world.events);
    check(
        World::of(yaml).acting("one", &[Answer::Stop, Answer::Refuse]),
        RunOutcome::RolledBack,
        &[OPEN, OPEN],
    );
    let for_ever = vec![Answer::Stop; STARTS_MAX + 1];
    let reason = World::of(yaml).acting("one", &for_ever).run().1;
    assert!(reason.contains("no run makes more"), "{reason}");
}

#[test]
fn conditions_and_needs_skip_steps_and_failures_that_may_be_are_gone_on_from() {
    let yaml = r#"
name: a
steps:
  - { id: look, look: health, on_failure: continue }
  - { id: one, needs: [look], act: { action: restart } }
  - { id: two, when: not steps.look.well, act: { action: circuit_break } }
  - { id: tell, notify: "{{ incident.service }}: look {{ steps.look.ended }}, one {{ steps.one.ended }}" }
  - { id: three, when: steps.one.nothing > 1, act: { action: restart } }
"#;
    let mut world = World::of(yaml).looking("look", &[Some(false)]);
    assert_eq!(world.run().0, RunOutcome::RolledBack, "what is not known is no condition");
    assert_eq!(world.said, ["payment: look failed, one skipped"]);
    assert_eq!(world.asked, [OPEN.to_owned(), format!("undo {OPEN}")]);
    assert_eq!((world.end_of("one"), world.end_of("three")), (Some(StepEnd::Skipped), Some(StepEnd::Failed)));
}

#[test]
fn a_loop_goes_back_until_it_is_so_and_no_more_often_than_it_may() {
    let yaml = |at_most: u32| {
        format!(
            "name: a\nsteps:\n  - {{ id: look, look: state }}\n  - {{ id: one, act: {{ action: scale, replicas: \"= steps.look.replicas + 1\" }} }}\n  \
             - {{ id: pause, wait_s: 1, again: {{ from: look, until: steps.look.replicas >= 4, at_most: {at_most} }} }}\n"
        )
    };
    let mut world = World::of(&yaml(5));
    assert_eq!(world.run().0, RunOutcome::Completed);
    assert_eq!(world.asked.len(), 3, "{:?}", world.asked);
    let mut world = World::of(&yaml(1));
    let (outcome, reason) = world.run();
    assert_eq!(outcome, RunOutcome::RolledBack);
    assert!(reason.contains("after going back 1 times"), "{reason}");
    assert_eq!(world.asked.len(), 4, "two steps, both taken back: {:?}", world.asked);
}

#[test]
fn a_look_that_was_not_well_may_be_gone_back_from() {
    let yaml = "name: a\nsteps:\n  - { id: one, wait_s: 1 }\n  - { id: look, look: health, again: { from: one, until: steps.look.well, at_most: 3 } }\n";
    check(World::of(yaml).looking("look", &[Some(false), None]), RunOutcome::Completed, &[]);
    let mut world = World::of(yaml).looking("look", &[Some(false); 4]);
    let (outcome, reason) = world.run();
    assert!(outcome == RunOutcome::RolledBack && reason.contains("after going back 3 times"), "{reason}");
    assert!(reason.ends_with("; nothing had been done"), "{reason}");
    let yaml = "name: a\nsteps:\n  - { id: look, look: health, on_failure: continue }\n  - { id: one, when: steps.look.known and not steps.look.well, act: { action: circuit_break } }\n";
    check(World::of(yaml).looking("look", &[Some(false)]), RunOutcome::Completed, &[OPEN]);
    check(World::of(yaml).looking("look", &[None]), RunOutcome::Completed, &[]);
}

#[test]
fn loops_within_loops_end_all_the_same() {
    let mut yaml = "name: a\nsteps:\n  - { id: s0, look: health }\n".to_owned();
    for n in 1..20 {
        yaml.push_str(&format!(
            "  - {{ id: s{n}, look: health, again: {{ from: s0, until: \"1 > 2\", at_most: {LOOPS_MAX} }}, on_failure: continue }}\n"
        ));
    }
    let mut world = World::of(&yaml);
    let (outcome, reason) = world.run();
    assert_eq!(outcome, RunOutcome::RolledBack, "{reason}");
    let starts = world.events.iter().filter(|(_, e)| matches!(e, RunEvent::StepStarted { .. })).count();
    assert!(starts <= STARTS_MAX, "{starts}");
}

#[test]
fn a_run_that_takes_too_long_is_taken_back_and_waiting_for_people_does_not_count() {
    let yaml = "name: a\ntimeout_s: 60\nsteps:\n  - { id: one, act: { action: circuit_break } }\n  - { id: pause, wait_s: 100 }\n";
    let mut world = World::of(yaml);
    let (outcome, reason) = world.run();
    assert!(outcome == RunOutcome::RolledBack && reason.contains("within 60 s"), "{reason}");
    let yaml = yaml.replace("wait_s: 100", "wait_s: 10");
    let mut world = World::of(&yaml);
    let (workflow, events, now) = (world.workflow.clone(), world.events.clone(), after(world.now, 50_000.0));
    let run = Run::fold(&workflow, &events);
    let (subject, asking) = (subject(), Asking::Asked);
    let next = step(&StepInput { now, run: &run, subject: &subject, effects: &[], asking });
    assert!(matches!(next, Next::Record(ref e) if matches!(e[0], RunEvent::StepStarted { .. })), "{next:?}");
    assert_eq!(world.run().0, RunOutcome::Completed);
}

#[test]
fn a_no_of_a_person_ends_the_step_and_takes_back_what_was_done() {
    let world = World::of(PLAIN);
    let started = RunEvent::StepStarted { step: "one".into(), attempt: 1, plan_step: Some(0) };
    let looked = RunEvent::StepEnded {
        step: "before".into(),
        end: StepEnd::Done,
        detail: "seen".into(),
        outputs: BTreeMap::from([("replicas".to_owned(), json!(2))]),
    };
    let events: Vec<_> =
        world.events.into_iter().chain([(world.now, looked), (world.now, started)]).collect();
    let run = Run::fold(&world.workflow, &events);
    let (subject, asking) = (subject(), Asking::No("ann refused it: not now".into()));
    let next = step(&StepInput { now: world.now, run: &run, subject: &subject, effects: &[], asking });
    let says = |events: &[RunEvent]| matches!(&events[0], RunEvent::StepEnded { end: StepEnd::Failed, detail, .. } if detail.contains("ann"));
    assert!(matches!(&next, Next::Record(events) if says(events)), "{next:?}");
}
