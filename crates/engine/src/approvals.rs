//! People's answers to what waits: who may give one, what it is bound to, and that each counts once.
//!
//! What is said here is only put on record; the gate asks again who said yes before anything is done.

use crate::append::{append, unless_overtaken};
use crate::{Engine, EngineError};
use midwatch_decision::DecisionConfig;
use midwatch_incident::{Incident, Waiting};
use midwatch_model::decision::{Approval, Caller, Way};
use midwatch_model::journal::{Entry, StreamId, VerifiedJournal};
use midwatch_model::{IncidentId, PlanHash, Timestamp};
use midwatch_store::Commit;

/// Answers that count for nothing and are put on record for one incident: whoever presses a thousand times shall not fill
/// its journal.
const NOT_COUNTED_MAX: usize = 16;

/// A person's answer to what an incident waits with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub incident: IncidentId,
    /// The plan that was looked at; the answer holds for no other.
    pub plan: PlanHash,
    /// The step of it, where the way that it came says so.
    pub step: Option<usize>,
    pub caller: Caller,
    pub yes: bool,
    /// Why not, in the person's words.
    pub reason: String,
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The person.
    pub by: String,
    /// Whether that person had said so before: nothing was added.
    pub again: bool,
    /// How many people have said yes, and how many must.
    pub have: usize,
    pub needed: usize,
}

impl Heard {
    /// Whether the step may go on to the gate.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.have >= self.needed
    }
}

impl Engine {
    /// Takes a person's answer: a yes or a no to exactly the plan that the incident waits with. The same yes again changes
    /// nothing.
    ///
    /// # Errors
    /// When the incident waits for nothing, its plan is another one by now, the request has expired, or the person may not
    /// decide on it; that one is on record.
    pub async fn answer(&self, answer: &Reply) -> Result<Heard, EngineError> {
        unless_overtaken(|| async {
            let (journal, incident) = self.incident(&answer.incident).await?;
            let known = recorded(&journal);
            let (entries, heard) = weigh(&incident, &known, answer, &self.config.decision, self.now());
            if !entries.is_empty() {
                append(self, &journal, entries, Commit::default()).await?;
                self.wake.notify_one();
            }
            heard
        })
        .await
    }

    /// The yes of somebody at this machine.
    ///
    /// # Errors
    /// As for [`Engine::answer`].
    pub async fn approve(&self, id: &IncidentId, plan: &PlanHash, by: &str) -> Result<(), EngineError> {
        self.answer(&local(id, plan, by, true, "")).await.map(drop)
    }

    /// The no of somebody at this machine; the incident is handed to people.
    ///
    /// # Errors
    /// As for [`Engine::answer`].
    pub async fn deny(
        &self,
        id: &IncidentId,
        plan: &PlanHash,
        by: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        self.answer(&local(id, plan, by, false, reason)).await.map(drop)
    }

    /// Says something back to whoever pressed a button in Slack.
    ///
    /// # Errors
    /// When the address is not Slack's, or does not take it.
    pub async fn respond(
        &self,
        url: &str,
        body: &serde_json::Value,
    ) -> Result<(), midwatch_connectors::ConnectorError> {
        self.outside.respond(url, body).await
    }
}

fn local(id: &IncidentId, plan: &PlanHash, by: &str, yes: bool, reason: &str) -> Reply {
    Reply {
        incident: id.clone(),
        plan: plan.clone(),
        step: None,
        caller: Caller::new(Way::Local, by),
        yes,
        reason: reason.to_owned(),
    }
}

/// Who was told that their answer does not count, and why.
fn recorded(journal: &VerifiedJournal) -> Vec<(&str, &str)> {
    debug_assert!(matches!(journal.stream(), StreamId::Incident(_)));
    let of = |entry: &'_ Entry| matches!(entry, Entry::ApprovalNotCounted { .. });
    let lines = journal.lines().iter().map(|line| &line.entry).filter(|entry| of(entry));
    lines
        .filter_map(|entry| match entry {
            Entry::ApprovalNotCounted { by, reason, .. } => Some((by.as_str(), reason.as_str())),
            _ => None,
        })
        .collect()
}

