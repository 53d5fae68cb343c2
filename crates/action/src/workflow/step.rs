//! The step machine: what is on record in, what is next out.
//!
//! It is asked again after each observation and holds nothing by itself, so that a run goes on after a restart where it was.

use super::run::{ASKED, Run, StepRun, StepState};
use super::{Subject, act, expression};
use midwatch_model::journal::EffectOutcome;
use midwatch_model::workflow::{Look, OnFailure, RunEvent, RunOutcome, StepEnd, WorkflowStep};
use midwatch_model::{Action, ActionKey, Timestamp, Workflow, seconds_between};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Attempts of all steps of one run, loops included: whatever a workflow says, it ends.
pub const STARTS_MAX: usize = 200;

/// Seconds that a look may take, where its step says nothing.
const LOOK_S: u32 = 60;

/// Seconds for which an action waits at a gate that may open by itself, where its step says nothing: twice the window of the
/// rate limit.
const ACT_S: u32 = 600;

/// Seconds between attempts, where a step says nothing.
const RETRY_AFTER_S: u32 = 5;

/// Times that an undo is asked for which its target turned down.
const UNDO_ATTEMPTS: usize = 3;

/// Everything that the next step depends on.
pub struct StepInput<'a> {
    pub now: Timestamp,
    pub run: &'a Run<'a>,
    pub subject: &'a Subject,
    /// The run's effects, oldest first.
    pub effects: &'a [EffectSeen],
    pub asking: Asking,
}

/// Where a question to people stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    Nobody,
    /// Asked, or said yes and not yet used.
    Asked,
    /// Somebody said no, or nobody answered in time: who and why.
    No(String),
}

/// An effect of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectSeen {
    pub key: ActionKey,
    /// The step of the plan that it is.
    pub plan_step: usize,
    pub intended_at: Timestamp,
    /// What it did, for a person.
    pub what: String,
    /// `None` while nobody knows.
    pub outcome: Option<EffectOutcome>,
    /// Whether midwatch stopped before it heard how the call ended, so that the outcome is what the target shows.
    pub cut_short: bool,
    /// Whether a person said yes to it.
    pub by_person: bool,
    /// Whether it leaves something to take back.
    pub has_undo: bool,
    /// How taking it back went, each time.
    pub undos: Vec<Option<EffectOutcome>>,
}

/// What is next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next<'a> {
    /// Put this on record, and ask again.
    Record(Vec<RunEvent>),
    /// Look, put what [`seen`] makes of it on record, and ask again.
    Look(&'a WorkflowStep),
    /// Ask the gate for this action.
    Act { step: &'a WorkflowStep, plan_step: usize, action: Action, question: Option<String> },
    /// Take this effect back.
    Undo(ActionKey),
    /// Nothing before time passes or something ends.
    Wait,
}

/// What a look has shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// `None`: nobody knows, which is never well.
    pub well: Option<bool>,
    pub detail: String,
    pub outputs: BTreeMap<String, Value>,
}

/// What is next in a run.
#[must_use]
pub fn step<'a>(input: &StepInput<'a>) -> Next<'a> {
    let run = input.run;
    if run.ended.is_some() {
        return Next::Wait;
    }
    let Some(started_at) = run.started_at else { return Next::Wait };
    if let Some(reason) = run.rolling_back {
        return roll_back(input, reason);
    }
    if let Some(failed) = failed_for_good(run) {
        return give_up(failed);
    }
    let taken_s = seconds_between(started_at, input.now) - run.asked_s;
    if input.asking != Asking::Asked && !is_pending(input) && taken_s > f64::from(run.workflow.timeout_s) {
        return give_up(format!("the run was not done within {} s", run.workflow.timeout_s));
    }
    match (run.current(), run.next()) {
        (Some((step, known)), _) => go_on(input, step, known),
        (None, Some(step)) => begin(input, step),
        (None, None) => ended(RunOutcome::Completed, "every step was done or skipped".to_owned()),
    }
}

/// The actions that are known before a run begins: what people are shown. Those after one that depends on what a run finds
/// out come later.
#[must_use]
pub fn first_actions(workflow: &Workflow, subject: &Subject) -> Vec<(Action, String)> {
    let acting = workflow.steps.iter().filter_map(|step| Some((step, step.act.as_ref()?)));
    acting
        .map_while(|(step, act)| {
            let action =
                act::resolve(act, &subject.service, &json!({})).ok().filter(|_| act::is_fixed(act))?;
            Some((action, why(workflow, step)))
        })
        .collect()
}

