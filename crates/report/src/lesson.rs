//! What can be learnt from an incident, as a document that a person reviews before anybody finds it.

use crate::postmortem::{PostmortemInput, factors, outcome, sentence_case};
use crate::timeline::headline;
use midwatch_incident::Incident;
use midwatch_model::journal::EffectOutcome;
use midwatch_model::{Verdict, redact::redact, seconds_between};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Symptoms that a summary tells of at most.
const SYMPTOMS_MAX: usize = 6;

/// Renders Markdown with the four chunks of a past incident, and at the top what it is found by.
#[must_use]
pub fn lesson(input: &PostmortemInput<'_>) -> String {
    let incident = input.incident;
    let verdict = incident.verdict.as_ref();
    let services: BTreeSet<String> = incident.services().iter().map(ToString::to_string).collect();
    let mut types: BTreeSet<&str> = incident
        .signals
        .iter()
        .filter_map(|signal| signal.metric)
        .map(midwatch_model::Metric::name)
        .collect();
    types.extend(verdict.and_then(Verdict::root).map(|root| root.cause.name()));
    let mut text = String::from("---\nkind: incident\n");
    let _ = writeln!(text, "id: {}", incident.id);
    // JSON's texts are YAML's, whatever is in them.
    let _ = writeln!(text, "title: {}", serde_json::Value::from(line(&headline(verdict))));
    let _ = writeln!(text, "services: {}", serde_json::json!(services));
    let _ = writeln!(text, "anomaly_types: {}\n---", serde_json::json!(types));
    let _ = writeln!(text, "## Summary\n{}\n", summary(incident));
    let _ = writeln!(text, "## Root cause\n{}\n", root_cause(verdict));
    let _ = writeln!(text, "## Resolution\n{}\n", resolution(incident));
    text.push_str(factors(incident).trim_end());
    text.push('\n');
    redact(&text).into_owned()
}

/// One line: a heading in somebody else's words would make another chunk.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn summary(incident: &Incident) -> String {
    let symptoms = incident.signals.iter().take(SYMPTOMS_MAX).map(|signal| line(&signal.summary));
    let mut text = format!("{}.", symptoms.collect::<Vec<_>>().join(". "));
    if let Some(more) = incident.signals.len().checked_sub(SYMPTOMS_MAX).filter(|more| *more > 0) {
        let _ = write!(text, " And {more} more.");
    }
    if let Some(at) = incident.resolved_at {
        let minutes = seconds_between(incident.opened_at, at) / 60.0;
        let _ = write!(text, " It lasted {minutes:.1} minutes from the first signal on.");
    }
    text
}

fn root_cause(verdict: Option<&Verdict>) -> String {
    let Some(root) = verdict.filter(|verdict| verdict.is_conclusive()).and_then(Verdict::root) else {
        return "It was not found. Whoever reviews this and knows it writes it here.".to_owned();
    };
    let mut text = format!("{} had {}.", root.component, root.cause.phrase());
    for reason in &root.reasons {
        let _ = write!(text, " {}.", sentence_case(&line(reason)).trim_end_matches('.'));
    }
    if let Some(change) = &root.change {
        let _ = write!(text, " It began after a change of {} to {}.", change.service, line(&change.to));
    }
    text
}

fn resolution(incident: &Incident) -> String {
    let mut text = format!("{} ", sentence_case(&line(&outcome(incident))));
    for effect in &incident.effects {
        let how = match &effect.outcome {
            Some(EffectOutcome::Applied { .. }) => "done",
            Some(EffectOutcome::NotApplied { .. }) => "not done",
            Some(EffectOutcome::Failed { .. }) => "failed",
            Some(EffectOutcome::Unknown { .. }) | None => "its end is not known",
        };
        let word = if effect.intent.undoes.is_some() { "Taken back" } else { "Tried" };
        let _ = write!(text, "{word}: {} ({how}). ", effect.intent.action.sentence());
    }
    text.trim_end().to_owned()
}
