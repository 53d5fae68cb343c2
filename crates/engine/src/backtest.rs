//! Backtests: what the gate would have said of recorded incidents with another policy.
//!
//! What would have happened after the first different answer of an incident nobody can know, so that nothing is said of it.

use crate::{Engine, EngineError};
use midwatch_decision::{DecisionConfig, Policy, replay};
use midwatch_incident::Incident;
use midwatch_model::decision::{Asked, Decision, GateRecord, Mode, PolicyResult};
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_model::{ActionKind, IncidentId, ServiceName, Timestamp, Verdict, after};
use serde::Serialize;
use std::collections::BTreeMap;

/// Incidents that are replayed at most, the newest.
const INCIDENTS_MAX: u32 = 5_000;

/// Differences that are told one by one.
const DIFFERENCES_MAX: usize = 200;

/// What another policy would have changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Backtest {
    /// Incidents that were opened since, and could be read.
    pub incidents: usize,
    /// Whether there were more incidents than are looked at: the oldest are left out.
    pub cut: bool,
    /// Incidents whose streams could not be read.
    pub unreadable: usize,
    /// Answers of the gate that were asked for anew.
    pub decisions: usize,
    /// Of these, answers of which it is not on record what the policy was asked; what is missing was taken as it is now.
    pub incomplete: usize,
    /// Answers that could not be asked for anew at all.
    pub unknown: usize,
    /// Incidents in which somebody was asked or handed something over.
    pub pages: Count,
    /// Actions, without those that took something back.
    pub actions: Count,
    /// The first difference of each incident, newest incident first.
    pub differences: Vec<Difference>,
    /// Incidents with a difference.
    pub different: usize,
}

/// How it was, and how it would have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub was: usize,
    pub would: usize,
}

/// Where an incident would have gone another way.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub incident: IncidentId,
    pub at: Timestamp,
    pub service: ServiceName,
    /// The action as an imperative sentence.
    pub action: String,
    pub was: Decision,
    pub would: Decision,
    /// Why it would have been so.
    pub because: String,
    /// Whether a person would have been asked.
    pub asks: bool,
    /// Whether something of what the policy was asked is not on record.
    pub incomplete: bool,
}

impl Engine {
    /// Asks another policy about what was decided in the last `since_s` seconds; in another mode, if one is given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn backtest(
        &self,
        policy: &Policy,
        since_s: f64,
        mode: Option<Mode>,
    ) -> Result<Backtest, EngineError> {
        let since = after(self.now(), -since_s);
        let namespaces: BTreeMap<ServiceName, Option<String>> = {
            let watch = self.watch.lock().await;
            watch.registrations().into_iter().map(|r| (ServiceName::new(&r.name), r.namespace)).collect()
        };
        let rules = Rules { config: &self.config.decision, policy, mode, namespaces: &namespaces };
        let mut found = Backtest::default();
        let mut rows = self.store.incidents(false, INCIDENTS_MAX + 1).await?;
        rows.retain(|row| row.opened_at >= since);
        found.cut = rows.len() > INCIDENTS_MAX as usize;
        for row in rows.into_iter().take(INCIDENTS_MAX as usize) {
            let stream = StreamId::Incident(IncidentId::new(row.id));
            let Some(journal) = self.store.read_intact(&stream).await? else {
                found.unreadable += 1;
                continue;
            };
            rules.replay(journal.lines(), &mut found);
        }
        Ok(found)
    }
}

/// Reads a policy that is tried out.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read_policy(text: &str) -> Result<Policy, String> {
    Policy::parse(text).map_err(|error| error.to_string())
}

/// What is asked with.
struct Rules<'a> {
    config: &'a DecisionConfig,
    policy: &'a Policy,
    mode: Option<Mode>,
    namespaces: &'a BTreeMap<ServiceName, Option<String>>,
}

