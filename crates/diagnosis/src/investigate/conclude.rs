//! The verdict: a root cause, no fault, or neither with the next best query.

use super::answer::{Answer, Ranked, Remediation, VerdictKind};
use super::argue::Facts;
use super::book::Book;
use super::changes::{Other, Suspect};
use super::class::Class;
use super::deviation::NOTABLE;
use super::effect::Effect;
use super::rank::Candidate;
use crate::bundle::AlertStatus;
use midwatch_model::{ActionKind, Cause};

/// Nats of score by which one component must lead another to be e times as likely. This and [`NOISE`] are of
/// a coarse grid: where, over several public sets at once, confidence is about how often such an answer is right.
const TEMPERATURE: f64 = 0.6;

/// Score at which it is as likely as not that anything is wrong at all.
const NOISE: f64 = 6.0;

/// Score up to which everything looks as it always does: one in twenty normal windows is as surprising.
const QUIET: f64 = 3.0;

/// The same where the platform says that all is well, or the alert is over: that outweighs a little surprise.
const QUIET_AND_WELL: f64 = 5.0;

/// Confidence from which a verdict is one.
pub const CONCLUSIVE: f64 = 0.5;

/// Certainty is not to be had from telemetry.
const CONFIDENCE_MAX: f64 = 0.97;

/// How likely each candidate is the origin: its share of all, times how likely it is that there is anything at all.
pub fn confidences(candidates: &[Candidate]) -> Vec<f64> {
    let best = candidates.first().map_or(0.0, Candidate::score);
    let weights: Vec<f64> = candidates.iter().map(|c| ((c.score() - best) / TEMPERATURE).exp()).collect();
    let total: f64 = weights.iter().sum();
    let anything = 1.0 / (1.0 + (NOISE - best).exp());
    weights.iter().map(|weight| (weight / total * anything).min(CONFIDENCE_MAX)).collect()
}

pub fn answer(facts: &Facts<'_>, candidates: &[Candidate], confidence: &[f64]) -> Answer {
    let mut book = Book::default();
    let verdict = verdict(facts, candidates, confidence);
    let convicted = facts.changes.convicted().filter(|suspect| facts.reaches(suspect, candidates));
    let other = facts.changes.other.as_ref().filter(|_| convicted.is_none());
    let mut ranked = Vec::new();
    for (place, (candidate, confidence)) in candidates.iter().zip(confidence).enumerate() {
        let why = if place == 0 { Why { convicted, other } } else { Why::default() };
        ranked.push(hypothesis(facts, candidate, *confidence, &why, &mut book));
    }
    if verdict == VerdictKind::NoFault {
        facts.cite_looked_at(&mut book);
    }
    let remediation = ranked
        .first()
        .filter(|_| verdict == VerdictKind::RootCause)
        .map(|best| remediation(facts, best, convicted, other));
    Answer {
        verdict,
        first_failing_service: candidates.first().and_then(|best| facts.first_failing(best.component)),
        blast_radius: if verdict == VerdictKind::NoFault {
            Vec::new()
        } else {
            blast_radius(facts, candidates)
        },
        remediation,
        evidence: book.into_evidence(),
        next_query: (verdict == VerdictKind::Inconclusive).then(|| next_query(facts, candidates)),
        ranked,
        elapsed_ms: 0.0,
        llm: None,
    }
}

/// What is quiet although it was looked at is no fault; what nobody looked at is unknown.
fn verdict(facts: &Facts<'_>, candidates: &[Candidate], confidence: &[f64]) -> VerdictKind {
    let best = candidates.first().map_or(0.0, Candidate::score);
    let complaints = facts.templates.iter().any(|template| template.bad);
    let states = facts.state.healthy > 0 && facts.state.findings.is_empty() && !complaints;
    let looked_at = states || facts.scene.alerted.iter().any(|alerted| facts.is_seen(*alerted));
    let over = facts.bundle.incident.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved);
    let quiet = if states || over { QUIET_AND_WELL } else { QUIET };
    match confidence.first() {
        // Nobody may be named.
        None => VerdictKind::Inconclusive,
        _ if looked_at && over && facts.is_over() => VerdictKind::NoFault,
        _ if looked_at && best < quiet && !facts.alert_is_borne_out() => VerdictKind::NoFault,
        Some(sure) if *sure >= CONCLUSIVE => VerdictKind::RootCause,
        _ if looked_at && facts.alert_is_not_borne_out() && facts.state.findings.is_empty() => {
            VerdictKind::NoFault
        }
        _ => VerdictKind::Inconclusive,
    }
}

/// What is known beyond the component's own series.
#[derive(Default)]
struct Why<'a> {
    convicted: Option<&'a Suspect>,
    other: Option<&'a Other>,
}

