//! Evidence: references to what was seen, each once.

use super::answer::{About, AnswerEvidence, Window};
use crate::bundle::{Ms, time_text};
use midwatch_model::{Evidence, EvidenceSource};

/// All evidence that hypotheses cite.
#[derive(Default)]
pub struct Book {
    filed: Vec<AnswerEvidence>,
}

impl Book {
    /// Files a piece, or finds it where it already is.
    pub fn file(
        &mut self,
        source: EvidenceSource,
        about: About,
        query: String,
        window: Window,
        excerpt: String,
    ) -> String {
        if let Some(same) = self.filed.iter().find(|e| e.query == query && e.excerpt == excerpt) {
            return same.id.clone();
        }
        let id = format!("ev-{}", self.filed.len() + 1);
        let digest = Evidence::digest_of(excerpt.as_bytes());
        self.filed.push(AnswerEvidence { id: id.clone(), source, query, window, digest, excerpt, about });
        id
    }

    pub fn into_evidence(self) -> Vec<AnswerEvidence> {
        self.filed
    }
}

/// About a component as a whole.
pub fn of(component: &str) -> About {
    About { component: component.to_owned(), metric: None }
}

/// From milliseconds to text.
pub fn window(from: Ms, to: Ms) -> Window {
    Window { from: time_text(from), to: time_text(to) }
}

/// What somebody else wrote, as one line of bounded length.
pub fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    // Before it is shortened: half a secret looks like none.
    midwatch_model::redact::redact(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(CHARS_MAX)
        .collect()
}

/// A number with as many digits as a person reads.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        large if large >= 100.0 => 0,
        middle if middle >= 1.0 => 2,
        small => (2.0 - small.log10().floor()).clamp(0.0, 12.0) as usize,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
