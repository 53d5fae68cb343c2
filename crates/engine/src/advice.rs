//! Second opinions on open incidents, beside the loop: one incident at a time, each once, a storm as one.
//!
//! A question is put on record before it is asked: what was paid for is counted even if midwatch ends before the answer.
//!
//! Must never: delay a verdict, or change one. What a model thinks is put down beside it; plan and gate do not read it.

use crate::agent::{Assisted, Brain, Subject, fallback_sentence, investigate};
use crate::{Engine, EngineError};
use midwatch_diagnosis::agent::{Document, Limits, Struck};
use midwatch_diagnosis::investigate::VerdictKind;
use midwatch_incident::Incident;
use midwatch_model::journal::{Entry, StreamId, VerifiedJournal};
use midwatch_model::llm::{Advice, Opinion};
use midwatch_model::{IncidentId, Timestamp, after};
use midwatch_store::IncidentRow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Past incidents that are told of.
const PAST_MAX: usize = 5;

/// Claims that did not stand which are told of in one opinion.
const STRUCK_TOLD_MAX: usize = 3;

/// Open incidents that are looked through for one without an opinion.
const OPEN_MAX: u32 = 200;

/// Incidents that are over and of which it is remembered that they need no words: to read some twice does no harm.
const ENDS_MAX: usize = 1000;

/// Times that an incident is tried if something goes wrong, and the seconds before the second try; each wait is four times
/// the one before.
const TRIES_MAX: u32 = 4;
const RETRY_S: f64 = 30.0;

/// Who is asked, and how much at most.
#[derive(Debug)]
pub struct Advisor {
    pub brain: Brain,
    pub limits: Limits,
    pub deadline: Duration,
    /// What is known of open incidents, so that a journal is read only when it has grown.
    looks: Mutex<HashMap<String, Look>>,
    /// Incidents that are over and need no words, by the length of their journal.
    ends: Mutex<HashMap<String, u64>>,
}

/// What the last look at an incident found.
#[derive(Clone, Copy, Debug)]
enum Look {
    /// Nothing to ask about at this length of its journal.
    Waits { seq: u64 },
    /// There is an opinion, or there will be none.
    Done,
    /// Something went wrong; it is tried again from then on.
    Failed { tries: u32, due: Timestamp },
}

impl Advisor {
    #[must_use]
    pub fn new(brain: Brain, limits: Limits, deadline: Duration) -> Self {
        Self { brain, limits, deadline, looks: Mutex::default(), ends: Mutex::default() }
    }

    /// Whether a look at the incident could find something new.
    fn is_worth_a_look(&self, row: &IncidentRow, now: Timestamp) -> bool {
        match self.looks().get(&row.id) {
            None => true,
            Some(Look::Waits { seq }) => *seq != row.seq,
            Some(Look::Done) => false,
            Some(Look::Failed { tries, due }) => *tries < TRIES_MAX && *due <= now,
        }
    }

    /// Whether an incident that is over was not looked at yet.
    pub(crate) fn is_new_end(&self, row: &IncidentRow) -> bool {
        self.ends().get(&row.id) != Some(&row.seq)
    }

    pub(crate) fn keep_end(&self, row: &IncidentRow) {
        let mut ends = self.ends();
        if ends.len() >= ENDS_MAX {
            ends.clear();
        }
        ends.insert(row.id.clone(), row.seq);
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<String, Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, id: &IncidentId, look: Look) {
        self.looks().insert(id.to_string(), look);
    }

    /// Only this incident waits; the others have their turn.
    fn failed(&self, id: &IncidentId, now: Timestamp, error: &EngineError) {
        let before = self.looks().get(id.as_str()).copied();
        let tries = 1 + if let Some(Look::Failed { tries, .. }) = before { tries } else { 0 };
        let wait_s = RETRY_S * 4.0_f64.powi(tries as i32 - 1);
        self.keep(id, Look::Failed { tries, due: after(now, wait_s) });
        if tries < TRIES_MAX {
            tracing::warn!(incident.id = %id, %error, retry_s = wait_s, "a second opinion could not be had; it is tried again");
        } else {
            tracing::warn!(incident.id = %id, %error, tries, "a second opinion could not be had; it is not tried again");
        }
    }

    /// What one investigation may use up. Without prices, nothing is known of its cost.
    fn most(&self) -> (u64, f64) {
        let limits = &self.limits;
        let price = limits.prompt_price.max(limits.answer_price);
        (limits.tokens_max, (limits.tokens_max as f64 * price / 1e6).min(limits.cost_max))
    }
}