/// What goes on record, and what the person is told.
fn weigh(
    incident: &Incident,
    known: &[(&str, &str)],
    answer: &Reply,
    config: &DecisionConfig,
    now: Timestamp,
) -> (Vec<Entry>, Result<Heard, EngineError>) {
    let caller = answer.caller.to_string();
    let person = config.person(&answer.caller, incident.severity, incident.decided_on().as_str());
    let by = match person {
        Ok(by) => by,
        Err(reason) => {
            let is_news =
                known.len() < NOT_COUNTED_MAX && !known.contains(&(caller.as_str(), reason.as_str()));
            let entry =
                Entry::ApprovalNotCounted { plan: answer.plan.clone(), by: caller, reason: reason.clone() };
            return (is_news.then_some(entry).into_iter().collect(), Err(EngineError::NotApprover(reason)));
        }
    };
    match weigh_of(incident, by, caller, answer, config, now) {
        Ok((entry, heard)) => (entry.into_iter().collect(), Ok(heard)),
        Err(error) => (Vec::new(), Err(error)),
    }
}

/// The same for a person who may decide.
fn weigh_of(
    incident: &Incident,
    by: String,
    via: String,
    answer: &Reply,
    config: &DecisionConfig,
    now: Timestamp,
) -> Result<(Option<Entry>, Heard), EngineError> {
    let waiting = waiting_for(incident, answer, now)?;
    let plan = waiting.plan.clone();
    // Whoever was taken off the configuration since has no voice any more.
    let people = config.people(&incident.approvals, incident.severity, incident.decided_on().as_str());
    let (have, needed) = (people.len(), waiting.needed);
    if !answer.yes {
        let heard = Heard { by: by.clone(), again: false, have, needed };
        return Ok((
            Some(Entry::ApprovalRefused { plan, by, reason: answer.reason.clone(), by_policy: false }),
            heard,
        ));
    }
    if incident.approvals.iter().any(|earlier| earlier.by == by) {
        return Ok((None, Heard { by, again: true, have, needed }));
    }
    if have >= needed {
        let who = people.join(" and ");
        let has = if have == 1 { "has" } else { "have" };
        return Err(EngineError::Refused(format!("{who} {has} approved this plan already")));
    }
    // A name that somebody gave proves nothing; where nobody is configured it is all there is.
    let via = if config.approvers.is_empty() { String::new() } else { via };
    let (step, expires_at) = (waiting.step, waiting.expires_at);
    let approval = Approval { plan, step, by: by.clone(), via, at: now, expires_at };
    Ok((Some(Entry::ApprovalGiven { approval }), Heard { by, again: false, have: have + 1, needed }))
}

fn waiting_for<'a>(
    incident: &'a Incident,
    answer: &Reply,
    now: Timestamp,
) -> Result<&'a Waiting, EngineError> {
    let not_waiting =
        || EngineError::NotWaiting { incident: incident.id.to_string(), state: incident.state.to_string() };
    // Between a no and what follows from it, nothing waits any more.
    let waiting = incident.waiting.as_ref().filter(|_| incident.refused.is_none());
    let waiting = waiting.ok_or_else(not_waiting)?;
    if waiting.plan != answer.plan {
        return Err(EngineError::StalePlan { given: answer.plan.clone(), current: waiting.plan.clone() });
    }
    if let Some(step) = answer.step.filter(|step| *step != waiting.step) {
        return Err(EngineError::Refused(format!(
            "the answer is for step {} of the plan, and step {} is what waits now: look at it and answer that one",
            step + 1,
            waiting.step + 1
        )));
    }
    if now > waiting.expires_at {
        return Err(EngineError::Refused(format!(
            "the request expired at {}: `midwatch incident show {}` says what is to be done now",
            waiting.expires_at, incident.id
        )));
    }
    Ok(waiting)
}
