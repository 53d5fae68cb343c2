//! The verdict: a root cause, no fault, or neither with the next best query.

use super::answer::{Answer, Ranked, Remediation, VerdictKind};
use super::argue::{Book, Facts};
use super::class::Class;
use super::rank::Candidate;
use midwatch_model::{ActionKind, Cause};

/// Nats of score by which one component must lead another to be e times as likely.
const TEMPERATURE: f64 = 1.0;

/// Score at which it is as likely as not that anything is wrong at all.
const NOISE: f64 = 5.0;

/// Score up to which everything looks as it always does: one in twenty normal windows is as surprising.
const QUIET: f64 = 3.0;

/// Confidence from which a verdict is one.
const CONCLUSIVE: f64 = 0.5;

/// Certainty is not to be had from telemetry.
const CONFIDENCE_MAX: f64 = 0.97;

/// Share of the best score from which a component counts as hit.
const HIT_SHARE: f64 = 0.5;

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
    let ranked: Vec<Ranked> =
        candidates.iter().zip(confidence).map(|(c, p)| hypothesis(facts, c, *p, &mut book)).collect();
    let verdict = verdict(facts, candidates, confidence);
    Answer {
        verdict,
        first_failing_service: candidates.first().and_then(|best| facts.first_failing(best.component)),
        blast_radius: blast_radius(facts, candidates),
        remediation: ranked.first().filter(|_| verdict == VerdictKind::RootCause).map(remediation),
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
    let looked_at = facts.scene.alerted.iter().any(|alerted| facts.has_series(*alerted));
    match confidence.first() {
        Some(sure) if *sure >= CONCLUSIVE => VerdictKind::RootCause,
        _ if looked_at && best < QUIET => VerdictKind::NoFault,
        _ => VerdictKind::Inconclusive,
    }
}

fn hypothesis(facts: &Facts<'_>, candidate: &Candidate, confidence: f64, book: &mut Book) -> Ranked {
    let best = candidate.best.map(|index| &facts.deviations[index]);
    let (evidence, against) = facts.argue(candidate, book);
    Ranked {
        component: facts.scene.names[candidate.component].to_owned(),
        metric: best.map(|deviation| facts.bundle.metrics.series[deviation.series].metric.clone()),
        kind: facts.class(candidate).cause(),
        confidence,
        change: None,
        evidence,
        against,
    }
}

/// Components that show much of what the best one shows, and what calls the best one.
fn blast_radius(facts: &Facts<'_>, candidates: &[Candidate]) -> Vec<String> {
    let Some(best) = candidates.first().filter(|best| best.own > 0.0) else { return Vec::new() };
    let upstream: Vec<usize> =
        facts.scene.upstream(best.component).into_iter().map(|(caller, _)| caller).collect();
    let hit = candidates.iter().filter(|c| c.component == best.component || upstream.contains(&c.component));
    let mut names: Vec<String> = hit
        .filter(|c| c.own >= HIT_SHARE * best.own)
        .map(|c| facts.scene.names[c.component].to_owned())
        .collect();
    names.sort();
    names
}

fn remediation(best: &Ranked) -> Remediation {
    let (action, why) = match best.kind {
        Cause::TrafficSpike => (ActionKind::Scale, "more traffic than its capacity"),
        Cause::MemoryLeak | Cause::CrashLoop => (ActionKind::Restart, "a restart frees what it holds"),
        Cause::DbConnectionExhaustion => (ActionKind::RestartDbPool, "its connections are held"),
        Cause::CpuSaturation => (ActionKind::Scale, "it has no CPU left"),
        _ => (ActionKind::Escalate, "no action of the catalogue is known to help"),
    };
    Remediation { action, target: best.component.clone(), reason: why.to_owned() }
}

fn next_query(facts: &Facts<'_>, candidates: &[Candidate]) -> String {
    let names: Vec<&str> = candidates.iter().take(2).map(|c| facts.scene.names[c.component]).collect();
    let what = if facts.scene.symptom == Class::Errors { "error logs" } else { "traces" };
    match names.as_slice() {
        [one, other] => format!(
            "{what} of {one} and of {other} in the window of the incident: which of them failed first?"
        ),
        [one] => format!("{what} of {one} in the window of the incident, and the metrics of what it calls"),
        _ => "metrics of the alerted service in the window of the incident and of an hour before".to_owned(),
    }
}
