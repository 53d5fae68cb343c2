//! The parts of a bulletin about an incident.

use super::clean;
use midwatch_incident::Incident;
use midwatch_model::bulletin::{Piece, Step, Symptom};
use midwatch_model::journal::EffectOutcome;
use midwatch_model::{EvidenceId, Verdict};

/// Symptoms that are named at most.
const SYMPTOMS_MAX: usize = 8;

/// Reasons and pieces of evidence that are named at most, each: the strongest come first.
const EVIDENCE_MAX: usize = 5;

/// Services of the way that are named at most.
const PATH_MAX: usize = 12;

/// Things done that are named at most, the latest ones.
const DONE_MAX: usize = 10;

/// What was noticed, what is furthest from normal first.
pub(super) fn symptoms(incident: &Incident) -> Vec<Symptom> {
    let mut symptoms: Vec<Symptom> = incident
        .signals
        .iter()
        .map(|signal| Symptom {
            service: clean(signal.service.to_string()),
            text: clean(signal.summary.clone()),
            sigma: signal.baseline.map(|_| signal.sigma),
        })
        .collect();
    // What has no baseline stays where it came; the sort is stable.
    symptoms.sort_by(|a, b| b.sigma.unwrap_or(0.0).abs().total_cmp(&a.sigma.unwrap_or(0.0).abs()));
    symptoms.truncate(SYMPTOMS_MAX);
    symptoms
}

/// The root, then those that show symptoms, then those that may follow.
pub(super) fn path(incident: &Incident) -> Vec<String> {
    let foreseen = incident.signals.iter().rev().find_map(|signal| signal.ahead.as_ref());
    let mut path: Vec<String> = match (&incident.verdict, foreseen.filter(|_| incident.is_predicted())) {
        (_, Some(ahead)) => ahead.path.iter().map(ToString::to_string).collect(),
        (Some(verdict), None) => {
            let blast = &verdict.blast_radius;
            let root = verdict.root().map(|root| &root.component);
            root.into_iter().chain(&blast.affected).chain(&blast.at_risk).map(ToString::to_string).collect()
        }
        (None, None) => incident.services().iter().map(ToString::to_string).collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    path.retain(|service| seen.insert(service.clone()));
    path.truncate(PATH_MAX);
    path.into_iter().map(clean).collect()
}

/// Why it is believed: reasons first, then what can be asked again.
pub(super) fn evidence(verdict: Option<&Verdict>) -> Vec<Piece> {
    let Some((verdict, root)) = verdict.and_then(|verdict| Some((verdict, verdict.root()?))) else {
        return Vec::new();
    };
    let reason = |reason: &String| Piece {
        source: "reasoning".to_owned(),
        text: clean(reason.clone()),
        query: String::new(),
    };
    let of = |id: &EvidenceId| verdict.evidence.iter().find(|evidence| evidence.id == *id);
    let piece = |evidence: &midwatch_model::Evidence| Piece {
        source: evidence.source.title().to_owned(),
        text: clean(evidence.excerpt.clone()),
        query: clean(evidence.query.clone()),
    };
    let reasons = root.reasons.iter().map(reason).take(EVIDENCE_MAX);
    reasons.chain(root.supports.iter().filter_map(of).map(piece).take(EVIDENCE_MAX)).collect()
}

pub(super) fn steps(incident: &Incident) -> Vec<Step> {
    let Some((plan, _)) = &incident.plan else { return Vec::new() };
    let step = |step: &midwatch_model::PlanStep| Step {
        what: clean(step.action.sentence()),
        why: clean(step.rationale.clone()),
        expected: clean(step.expected_outcome.clone()),
        undo: step.undo.as_ref().map(|undo| clean(undo.sentence())),
        owner: clean(step.owner.clone()),
    };
    plan.steps.iter().map(step).collect()
}

pub(super) fn done(incident: &Incident) -> Vec<String> {
    let effects = incident.effects.iter().map(|effect| {
        let what = effect.intent.action.sentence();
        let what = if effect.intent.undoes.is_some() { format!("taken back: {what}") } else { what };
        clean(match &effect.outcome {
            Some(EffectOutcome::Applied { detail, .. }) => format!("{what}: {detail}"),
            Some(EffectOutcome::NotApplied { reason }) => format!("not done: {what} ({reason})"),
            Some(EffectOutcome::Failed { reason }) => format!("failed: {what} ({reason})"),
            Some(EffectOutcome::Unknown { .. }) | None => format!("under way: {what}"),
        })
    });
    let mut done: Vec<String> = effects.collect();
    done.drain(..done.len().saturating_sub(DONE_MAX));
    done
}

/// The pull request that an action opened, by the address in what the action's target said.
pub(super) fn pull_request(incident: &Incident) -> Option<String> {
    let applied =
        incident.proposals.iter().chain(&incident.effects).rev().filter_map(|effect| match &effect.outcome {
            Some(EffectOutcome::Applied { detail, .. }) => Some(detail),
            _ => None,
        });
    applied.flat_map(|detail| detail.split_whitespace()).find_map(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_one = word.starts_with("https://") && (word.contains("/pull/") || word.contains("/pulls/"));
        is_one.then(|| clean(word.to_owned()))
    })
}
