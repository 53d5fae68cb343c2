//! A run as the fold of what was written down of it.

use super::Subject;
use midwatch_model::workflow::{RunEvent, RunOutcome, StepEnd, WorkflowStep};
use midwatch_model::{Timestamp, Workflow, seconds_between};
use std::collections::BTreeMap;

/// The output of a step that says that a person said yes to it.
pub(super) const ASKED: &str = "asked";

/// A run, folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<'a> {
    pub workflow: &'a Workflow,
    pub started_at: Option<Timestamp>,
    pub steps: BTreeMap<&'a str, StepRun>,
    /// Times that each step went back.
    pub loops: BTreeMap<&'a str, u32>,
    /// Attempts that were begun.
    pub starts: usize,
    /// Actions that were begun: the next one's step in the plan.
    pub acts: usize,
    /// Why what was done is being taken back.
    pub rolling_back: Option<&'a str>,
    pub ended: Option<(RunOutcome, &'a str)>,
    /// Seconds in which people were asked.
    pub asked_s: f64,
}

/// How one step goes.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRun {
    /// Attempts that count: one that never reached its target does not.
    pub attempt: u32,
    pub started_at: Timestamp,
    pub plan_step: Option<usize>,
    pub state: StepState,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    Running,
    /// Another attempt follows.
    Failed {
        at: Timestamp,
    },
    Ended {
        end: StepEnd,
        detail: String,
        outputs: BTreeMap<String, serde_json::Value>,
    },
}

impl<'a> Run<'a> {
    /// Folds what is on record of a run.
    #[must_use]
    pub fn fold(workflow: &'a Workflow, events: &'a [(Timestamp, RunEvent)]) -> Self {
        let mut run = Self {
            workflow,
            started_at: None,
            steps: BTreeMap::new(),
            loops: BTreeMap::new(),
            starts: 0,
            acts: 0,
            rolling_back: None,
            ended: None,
            asked_s: 0.0,
        };
        for (at, event) in events {
            run.apply(*at, event);
        }
        run
    }

    fn apply(&mut self, at: Timestamp, event: &'a RunEvent) {
        match event {
            RunEvent::Started { .. } => self.started_at = Some(at),
            RunEvent::StepStarted { step, attempt, plan_step } => {
                self.starts += 1;
                self.acts = plan_step.map_or(self.acts, |index| self.acts.max(index + 1));
                let (attempt, plan_step) = (*attempt, *plan_step);
                let started = StepRun { attempt, started_at: at, plan_step, state: StepState::Running };
                self.steps.insert(step, started);
            }
            RunEvent::AttemptFailed { step, .. } => {
                if let Some(known) = self.steps.get_mut(step.as_str()) {
                    known.state = StepState::Failed { at };
                }
            }
            RunEvent::CallLost { step, .. } => {
                if let Some(known) = self.steps.get_mut(step.as_str()) {
                    known.attempt = known.attempt.saturating_sub(1);
                    known.state = StepState::Failed { at };
                }
            }
            RunEvent::StepEnded { step, end, detail, outputs } => {
                let (detail, outputs) = (detail.clone(), outputs.clone());
                let asked = outputs.get(ASKED) == Some(&serde_json::Value::Bool(true));
                let fresh =
                    StepRun { attempt: 0, started_at: at, plan_step: None, state: StepState::Running };
                let known = self.steps.entry(step).or_insert(fresh);
                if asked {
                    self.asked_s += seconds_between(known.started_at, at).max(0.0);
                }
                known.state = StepState::Ended { end: *end, detail, outputs };
            }
            RunEvent::Said { .. } => {}
            RunEvent::WentBack { step, to, .. } => {
                *self.loops.entry(step).or_default() += 1;
                for index in self.place(to).unwrap_or(0)..=self.place(step).unwrap_or(0) {
                    if let Some(step) = self.workflow.steps.get(index) {
                        self.steps.remove(step.id.as_str());
                    }
                }
            }
            RunEvent::RollbackStarted { reason } => {
                self.rolling_back = Some(reason.as_str());
                self.ended = None;
            }
            RunEvent::Ended { outcome, reason } => self.ended = Some((*outcome, reason.as_str())),
        }
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.workflow.steps.iter().position(|step| step.id == id)
    }

    /// The step that is under way, or that is to be tried again.
    #[must_use]
    pub fn current(&self) -> Option<(&'a WorkflowStep, &StepRun)> {
        self.workflow.steps.iter().find_map(|step| {
            let known = self.steps.get(step.id.as_str())?;
            (!matches!(known.state, StepState::Ended { .. })).then_some((step, known))
        })
    }

    /// The first step that has not begun.
    #[must_use]
    pub fn next(&self) -> Option<&'a WorkflowStep> {
        self.workflow.steps.iter().find(|step| !self.steps.contains_key(step.id.as_str()))
    }

    /// How a step ended, if it did.
    #[must_use]
    pub fn end_of(&self, id: &str) -> Option<StepEnd> {
        match &self.steps.get(id)?.state {
            StepState::Ended { end, .. } => Some(*end),
            _ => None,
        }
    }

    /// What expressions can name.
    pub(super) fn context(&self, subject: &Subject) -> serde_json::Value {
        let mut steps = serde_json::Map::new();
        for (id, step) in &self.steps {
            if let StepState::Ended { end, detail, outputs } = &step.state {
                let mut all: serde_json::Map<_, _> = outputs.clone().into_iter().collect();
                all.insert("ended".to_owned(), end.to_string().into());
                all.insert("detail".to_owned(), detail.clone().into());
                steps.insert((*id).to_owned(), all.into());
            }
        }
        serde_json::json!({ "steps": steps, "incident": subject.context() })
    }
}