/// Why a step acts, for the plan.
#[must_use]
pub fn why(workflow: &Workflow, step: &WorkflowStep) -> String {
    let what = if step.title.is_empty() { &step.id } else { &step.title };
    format!("workflow {}: {what}", workflow.name)
}

/// What is written down of a look.
#[must_use]
pub fn seen(run: &Run<'_>, subject: &Subject, step: &WorkflowStep, seen: Seen) -> Vec<RunEvent> {
    let attempt = run.steps.get(step.id.as_str()).map_or(1, |known| known.attempt);
    looped(run, subject, step, judged(step, attempt, seen))
}

fn judged(step: &WorkflowStep, attempt: u32, seen: Seen) -> RunEvent {
    let Seen { well, detail, mut outputs } = seen;
    // The state of a target is shown, and not judged.
    let passed = well == Some(true) || (step.look == Some(Look::State) && well.is_some());
    if !passed && attempt <= step.retries {
        return RunEvent::AttemptFailed { step: step.id.clone(), attempt, reason: detail };
    }
    outputs.insert("well".to_owned(), json!(well == Some(true)));
    outputs.insert("known".to_owned(), json!(well.is_some()));
    let end = if passed { StepEnd::Done } else { StepEnd::Failed };
    RunEvent::StepEnded { step: step.id.clone(), end, detail, outputs }
}

/// What is written down of an attempt that changed nothing.
#[must_use]
pub fn attempt_failed(step: &WorkflowStep, attempt: u32, reason: String) -> RunEvent {
    if attempt <= step.retries {
        return RunEvent::AttemptFailed { step: step.id.clone(), attempt, reason };
    }
    end(step, StepEnd::Failed, reason)
}

fn end(step: &WorkflowStep, end: StepEnd, detail: String) -> RunEvent {
    RunEvent::StepEnded { step: step.id.clone(), end, detail, outputs: BTreeMap::new() }
}

fn ended<'a>(outcome: RunOutcome, reason: String) -> Next<'a> {
    Next::Record(vec![RunEvent::Ended { outcome, reason }])
}

fn give_up<'a>(reason: String) -> Next<'a> {
    Next::Record(vec![RunEvent::RollbackStarted { reason }])
}

/// The step that failed, where its failure ends the run.
fn failed_for_good(run: &Run<'_>) -> Option<String> {
    run.workflow.steps.iter().find_map(|step| match &run.steps.get(step.id.as_str())?.state {
        StepState::Ended { end: StepEnd::Failed, detail, .. } if step.on_failure == OnFailure::Stop => {
            Some(format!("step {} failed: {detail}", step.id))
        }
        _ => None,
    })
}

/// Whether nobody knows yet how something ended.
fn is_pending(input: &StepInput<'_>) -> bool {
    let unknown =
        |outcome: &Option<EffectOutcome>| matches!(outcome, None | Some(EffectOutcome::Unknown { .. }));
    input.effects.iter().any(|e| unknown(&e.outcome) || e.undos.last().is_some_and(unknown))
}

/// A step that has not begun: skip it, or begin it.
fn begin<'a>(input: &StepInput<'a>, step: &WorkflowStep) -> Next<'a> {
    let run = input.run;
    if let Some(id) = step.needs.iter().find(|id| run.end_of(id) != Some(StepEnd::Done)) {
        return Next::Record(vec![end(
            step,
            StepEnd::Skipped,
            format!("step {id}, which it needs, was not done"),
        )]);
    }
    if run.starts >= STARTS_MAX {
        return give_up(format!("{STARTS_MAX} attempts were made; no run makes more"));
    }
    let condition =
        step.when.as_ref().map(|when| (when, expression::truth(when, &run.context(input.subject))));
    match condition {
        Some((when, Ok(false))) => {
            Next::Record(vec![end(step, StepEnd::Skipped, format!("`{when}` is not so"))])
        }
        Some((_, Err(error))) => Next::Record(vec![end(step, StepEnd::Failed, error)]),
        _ => Next::Record(vec![started(run, step, 1)]),
    }
}