fn hypothesis(
    facts: &Facts<'_>,
    candidate: &Candidate,
    confidence: f64,
    why: &Why<'_>,
    book: &mut Book,
) -> Ranked {
    let (mut evidence, against) = facts.argue(candidate, why.convicted, book);
    evidence.extend(why.other.map(|other| facts.cite_other(other, book)));
    Ranked {
        component: facts.scene.names[candidate.component].to_owned(),
        metric: facts.telling(candidate).map(str::to_owned),
        kind: kind(facts, candidate, why),
        confidence,
        change: why.convicted.map(|suspect| suspect.id.clone()),
        evidence,
        against,
    }
}

/// What the platform says comes first, then what was seen while it went on, then what is no change, then what the component
/// has run out of.
fn kind(facts: &Facts<'_>, candidate: &Candidate, why: &Why<'_>) -> Cause {
    if let Some(finding) = facts.state.of(facts.scene.names[candidate.component]) {
        return finding.cause;
    }
    if let Some(found) = facts.first_look.filter(|found| found.component == candidate.component) {
        return found.cause;
    }
    match why.other.map(|other| other.effect) {
        Some(Effect::Traffic) => return Cause::TrafficSpike,
        Some(Effect::CertificateExpired | Effect::Provider | Effect::Host) => {
            return Cause::DependencyFailure;
        }
        _ => {}
    }
    let class = facts.class(candidate);
    match why.convicted {
        Some(_) if !class.is_resource() => Cause::DeploymentFailure,
        None if class == Class::Cpu && facts.serves_a_multiple(candidate) => Cause::TrafficSpike,
        _ => class.cause(),
    }
}

/// The best candidate, and what calls it or is called by it and is in trouble itself.
fn blast_radius(facts: &Facts<'_>, candidates: &[Candidate]) -> Vec<String> {
    let Some(best) = candidates.first().filter(|best| best.score() > 0.0) else { return Vec::new() };
    let around =
        facts.scene.upstream(best.component).into_iter().chain(facts.scene.downstream(best.component));
    let around: Vec<usize> = around.map(|(beside, _)| beside).collect();
    let hit = |c: &&Candidate| {
        c.component == best.component || around.contains(&c.component) && c.own.max(c.told) >= NOTABLE
    };
    let mut names: Vec<String> =
        candidates.iter().filter(hit).map(|c| facts.scene.names[c.component].to_owned()).collect();
    names.sort();
    names
}

fn remediation(
    facts: &Facts<'_>,
    best: &Ranked,
    convicted: Option<&Suspect>,
    other: Option<&Other>,
) -> Remediation {
    if let Some(suspect) = convicted {
        let target = suspect.component.map_or(best.component.clone(), |c| facts.scene.names[c].to_owned());
        let reason = format!("take back {} {}", suspect.kind.title(), suspect.id);
        return Remediation { action: ActionKind::Rollback, target, reason };
    }
    let by_other = other.map(|other| match other.effect {
        Effect::Traffic => (ActionKind::Scale, "more traffic than its capacity, and no change behind it"),
        Effect::CertificateExpired => {
            (ActionKind::Escalate, "the certificate has to be renewed; no change did this")
        }
        Effect::Provider => {
            (ActionKind::CircuitBreak, "what it depends on outside fails; no change did this")
        }
        _ => (ActionKind::Escalate, "the host has to be replaced; no change did this"),
    });
    // Anybody can have a text written into a log: it moves nobody to act.
    if by_other.is_none() && !facts.is_measured(&best.component, best.kind) {
        let reason = "nothing but its logs tells of it: no number and no platform shows it".to_owned();
        return Remediation { action: ActionKind::Escalate, target: best.component.clone(), reason };
    }
    let (action, why) = by_other.unwrap_or(match best.kind {
        Cause::TrafficSpike => (ActionKind::Scale, "more traffic than its capacity"),
        Cause::MemoryLeak | Cause::CrashLoop => (ActionKind::Restart, "a restart frees what it holds"),
        Cause::DbConnectionExhaustion => (ActionKind::RestartDbPool, "its connections are held"),
        Cause::CpuSaturation => (ActionKind::Scale, "it has no CPU left"),
        _ => (ActionKind::Escalate, "no action of the catalogue is known to help"),
    });
    Remediation { action, target: best.component.clone(), reason: why.to_owned() }
}

fn next_query(facts: &Facts<'_>, candidates: &[Candidate]) -> String {
    if let Some(unknown) = facts.unknown_alerted() {
        return format!(
            "metrics or logs of {unknown}, which was alerted: nothing in the bundle is of it; is that its name there?"
        );
    }
    if candidates.is_empty() {
        let listed = facts.bundle.incident.services.join(", ");
        return format!(
            "which of the bundle's components is meant: nothing in it has a name of `services` ({listed})"
        );
    }
    let names: Vec<&str> = candidates.iter().take(2).map(|c| facts.scene.names[c.component]).collect();
    let what = if facts.scene.symptom == Class::Errors { "error logs" } else { "traces" };
    match names.as_slice() {
        [one, other, ..] => {
            format!(
                "{what} of {one} and of {other} in the window of the incident: which of them failed first?"
            )
        }
        [one] => format!("{what} of {one} in the window of the incident, and the metrics of what it calls"),
        [] => "metrics of the alerted service in the window of the incident and of an hour before".to_owned(),
    }
}
