//! Which model is asked, and how much.

use crate::ConnectorError;
use genai::adapter::AdapterKind;
use midwatch_model::llm::{NoReply, Size};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Whose model it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LlmProvider {
    /// No model is asked: every verdict is the deterministic one.
    #[default]
    None,
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's chat completions, and whatever speaks them: Groq, Ollama, vLLM, by `url`.
    Openai,
    /// Amazon Bedrock's Converse, with a Bedrock API key.
    Bedrock,
}

impl LlmProvider {
    /// The name as it stands in the configuration and on record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LlmProvider::None => "none",
            LlmProvider::Anthropic => "anthropic",
            LlmProvider::Openai => "openai",
            LlmProvider::Bedrock => "bedrock",
        }
    }

    pub(super) fn adapter(self) -> AdapterKind {
        match self {
            LlmProvider::Anthropic => AdapterKind::Anthropic,
            LlmProvider::Bedrock => AdapterKind::BedrockApi,
            LlmProvider::None | LlmProvider::Openai => AdapterKind::OpenAI,
        }
    }

    /// The variable that holds the key by the vendor's own custom.
    fn key_env(self) -> &'static str {
        match self {
            LlmProvider::Anthropic => "ANTHROPIC_API_KEY",
            LlmProvider::Bedrock => "AWS_BEARER_TOKEN_BEDROCK",
            LlmProvider::None | LlmProvider::Openai => "OPENAI_API_KEY",
        }
    }
}

/// The model that Bedrock is asked where none is named.
const BEDROCK_MODEL: &str = "us.amazon.nova-2-lite-v1:0";

/// The language model that investigations may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LlmConfig {
    /// `none`, `anthropic`, `openai` (also Groq, Ollama and vLLM, by `url`) or `bedrock`.
    pub provider: LlmProvider,
    /// The model that investigates; needed but for Bedrock, which has `us.amazon.nova-2-lite-v1:0`.
    pub model: Option<String>,
    /// A smaller model that classifies alerts; `model` if absent.
    pub small_model: Option<String>,
    /// Base URL of the API, such as `http://127.0.0.1:11434/v1/` for Ollama; the vendor's own if absent.
    pub url: Option<String>,
    /// Region, for Bedrock.
    pub region: String,
    /// Environment variable that holds the key; the vendor's customary one if absent.
    pub key_env: Option<String>,
    /// File that holds the key (first line); takes precedence over the variable.
    pub key_file: Option<PathBuf>,
    /// Seconds after which an answer is given up.
    pub read_timeout_s: f64,
    /// Whether answers are read as they are written. Turn off for servers that cannot stream calls of tools.
    pub stream: bool,
    /// Questions per incident, 1–12.
    pub rounds_max: u32,
    /// Calls of tools per incident.
    pub calls_max: u32,
    /// Tokens per incident, of questions and answers together.
    pub tokens_max: u64,
    /// US dollars per incident, by the prices below.
    pub cost_max_usd: f64,
    /// Seconds per incident after which the deterministic verdict stands.
    pub deadline_s: f64,
    /// US dollars per million tokens of questions; 0 counts none.
    pub prompt_usd_per_mtok: f64,
    /// US dollars per million tokens of answers; 0 counts none.
    pub answer_usd_per_mtok: f64,
}

impl Default for LlmConfig {
    fn default() -> Self {
        Self {
            provider: LlmProvider::None,
            model: None,
            small_model: None,
            url: None,
            region: "us-east-1".to_owned(),
            key_env: None,
            key_file: None,
            // A large model that thinks takes minutes.
            read_timeout_s: 300.0,
            stream: true,
            // What a person would look up before a verdict takes fewer.
            rounds_max: 12,
            calls_max: 32,
            tokens_max: 150_000,
            cost_max_usd: 0.5,
            // Beyond that the person who was paged knows more.
            deadline_s: 600.0,
            prompt_usd_per_mtok: 0.0,
            answer_usd_per_mtok: 0.0,
        }
    }
}