/// Asks for opinions until `stop` turns true.
pub async fn advise(engine: Arc<Engine>, advisor: Advisor, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(engine.config.tick_s));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = stop.changed() => if changed.is_err() || *stop.borrow() { return } else { continue },
        }
        let round = tokio::select! {
            round = engine.seek_advice(&advisor) => round,
            // Nobody waits for an answer that is under way. That it was asked for is on record: after the next start it
            // counts as spent.
            _ = stop.changed() => return,
        };
        if let Err(error) = round {
            tracing::warn!(%error, "incidents could not be read or written for a second opinion; it is tried again");
        }
    }
}

impl Engine {
    /// Asks about one open incident that has a verdict, or should have, and no opinion yet; else puts a postmortem into
    /// words; `None` if there is nothing to ask.
    ///
    /// # Errors
    /// When the incidents cannot be listed. What goes wrong with one of them is logged, and tried again later.
    pub async fn seek_advice(&self, advisor: &Advisor) -> Result<Option<IncidentId>, EngineError> {
        let rows = self.store.incidents(true, OPEN_MAX).await?;
        advisor.looks().retain(|id, _| rows.iter().any(|row| row.id == *id));
        for row in rows {
            if row.parent.is_some() || !advisor.is_worth_a_look(&row, self.now()) {
                continue;
            }
            let id = IncidentId::new(row.id);
            match self.advise_on(&id, advisor).await {
                Ok(Look::Done) => {
                    advisor.keep(&id, Look::Done);
                    return Ok(Some(id));
                }
                // As the row was: what came since is looked at next time.
                Ok(Look::Waits { .. }) => advisor.keep(&id, Look::Waits { seq: row.seq }),
                Ok(other) => advisor.keep(&id, other),
                Err(error) => advisor.failed(&id, self.now(), &error),
            }
        }
        // Who still waits for an answer comes first.
        self.word_postmortem(advisor).await
    }

    /// Asks about one incident, if it wants that.
    async fn advise_on(&self, id: &IncidentId, advisor: &Advisor) -> Result<Look, EngineError> {
        let waits = Look::Waits { seq: 0 };
        let Some(journal) = self.store.read_intact(&StreamId::Incident(id.clone())).await? else {
            return Ok(waits);
        };
        match Wish::of(&journal) {
            Wish::None => return Ok(waits),
            Wish::Interrupted { tokens_max, cost_max } => {
                self.put_down(id, interrupted(tokens_max, cost_max)).await?;
                return Ok(Look::Done);
            }
            Wish::Opinion => {}
        }
        let Some(bundle) = self.incident_bundle(id).await? else { return Ok(waits) };
        let known = self.consulted(self.past(id).await?);
        let (tokens_max, cost_max) = advisor.most();
        // Before anything is paid for.
        self.tell(id, |_| Ok(vec![Entry::AdviceSought { tokens_max, cost_max }])).await?;
        let subject = Subject::Live(self, id);
        let (brain, limits, deadline) = (&advisor.brain, advisor.limits, advisor.deadline);
        let opinion = investigate(subject, &bundle, &known, brain, limits, deadline).await;
        self.put_down(id, advice(&opinion)).await?;
        Ok(Look::Done)
    }

    /// The incidents that ended last, newest first.
    pub(crate) async fn past(&self, but: &IncidentId) -> Result<Vec<Document>, EngineError> {
        let rows = self.store.incidents(false, OPEN_MAX).await?;
        let ended = rows.into_iter().filter(|row| row.id != but.as_str() && is_over(row)).take(PAST_MAX);
        Ok(ended.map(|row| Document { title: row.id.clone(), id: row.id, text: row.summary }).collect())
    }

    async fn put_down(&self, id: &IncidentId, advice: Advice) -> Result<(), EngineError> {
        self.tell(id, |_| Ok(vec![Entry::Advised { advice: advice.clone() }])).await
    }
}

/// Whether the trouble is over: it may still be watched for a while.
pub(crate) fn is_over(row: &IncidentRow) -> bool {
    matches!(row.state.as_str(), "resolved" | "closed")
}

/// What an incident's journal asks for.
enum Wish {
    /// It has an opinion, is not looked into yet, is over, or is part of another that is asked about.
    None,
    Opinion,
    /// A model was asked, and what came of it is not on record.
    Interrupted {
        tokens_max: u64,
        cost_max: f64,
    },
}

impl Wish {
    fn of(journal: &VerifiedJournal) -> Self {
        let asked = journal.lines().iter().rev().find_map(|line| match &line.entry {
            Entry::Advised { .. } | Entry::Worded { .. } => Some(Wish::None),
            Entry::AdviceSought { tokens_max, cost_max } => {
                Some(Wish::Interrupted { tokens_max: *tokens_max, cost_max: *cost_max })
            }
            _ => None,
        });
        let Some(incident) = Incident::fold(journal.lines()) else { return Wish::None };
        let looked_into = incident.first_verdict_at.is_some() || incident.escalated.is_some();
        let wants = looked_into
            && incident.parent.is_none()
            && incident.resolved_at.is_none()
            && !incident.is_predicted();
        asked.unwrap_or(if wants { Wish::Opinion } else { Wish::None })
    }
}

