//! A world that does as it is told, and the record of a run in it.

use midwatch_action::workflow::{Asking, EffectSeen, Next, Run, Seen, StepInput, Subject, read, seen, step};
use midwatch_model::journal::EffectOutcome;
use midwatch_model::workflow::{RunEvent, RunOutcome, StepEnd};
use midwatch_model::{Action, ActionKey, Cause, Severity, Timestamp, Workflow, after};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// How the world answers an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Apply,
    Refuse,
    Fail,
    /// No answer; it is looked up later, and was done.
    Lose,
    /// midwatch stops before the call.
    Stop,
    /// The gate says no.
    Deny,
    /// The gate waits for ever.
    Hold,
}

/// A world, and what is on record of the run in it.
pub struct World {
    pub workflow: Workflow,
    pub now: Timestamp,
    pub events: Vec<(Timestamp, RunEvent)>,
    pub effects: Vec<EffectSeen>,
    /// Answers to looks, by step; well where there is none.
    looks: BTreeMap<String, VecDeque<Option<bool>>>,
    /// Answers to actions, by step.
    acts: BTreeMap<String, VecDeque<Answer>>,
    /// Answers to undos.
    undos: VecDeque<Answer>,
    /// Every action that was asked for, and every undo.
    pub asked: Vec<String>,
    pub said: Vec<String>,
    replicas: u32,
    /// What looks show besides.
    outputs: BTreeMap<String, Value>,
}

const TURNS_MAX: usize = 20_000;

impl World {
    pub fn of(yaml: &str) -> Self {
        let workflow = read("w.yaml", yaml).unwrap_or_else(|errors| panic!("{errors:?}")).expect("steps");
        Self::with(workflow, BTreeMap::new())
    }

    /// A run of a workflow in a world whose looks show this.
    pub fn with(workflow: Workflow, outputs: BTreeMap<String, Value>) -> Self {
        let now: Timestamp = "2026-01-05T03:00:00Z".parse().expect("a time");
        let started = RunEvent::Started { workflow: workflow.name.clone(), reason: "a test".into() };
        Self {
            workflow,
            now,
            events: vec![(now, started)],
            effects: Vec::new(),
            looks: BTreeMap::new(),
            acts: BTreeMap::new(),
            undos: VecDeque::new(),
            asked: Vec::new(),
            said: Vec::new(),
            replicas: 2,
            outputs,
        }
    }

    pub fn looking(mut self, step: &str, answers: &[Option<bool>]) -> Self {
        self.looks.insert(step.to_owned(), answers.iter().copied().collect());
        self
    }

    pub fn acting(mut self, step: &str, answers: &[Answer]) -> Self {
        self.acts.insert(step.to_owned(), answers.iter().copied().collect());
        self
    }

    pub fn undoing(mut self, answers: &[Answer]) -> Self {
        self.undos = answers.iter().copied().collect();
        self
    }

    fn outcome(&self, answer: Answer) -> Option<EffectOutcome> {
        let reason = "the world says so".to_owned();
        match answer {
            Answer::Apply => Some(EffectOutcome::Applied { detail: "done".into(), after: None }),
            Answer::Refuse | Answer::Stop => Some(EffectOutcome::NotApplied { reason }),
            Answer::Fail => Some(EffectOutcome::Failed { reason }),
            Answer::Lose => Some(EffectOutcome::Unknown { reason }),
            Answer::Deny | Answer::Hold => None,
        }
    }

    /// Goes on to the end of the run.
    pub fn run(&mut self) -> (RunOutcome, String) {
        let mut read = 0;
        for _ in 0..TURNS_MAX {
            // What a restart leaves is what is on record.
            let text = serde_json::to_string(&self.events[read..]).expect("plain data");
            self.events.truncate(read);
            self.events.extend(
                serde_json::from_str::<Vec<(Timestamp, RunEvent)>>(&text)
                    .expect("what was written can be read"),
            );
            read = self.events.len();
            let (workflow, events) = (self.workflow.clone(), self.events.clone());
            let run = Run::fold(&workflow, &events);
            if let Some((outcome, reason)) = run.ended {
                return (outcome, reason.to_owned());
            }
            let (subject, effects) = (subject(), self.effects.clone());
            let ask = || {
                let asking = Asking::Nobody;
                step(&StepInput { now: self.now, run: &run, subject: &subject, effects: &effects, asking })
            };
            let next = ask();
            assert_eq!(next, ask(), "the same is on record, so the same is next");
            self.perform(&run, next);
        }
        panic!("no end: {:#?}", self.events);
    }