impl LlmConfig {
    /// Checks ranges, and that what a provider needs is there.
    ///
    /// # Errors
    /// The first field that does not fit, with the fix.
    pub fn validate(&self) -> Result<(), ConnectorError> {
        let wrong = |field: &str, fix: &str| {
            Err(ConnectorError::Config { field: format!("llm.{field}"), problem: fix.to_owned() })
        };
        let needs_model = matches!(self.provider, LlmProvider::Anthropic | LlmProvider::Openai);
        if needs_model && self.model.is_none() {
            return wrong("model", "is needed: the name of the model to ask, as your provider lists it");
        }
        let http = |url: &String| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !self.url.as_ref().is_none_or(http) {
            return wrong("url", "must be an http or https URL, such as \"http://127.0.0.1:11434/v1/\"");
        }
        if !self.region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            return wrong("region", "must be the name of a region, such as \"us-east-1\"");
        }
        if !(0.1..=3600.0).contains(&self.read_timeout_s) || !(0.1..=3600.0).contains(&self.deadline_s) {
            return wrong("read_timeout_s", "and deadline_s must be 0.1 to 3600 seconds");
        }
        if !(1..=12).contains(&self.rounds_max) {
            return wrong("rounds_max", "must be 1 to 12");
        }
        let amounts = [self.cost_max_usd, self.prompt_usd_per_mtok, self.answer_usd_per_mtok];
        if !amounts.iter().all(|amount| amount.is_finite() && *amount >= 0.0) {
            return wrong("cost_max_usd", "and the prices must be 0 or more US dollars");
        }
        Ok(())
    }

    /// The base URL, with a slash at its end; `None` without a provider.
    pub(super) fn endpoint(&self) -> Option<String> {
        let own = match self.provider {
            LlmProvider::None => return None,
            LlmProvider::Anthropic => "https://api.anthropic.com/v1/".to_owned(),
            LlmProvider::Openai => "https://api.openai.com/v1/".to_owned(),
            LlmProvider::Bedrock => format!("https://bedrock-runtime.{}.amazonaws.com/", self.region),
        };
        Some(self.url.as_ref().map_or(own, |url| format!("{}/", url.trim_end_matches('/'))))
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.read_timeout_s)
    }

    pub(super) fn model_of(&self, size: Size) -> &str {
        let large = self.model.as_deref().unwrap_or(BEDROCK_MODEL);
        match size {
            Size::Small => self.small_model.as_deref().unwrap_or(large),
            Size::Large => large,
        }
    }

    /// The key: of the file, else of the environment. A server of one's own needs none.
    pub(super) fn key(&self) -> Result<String, NoReply> {
        let env = self.key_env.clone().unwrap_or_else(|| self.provider.key_env().to_owned());
        let first = |text: String| text.lines().next().unwrap_or_default().trim().to_owned();
        let of_file = self.key_file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).map(first);
        let key = of_file.or_else(|| std::env::var(&env).ok()).filter(|key| !key.is_empty());
        let own_server = self.provider == LlmProvider::Openai && self.url.is_some();
        key.or_else(|| own_server.then(|| "none".to_owned())).ok_or(NoReply::NoKey { env })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_the_field() {
        type Change = fn(&mut LlmConfig);
        let with = |change: Change| {
            let mut config =
                LlmConfig { provider: LlmProvider::Openai, model: Some("m".into()), ..LlmConfig::default() };
            change(&mut config);
            config.validate().map_err(|error| error.to_string())
        };
        assert_eq!(with(|_| {}), Ok(()));
        let cases: [(Change, &str); 6] = [
            (|c| c.model = None, "llm.model"),
            (|c| c.url = Some("ftp://x".into()), "llm.url"),
            (|c| c.region = "a.b/c".into(), "llm.region"),
            (|c| c.read_timeout_s = 0.0, "llm.read_timeout_s"),
            (|c| c.rounds_max = 13, "llm.rounds_max"),
            (|c| c.cost_max_usd = f64::NAN, "llm.cost_max_usd"),
        ];
        for (change, field) in cases {
            assert!(with(change).expect_err("refused").contains(field), "{field}");
        }
    }

    #[test]
    fn bedrock_needs_nothing_but_a_key() {
        let config = LlmConfig {
            provider: LlmProvider::Bedrock,
            key_env: Some("MIDWATCH_TEST_NO_SUCH".into()),
            ..LlmConfig::default()
        };
        assert_eq!(config.validate().map_err(|e| e.to_string()), Ok(()));
        assert_eq!(config.endpoint().as_deref(), Some("https://bedrock-runtime.us-east-1.amazonaws.com/"));
        assert_eq!(config.model_of(Size::Large), BEDROCK_MODEL);
        assert_eq!(config.key(), Err(NoReply::NoKey { env: "MIDWATCH_TEST_NO_SUCH".into() }));
    }
}