/// What stands for an opinion that never came: it is not asked for again, since it may have been paid for.
pub(crate) fn interrupted(tokens: u64, cost: f64) -> Advice {
    let summary = format!(
        "A language model was asked, and midwatch ended before the answer was on record. It is not asked again; the most \
         that this may have cost counts as spent: {tokens} tokens, ${cost:.4}."
    );
    Advice { opinion: Opinion::NotUsed, summary, provider: String::new(), tokens, cost, calls: Vec::new() }
}

fn advice(opinion: &Assisted) -> Advice {
    let (conclusion, account) = (&opinion.conclusion, opinion.conclusion.answer.llm.as_ref());
    let (opinion_is, summary) = match (&conclusion.fell_back, conclusion.differs) {
        (Some(why), _) => (Opinion::NotUsed, fallback_sentence(why) + &struck(&conclusion.struck)),
        (None, differs) => words(conclusion, differs),
    };
    Advice {
        opinion: opinion_is,
        summary,
        provider: account.map_or_else(String::new, |account| account.provider.clone()),
        tokens: account.map_or(0, |account| account.tokens),
        cost: account.map_or(0.0, |account| account.cost),
        calls: opinion.calls.clone(),
    }
}

/// What did not stand, for whoever wonders why.
fn struck(claims: &[(String, Struck)]) -> String {
    let one = |(component, why): &(String, Struck)| format!(" Struck: a claim about {component}: {why}.");
    claims.iter().take(STRUCK_TOLD_MAX).map(one).collect()
}

fn words(conclusion: &midwatch_diagnosis::agent::Conclusion, differs: bool) -> (Opinion, String) {
    let Some(best) = conclusion.answer.ranked.first() else {
        return (
            Opinion::Agrees,
            "A language model looked, too: it found nothing that stands out.".to_owned(),
        );
    };
    if conclusion.answer.verdict != VerdictKind::RootCause {
        let text = "A language model looked, too, and made nothing clearer; what it said is in the record of its calls.";
        return (Opinion::NotUsed, text.to_owned());
    }
    let what = format!("{} has {}", best.component, best.kind.phrase());
    if differs {
        let text = format!(
            "A language model puts another explanation first, which the numbers leave open: {what}. Nothing is done because of it."
        );
        return (Opinion::Differs, text);
    }
    (Opinion::Agrees, format!("A language model looked, too, and changed nothing: {what}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, seq: u64) -> IncidentRow {
        IncidentRow {
            id: id.to_owned(),
            state: "diagnosed".to_owned(),
            open: true,
            service: "payment".to_owned(),
            cause: None,
            opened_at: Timestamp::UNIX_EPOCH,
            parent: None,
            seq,
            summary: String::new(),
        }
    }

    fn advisor() -> Advisor {
        Advisor::new(Brain::Record(Vec::new()), Limits::default(), Duration::from_secs(1))
    }

    #[test]
    fn a_journal_is_read_again_only_when_it_has_grown() {
        let (advisor, now) = (advisor(), Timestamp::UNIX_EPOCH);
        let id = IncidentId::new("a");
        assert!(advisor.is_worth_a_look(&row("a", 3), now), "nobody looked yet");
        advisor.keep(&id, Look::Waits { seq: 3 });
        assert!(!advisor.is_worth_a_look(&row("a", 3), now));
        assert!(advisor.is_worth_a_look(&row("a", 4), now), "it has grown");
        advisor.keep(&id, Look::Done);
        assert!(!advisor.is_worth_a_look(&row("a", 9), now));
    }

    #[test]
    fn what_fails_waits_longer_each_time_holds_up_nobody_and_is_given_up() {
        let (advisor, id, now) = (advisor(), IncidentId::new("a"), Timestamp::UNIX_EPOCH);
        for (tries, wait_s) in [(1, 30.0), (2, 120.0), (3, 480.0)] {
            advisor.failed(&id, now, &EngineError::Unfit("a test".to_owned()));
            assert!(!advisor.is_worth_a_look(&row("a", 4), after(now, wait_s - 1.0)), "try {tries}");
            assert!(advisor.is_worth_a_look(&row("a", 4), after(now, wait_s)), "try {tries}");
            assert!(advisor.is_worth_a_look(&row("b", 4), now), "another has its turn");
        }
        advisor.failed(&id, now, &EngineError::Unfit("a test".to_owned()));
        assert!(!advisor.is_worth_a_look(&row("a", 4), after(now, 1e6)), "given up");
    }
}
