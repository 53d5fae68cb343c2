//! Trying a workflow out without acting, and outlining one from what has happened.
//!
//! Must never: touch a target. Looks are really taken; actions are only told.

use crate::{Engine, EngineError, look};
use midwatch_action::workflow::{
    Asking, EffectSeen, Lesson, Next, Run, STARTS_MAX, StepInput, Subject, outline, seen, step,
};
use midwatch_decision::{TrialOutcome, trials};
use midwatch_incident::Incident;
use midwatch_model::journal::{EffectOutcome, Entry, Line, StreamId};
use midwatch_model::workflow::{RunEvent, RunOutcome, WorkflowStep};
use midwatch_model::{
    Action, ActionKey, Cause, IncidentId, ServiceName, Timestamp, Verdict, Workflow, after,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Incidents that an outline is made from, the newest.
const INCIDENTS_MAX: u32 = 300;

/// Turns of a rehearsal at most: a start, an end and a pause for each attempt.
const TURNS_MAX: usize = 4 * STARTS_MAX;

/// Seconds that a rehearsal may take: its looks are real.
const REHEARSAL_S: u64 = 60;

/// Seconds by which a rehearsal's time goes on where a run waits.
const PAUSE_S: f64 = 1.0;

/// A workflow as it would run now.
#[derive(Clone, Debug, Serialize)]
pub struct Rehearsal {
    /// What would happen, a sentence each.
    pub lines: Vec<RehearsedLine>,
    pub outcome: Option<RunOutcome>,
}

/// One line of a rehearsal.
#[derive(Clone, Debug, Serialize)]
pub struct RehearsedLine {
    /// Seconds after its beginning, at the soonest.
    pub after_s: f64,
    pub step: Option<String>,
    pub what: String,
    /// What would take it back.
    pub undo: Option<String>,
}

impl Engine {
    /// Goes through a workflow for a service: looks are taken, actions are only told and taken for done.
    ///
    /// # Errors
    /// When the service is not watched.
    pub async fn rehearse(&self, workflow: &Workflow, subject: &Subject) -> Result<Rehearsal, EngineError> {
        self.check_watched(&subject.service).await?;
        let Ok(_one) = self.rehearsing.try_lock() else {
            return Err(EngineError::Refused("another rehearsal is under way; try again in a minute".into()));
        };
        let deadline = Instant::now() + Duration::from_secs(REHEARSAL_S);
        let before = self.outside.target(&subject.service).await.unwrap_or_default();
        let began = self.now();
        let (mut at, mut effects, mut lines) = (began, Vec::new(), Vec::new());
        let reason = "a rehearsal".to_owned();
        let mut events = vec![(at, RunEvent::Started { workflow: workflow.name.clone(), reason })];
        let line = |at: Timestamp, step: Option<&str>, what: String, undo: Option<String>| RehearsedLine {
            after_s: midwatch_model::seconds_between(began, at),
            step: step.map(ToOwned::to_owned),
            what,
            undo,
        };
        for _ in 0..TURNS_MAX {
            if Instant::now() > deadline {
                let what = format!("The rehearsal ends here: its looks took more than {REHEARSAL_S} s");
                lines.push(line(at, None, what, None));
                break;
            }
            let (known, done) = (events.clone(), effects.clone());
            let run = Run::fold(workflow, &known);
            if let Some((outcome, _)) = run.ended {
                return Ok(Rehearsal { lines, outcome: Some(outcome) });
            }
            let input = StepInput { now: at, run: &run, subject, effects: &done, asking: Asking::Nobody };
            let new = match step(&input) {
                Next::Record(new) => new,
                Next::Look(wanted) => seen(&run, subject, wanted, look::within(self, subject, wanted).await),
                Next::Act { step, plan_step, action, question } => {
                    let undo = action.undo(&before).map(|undo| undo.sentence());
                    effects.push(pretended(&action, plan_step, at, undo.is_some()));
                    lines.push(line(at, Some(&step.id), told(&action, question.as_deref()), undo));
                    Vec::new()
                }
                Next::Undo(key) => {
                    if let Some(effect) = effects.iter_mut().find(|effect| effect.key == key) {
                        lines.push(line(at, None, format!("Would take back: {}", effect.what), None));
                        effect.undos.push(Some(applied()));
                    }
                    Vec::new()
                }
                Next::Wait => {
                    at = after(at, PAUSE_S.max(wait_of(&run)));
                    Vec::new()
                }
            };
            let shown = new.iter().filter(|event| !matches!(event, RunEvent::StepStarted { attempt: 1, .. }));
            lines.extend(shown.map(|event| line(at, event.step(), event.sentence(), None)));
            events.extend(new.into_iter().map(|event| (at, event)));
        }
        Ok(Rehearsal { lines, outcome: None })
    }

    /// A runbook for a cause, outlined from its earlier incidents, and how many these were.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn outline(
        &self,
        cause: Cause,
        service: Option<&ServiceName>,
    ) -> Result<(Option<String>, usize), EngineError> {
        let mut lessons = Vec::new();
        for row in self.store.incidents(false, INCIDENTS_MAX).await? {
            let stream = StreamId::Incident(IncidentId::new(row.id));
            let Some(journal) = self.store.read_intact(&stream).await? else { continue };
            let Some(incident) = Incident::fold(journal.lines()) else { continue };
            let root = incident.verdict.as_ref().and_then(Verdict::root);
            let about =
                root.is_some_and(|root| root.cause == cause && service.is_none_or(|s| *s == root.component));
            if about {
                lessons.push(lesson(&incident, journal.lines()));
            }
        }
        lessons.sort_by_key(|lesson| lesson.at);
        Ok((outline(cause, service, &lessons), lessons.len()))
    }
}

fn told(action: &Action, question: Option<&str>) -> String {
    let asked = question
        .map_or_else(String::new, |question| format!(", once a person has said yes to \"{question}\""));
    format!("Would ask the gate for: {}{asked}", action.sentence())
}

fn applied() -> EffectOutcome {
    EffectOutcome::Applied { detail: "a rehearsal: nothing was done".to_owned(), after: None }
}

fn pretended(action: &Action, plan_step: usize, at: Timestamp, has_undo: bool) -> EffectSeen {
    EffectSeen {
        key: ActionKey::new(format!("rehearsal-{plan_step}")),
        plan_step,
        intended_at: at,
        what: action.sentence(),
        outcome: Some(applied()),
        cut_short: false,
        by_person: false,
        has_undo,
        undos: Vec::new(),
    }
}

/// How long the present step waits.
fn wait_of(run: &Run<'_>) -> f64 {
    let of = |step: &WorkflowStep| f64::from(step.wait_s.or(step.retry_after_s).unwrap_or(0));
    run.current().map_or(0.0, |(step, _)| of(step))
}

/// What an incident teaches: which actions were verified, and what came of them.
fn lesson(incident: &Incident, lines: &[Line]) -> Lesson {
    let outcomes: BTreeMap<ActionKey, TrialOutcome> =
        trials(lines).into_iter().map(|trial| (trial.key, trial.outcome)).collect();
    let tried = lines.iter().filter_map(|line| match &line.entry {
        Entry::Intended { intent } => {
            let outcome = outcomes.get(&intent.key)?;
            Some((intent.action.clone(), *outcome == TrialOutcome::Recovered))
        }
        _ => None,
    });
    Lesson {
        incident: incident.id.clone(),
        at: incident.opened_at,
        service: incident.component().clone(),
        tried: tried.collect(),
    }
}
