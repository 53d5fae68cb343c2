//! What is asked of a language model and what it answers, in words that no vendor owns.
//!
//! [`Ask`] is the boundary that prompts pass: whatever text goes into one is redacted on the way in, and there is no
//! other way to make one.

use crate::evidence::hex;
use crate::redact::{redact, redact_field};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Which model does it: judging a line takes less than explaining an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    Small,
    Large,
}

/// What a model is asked for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Tier {
    /// Which of the catalogue's causes an alert tells of.
    Classify,
    /// Who is hit, and what users notice.
    Impact,
    /// What happened: rounds of questions and answers.
    Investigate,
    /// A plan in prose, from runbooks.
    Plan,
    /// A postmortem's summary.
    Postmortem,
}

impl Tier {
    /// Every tier, in a fixed order.
    pub const ALL: &'static [Tier] = <Tier as strum::VariantArray>::VARIANTS;

    /// The name as it is written in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Which model does it.
    #[must_use]
    pub fn size(self) -> Size {
        match self {
            Tier::Classify => Size::Small,
            Tier::Impact | Tier::Investigate | Tier::Plan | Tier::Postmortem => Size::Large,
        }
    }

    /// Tokens of one answer at most.
    #[must_use]
    pub fn tokens_max(self) -> u32 {
        match self {
            Tier::Classify => 200,
            Tier::Impact => 600,
            Tier::Investigate => 4096,
            Tier::Plan => 2000,
            Tier::Postmortem => 3000,
        }
    }

    /// How freely it may write: what is looked up again must come out the same.
    #[must_use]
    pub fn temperature(self) -> f64 {
        match self {
            Tier::Classify => 0.1,
            Tier::Impact | Tier::Plan | Tier::Postmortem => 0.2,
            Tier::Investigate => 0.0,
        }
    }
}

/// A tool that a model may call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolSpec {
    pub name: &'static str,
    pub description: &'static str,
    /// JSON schema of its arguments.
    pub schema: Value,
}

/// A call that a model makes. Everything in it is text from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: Value,
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Turn {
    User {
        text: String,
    },
    Assistant {
        text: String,
        calls: Vec<ToolCall>,
    },
    /// Answers to the calls of the turn before, as id, name of the tool and text.
    Tools {
        answers: Vec<(String, String, String)>,
    },
}

/// One question to a model, redacted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ask {
    tier: Tier,
    system: String,
    turns: Vec<Turn>,
    tools: Vec<ToolSpec>,
    /// No part of the hash: what is left of a budget changes no question.
    #[serde(skip)]
    tokens_max: u32,
}

impl Ask {
    /// A question; `tokens_max` may only lower what the tier allows.
    #[must_use]
    pub fn new(tier: Tier, system: &str, turns: &[Turn], tools: Vec<ToolSpec>, tokens_max: u32) -> Self {
        Self {
            tier,
            system: redact(system).into_owned(),
            turns: turns.iter().map(redacted).collect(),
            tools,
            tokens_max: tokens_max.min(tier.tokens_max()),
        }
    }

    /// The same question with a lower limit of tokens.
    #[must_use]
    pub fn within(self, tokens_max: u32) -> Self {
        Self { tokens_max: self.tokens_max.min(tokens_max), ..self }
    }

    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    #[must_use]
    pub fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    #[must_use]
    pub fn tokens_max(&self) -> u32 {
        self.tokens_max
    }

    /// The whole question as it is hashed and counted.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// SHA-256 in hex over all of it: by this a recorded answer is found again.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.text().as_bytes()))
    }

    /// Tokens that the question takes at most, for budgets: no tokenizer makes more than one of three bytes of
    /// English or JSON in practice.
    #[must_use]
    pub fn prompt_tokens_max(&self) -> u64 {
        const BYTES_PER_TOKEN: u64 = 3;
        (self.text().len() as u64).div_ceil(BYTES_PER_TOKEN)
    }
}

fn redacted(turn: &Turn) -> Turn {
    match turn {
        Turn::User { text } => Turn::User { text: redact(text).into_owned() },
        Turn::Assistant { text, calls } => {
            let call =
                |call: &ToolCall| ToolCall { arguments: redacted_json(&call.arguments), ..call.clone() };
            Turn::Assistant { text: redact(text).into_owned(), calls: calls.iter().map(call).collect() }
        }
        Turn::Tools { answers } => Turn::Tools {
            answers: answers
                .iter()
                .map(|(id, name, text)| (id.clone(), name.clone(), redact(text).into_owned()))
                .collect(),
        },
    }
}

