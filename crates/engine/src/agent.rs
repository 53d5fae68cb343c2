//! Drives an investigation with a language model: what the machine wants to know is looked up, what it asks is asked, and
//! every call is on record.
//!
//! Must never: delay or change the deterministic verdict that the gate sees.

use crate::Engine;
use midwatch_connectors::{Llm, LlmConfig};
use midwatch_diagnosis::agent::{
    Agent, Conclusion, Knowledge, Limits, Observation, Recheck, Step, Why, told,
};
use midwatch_diagnosis::bundle::Bundle;
use midwatch_diagnosis::investigate::Answer;
use midwatch_diagnosis::investigate::answer::Llm as Account;
use midwatch_model::IncidentId;
use midwatch_model::llm::{Ask, CallRecord, NoReply, Reply, Tier, redacted_json};
use midwatch_model::redact::redact;
use std::time::Duration;
use tokio::time::Instant;

/// Who answers.
#[derive(Debug)]
pub enum Brain {
    Model(Box<Llm>),
    /// Calls on record, by the hash of their prompts: the same answers to the same questions, offline.
    Record(Vec<CallRecord>),
}

/// What is looked into, and so what a verdict is checked on.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// Files, which do not change.
    Folder,
    /// An open incident: what the model claims must still be so when it has answered.
    Live(&'a Engine, &'a IncidentId),
}

impl Subject<'_> {
    async fn again(self) -> Recheck {
        let Subject::Live(engine, id) = self else { return Recheck::SameBundle };
        match engine.incident_bundle(id).await {
            Ok(Some(bundle)) => Recheck::Fresh(Box::new(bundle)),
            Ok(None) => Recheck::Unavailable,
            Err(error) => {
                tracing::warn!(incident.id = %id, %error, "a model's verdict cannot be checked on fresh data");
                Recheck::Unavailable
            }
        }
    }
}

/// An investigation with a model.
#[derive(Debug)]
pub struct Assisted {
    pub conclusion: Conclusion,
    /// Every call, in order.
    pub calls: Vec<CallRecord>,
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
    subject: Subject<'_>,
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
            Step::Recheck => Observation::Rechecked(subject.again().await),
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

/// What a model put into words, or what we say without it.
#[derive(Debug)]
pub struct Told {
    pub tier: Tier,
    pub text: String,
    /// Why the words are ours.
    pub fell_back: Option<String>,
}

/// Asks for the words of one tier about an investigated incident, within what its limits leave; the call is added to it.
pub async fn tell(
    tier: Tier,
    bundle: &Bundle,
    knowledge: &dyn Knowledge,
    brain: &Brain,
    limits: Limits,
    deadline: Duration,
    assisted: &mut Assisted,
) -> Told {
    let answer = &mut assisted.conclusion.answer;
    let ask = told::ask(tier, bundle, answer, knowledge);
    let ours = |answer: &Answer, why: String| Told {
        tier,
        text: told::fallback(tier, bundle, answer, knowledge),
        fell_back: Some(why),
    };
    let (tokens, cost) = answer.llm.as_ref().map_or((0, 0.0), |account| (account.tokens, account.cost));
    if !limits.has_room(tokens, cost, &ask) {
        return ours(answer, Why::OverBudget.to_string());
    }
    let call = answered(brain, &ask, Instant::now() + deadline, deadline).await;
    if let Some(account) = &mut answer.llm {
        account.calls += 1;
        account.tokens = account.tokens.saturating_add(call.usage.tokens());
        account.cost += call.usage.cost;
    }
    let told = match &call.answer {
        Err(why) => ours(answer, why.to_string()),
        Ok(reply) => told::read(tier, reply).map_or_else(
            || ours(answer, "the model said nothing that can be used".to_owned()),
            |text| Told { tier, text, fell_back: None },
        ),
    };
    assisted.calls.push(call);
    told
}

/// One call, as it stands on record; the machine sees exactly that, so that a replay goes the same way.
pub(crate) async fn answered(brain: &Brain, ask: &Ask, until: Instant, deadline: Duration) -> CallRecord {
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

/// Characters of an answer, calls in it and bytes of a call's arguments that are kept.
const TEXT_CHARS_MAX: usize = 4000;
const CALLS_MAX: usize = 32;
const ARGUMENT_BYTES_MAX: usize = 16 * 1024;

/// An answer without secrets and of bounded size.
fn on_record(mut reply: Reply) -> Reply {
    reply.text = redact(&reply.text).chars().take(TEXT_CHARS_MAX).collect();
    reply.calls.truncate(CALLS_MAX);
    for call in &mut reply.calls {
        call.id = call.id.chars().take(100).collect();
        call.name = call.name.chars().take(100).collect();
        call.arguments = redacted_json(&call.arguments);
        if call.arguments.to_string().len() > ARGUMENT_BYTES_MAX {
            call.arguments = serde_json::Value::Null;
        }
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
        // Without a key nothing was sent.
        calls: calls.iter().filter(|call| !matches!(call.answer, Err(NoReply::NoKey { .. }))).count() as u64,
        tokens: calls.iter().fold(0, |sum, call| call.usage.tokens().saturating_add(sum)),
        cost: calls.iter().map(|call| call.usage.cost).sum(),
    }
}

/// Why the model's verdict was not used, in one sentence for a person.
#[must_use]
pub fn fallback_sentence(why: &Why) -> String {
    format!("The model was not used: {why}. This is the verdict of the numbers alone.")
}
