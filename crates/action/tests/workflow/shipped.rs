//! Every runbook that ships: each of its steps failing in each way, once and for good, with undos that fail, too, in worlds
//! in which its conditions turn out differently. Whatever happens, what was done is taken back or named.

use crate::world::{Answer, World};
use midwatch_action::workflow::read;
use midwatch_model::Workflow;
use midwatch_model::journal::EffectOutcome;
use midwatch_model::workflow::{Look, OnFailure, RunEvent, RunOutcome, WorkflowStep};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// More often than any step may try again.
const FOR_GOOD: usize = 201;

/// How a step fails.
#[derive(Clone, Copy, Debug)]
enum How {
    Look(Option<bool>),
    Act(Answer),
}

fn shipped() -> Vec<(String, Workflow)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../knowledge/content/runbooks");
    let mut all = Vec::new();
    for file in std::fs::read_dir(dir).expect("runbooks").map(|file| file.expect("a file").path()) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("text");
        let workflow = read(&name, &text).unwrap_or_else(|errors| panic!("{errors:?}"));
        all.extend(workflow.map(|workflow| (name, workflow)));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// What the control plane shows: one pod of several is not ready, or none is and there is nothing to go back to.
fn worlds() -> [BTreeMap<String, Value>; 2] {
    let of = |value: Value| serde_json::from_value(value).expect("an object");
    [
        of(
            json!({ "version": "v2", "previous_version": "v1", "has_previous_version": true, "ready_replicas": 1,
            "max_replicas": 6, "pool_size": 16, "circuit_open": false, "unready_pods": 1, "unready_pod": "p-1",
            "unready_node": "n-1" }),
        ),
        of(json!({ "version": "v1", "has_previous_version": false, "ready_replicas": 0, "max_replicas": 2,
            "pool_size": 16, "circuit_open": true, "unready_pods": 2 })),
    ]
}

fn ways(step: &WorkflowStep) -> Vec<How> {
    use Answer::{Deny, Fail, Hold, Lose, Refuse, Stop};
    if step.act.is_some() {
        return [Refuse, Fail, Lose, Stop, Deny, Hold].map(How::Act).to_vec();
    }
    let looks = step.look.is_some() || step.check.is_some();
    if looks { [Some(false), None].map(How::Look).to_vec() } else { Vec::new() }
}

/// Whether a step that was reached ends the run.
fn is_fatal(step: &WorkflowStep, how: How, times: usize) -> bool {
    let has_failed = match how {
        How::Look(Some(false)) if step.look == Some(Look::State) => false,
        How::Look(_) | How::Act(Answer::Refuse) => times > step.retries as usize,
        How::Act(Answer::Fail | Answer::Deny | Answer::Hold) => true,
        How::Act(Answer::Stop) => times == FOR_GOOD,
        How::Act(_) => false,
    };
    has_failed && step.on_failure == OnFailure::Stop
}

/// How many of the ways in which undos fail are worth a run: none where it would be the same run again, one where nothing
/// is taken back, or where it takes hundreds of turns to get there.
fn undos_of(how: How, times: usize, fatal: bool) -> usize {
    match how {
        How::Act(Answer::Hold | Answer::Deny | Answer::Fail) if times > 1 => 0,
        How::Act(Answer::Hold | Answer::Stop) => 1,
        _ if fatal => 5,
        _ => 1,
    }
}

/// One run; how it ended.
fn check(name: &str, mut world: World, step: &WorkflowStep, fatal: bool) -> RunOutcome {
    let (outcome, reason) = world.run();
    let case = format!("{name}, step {}: {outcome} {reason}\n{:#?}", step.id, world.events);
    let began = |(_, event): &(_, RunEvent)| matches!(event, RunEvent::StepStarted { step: id, .. } if *id == step.id);
    let was_reached = world.events.iter().any(began);
    assert_eq!(outcome == RunOutcome::Completed, !(fatal && was_reached), "{case}");
    assert!(
        outcome == RunOutcome::Completed || reason.contains(&step.id) || reason.contains("attempts"),
        "{case}"
    );
    let undone = |e: &midwatch_action::workflow::EffectSeen| {
        e.undos.iter().any(|o| matches!(o, Some(EffectOutcome::Applied { .. })))
    };
    for effect in &world.effects {
        let changed = effect.outcome.as_ref().is_none_or(EffectOutcome::may_have_changed_target);
        match outcome {
            RunOutcome::Completed => assert!(effect.undos.is_empty(), "{case}"),
            RunOutcome::RolledBack if changed && effect.has_undo => assert!(undone(effect), "{case}"),
            RunOutcome::RolledBack | RunOutcome::NotRolledBack if changed && !undone(effect) => {
                assert!(reason.contains(&effect.what), "not named: {}: {case}", effect.what);
            }
            _ => {}
        }
        assert!(changed || effect.undos.is_empty(), "nothing is taken back that was not done: {case}");
    }
    outcome
}

#[test]
fn whichever_step_of_whichever_runbook_fails_what_was_done_is_taken_back_or_named() {
    use Answer::{Fail, Lose, Refuse};
    let undos: [&[Answer]; 5] = [&[], &[Refuse], &[Lose], &[Fail], &[Refuse, Refuse, Refuse]];
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for (name, workflow) in shipped() {
        let mut runs = 0;
        for outputs in worlds() {
            let world = || World::with(workflow.clone(), outputs.clone());
            assert_eq!(world().run().0, RunOutcome::Completed, "{name}: nothing fails");
            for step in &workflow.steps {
                for (how, times) in ways(step).into_iter().flat_map(|how| [(how, 1), (how, FOR_GOOD)]) {
                    let fatal = is_fatal(step, how, times);
                    for undo in &undos[..undos_of(how, times, fatal)] {
                        let broken = match how {
                            How::Look(well) => world().looking(&step.id, &vec![well; times]),
                            How::Act(answer) => world().acting(&step.id, &vec![answer; times]),
                        };
                        let end = check(&name, broken.undoing(undo), step, fatal);
                        *ends.entry(end.to_string()).or_default() += 1;
                        runs += 1;
                    }
                }
            }
        }
        rows.push(format!("{name:<40} {:>2} steps {runs:>4} runs", workflow.steps.len()));
    }
    println!("{}\n{ends:?}", rows.join("\n"));
    assert!(rows.len() >= 15 && ends.len() == 3, "{rows:?} {ends:?}");
}
