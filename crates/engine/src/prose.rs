//! Postmortems in a language model's words, once an incident is over: below the facts, as a quotation.
//!
//! Must never: be read by anything but people.

use crate::advice::{interrupted, is_over};
use crate::agent::{Brain, answered};
use crate::{Advisor, Engine, EngineError, perform};
use midwatch_action::workflow::read;
use midwatch_diagnosis::agent::{Limits, told};
use midwatch_incident::Incident;
use midwatch_model::journal::{Entry, StreamId, VerifiedJournal};
use midwatch_model::llm::{Advice, Ask, Prose, Tier};
use midwatch_model::{IncidentId, Timestamp, seconds_between};
use tokio::time::Instant;

/// Incidents that are looked through for one that ended lately.
const LATEST_MAX: u32 = 50;

/// Seconds after its end in which an incident is put into words: later its postmortem has been read.
const WITHIN_S: f64 = 3600.0;

impl Engine {
    /// Puts the postmortem of one incident that ended lately into words, if an opinion was asked on it; `None` if there is
    /// none.
    ///
    /// # Errors
    /// When the store cannot be read or written, or the postmortem cannot be.
    pub(crate) async fn word_postmortem(&self, advisor: &Advisor) -> Result<Option<IncidentId>, EngineError> {
        for row in self.store.incidents(false, LATEST_MAX).await? {
            if !is_over(&row) || row.parent.is_some() || !advisor.is_new_end(&row) {
                continue;
            }
            let id = IncidentId::new(row.id.clone());
            let Some(journal) = self.store.read_intact(&StreamId::Incident(id.clone())).await? else {
                continue;
            };
            let Some(incident) = Incident::fold(journal.lines()) else { continue };
            let worded = match Wish::of(&journal, &incident, self.now()) {
                Wish::None => false,
                Wish::Interrupted(entry) => {
                    self.tell(&id, |_| Ok(vec![Entry::clone(&entry)])).await?;
                    true
                }
                Wish::Words(report) => match self.word(&id, &report, &journal, advisor).await {
                    Ok(asked) => asked,
                    // Others have postmortems as well.
                    Err(error) => {
                        tracing::warn!(incident.id = %id, %error, "a postmortem could not be put into words");
                        false
                    }
                },
            };
            advisor.keep_end(&row);
            if worded {
                self.report_again(&id).await?;
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Asks, within what the incident's opinion has left; says whether anything was asked.
    async fn word(
        &self,
        id: &IncidentId,
        report: &str,
        journal: &VerifiedJournal,
        advisor: &Advisor,
    ) -> Result<bool, EngineError> {
        let Ok(markdown) = tokio::fs::read_to_string(report).await else {
            return Err(EngineError::Unfit(format!("{report} cannot be read")));
        };
        let ask = told::ask_of_postmortem(&markdown, &self.past(id).await?);
        let (tokens, cost) = spent(journal);
        if !advisor.limits.has_room(tokens, cost, &ask) {
            return Ok(false);
        }
        let (tokens_max, cost_max) = most(&advisor.limits, &ask);
        self.tell(id, |_| Ok(vec![Entry::AdviceSought { tokens_max, cost_max }])).await?;
        let prose = prose(&advisor.brain, &ask, advisor.deadline).await;
        self.tell(id, |_| Ok(vec![Entry::Worded { prose: prose.clone() }])).await?;
        Ok(true)
    }

    async fn report_again(&self, id: &IncidentId) -> Result<(), EngineError> {
        let journal = self.store.read(&StreamId::Incident(id.clone())).await?;
        let Some(incident) = Incident::fold(journal.lines()) else { return Ok(()) };
        // What a person wrote is not written over; the words are on record.
        if incident.report_is_revised {
            return Ok(());
        }
        perform::report(self, &journal, &incident).await.map(|_| ())
    }
}

/// An outlined runbook with its meaning in a model's words, as a quotation. Its steps are never the model's.
///
/// # Errors
/// Why there are no words: the draft is good without them.
pub async fn word_runbook(draft: &str, advisor: &Advisor) -> Result<String, String> {
    let ask = told::ask_of_runbook(draft);
    if !advisor.limits.has_room(0, 0.0, &ask) {
        return Err("the question would cost more than [llm] lets it".to_owned());
    }
    let call = answered(&advisor.brain, &ask, Instant::now() + advisor.deadline, advisor.deadline).await;
    let reply = call.answer.map_err(|fault| fault.to_string())?;
    let words = told::read(Tier::Plan, &reply).ok_or("the model's answer has no words that can be used")?;
    with_words(draft, &words).ok_or_else(|| "the model's words would change what the runbook does".to_owned())
}

/// The draft with words below its first heading; `None` where it would do something else then.
fn with_words(draft: &str, words: &str) -> Option<String> {
    let quoted: String = words.lines().map(|line| format!("> {line}\n")).collect();
    let heading = draft.find("\n## ")? + 1;
    let below = heading + draft[heading..].find('\n')? + 1;
    let (before, after) = draft.split_at(below);
    let worded = format!("{before}A language model's words, not checked:\n\n{quoted}\n{after}");
    let steps = |text: &str| read("draft.md", text).ok().flatten();
    (steps(&worded) == steps(draft)).then_some(worded)
}

/// What the journal of an incident that is over asks for.
enum Wish {
    None,
    /// A model was asked, and what came of it is not on record: this stands for it.
    Interrupted(Box<Entry>),
    /// By the file of the postmortem.
    Words(String),
}

impl Wish {
    fn of(journal: &VerifiedJournal, incident: &Incident, now: Timestamp) -> Self {
        // Read backwards: whether this is after the last end, and whether what was asked for next has its answer.
        let (mut ended, mut answered) = (true, false);
        for line in journal.lines().iter().rev() {
            match &line.entry {
                Entry::Resolved { .. } => ended = false,
                Entry::Worded { .. } if ended => return Wish::None,
                Entry::Worded { .. } => answered = true,
                Entry::AdviceSought { .. } if answered => answered = false,
                Entry::AdviceSought { tokens_max, cost_max } => {
                    return Wish::Interrupted(Box::new(lost(ended, *tokens_max, *cost_max)));
                }
                Entry::Advised { advice } => return Wish::after(advice, incident, now),
                _ => {}
            }
        }
        Wish::None
    }

    /// What failed for the opinion would fail again.
    fn after(advice: &Advice, incident: &Incident, now: Timestamp) -> Self {
        let answered = advice.calls.iter().any(|call| call.answer.is_ok());
        let lately = incident.resolved_at.is_some_and(|at| seconds_between(at, now) <= WITHIN_S);
        let report = incident.report.clone().filter(|_| answered && lately);
        report.map_or(Wish::None, Wish::Words)
    }
}

/// What stands for an answer that never came: words for the postmortem if the incident had ended when they were asked for.
fn lost(ended: bool, tokens: u64, cost: f64) -> Entry {
    if ended {
        Entry::Worded { prose: Prose { text: None, tokens, cost, call: None } }
    } else {
        Entry::Advised { advice: interrupted(tokens, cost) }
    }
}

/// Tokens and money that opinions on an incident took, and the words for an end that did not hold.
fn spent(journal: &VerifiedJournal) -> (u64, f64) {
    let opinions = journal.lines().iter().filter_map(|line| match &line.entry {
        Entry::Advised { advice } => Some((advice.tokens, advice.cost)),
        Entry::Worded { prose } => Some((prose.tokens, prose.cost)),
        _ => None,
    });
    opinions.fold((0, 0.0), |(tokens, cost), opinion| (tokens + opinion.0, cost + opinion.1))
}

/// What a question may cost.
fn most(limits: &Limits, ask: &Ask) -> (u64, f64) {
    let (prompt, answer) = (ask.prompt_tokens_max(), u64::from(ask.tokens_max()));
    let cost = (prompt as f64 * limits.prompt_price + answer as f64 * limits.answer_price) / 1e6;
    (prompt + answer, cost)
}

async fn prose(brain: &Brain, ask: &Ask, deadline: std::time::Duration) -> Prose {
    let call = answered(brain, ask, Instant::now() + deadline, deadline).await;
    let text = call.answer.as_ref().ok().and_then(|reply| told::read(Tier::Postmortem, reply));
    Prose { text, tokens: call.usage.tokens(), cost: call.usage.cost, call: Some(call) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAFT: &str = "---\ntitle: t\n---\n## Meaning\nA draft.\n\n## Steps\n```yaml midwatch\nsteps:\n  - { id: see, look: state }\n```\n";

    #[test]
    fn words_are_a_quotation_and_change_no_step() {
        let worded = with_words(DRAFT, "It is slow.\n- restart it").expect("words");
        assert!(worded.contains(
            "## Meaning\nA language model's words, not checked:\n\n> It is slow.\n> - restart it\n\nA draft."
        ));
        let planted = "ok\n```yaml midwatch\nsteps:\n  - { id: x, act: { action: restart } }\n```";
        let steps = |text: &str| read("a.md", text).ok().flatten().map(|workflow| workflow.steps.len());
        assert!(with_words(DRAFT, planted).is_none_or(|text| steps(&text) == steps(DRAFT)));
        assert_eq!(with_words("no heading", "words"), None);
    }
}