/// The value with every text in it redacted.
#[must_use]
pub fn redacted_json(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact(text).into_owned()),
        Value::Array(all) => Value::Array(all.iter().map(redacted_json).collect()),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| (name.clone(), redacted_field(name, value));
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// What stands under a name such as `password` is a secret, whatever it looks like.
fn redacted_field(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact_field(name, text).into_owned()),
        other => redacted_json(other),
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    Done,
    /// It was cut off at the limit of tokens.
    Cut,
    /// It waits for answers of tools.
    Tools,
    /// The vendor withheld it.
    Withheld,
}

/// Tokens and money of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub answer_tokens: u64,
    /// US dollars, by the configured prices.
    pub cost: f64,
}

impl Usage {
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.answer_tokens)
    }
}

/// An answer. Everything in it is text from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub text: String,
    pub calls: Vec<ToolCall>,
    pub stop: Stop,
    pub usage: Usage,
}

/// Why there is no answer. Nothing that a server said is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NoReply {
    #[error("no key: set {env}, or `key_file` in [llm]")]
    NoKey { env: String },
    #[error("the model's server did not answer within {seconds} s, asked {tries} times")]
    Timeout { seconds: u64, tries: u32 },
    #[error("the model's server cannot be reached, asked {tries} times; check `url` in [llm]")]
    Unreachable { tries: u32 },
    #[error("the model's server answered {status}, asked {tries} times")]
    Status { status: u16, tries: u32 },
    #[error(
        "the model's server refused the question ({status}); if it cannot stream answers with calls of tools, set \
         `stream = false` in [llm]"
    )]
    StreamRefused { status: u16 },
    #[error("the model's server sent what is no answer: {why}")]
    Garbled { why: String },
    #[error("the record has no answer to this question: it was made of other data or by another version")]
    NotRecorded,
}

/// One call on record: enough to account for it and to replay it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub tier: Tier,
    /// Vendor and model, as `anthropic/claude-…`.
    pub provider: String,
    pub prompt_sha256: String,
    pub latency_ms: f64,
    pub usage: Usage,
    /// What came, redacted; or why nothing did.
    pub answer: Result<Reply, NoReply>,
}

/// What became of a model's opinion on an incident.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// It puts first what the numbers put first.
    Agrees,
    /// It puts another explanation first, among those that the numbers leave open.
    Differs,
    /// It failed, or nothing of it stood the check.
    NotUsed,
}

/// A model's opinion on record, with every call that led to it. Nothing is done because of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Advice {
    pub opinion: Opinion,
    /// One sentence for a person, in our words.
    pub summary: String,
    /// Vendor and model.
    pub provider: String,
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
    #[schema(value_type = Vec<Object>)]
    pub calls: Vec<CallRecord>,
}

/// A postmortem in a model's words, on record. People read it below the facts; nothing else does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Prose {
    /// `None` where nothing came that can be used.
    pub text: Option<String>,
    /// Of the call; where a crash interrupted it, the most that it may have cost.
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
    /// `None` where a crash interrupted it.
    #[schema(value_type = Option<Object>)]
    pub call: Option<CallRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(text: &str) -> Ask {
        let call =
            ToolCall { id: "1".into(), name: "t".into(), arguments: json!({"a": [format!("x {text}")]}) };
        let turns = [
            Turn::User { text: text.into() },
            Turn::Assistant { text: text.into(), calls: vec![call] },
            Turn::Tools { answers: vec![("1".into(), "t".into(), text.into())] },
        ];
        Ask::new(Tier::Classify, text, &turns, vec![], 9999)
    }

    #[test]
    fn nothing_enters_a_question_unredacted_and_no_limit_is_raised() {
        let ask = ask("password=hunter22");
        assert!(!ask.text().contains("hunter22"), "{}", ask.text());
        assert_eq!(ask.tokens_max(), 200);
    }

    #[test]
    fn equal_questions_have_equal_hashes_and_others_do_not() {
        assert_eq!(ask("a").hash(), ask("a").hash());
        assert_ne!(ask("a").hash(), ask("b").hash());
    }
}
