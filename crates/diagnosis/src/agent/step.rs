//! The machine: what was observed goes in, what to do next comes out.

use super::book::{Book, Piece, told};
use super::budget::{Limits, Spent};
use super::check::{Court, Struck};
use super::knowledge::Knowledge;
use super::query::Query;
use super::recheck::{Fresh, Recheck};
use super::submission::Submission;
use super::tool::{Tool, specs};
use super::{look, merge, prompt};
use crate::bundle::Bundle;
use crate::investigate::view::View;
use crate::investigate::{Answer, investigate};
use midwatch_model::llm::{Ask, NoReply, Reply, Stop, Tier, ToolCall, Turn};
use serde_json::{Value, json};
use std::cell::OnceCell;
use std::fmt;

/// Rounds in a row that bring nothing new, after which only a verdict is taken.
const FRUITLESS_MAX: u32 = 3;

/// Calls of one answer that are carried out.
const CALLS_PER_ROUND_MAX: usize = 6;

/// Characters of an answer that are kept: whatever is longer is no use to the next round.
const TEXT_CHARS_MAX: usize = 4000;

/// Bytes of a call's arguments that are kept.
const ARGUMENT_BYTES_MAX: usize = 16 * 1024;

/// What happened since the last step.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    Begin,
    /// Answers to the questions of the last step, in their order.
    Found(Vec<Piece>),
    /// What the verdict is to be checked on.
    Rechecked(Recheck),
    Replied(Reply),
    NoReply(NoReply),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Look these up: [`Agent::look_up`].
    Query(Vec<Query>),
    /// A verdict is there: take the incident once more, if it can have changed.
    Recheck,
    /// Ask the model.
    Ask(Ask),
    Conclude(Box<Conclusion>),
}

/// Why the model's verdict was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    NoReply(NoReply),
    /// The next question could have gone beyond the limits of the incident.
    OverBudget,
    /// It asked in circles, or said nothing that could be read.
    NothingNew,
    /// The incident could not be taken once more, so that its verdict could not be checked.
    NotChecked,
    /// None of its claims stood the check.
    NothingStands,
    /// The driver did not do what the step before said.
    OutOfStep,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NoReply(why) => write!(f, "{why}"),
            Why::OverBudget => write!(f, "the limits of one incident were reached, see [llm]"),
            Why::NothingNew => write!(f, "the model asked in circles or said nothing that can be read"),
            Why::NotChecked => {
                write!(f, "its verdict could not be checked, since fresh data could not be had")
            }
            Why::NothingStands => write!(f, "nothing that the model claimed stood the check"),
            Why::OutOfStep => write!(f, "the investigation lost its thread"),
        }
    }
}

/// The end of an investigation.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    pub answer: Answer,
    /// `None` if the model's verdict was used, else why the answer is the deterministic one.
    pub fell_back: Option<Why>,
    /// Whether another explanation comes first than by the numbers.
    pub differs: bool,
    /// Claims that did not stand: the component as the model wrote it, and why.
    pub struck: Vec<(String, Struck)>,
    pub spent: Spent,
}

/// A call that waits for its answer.
struct Pending {
    id: String,
    name: String,
    /// What it is answered at once, or the place of its question.
    answer: Result<String, usize>,
}

/// An investigation in progress.
pub struct Agent<'a> {
    bundle: &'a Bundle,
    knowledge: &'a dyn Knowledge,
    view: View,
    answer: Answer,
    limits: Limits,
    spent: Spent,
    turns: Vec<Turn>,
    book: Book,
    pending: Vec<Pending>,
    questions: Vec<Query>,
    calls_named: usize,
    fruitless: u32,
    /// The verdict that waits for its check.
    submitted: Option<Submission>,
    /// Only a verdict is taken any more.
    last_word: bool,
}

impl<'a> Agent<'a> {
    /// An investigation of one incident.
    #[must_use]
    pub fn new(bundle: &'a Bundle, knowledge: &'a dyn Knowledge, limits: Limits) -> Self {
        let answer = investigate(bundle).answer;
        Self {
            bundle,
            knowledge,
            view: View::of(bundle),
            book: Book::after(answer.evidence.len()),
            answer,
            limits,
            spent: Spent::default(),
            turns: Vec::new(),
            pending: Vec::new(),
            questions: Vec::new(),
            calls_named: 0,
            fruitless: 0,
            submitted: None,
            last_word: false,
        }
    }

