//! What to do next with an incident: a pure function of its journal and of gathered facts.

mod decide;
mod foreseen;
mod observe;
mod workflow;

pub(crate) use workflow::RunLook;

use crate::EngineConfig;
use crate::gather::Facts;
use midwatch_decision::{Authorized, Policy, resume};
use midwatch_incident::{Incident, State};
use midwatch_model::action::TargetState;
use midwatch_model::decision::{GateRecord, Mode};
use midwatch_model::journal::{EffectOutcome, Entry, Intent, VerifiedJournal};
use midwatch_model::{Action, ActionKey, SignalKind, Timestamp, after, seconds_between};

/// The next step.
pub(crate) enum Step {
    /// Nothing can be done before something changes.
    Wait,
    /// Put this on record and go on.
    Record(Vec<Entry>),
    /// Do what the gate let pass, if the target's stream still has as many records as the gate saw.
    Act { record: GateRecord, authorized: Authorized, seen: u64 },
    /// Take back what did not help.
    Undo { authorized: Authorized, done: ActionKey, target: TargetState },
    /// Look at the target: nobody knows how the call ended.
    Reconcile(Intent),
    /// Look at what the run of a workflow wants to see.
    Look(Box<RunLook>),
    /// Write the postmortem.
    Report,
}

impl Step {
    fn escalate(reason: impl Into<String>) -> Self {
        Step::Record(vec![Entry::Escalated { reason: reason.into() }])
    }
}

/// Decides the next step.
pub(crate) fn next_step(
    journal: &VerifiedJournal,
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    policy: &Policy,
) -> Step {
    if let Some(pending) = incident.pending_effect() {
        let known_after = after(pending.intent.deadline, config.call_timeout_s);
        if facts.now <= known_after {
            return Step::Wait;
        }
        // A target that cannot be looked at for long is for a person; midwatch goes on looking.
        if seconds_between(known_after, facts.now) >= config.incident.inconclusive_after_s {
            if incident.escalated.is_none() {
                let what = pending.intent.action.sentence();
                return Step::escalate(format!(
                    "nobody knows whether \"{what}\" was done: the target cannot be looked at"
                ));
            }
            if incident.state == State::Escalated && !incident.report_is_current {
                return Step::Report;
            }
        }
        return Step::Reconcile(pending.intent.clone());
    }
    match incident.state {
        State::Correlating | State::Investigating | State::Diagnosed | State::AwaitingApproval
            if incident.is_predicted() =>
        {
            foreseen::decide(incident, facts, config, policy)
        }
        State::Correlating | State::Investigating | State::Diagnosed | State::AwaitingApproval => {
            decide::decide(journal, incident, facts, config, policy)
        }
        State::Verifying => observe::verify(incident, facts, config),
        State::Remediating => take_back(journal, incident, facts, config),
        State::Soaking => observe::soak(incident, facts, config),
        State::Resolved | State::Escalated | State::FalseAlarm if wants_report(incident) => Step::Report,
        State::Resolved => observe::after_recovery(incident, facts, config),
        State::Escalated => observe::with_a_person(incident, facts, config),
        State::FalseAlarm | State::Closed => Step::Wait,
    }
}

/// Whether its end has yet to be written down. Of what was foreseen, did not happen and was left alone there is nothing to learn
/// that the ledger of forecasts does not hold.
fn wants_report(incident: &Incident) -> bool {
    let nothing_happened = incident.state == State::FalseAlarm
        && incident.is_predicted()
        && incident.attempts().next().is_none();
    !incident.report_is_current && !nothing_happened
}

