//! Second opinions on open incidents, beside the loop: one incident at a time, each once, a storm as one.
//!
//! Must never: delay a verdict, or change one. What a model thinks is put down beside it; plan and gate do not read it.

use crate::agent::{Assisted, Brain, fallback_sentence, investigate};
use crate::{Engine, EngineError};
use midwatch_diagnosis::agent::{Document, Limits};
use midwatch_diagnosis::investigate::VerdictKind;
use midwatch_incident::Incident;
use midwatch_model::IncidentId;
use midwatch_model::journal::{Entry, StreamId, VerifiedJournal};
use midwatch_model::llm::{Advice, Opinion};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Past incidents that are told of.
const PAST_MAX: usize = 5;

/// Open incidents that are looked through for one without an opinion.
const OPEN_MAX: u32 = 200;

/// Who is asked, and how much at most.
#[derive(Debug)]
pub struct Advisor {
    pub brain: Brain,
    pub limits: Limits,
    pub deadline: Duration,
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
            // A question that is under way changes nothing, and nobody waits for its answer any more.
            _ = stop.changed() => return,
        };
        if let Err(error) = round {
            tracing::warn!(%error, "a second opinion could not be had; it is tried again");
        }
    }
}

impl Engine {
    /// Asks about one open incident that has a verdict, or should have, and no opinion yet; `None` if there is none.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn seek_advice(&self, advisor: &Advisor) -> Result<Option<IncidentId>, EngineError> {
        for row in self.store.incidents(true, OPEN_MAX).await? {
            let id = IncidentId::new(row.id);
            let Some(journal) = self.store.read_intact(&StreamId::Incident(id.clone())).await? else {
                continue;
            };
            if !wants_advice(&journal) {
                continue;
            }
            let Some(bundle) = self.incident_bundle(&id).await? else { continue };
            let known = self.consulted(self.past(&id).await?);
            let opinion =
                investigate(&bundle, &known, &advisor.brain, advisor.limits, advisor.deadline).await;
            self.put_down(&id, advice(&opinion)).await?;
            return Ok(Some(id));
        }
        Ok(None)
    }

    /// The incidents that ended last, newest first.
    async fn past(&self, but: &IncidentId) -> Result<Vec<Document>, EngineError> {
        let rows = self.store.incidents(false, OPEN_MAX).await?;
        let is_over = |state: &str| matches!(state, "resolved" | "closed");
        let ended =
            rows.into_iter().filter(|row| row.id != but.as_str() && is_over(&row.state)).take(PAST_MAX);
        Ok(ended.map(|row| Document { title: row.id.clone(), id: row.id, text: row.summary }).collect())
    }

    async fn put_down(&self, id: &IncidentId, advice: Advice) -> Result<(), EngineError> {
        self.tell(id, |_| Ok(vec![Entry::Advised { advice: advice.clone() }])).await
    }
}

/// Whether the incident was looked into, nobody was asked yet, and it is not part of another that is.
fn wants_advice(journal: &VerifiedJournal) -> bool {
    let asked = journal.lines().iter().any(|line| matches!(line.entry, Entry::Advised { .. }));
    let Some(incident) = Incident::fold(journal.lines()) else { return false };
    let looked_into = incident.first_verdict_at.is_some() || incident.escalated.is_some();
    !asked && looked_into && incident.parent.is_none() && incident.resolved_at.is_none()
}

fn advice(opinion: &Assisted) -> Advice {
    let (conclusion, account) = (&opinion.conclusion, opinion.conclusion.answer.llm.as_ref());
    let (opinion_is, summary) = match (&conclusion.fell_back, conclusion.differs) {
        (Some(why), _) => (Opinion::NotUsed, fallback_sentence(why)),
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