impl Rules<'_> {
    /// Replays one incident up to its first difference.
    fn replay(&self, lines: &[Line], found: &mut Backtest) {
        found.incidents += 1;
        let mut difference: Option<Difference> = None;
        let (mut acted, mut paged) = (Count::default(), (false, false));
        let _ = Incident::fold_each(lines, |incident, line| {
            let open = difference.is_none();
            match &line.entry {
                Entry::Gated { record } if open && record.action != ActionKind::PullRequest => {
                    difference = self.ask(incident, record, line.at, found);
                    if let Some(other) = &difference {
                        let acts = matches!(other.would, Decision::Auto | Decision::DryRun);
                        acted.would += usize::from(acts);
                        paged.1 |= other.asks;
                    }
                }
                Entry::Intended { intent } if intent.undoes.is_none() => {
                    acted.was += 1;
                    acted.would += usize::from(open);
                }
                // A dry run would have acted.
                Entry::WouldHaveActed { .. } => {
                    acted.was += 1;
                    acted.would += usize::from(open);
                }
                Entry::ApprovalRequested { .. } | Entry::Escalated { .. } => {
                    paged.0 = true;
                    paged.1 |= open;
                }
                _ => {}
            }
        });
        found.actions.was += acted.was;
        found.actions.would += acted.would;
        found.pages.was += usize::from(paged.0);
        found.pages.would += usize::from(paged.1);
        found.different += usize::from(difference.is_some());
        found.differences.extend(difference.filter(|_| found.differences.len() < DIFFERENCES_MAX));
    }

    fn ask(
        &self,
        incident: &Incident,
        record: &GateRecord,
        at: Timestamp,
        found: &mut Backtest,
    ) -> Option<Difference> {
        let incomplete = record.asked.is_none();
        let asked = match &record.asked {
            Some(asked) => (**asked).clone(),
            None => match self.rebuilt(incident, record) {
                Some(asked) => asked,
                None => {
                    found.unknown += 1;
                    return None;
                }
            },
        };
        found.decisions += 1;
        found.incomplete += usize::from(incomplete);
        let mode = self.mode.unwrap_or(record.mode);
        let would = replay(record, &asked, self.config, self.policy, mode);
        differs(record, &would).then(|| Difference {
            incident: incident.id.clone(),
            at,
            service: asked.action.target().clone(),
            action: asked.action.sentence(),
            was: record.decision,
            would: would.decision,
            asks: asks(&would)
                || would.decision == Decision::Deny && !self.goes_on(incident, record, &asked, mode),
            because: would.because,
            incomplete,
        })
    }

    /// Whether the plan has a later step that would be done where this one is not: nobody is called then.
    fn goes_on(&self, incident: &Incident, record: &GateRecord, asked: &Asked, mode: Mode) -> bool {
        let Some((plan, _)) = incident.plan.as_ref().filter(|(_, hash)| *hash == record.plan) else {
            return false;
        };
        plan.steps.iter().enumerate().skip(record.step + 1).any(|(step, next)| {
            let asked = Asked { action: next.action.clone(), ..asked.clone() };
            let record = GateRecord { step, action: next.action.kind(), ..record.clone() };
            let would = replay(&record, &asked, self.config, self.policy, mode);
            next.action.kind() != ActionKind::Escalate
                && matches!(would.decision, Decision::Auto | Decision::DryRun)
        })
    }

    /// What a record of before was probably asked, from the incident as it stood; `None` where not even the action is known.
    fn rebuilt(&self, incident: &Incident, record: &GateRecord) -> Option<Asked> {
        let (plan, _) = incident.plan.as_ref().filter(|(_, hash)| *hash == record.plan)?;
        let action = plan.steps.get(record.step)?.action.clone();
        let verdict = incident.verdict.as_ref();
        let confidence = verdict.and_then(Verdict::root).map(|root| root.confidence);
        Some(Asked {
            namespace: self.namespaces.get(action.target()).cloned().flatten(),
            cause: Some(plan.cause),
            confidence_permille: confidence.map(|share| (share.clamp(0.0, 1.0) * 1000.0).round() as u16),
            affected_services: verdict.map_or(1, |verdict| verdict.blast_radius.affected.len()),
            // As it was when something was last done to it, if anything was.
            replicas: incident.before_last_effect().map_or(0, |before| before.replicas),
            supports: Vec::new(),
            severity: incident.severity,
            level: Mode::Auto,
            approvals: incident.approvals.clone(),
            action,
        })
    }
}

/// Whether the incident would have gone another way. A no for another reason is the same no, unless a person would be asked
/// because of it.
fn differs(was: &GateRecord, would: &GateRecord) -> bool {
    was.decision != would.decision || asks(was) != asks(would)
}

fn asks(record: &GateRecord) -> bool {
    record.decision == Decision::NeedsApproval
        || matches!(record.policy, PolicyResult::Denied { singled_out: true, .. })
            && record.failed().next().is_none()
}