fn started(run: &Run<'_>, step: &WorkflowStep, attempt: u32) -> RunEvent {
    // Each attempt is a step of the plan by itself: a yes to one is none to the next.
    let plan_step = step.act.as_ref().map(|_| run.acts);
    RunEvent::StepStarted { step: step.id.clone(), attempt, plan_step }
}

/// A step that has begun.
fn go_on<'a>(input: &StepInput<'a>, step: &'a WorkflowStep, known: &StepRun) -> Next<'a> {
    let run = input.run;
    if let StepState::Failed { at } = known.state {
        let pause_s = f64::from(step.retry_after_s.unwrap_or(RETRY_AFTER_S));
        if seconds_between(at, input.now) < pause_s {
            return Next::Wait;
        }
        if run.starts >= STARTS_MAX {
            return give_up(format!("{STARTS_MAX} attempts were made; no run makes more"));
        }
        return Next::Record(vec![started(run, step, known.attempt + 1)]);
    }
    let taken_s = seconds_between(known.started_at, input.now);
    if let Some(seconds) = step.wait_s {
        if taken_s < f64::from(seconds) {
            return Next::Wait;
        }
        return done(input, step, format!("waited {seconds} s"), BTreeMap::new());
    }
    if let Some(text) = &step.notify {
        return match expression::render(text, &run.context(input.subject)) {
            Ok(text) => {
                let said = RunEvent::Said { step: step.id.clone(), text };
                with_said(said, done(input, step, "told".to_owned(), BTreeMap::new()))
            }
            Err(error) => Next::Record(vec![end(step, StepEnd::Failed, error)]),
        };
    }
    if step.act.is_some() {
        return acting(input, step, known, taken_s);
    }
    let most_s = step.timeout_s.unwrap_or(LOOK_S);
    if taken_s > f64::from(most_s) {
        let detail = format!("no answer within {most_s} s");
        return Next::Record(vec![judged(
            step,
            known.attempt,
            Seen { well: None, detail, outputs: BTreeMap::new() },
        )]);
    }
    Next::Look(step)
}

fn with_said<'a>(said: RunEvent, next: Next<'a>) -> Next<'a> {
    match next {
        Next::Record(events) => Next::Record(std::iter::once(said).chain(events).collect()),
        other => other,
    }
}

/// A step was done. What a loop makes of it is asked once it is on record, since the loop may look at its outputs.
fn done<'a>(
    input: &StepInput<'a>,
    step: &WorkflowStep,
    detail: String,
    outputs: BTreeMap<String, Value>,
) -> Next<'a> {
    let event = RunEvent::StepEnded { step: step.id.clone(), end: StepEnd::Done, detail, outputs };
    Next::Record(looped(input.run, input.subject, step, event))
}

/// What follows from a step's end where the step may go back.
fn looped(run: &Run<'_>, subject: &Subject, step: &WorkflowStep, event: RunEvent) -> Vec<RunEvent> {
    let (Some(again), RunEvent::StepEnded { end: ended, detail, outputs, .. }) = (&step.again, &event) else {
        return vec![event];
    };
    // What may have changed something is never simply repeated; a look that was not well may be.
    if *ended != StepEnd::Done && step.act.is_some() {
        return vec![event];
    }
    let mut context = run.context(subject);
    let mut own: serde_json::Map<_, _> = outputs.clone().into_iter().collect();
    own.insert("ended".to_owned(), json!(ended.to_string()));
    own.insert("detail".to_owned(), json!(detail));
    context["steps"][&step.id] = own.into();
    match expression::truth(&again.until, &context) {
        Ok(true) => vec![event],
        Err(error) => vec![end(step, StepEnd::Failed, error)],
        Ok(false) => {
            let loops = run.loops.get(step.id.as_str()).copied().unwrap_or(0);
            if loops >= again.at_most {
                let reason = format!("`{}` is not so after going back {loops} times", again.until);
                return vec![end(step, StepEnd::Failed, reason)];
            }
            let reason = format!("`{}` is not so yet, {} of {}", again.until, loops + 1, again.at_most);
            vec![event, RunEvent::WentBack { step: step.id.clone(), to: again.from.clone(), reason }]
        }
    }
}

