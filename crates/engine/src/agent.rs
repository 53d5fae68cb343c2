//! Drives an investigation with a language model: what the machine wants to know is looked up, what it asks is asked, and
//! every call is on record.
//!
//! Must never: delay or change the deterministic verdict that the gate sees.

use midwatch_connectors::{Llm, LlmConfig};
use midwatch_diagnosis::agent::{Agent, Conclusion, Knowledge, Limits, Observation, Step, Why};
use midwatch_diagnosis::bundle::Bundle;
use midwatch_diagnosis::investigate::answer::Llm as Account;
use midwatch_model::llm::{Ask, CallRecord, NoReply, Reply, redacted_json};
use midwatch_model::redact::redact;
use std::time::Duration;
use tokio::time::Instant;

/// Who answers.
#[derive(Debug)]
pub enum Brain {
    Model(Llm),
    /// Calls on record, by the hash of their prompts: the same answers to the same questions, offline.
    Record(Vec<CallRecord>),
}

/// An investigation with a model.
#[derive(Debug)]
pub struct Assisted {
    pub conclusion: Conclusion,
    /// Every call, in order.
    pub calls: Vec<CallRecord>,
}

impl Assisted {
    /// US dollars per minute until recovery: what the model's part of a minute cost.
    #[must_use]
    pub fn cost_per_minute(&self, recovery: Duration) -> f64 {
        let minutes = (recovery.as_secs_f64() / 60.0).max(1.0);
        self.calls.iter().map(|call| call.usage.cost).sum::<f64>() / minutes
    }
}

/// The limits that a configuration sets.
#[must_use]
pub fn limits(config: &LlmConfig) -> Limits {
    Limits {
        rounds_max: config.rounds_max,
        calls_max: config.calls_max,
        tokens_max: config.tokens_max,
        cost_max: config.cost_max_usd,
        prompt_price: config.prompt_usd_per_mtok,
        answer_price: config.answer_usd_per_mtok,
    }
}

/// Investigates. Whatever fails, the deterministic answer comes, with the reason.
pub async fn investigate(
    bundle: &Bundle,
    knowledge: &dyn Knowledge,
    brain: &Brain,
    limits: Limits,
    deadline: Duration,
) -> Assisted {
    let mut agent = Agent::new(bundle, knowledge, limits);
    let (mut calls, until) = (Vec::new(), Instant::now() + deadline);
    let mut observation = Observation::Begin;
    let mut conclusion = loop {
        observation = match agent.step(observation) {
            Step::Conclude(conclusion) => break *conclusion,
            Step::Query(queries) => {
                Observation::Found(queries.iter().map(|query| agent.look_up(query)).collect())
            }
            Step::Ask(ask) => {
                let record = answered(brain, &ask, until, deadline).await;
                let answer = record.answer.clone();
                calls.push(record);
                answer.map_or_else(Observation::NoReply, Observation::Replied)
            }
        };
    };
    conclusion.answer.llm = Some(account(brain, &calls));
    if let Some(why) = &conclusion.fell_back {
        tracing::info!(reason = %why, calls = calls.len(), "the deterministic verdict stands");
    }
    Assisted { conclusion, calls }
}

/// One call, as it stands on record; the machine sees exactly that, so that a replay goes the same way.
async fn answered(brain: &Brain, ask: &Ask, until: Instant, deadline: Duration) -> CallRecord {
    let started = Instant::now();
    let (provider, answer) = match brain {
        Brain::Model(llm) => {
            let late = NoReply::Timeout { seconds: deadline.as_secs(), tries: 1 };
            let answer = tokio::time::timeout_at(until, llm.ask(ask)).await.unwrap_or(Err(late));
            (llm.name(ask.tier().size()), answer)
        }
        Brain::Record(calls) => {
            let hash = ask.hash();
            let found = calls.iter().find(|call| call.prompt_sha256 == hash);
            let answer = found.map_or(Err(NoReply::NotRecorded), |call| call.answer.clone());
            (found.map_or_else(|| "record".to_owned(), |call| call.provider.clone()), answer)
        }
    };
    CallRecord {
        tier: ask.tier(),
        provider,
        prompt_sha256: ask.hash(),
        latency_ms: (started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
        usage: answer.as_ref().map(|reply| reply.usage).unwrap_or_default(),
        answer: answer.map(on_record),
    }
}

/// An answer without secrets.
fn on_record(mut reply: Reply) -> Reply {
    reply.text = redact(&reply.text).into_owned();
    for call in &mut reply.calls {
        call.arguments = redacted_json(&call.arguments);
    }
    reply
}

fn account(brain: &Brain, calls: &[CallRecord]) -> Account {
    let asked = match brain {
        Brain::Model(llm) => llm.name(midwatch_model::llm::Size::Large),
        Brain::Record(_) => "record".to_owned(),
    };
    Account {
        provider: calls.first().map_or(asked, |call| call.provider.clone()),
        calls: calls.len() as u64,
        tokens: calls.iter().fold(0, |sum, call| call.usage.tokens().saturating_add(sum)),
        cost: calls.iter().map(|call| call.usage.cost).sum(),
    }
}

/// Why the model's verdict was not used, in one sentence for a person.
#[must_use]
pub fn fallback_sentence(why: &Why) -> String {
    format!("The model was not used: {why}. This is the verdict of the numbers alone.")
}
