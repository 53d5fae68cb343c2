//! What becomes of the deterministic answer when a model's claim stands.

use super::book::Book;
use super::submission::{Claim, Submission};
use crate::investigate::{Answer, CONCLUSIVE, Remediation, VerdictKind};
use midwatch_model::ActionKind;

/// Confidence up to which a model may carry an explanation, and from which it may not touch the order: just below that
/// from which the gate lets anything be done. What acts is carried by numbers alone.
pub const DOUBTFUL_MAX: f64 = 0.69;

/// Share of the best explanation's confidence from which another is left open by the numbers.
const OPEN_SHARE: f64 = 0.25;

/// How far a model that is sure of itself carries an explanation towards [`DOUBTFUL_MAX`].
const CARRIES: f64 = 0.6;

/// The answer after the claims that stand. The target and the action are those of before, or a person's.
pub(super) fn merge(before: &Answer, submission: &Submission, standing: &[Claim], book: &Book) -> Answer {
    let mut answer = before.clone();
    if before.verdict == VerdictKind::NoFault || submission.verdict != VerdictKind::RootCause {
        return answer;
    }
    let Some(claim) = standing.iter().find(|claim| is_open(before, &claim.component)) else { return answer };
    let reordered = promote(&mut answer, &claim.component);
    cite(&mut answer, claim, book);
    let best = &mut answer.ranked[0];
    if best.confidence < DOUBTFUL_MAX {
        best.confidence += (DOUBTFUL_MAX - best.confidence) * CARRIES * claim.confidence;
    }
    if best.confidence >= CONCLUSIVE {
        answer.next_query = None;
        answer.verdict = VerdictKind::RootCause;
    }
    if reordered || before.verdict != VerdictKind::RootCause {
        answer.remediation = (answer.verdict == VerdictKind::RootCause).then(|| hand_over(before));
    }
    answer
}

/// Whether the numbers leave it open that the component is the cause.
fn is_open(before: &Answer, component: &str) -> bool {
    let Some(best) = before.ranked.first() else { return false };
    let own = before.ranked.iter().find(|ranked| ranked.component == component);
    own.is_some_and(|own| {
        own.component == best.component
            || (best.confidence < DOUBTFUL_MAX && own.confidence >= OPEN_SHARE * best.confidence)
    })
}

/// Puts a component first, with the confidence that the first one had; says whether that changed anything.
fn promote(answer: &mut Answer, component: &str) -> bool {
    let Some(at) = answer.ranked.iter().position(|ranked| ranked.component == component) else {
        return false;
    };
    if at == 0 {
        return false;
    }
    let confidences: Vec<f64> = answer.ranked.iter().map(|ranked| ranked.confidence).collect();
    answer.ranked[..=at].rotate_right(1);
    for (ranked, confidence) in answer.ranked.iter_mut().zip(confidences) {
        ranked.confidence = confidence;
    }
    true
}

/// Adds what the claim cites, and its change where none was convicted.
fn cite(answer: &mut Answer, claim: &Claim, book: &Book) {
    let known: Vec<String> = answer.evidence.iter().map(|e| e.id.clone()).collect();
    for id in claim.evidence.iter().chain(&claim.against).filter(|id| !known.contains(id)) {
        if !answer.evidence.iter().any(|e| e.id == *id) {
            answer.evidence.extend(book.evidence(id));
        }
    }
    let filed: Vec<String> = answer.evidence.iter().map(|e| e.id.clone()).collect();
    let best = &mut answer.ranked[0];
    add(&mut best.evidence, &claim.evidence, &filed);
    let supports = best.evidence.clone();
    add(&mut best.against, &claim.against, &filed);
    best.against.retain(|id| !supports.contains(id));
    if best.change.is_none() {
        best.change.clone_from(&claim.change);
    }
}

fn add(ids: &mut Vec<String>, more: &[String], filed: &[String]) {
    for id in more.iter().filter(|id| filed.contains(id)) {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
}

/// A person, at what the numbers put first: the model chooses no target.
fn hand_over(before: &Answer) -> Remediation {
    let target = before.ranked.first().map_or_else(String::new, |best| best.component.clone());
    let reason = "the numbers alone do not carry this explanation: a person decides";
    Remediation { action: ActionKind::Escalate, target, reason: reason.to_owned() }
}
