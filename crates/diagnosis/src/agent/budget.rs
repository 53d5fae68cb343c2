//! What an investigation may use, and what it has used.

use midwatch_model::llm::{Ask, Tier, Usage};

/// Limits of one incident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Questions to the model.
    pub rounds_max: u32,
    /// Calls of tools.
    pub calls_max: u32,
    /// Tokens of all questions and answers.
    pub tokens_max: u64,
    /// US dollars.
    pub cost_max: f64,
    /// US dollars per million tokens of questions, and of answers.
    pub prompt_price: f64,
    pub answer_price: f64,
}

impl Default for Limits {
    fn default() -> Self {
        // Twelve rounds answer what a person would look up; a conversation that grows to 12,000 tokens a round fits.
        Self {
            rounds_max: 12,
            calls_max: 32,
            tokens_max: 150_000,
            cost_max: 0.50,
            prompt_price: 0.0,
            answer_price: 0.0,
        }
    }
}

/// Rounds beyond which no configuration goes: what is not found by then is not found.
const ROUNDS_MAX: u32 = 12;

/// Tokens of an answer below which asking is pointless: a verdict with one hypothesis takes so many.
const ANSWER_TOKENS_MIN: u64 = 256;

/// What was used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub rounds: u32,
    pub calls: u32,
    pub tokens: u64,
    pub cost: f64,
}

impl Spent {
    /// Counts one answer.
    pub fn add(&mut self, usage: &Usage) {
        self.tokens = self.tokens.saturating_add(usage.tokens());
        // What is no price is none; a budget must not be widened by it.
        self.cost += if usage.cost.is_finite() { usage.cost.max(0.0) } else { 0.0 };
    }
}

impl Limits {
    /// Tokens that the answer to a question may have, `None` if there is no room for the question: what it could cost at
    /// worst is counted before it is asked.
    pub fn room(&self, spent: &Spent, ask: &Ask) -> Option<u32> {
        if spent.rounds >= self.rounds_max.min(ROUNDS_MAX) {
            return None;
        }
        let prompt = ask.prompt_tokens_max();
        let tokens = self.tokens_max.checked_sub(spent.tokens)?.checked_sub(prompt)?;
        let money = self.cost_max - spent.cost - prompt as f64 * self.prompt_price / 1e6;
        let affordable =
            if self.answer_price > 0.0 { money * 1e6 / self.answer_price } else { f64::from(u32::MAX) };
        if money < 0.0 || affordable < ANSWER_TOKENS_MIN as f64 || tokens < ANSWER_TOKENS_MIN {
            return None;
        }
        let most = u64::from(Tier::Investigate.tokens_max()).min(tokens).min(affordable as u64);
        u32::try_from(most).ok()
    }

    /// Whether a question beside the investigation fits into what is left, its longest answer counted.
    #[must_use]
    pub fn has_room(&self, tokens: u64, cost: f64, ask: &Ask) -> bool {
        let (prompt, answer) = (ask.prompt_tokens_max(), u64::from(ask.tokens_max()));
        let price = (prompt as f64 * self.prompt_price + answer as f64 * self.answer_price) / 1e6;
        tokens.saturating_add(prompt).saturating_add(answer) <= self.tokens_max
            && cost + price <= self.cost_max
    }

    /// Rounds that are left.
    pub fn rounds_left(&self, spent: &Spent) -> u32 {
        self.rounds_max.min(ROUNDS_MAX).saturating_sub(spent.rounds)
    }
}
