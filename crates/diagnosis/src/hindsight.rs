//! What a verdict reads like after what was done about it has shown more.

use midwatch_model::{Cause, Evidence, EvidenceId, Metric, Signal, Verdict};

/// The verdict as it reads now that these signals have joined, or `None` where they change nothing.
///
/// A service without CPU left serves no more than it can, whatever it is asked: by the utilisation law (U = X · S) its
/// throughput stands still at full utilisation. Only once it has been given more does it show what it was asked for.
#[must_use]
pub fn hindsight(known: &Verdict, signals: &[Signal]) -> Option<Verdict> {
    let root = known.root().filter(|root| root.cause == Cause::CpuSaturation && !known.foreseen)?;
    let surge =
        signals.iter().find(|s| s.service == root.component && s.metric == Some(Metric::RequestRate))?;
    let mut verdict = known.clone();
    let evidence = surge.evidence.clone().map(|evidence| cite(&mut verdict, evidence));
    let root = verdict.ranked.first_mut()?;
    root.cause = Cause::TrafficSpike;
    root.reasons.insert(0, format!("{}, which it had no CPU to serve before", surge.summary));
    root.supports.extend(evidence);
    Some(verdict)
}

/// Files a piece of evidence under the next number of the verdict's own.
fn cite(verdict: &mut Verdict, mut evidence: Evidence) -> EvidenceId {
    evidence.id = EvidenceId::new(format!("ev-{}", verdict.evidence.len() + 1));
    verdict.evidence.push(evidence.clone());
    evidence.id
}