    /// The deterministic answer.
    #[must_use]
    pub fn deterministic(&self) -> &Answer {
        &self.answer
    }

    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// Answers a question of a step.
    #[must_use]
    pub fn look_up(&self, query: &Query) -> Piece {
        look::answer(self.bundle, &self.view, self.knowledge, query)
    }

    /// Goes on.
    pub fn step(&mut self, observation: Observation) -> Step {
        match observation {
            Observation::Begin => {
                let text = prompt::first(self.bundle, &self.view, &self.answer, self.knowledge);
                self.turns.push(Turn::User { text });
                self.ask()
            }
            Observation::NoReply(why) => self.fall_back(Why::NoReply(why), Vec::new()),
            Observation::Replied(reply) => self.take_reply(&reply),
            Observation::Found(pieces) => self.take_pieces(pieces),
            Observation::Rechecked(data) => self.check_on(&data),
        }
    }

    /// Asks the model, if the limits have room for what that costs at worst.
    fn ask(&mut self) -> Step {
        if self.limits.rounds_left(&self.spent) <= 1 || self.fruitless >= FRUITLESS_MAX {
            self.last_word = true;
        }
        if self.last_word {
            self.say(prompt::SUBMIT_NOW);
        }
        let tools = if self.last_word { &[Tool::SubmitVerdict][..] } else { &Tool::ALL[..] };
        let ask = Ask::new(Tier::Investigate, prompt::SYSTEM, &self.turns, specs(tools), u32::MAX);
        let Some(room) = self.limits.room(&self.spent, &ask) else {
            return self.fall_back(Why::OverBudget, Vec::new());
        };
        let ask = ask.within(room);
        self.spent.rounds += 1;
        Step::Ask(ask)
    }

    /// Adds to the last turn if it is ours, so that turns alternate.
    fn say(&mut self, words: &str) {
        match self.turns.last_mut() {
            Some(Turn::User { text }) => *text = format!("{text}\n\n{words}"),
            Some(Turn::Tools { answers }) => {
                if let Some((_, _, text)) = answers.last_mut() {
                    *text = format!("{text}\n\n{words}");
                }
            }
            _ => self.turns.push(Turn::User { text: words.to_owned() }),
        }
    }

    fn take_reply(&mut self, reply: &Reply) -> Step {
        self.spent.add(&reply.usage);
        if self.spent.tokens > self.limits.tokens_max || self.spent.cost > self.limits.cost_max {
            return self.fall_back(Why::OverBudget, Vec::new());
        }
        for call in reply.calls.iter().filter(|call| Tool::named(&call.name) == Some(Tool::SubmitVerdict)) {
            if reply.stop != Stop::Cut
                && let Ok(submission) = Submission::read(&call.arguments)
            {
                return self.submit(submission);
            }
        }
        if self.last_word {
            return self.fall_back(Why::NothingNew, Vec::new());
        }
        self.remember(reply);
        if reply.calls.is_empty() {
            self.fruitless += 1;
            self.say(prompt::CALL_A_TOOL);
            return self.ask();
        }
        if self.questions.is_empty() {
            return self.take_pieces(Vec::new());
        }
        Step::Query(self.questions.clone())
    }

    /// Keeps an answer as a turn, with ids and names of our own: what a model wrote there may not be sent back.
    fn remember(&mut self, reply: &Reply) {
        (self.pending, self.questions) = (Vec::new(), Vec::new());
        let mut calls = Vec::new();
        for call in reply.calls.iter().take(CALLS_PER_ROUND_MAX) {
            self.calls_named += 1;
            self.spent.calls += 1;
            let id = format!("call-{}", self.calls_named);
            let answer = self.receive(call, reply.stop);
            let name = Tool::named(&call.name).map_or("unknown_tool", Tool::name).to_owned();
            calls.push(ToolCall { id: id.clone(), name: name.clone(), arguments: kept(&call.arguments) });
            self.pending.push(Pending { id, name, answer });
        }
        let text = super::quote(&reply.text, TEXT_CHARS_MAX);
        self.turns.push(Turn::Assistant { text, calls });
    }

    /// The answer that a call gets at once, or the place of its question.
    fn receive(&mut self, call: &ToolCall, stop: Stop) -> Result<String, usize> {
        let error = |what: &str| Ok(json!({ "error": what }).to_string());
        if self.spent.calls > self.limits.calls_max {
            return error("no more calls; submit a verdict");
        }
        let Some(tool) = Tool::named(&call.name) else { return error("there is no such tool") };
        if stop == Stop::Cut {
            return error("the call was cut off; make it shorter");
        }
        match Query::read(tool, &call.arguments) {
            None => error("the verdict does not fit the tool's schema"),
            Some(Err(what)) => error(&what),
            Some(Ok(query)) => self.queue(query, &error),
        }
    }