/// An action did not help: undo it if it has an undo, else go on to the next step of the plan.
fn take_back(journal: &VerifiedJournal, incident: &Incident, facts: &Facts, config: &EngineConfig) -> Step {
    let Some(last) = incident.last_effect() else {
        return Step::escalate("the journal shows no action to take back");
    };
    let intent = &last.intent;
    let why = incident.verified.as_ref().map_or("it did not help", |(_, _, reason)| reason.as_str());
    if let Some(rolled_back) = workflow::did_not_help(incident, why) {
        return rolled_back;
    }
    if let Some(reason) = incident.abandoned_run().filter(|_| incident.is_of_run(last)) {
        return Step::escalate(format!("it did not help ({why}), and what the workflow did stays: {reason}"));
    }
    if let Some(undo) = incident.undo_of(&intent.key) {
        let how = match &undo.outcome {
            Some(EffectOutcome::NotApplied { reason } | EffectOutcome::Failed { reason }) => reason.as_str(),
            _ => "its outcome is not known",
        };
        return Step::escalate(format!("\"{}\" could not be undone: {how}", intent.action.sentence()));
    }
    if intent.undo.is_none() {
        let reason =
            format!("\"{}\" did not help ({why}) and leaves nothing to undo", intent.action.sentence());
        return Step::Record(vec![Entry::StepSkipped { step: intent.step, reason }]);
    }
    if config.dry_run || config.mode == Mode::Shadow {
        let undo = intent.undo.as_ref().map_or_else(String::new, Action::sentence);
        return Step::escalate(format!(
            "it did not help ({why}), and midwatch may touch nothing now; to take it back: {undo}"
        ));
    }
    let Some(Ok(target)) = facts.targets.get(intent.action.target()) else {
        let since = incident.verified.as_ref().map_or(facts.now, |(_, at, _)| *at);
        if seconds_between(since, facts.now) < config.incident.inconclusive_after_s {
            return Step::Wait;
        }
        let what = intent.action.sentence();
        return Step::escalate(format!(
            "\"{what}\" did not help and cannot be undone: the target cannot be read"
        ));
    };
    if let Some(overwritten) = last.overwritten(target) {
        return Step::escalate(format!("it did not help ({why}), and {overwritten}"));
    }
    match resume(journal, facts.now) {
        Some(authorized) => Step::Undo { authorized, done: intent.key.clone(), target: target.clone() },
        None => Step::escalate("the journal holds no authorisation for the undo"),
    }
}

/// When an incident must be looked at even if nothing new comes in.
pub(crate) fn wake_at(incident: &Incident, config: &EngineConfig) -> Option<Timestamp> {
    if let Some(pending) = incident.pending_effect() {
        return Some(after(pending.intent.deadline, config.call_timeout_s));
    }
    match incident.state {
        State::AwaitingApproval => incident.waiting.as_ref().map(|w| w.expires_at),
        State::Soaking => incident.soak_until,
        // At once: its report is the only thing left to do.
        State::FalseAlarm if wants_report(incident) => Some(incident.opened_at),
        State::Resolved => incident.resolved_at.map(|at| after(at, config.incident.recurrence_window_s)),
        State::Verifying => {
            let ended = incident.last_effect().and_then(|e| e.ended_at)?;
            Some(after(ended, config.verification.timeout_s))
        }
        _ => None,
    }
}

/// Whether every series that signalled is normal again against its frozen baseline, on a fresh sample, and has been
/// since `calm_s` ago.
fn is_calm(incident: &Incident, facts: &Facts, calm_s: f64) -> bool {
    // What was foreseen beside what happened does not keep the incident open.
    let happened = |signal: &&midwatch_model::Signal| signal.kind != SignalKind::Forecast;
    let normal = |signal: &midwatch_model::Signal| {
        let Some(metric) = signal.metric else { return facts.has_passed(&signal.service) };
        facts.status(&signal.service, metric).is_some_and(|status| {
            let frozen = signal.baseline.is_none_or(|b| b.is_normal(metric, status.value));
            !status.suspicious && !status.stale && frozen
        })
    };
    seconds_between(incident.last_signal_at, facts.now) >= calm_s
        && incident.signals.iter().filter(happened).all(normal)
}
