//! What an incident's alert says: the verdict first, then evidence, then what was or would be done, how to take that
//! back, and what is asked of whoever reads it.

use super::Needs;
use midwatch_incident::{Incident, State};
use midwatch_model::journal::EffectOutcome;
use midwatch_model::redact::redact;
use midwatch_model::{Action, EvidenceId, Labels, ServiceName, Verdict};

/// Reasons that are named at most: the strongest come first, and a phone shows no more.
const REASONS_MAX: usize = 3;

pub(super) fn annotations(incident: &Incident, needs: Option<Needs>) -> Labels {
    let texts = [
        ("summary", Some(summary(incident, needs))),
        ("evidence", evidence(incident)),
        ("symptoms", Some(symptoms(incident))),
        ("action", action(incident)),
        ("undo", undo(incident)),
        ("answer", answer(incident, needs)),
        ("why", Some(format!("midwatch why {}", incident.id))),
    ];
    let text = |(name, text): (&str, Option<String>)| Some((name.to_owned(), redact(&text?).into_owned()));
    texts.into_iter().filter_map(text).collect()
}

pub(crate) fn verdict(incident: &Incident) -> String {
    let first = || format!("No verdict yet. {}", incident.signals[0].summary);
    incident.verdict.as_ref().map_or_else(first, Verdict::sentence)
}

/// What keeps callers from a service although it is over, and how to end that: a breaker that midwatch opened stays open until
/// somebody knows that what it protects from is gone.
pub(crate) fn still_open(incident: &Incident) -> String {
    let close = |service: &ServiceName| {
        let action = Action::CircuitBreak { target: service.clone(), open: false };
        format!(". Left to do: {} (midwatch act circuit_break {service} --close)", action.sentence())
    };
    incident.open_breakers().into_iter().map(close).collect()
}

/// Without a full stop at its end.
fn unstopped(text: &str) -> &str {
    text.trim_end_matches('.')
}

pub(crate) fn summary(incident: &Incident, needs: Option<Needs>) -> String {
    let verdict = verdict(incident);
    let verdict = unstopped(&verdict);
    match (incident.state, &incident.merged_into) {
        (_, Some(into)) => format!("Merged into {into}, which goes on for it. It was: {verdict}"),
        (State::Resolved | State::Closed, _) => {
            format!("Recovered: {}. It was: {verdict}{}", recovered(incident), still_open(incident))
        }
        (State::FalseAlarm, _) if incident.is_predicted() => {
            format!("It did not happen. What was foreseen: {verdict}")
        }
        (State::FalseAlarm, _) => format!("A person marked it as a false alarm. It was: {verdict}"),
        _ => match (needs, &incident.waiting, &incident.escalated) {
            (Some(Needs::Approval), Some(waiting), _) => {
                let what = next_action(incident).unwrap_or_else(|| "the next step".into());
                let count = incident.count_of_yeses().map_or_else(String::new, |count| format!("; {count}"));
                format!("{verdict}. Waits for your approval: {what} ({}{count})", waiting.why)
            }
            (Some(Needs::Takeover), _, Some((_, reason))) => format!("{verdict}. Over to you: {reason}"),
            _ => verdict.to_owned(),
        },
    }
}

fn recovered(incident: &Incident) -> String {
    match incident.last_effect() {
        _ if incident.effects.is_empty() => "without anything that midwatch did".into(),
        Some(effect) if incident.undo_of(&effect.intent.key).is_none() => {
            let took = incident.mttr_ms.filter(|ms| *ms > 0);
            let took =
                took.map_or_else(String::new, |ms| format!(", {:.0} s from detection", ms as f64 / 1000.0));
            format!("after \"{}\"{took}", effect.intent.action.sentence())
        }
        _ => "after what was tried had been taken back".into(),
    }
}

fn evidence(incident: &Incident) -> Option<String> {
    let verdict = incident.verdict.as_ref()?;
    let root = verdict.root()?;
    let reasons = root.reasons.iter().take(REASONS_MAX).map(|reason| unstopped(reason).to_owned());
    let mut parts: Vec<String> = reasons.collect();
    // The strongest piece comes first.
    let of = |id: &EvidenceId| verdict.evidence.iter().find(|evidence| evidence.id == *id);
    let first = root.supports.iter().find_map(of);
    parts.extend(first.map(|evidence| format!("to run again: {}", evidence.query)));
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn symptoms(incident: &Incident) -> String {
    let services: Vec<String> = incident.services().iter().map(ToString::to_string).collect();
    let count = incident.signals.len();
    let signals = if count == 1 { "1 signal".into() } else { format!("{count} signals") };
    format!("{signals} of {}", services.join(", "))
}

/// What was done last, or would be done next.
pub(crate) fn action(incident: &Incident) -> Option<String> {
    if let (None, Some(effect)) = (&incident.waiting, incident.effects.last()) {
        let what = effect.intent.action.sentence();
        let what = if effect.intent.undoes.is_some() { format!("taken back: {what}") } else { what };
        return Some(match &effect.outcome {
            Some(EffectOutcome::Applied { .. }) => format!("done: {what}"),
            Some(EffectOutcome::NotApplied { reason }) => format!("not done: {what} ({reason})"),
            Some(EffectOutcome::Failed { reason }) => format!("failed: {what} ({reason})"),
            Some(EffectOutcome::Unknown { .. }) | None => format!("under way: {what}"),
        });
    }
    let said = if incident.would_have_acted { "dry run, would have done" } else { "proposed" };
    Some(format!("{said}: {}", next_action(incident)?))
}

pub(crate) fn next_action(incident: &Incident) -> Option<String> {
    let (plan, _) = incident.plan.as_ref()?;
    Some(plan.steps.get(incident.step)?.action.sentence())
}

pub(crate) fn undo(incident: &Incident) -> Option<String> {
    let undo = match (&incident.waiting, incident.last_effect()) {
        (None, Some(effect)) => effect.intent.undo.clone(),
        _ => incident.plan.as_ref().and_then(|(plan, _)| plan.steps.get(incident.step)?.undo.clone()),
    };
    undo.map(|undo| undo.sentence())
}

/// What whoever is needed can do.
pub(crate) fn answer(incident: &Incident, needs: Option<Needs>) -> Option<String> {
    let id = &incident.id;
    Some(match needs? {
        Needs::Approval => {
            let until = incident.waiting.as_ref()?.expires_at.strftime("%H:%M:%S UTC");
            format!("midwatch approve {id}, or midwatch deny {id}; until {until}")
        }
        Needs::Takeover => format!("midwatch incident show {id} says what was found and tried"),
    })
}