    fn perform(&mut self, run: &Run<'_>, next: Next<'_>) {
        let new = match next {
            Next::Record(new) => new,
            Next::Look(wanted) => {
                let name: &str = &wanted.id;
                let well = self.looks.get_mut(name).and_then(VecDeque::pop_front).unwrap_or(Some(true));
                let mut outputs = self.outputs.clone();
                outputs.insert("replicas".to_owned(), json!(self.replicas));
                seen(run, &subject(), wanted, Seen { well, detail: format!("{well:?}"), outputs })
            }
            Next::Act { step, plan_step, action, .. } => return self.act(&step.id, plan_step, &action),
            Next::Undo(key) => return self.undo(&key),
            Next::Wait => return self.wait(),
        };
        for event in new {
            if let RunEvent::Said { text, .. } = &event {
                self.said.push(text.clone());
            }
            self.events.push((self.now, event));
        }
    }

    fn act(&mut self, name: &str, plan_step: usize, action: &Action) {
        assert!(self.effects.iter().all(|e| e.plan_step != plan_step), "{name} is done twice");
        let answer = self.acts.get_mut(name).and_then(VecDeque::pop_front).unwrap_or(Answer::Apply);
        if answer == Answer::Deny {
            let (step, detail, outputs) = (name.to_owned(), "the gate says no".to_owned(), BTreeMap::new());
            self.events.push((self.now, RunEvent::StepEnded { step, end: StepEnd::Failed, detail, outputs }));
            return;
        }
        if answer == Answer::Hold {
            self.acts.entry(name.to_owned()).or_default().push_front(Answer::Hold);
            return self.wait();
        }
        self.asked.push(action.sentence());
        if let (Action::Scale { replicas, .. }, Answer::Apply | Answer::Lose) = (action, answer) {
            self.replicas = *replicas;
        }
        self.effects.push(EffectSeen {
            key: ActionKey::new(format!("key-{plan_step}")),
            plan_step,
            intended_at: self.now,
            what: action.sentence(),
            outcome: self.outcome(answer),
            cut_short: answer == Answer::Stop,
            by_person: false,
            has_undo: !matches!(action, Action::Restart { .. }),
            undos: Vec::new(),
        });
    }

    fn undo(&mut self, key: &ActionKey) {
        let answer = self.undos.pop_front().unwrap_or(Answer::Apply);
        let outcome = self.outcome(answer);
        let effect = self.effects.iter_mut().find(|e| e.key == *key).expect("an effect");
        assert!(
            !effect.undos.iter().any(|o| matches!(o, Some(EffectOutcome::Applied { .. }))),
            "undone twice"
        );
        self.asked.push(format!("undo {}", effect.what));
        effect.undos.push(outcome);
    }

    /// Time passes, and what got lost is found.
    fn wait(&mut self) {
        self.now = after(self.now, 1.0);
        let found = || Some(EffectOutcome::Applied { detail: "found".into(), after: None });
        let is_lost = |o: &Option<EffectOutcome>| matches!(o, Some(EffectOutcome::Unknown { .. }));
        for effect in &mut self.effects {
            if is_lost(&effect.outcome) {
                effect.outcome = found();
            }
            if let Some(last) = effect.undos.last_mut().filter(|o| is_lost(o)) {
                *last = found();
            }
        }
    }

    pub fn end_of(&self, id: &str) -> Option<StepEnd> {
        let of = |(_, event): &(Timestamp, RunEvent)| match event {
            RunEvent::StepEnded { step, end, .. } if step == id => Some(*end),
            _ => None,
        };
        self.events.iter().rev().find_map(of)
    }
}

pub fn subject() -> Subject {
    Subject {
        service: "payment".into(),
        cause: Cause::LatencySpike,
        severity: Severity::High,
        confidence: 0.9,
        labels: Vec::new(),
    }
}