/// A step that acts: its effect, or the gate.
fn acting<'a>(input: &StepInput<'a>, step: &'a WorkflowStep, known: &StepRun, taken_s: f64) -> Next<'a> {
    let plan_step = known.plan_step.unwrap_or(input.run.acts);
    if let Some(effect) = input.effects.iter().rev().find(|e| e.plan_step == plan_step) {
        return acted(input, step, known, effect);
    }
    if let Asking::No(why) = &input.asking {
        return Next::Record(vec![end(step, StepEnd::Failed, why.clone())]);
    }
    let most_s = step.timeout_s.unwrap_or(ACT_S);
    if input.asking == Asking::Nobody && taken_s > f64::from(most_s) {
        let reason = format!("the gate did not let it pass within {most_s} s");
        return Next::Record(vec![attempt_failed(step, known.attempt, reason)]);
    }
    let context = input.run.context(input.subject);
    let resolved = step.act.as_ref().map(|act| act::resolve(act, &input.subject.service, &context));
    let question = step.approval.as_ref().map(|text| expression::render(text, &context)).transpose();
    match (resolved, question) {
        (Some(Ok(action)), Ok(question)) => Next::Act { step, plan_step, action, question },
        (Some(Err(error)), _) | (_, Err(error)) => Next::Record(vec![end(step, StepEnd::Failed, error)]),
        (None, _) => Next::Wait,
    }
}

/// An action whose effect is on record.
fn acted<'a>(input: &StepInput<'a>, step: &WorkflowStep, known: &StepRun, effect: &EffectSeen) -> Next<'a> {
    match &effect.outcome {
        None | Some(EffectOutcome::Unknown { .. }) => Next::Wait,
        Some(EffectOutcome::Applied { detail, .. }) => {
            let outputs = BTreeMap::from([(ASKED.to_owned(), json!(effect.by_person))]);
            done(input, step, detail.clone(), outputs)
        }
        // The call was not turned down: nobody made it.
        Some(EffectOutcome::NotApplied { reason }) if effect.cut_short => {
            let (step, attempt) = (step.id.clone(), known.attempt);
            Next::Record(vec![RunEvent::CallLost { step, attempt, reason: reason.clone() }])
        }
        // Nothing changed there, so it may be tried again.
        Some(EffectOutcome::NotApplied { reason }) => {
            Next::Record(vec![attempt_failed(step, known.attempt, reason.clone())])
        }
        // It may have changed something: that is never simply repeated.
        Some(EffectOutcome::Failed { reason }) => {
            Next::Record(vec![end(step, StepEnd::Failed, reason.clone())])
        }
    }
}

/// Takes back what was done, the last first.
fn roll_back<'a>(input: &StepInput<'a>, reason: &str) -> Next<'a> {
    if is_pending(input) {
        return Next::Wait;
    }
    let mut left = Vec::new();
    let changed =
        |effect: &&EffectSeen| effect.outcome.as_ref().is_none_or(EffectOutcome::may_have_changed_target);
    let mut effects = input.effects.iter().rev().filter(changed);
    while let Some(effect) = effects.next() {
        if !effect.has_undo {
            left.push(effect.what.as_str());
            continue;
        }
        match effect.undos.last() {
            Some(Some(EffectOutcome::Applied { .. })) => {}
            None => return Next::Undo(effect.key.clone()),
            Some(Some(EffectOutcome::NotApplied { .. })) if effect.undos.len() < UNDO_ATTEMPTS => {
                return Next::Undo(effect.key.clone());
            }
            Some(outcome) => {
                let how = match outcome {
                    Some(EffectOutcome::NotApplied { reason } | EffectOutcome::Failed { reason }) => {
                        reason.as_str()
                    }
                    _ => "its outcome is not known",
                };
                let failed = format!("{reason}; \"{}\" could not be taken back: {how}", effect.what);
                // What was done before it may be what it stands on; a person sees it all.
                left.extend(effects.map(|earlier| earlier.what.as_str()));
                return ended(RunOutcome::NotRolledBack, failed + &named(&left, "was not taken back"));
            }
        }
    }
    let untouched = if input.effects.iter().any(|e| changed(&e)) { "" } else { "; nothing had been done" };
    let left = named(&left, "leaves nothing to take back");
    ended(RunOutcome::RolledBack, format!("{reason}{left}{untouched}"))
}

/// What is left, in words; nothing of nothing.
fn named(left: &[&str], how: &str) -> String {
    if left.is_empty() { String::new() } else { format!("; \"{}\" {how}", left.join("\", \"")) }
}
