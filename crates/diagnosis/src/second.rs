//! The second look: where symptoms of known kinds tell too little, everything that is at hand is investigated.

use crate::agent::DOUBTFUL_MAX;
use crate::investigate::{Answer, AnswerEvidence, Ranked, VerdictKind};
use crate::{DiagnosisInput, HYPOTHESES_MAX, blast, inherit};
use midwatch_model::{Evidence, EvidenceId, EvidenceSource, Hypothesis, ServiceName, Timestamp, Verdict};

/// The verdict of the first look, or, where that is not conclusive and the investigation is, what this found. Only
/// components of the service graph are named, only such as numbers of their own speak for, whatever logs say; and never so
/// surely that anything is done about it without a person.
#[must_use]
pub fn second_look(input: &DiagnosisInput<'_>, first: Verdict, answer: &Answer) -> Verdict {
    let is_known = |ranked: &&Ranked| input.graph.services().any(|known| known.as_str() == ranked.component);
    let best_stands =
        answer.ranked.first().as_ref().is_some_and(|best| is_known(best) && is_measured(best, answer));
    if first.is_conclusive() || answer.verdict != VerdictKind::RootCause || !best_stands {
        return first;
    }
    let ranked: Vec<Hypothesis> = answer
        .ranked
        .iter()
        .filter(is_known)
        .take(HYPOTHESES_MAX)
        .map(|ranked| hypothesis(input, ranked, answer, first.freshness))
        .collect();
    let component = ranked.first().map(|best| best.component.clone());
    let symptoms = inherit::Symptoms::of(input);
    let cited =
        |id: &String| ranked.iter().any(|h| h.supports.iter().chain(&h.against).any(|c| c.as_str() == id));
    let evidence =
        answer.evidence.iter().filter(|piece| cited(&piece.id)).map(|piece| evidence(input, piece));
    Verdict {
        evidence: evidence.collect(),
        blast_radius: blast::radius(input, &symptoms, component.as_ref()),
        spread: blast::spread(input, &symptoms, component.as_ref()),
        past: crate::past(input, component.as_ref()),
        ranked,
        next_query: None,
        freshness: first.freshness,
        foreseen: false,
    }
}

/// Whether a number that the component itself reports is evidence for it.
fn is_measured(ranked: &Ranked, answer: &Answer) -> bool {
    let own = |piece: &&AnswerEvidence| {
        matches!(piece.source, EvidenceSource::ServiceMetrics | EvidenceSource::Traces)
            && piece.about.component == ranked.component
    };
    answer.evidence.iter().filter(own).any(|piece| ranked.evidence.contains(&piece.id))
}

fn hypothesis(input: &DiagnosisInput<'_>, ranked: &Ranked, answer: &Answer, freshness: f64) -> Hypothesis {
    let ids = |ids: &[String]| ids.iter().map(EvidenceId::new).collect();
    let excerpt =
        |id: &String| answer.evidence.iter().find(|piece| piece.id == *id).map(|p| p.excerpt.clone());
    let change = ranked.change.as_ref().and_then(|id| input.changes.iter().find(|change| change.id == *id));
    Hypothesis {
        cause: ranked.kind,
        component: ServiceName::new(&ranked.component),
        confidence: (ranked.confidence.min(DOUBTFUL_MAX) * freshness * 1000.0).round() / 1000.0,
        reasons: ranked.evidence.iter().filter_map(excerpt).collect(),
        supports: ids(&ranked.evidence),
        against: ids(&ranked.against),
        change: change.map(midwatch_model::Change::named),
    }
}

/// With the live query where the series is one that midwatch watches.
fn evidence(input: &DiagnosisInput<'_>, piece: &AnswerEvidence) -> Evidence {
    let time = |text: &str| text.parse::<Timestamp>().unwrap_or(input.now);
    let (component, metric) = (&piece.about.component, piece.about.metric.as_deref());
    let watched = input
        .series
        .iter()
        .find(|series| series.service.as_str() == component && Some(series.metric.name()) == metric);
    Evidence {
        id: EvidenceId::new(&piece.id),
        source: piece.source,
        service: ServiceName::new(component),
        query: watched.map_or_else(|| piece.query.clone(), |series| series.query.clone()),
        from: time(&piece.window.from),
        to: time(&piece.window.to),
        digest: piece.digest.clone(),
        excerpt: piece.excerpt.clone(),
    }
}