    fn queue(
        &mut self,
        query: Query,
        error: &dyn Fn(&str) -> Result<String, usize>,
    ) -> Result<String, usize> {
        if query.component().is_some_and(|component| !self.view.names.iter().any(|name| name == component)) {
            return error("there is no such component; use a name from the list of components");
        }
        if let Some(id) = self.book.of(&query) {
            return error(&format!("asked before: see {id}"));
        }
        let place = self.questions.iter().position(|asked| *asked == query).unwrap_or(self.questions.len());
        if place == self.questions.len() {
            self.questions.push(query);
        }
        Err(place)
    }

    /// Tells the model what was found.
    fn take_pieces(&mut self, pieces: Vec<Piece>) -> Step {
        let asked = std::mem::take(&mut self.questions);
        if pieces.len() != asked.len()
            || pieces.iter().zip(&asked).any(|(piece, query)| piece.query != *query)
        {
            return self.fall_back(Why::OutOfStep, Vec::new());
        }
        let is_new = pieces.iter().any(|piece| piece.found);
        self.fruitless = if is_new { 0 } else { self.fruitless + 1 };
        let texts: Vec<String> = pieces
            .into_iter()
            .map(|piece| {
                let id = self.book.file(piece.clone());
                told(&id, &piece)
            })
            .collect();
        let answers = std::mem::take(&mut self.pending).into_iter().map(|pending| {
            let text = pending.answer.unwrap_or_else(|place| texts.get(place).cloned().unwrap_or_default());
            (pending.id, pending.name, text)
        });
        self.turns.push(Turn::Tools { answers: answers.collect() });
        self.ask()
    }

    /// Without a claim there is nothing to check.
    fn submit(&mut self, submission: Submission) -> Step {
        if submission.hypotheses.is_empty() {
            return self.judge(&submission, None);
        }
        self.submitted = Some(submission);
        Step::Recheck
    }

    fn check_on(&mut self, data: &Recheck) -> Step {
        let Some(submission) = self.submitted.take() else {
            return self.fall_back(Why::OutOfStep, Vec::new());
        };
        match data {
            Recheck::SameBundle => self.judge(&submission, None),
            Recheck::Fresh(bundle) => {
                let fresh = Fresh::new((self.bundle, &self.view), bundle, self.knowledge);
                self.judge(&submission, Some(&fresh))
            }
            Recheck::Unavailable => self.fall_back(Why::NotChecked, Vec::new()),
        }
    }

    /// Hears each claim and merges what stands.
    fn judge(&self, submission: &Submission, fresh: Option<&Fresh<'_>>) -> Step {
        let court = Court {
            bundle: self.bundle,
            view: &self.view,
            knowledge: self.knowledge,
            book: &self.book,
            fresh,
            answer: &self.answer,
            again: OnceCell::new(),
        };
        let (mut standing, mut struck) = (Vec::new(), Vec::new());
        for claim in &submission.hypotheses {
            match court.hear(claim) {
                Ok(()) => standing.push(claim.clone()),
                Err(why) => struck.push((super::quote(&claim.component, 256), why)),
            }
        }
        if standing.is_empty() && !submission.hypotheses.is_empty() {
            return self.fall_back(Why::NothingStands, struck);
        }
        let answer = merge::merge(&self.answer, submission, &standing, &self.book);
        let first = |answer: &Answer| answer.ranked.first().map(|ranked| ranked.component.clone());
        let differs = first(&answer) != first(&self.answer);
        Step::Conclude(Box::new(Conclusion { answer, fell_back: None, differs, struck, spent: self.spent }))
    }

    fn fall_back(&self, why: Why, struck: Vec<(String, Struck)>) -> Step {
        let answer = self.answer.clone();
        let (fell_back, spent) = (Some(why), self.spent);
        Step::Conclude(Box::new(Conclusion { answer, fell_back, differs: false, struck, spent }))
    }
}

/// Arguments as they are said back to the model: an object of bounded size.
fn kept(arguments: &Value) -> Value {
    let fits = arguments.is_object() && arguments.to_string().len() <= ARGUMENT_BYTES_MAX;
    if fits { arguments.clone() } else { json!({}) }
}
