//! Language models: Anthropic, whatever speaks OpenAI's chat completions (OpenAI, Groq, Ollama, vLLM), Bedrock Converse.
//!
//! Owns: how a question becomes a vendor's request and its answer ours, retries, timeouts, what a call cost. Must never: put
//! a key or a body into an error, read an answer without end, or send anything that is not an [`Ask`].

mod config;
mod relay;
mod tls;
mod wire;

pub use config::{LlmConfig, LlmProvider};

use crate::ConnectorError;
use genai::Client;
use genai::resolver::{AuthData, Endpoint};
use genai::{ModelIden, ServiceTarget};
use midwatch_model::llm::{Ask, NoReply, Reply, Size, Usage};
use relay::Relay;
use reqwest_llm::Url;
use std::time::Duration;

/// Tries after the first: an overloaded server recovers within seconds or not at all.
const RETRIES_MAX: u32 = 3;

/// Wait before the first retry; each further one doubles it.
const BACKOFF: Duration = Duration::from_millis(500);

/// The longest wait that a server may ask for: an incident does not wait longer for a second opinion.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Bytes of an answer that make a token at least.
const BYTES_PER_TOKEN: u64 = 3;

/// A model that can be asked.
#[derive(Debug)]
pub struct Llm {
    config: LlmConfig,
    endpoint: Url,
}

/// How one try failed.
enum Failed {
    /// It may go well next time, after so long if the server said so.
    Passing(NoReply, Option<Duration>),
    Final(NoReply),
}

impl Llm {
    /// The configured model, `None` if there is none. Keys are read when it is asked, so that they can be replaced.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(config: &LlmConfig) -> Result<Option<Self>, ConnectorError> {
        config.validate()?;
        let Some(endpoint) = config.endpoint() else { return Ok(None) };
        let endpoint = Url::parse(&endpoint).map_err(|error| ConnectorError::Config {
            field: "llm.url".to_owned(),
            problem: error.to_string(),
        })?;
        Ok(Some(Self { config: config.clone(), endpoint }))
    }

    /// Vendor and model for a size, as they stand on record.
    #[must_use]
    pub fn name(&self, size: Size) -> String {
        format!("{}/{}", self.config.provider.name(), self.config.model_of(size))
    }

    /// Asks, and asks again where that may help.
    ///
    /// # Errors
    /// Why there is no answer, without anything that the server said.
    pub async fn ask(&self, ask: &Ask) -> Result<Reply, NoReply> {
        let key = self.config.key()?;
        let mut tries = 0;
        loop {
            tries += 1;
            let wait = match self.try_once(ask, &key, tries).await {
                Ok(reply) => return Ok(reply),
                Err(Failed::Final(why)) => return Err(why),
                Err(Failed::Passing(why, _)) if tries > RETRIES_MAX => return Err(why),
                Err(Failed::Passing(_, wait)) => wait,
            };
            let backoff = BACKOFF * 2_u32.pow(tries - 1);
            tokio::time::sleep(wait.unwrap_or(backoff).min(RETRY_AFTER_MAX)).await;
        }
    }

    async fn try_once(&self, ask: &Ask, key: &str, tries: u32) -> Result<Reply, Failed> {
        let target = ServiceTarget {
            endpoint: Endpoint::from_owned(self.endpoint.as_str()),
            auth: AuthData::from_single(key),
            model: ModelIden::new(self.config.provider.adapter(), self.config.model_of(ask.tier().size())),
        };
        let timeout = self.config.timeout();
        let unreachable = || Failed::Passing(NoReply::Unreachable { tries }, None);
        let relay = Relay::to(&self.endpoint).await.map_err(|_| unreachable())?;
        let client = self.client(&relay).ok_or_else(unreachable)?;
        let call = tokio::time::timeout(timeout, wire::call(&client, target, ask, self.config.stream));
        let answered = tokio::select! {
            // What took so long once would take as long again.
            answered = call => answered.unwrap_or(Err(wire::Failure::Timeout)),
            never = relay.carry() => match never {},
        };
        let mut reply = answered.map_err(|error| {
            let error = if relay.has_overrun() { wire::TOO_LONG } else { error };
            with_hint(failed(&error, timeout, tries), self.config.stream)
        })?;
        reply.usage = self.priced(counted(&reply, ask));
        Ok(reply)
    }

    fn client(&self, relay: &Relay) -> Option<Client> {
        let web = tls::client(self.config.timeout(), &relay.url().ok()?).ok()?;
        Client::builder().with_reqwest(web).build().ok()
    }

    fn priced(&self, usage: Usage) -> Usage {
        let cost = usage.prompt_tokens as f64 * self.config.prompt_usd_per_mtok
            + usage.answer_tokens as f64 * self.config.answer_usd_per_mtok;
        Usage { cost: cost / 1e6, ..usage }
    }
}

/// What a server does not count is counted here, rather too much than too little: limits hold without its help.
fn counted(reply: &Reply, ask: &Ask) -> Usage {
    let usage = reply.usage;
    if usage.prompt_tokens > 0 {
        return usage;
    }
    let arguments: usize =
        reply.calls.iter().map(|call| call.name.len() + call.arguments.to_string().len()).sum();
    let answer = (reply.text.len() + arguments) as u64 / BYTES_PER_TOKEN;
    Usage { prompt_tokens: ask.prompt_tokens_max(), answer_tokens: usage.answer_tokens.max(answer), ..usage }
}

/// A refusal of the question itself: of a server that takes it without `stream`, that is the reason.
fn with_hint(failed: Failed, stream: bool) -> Failed {
    match failed {
        Failed::Final(NoReply::Status { status: status @ (400 | 405 | 406 | 415 | 422), .. }) if stream => {
            Failed::Final(NoReply::StreamRefused { status })
        }
        other => other,
    }
}

fn failed(error: &wire::Failure, timeout: Duration, tries: u32) -> Failed {
    match error {
        wire::Failure::Status { status, retry_after } => {
            let why = NoReply::Status { status: *status, tries };
            let passing = *status == 429 || *status == 408 || *status >= 500;
            if passing { Failed::Passing(why, *retry_after) } else { Failed::Final(why) }
        }
        wire::Failure::Timeout => Failed::Final(NoReply::Timeout { seconds: timeout.as_secs(), tries }),
        wire::Failure::Unreachable => Failed::Passing(NoReply::Unreachable { tries }, None),
        wire::Failure::Garbled(why) => Failed::Final(NoReply::Garbled { why: (*why).to_owned() }),
    }
}
