//! Evidence: references to what was seen, each once.

use super::answer::{AnswerEvidence, Window};
use super::class::Class;
use super::deviation::Deviation;
use super::rank::Candidate;
use super::scene::Scene;
use crate::bundle::Bundle;
use crate::bundle::time_text;
use midwatch_model::{Evidence, EvidenceSource};

/// Surprise from which a series is evidence.
const NOTABLE: f64 = 3.0;

/// Series of one component that are cited at most.
const CITED_MAX: usize = 3;

/// Share of its best series' surprise from which a resource counts as what is wrong.
const RESOURCE_SHARE: f64 = 0.6;

/// Everything that was found.
pub struct Facts<'a> {
    pub bundle: &'a Bundle,
    pub scene: &'a Scene<'a>,
    pub deviations: &'a [Deviation],
}

/// All evidence that hypotheses cite.
#[derive(Default)]
pub struct Book {
    filed: Vec<AnswerEvidence>,
}

impl Book {
    /// Files a piece, or finds it where it already is.
    pub fn file(&mut self, source: EvidenceSource, query: String, window: Window, excerpt: String) -> String {
        if let Some(same) = self.filed.iter().find(|e| e.query == query && e.excerpt == excerpt) {
            return same.id.clone();
        }
        let id = format!("ev-{}", self.filed.len() + 1);
        let digest = Evidence::digest_of(excerpt.as_bytes());
        self.filed.push(AnswerEvidence { id: id.clone(), source, query, window, digest, excerpt });
        id
    }

    pub fn into_evidence(self) -> Vec<AnswerEvidence> {
        self.filed
    }
}

impl Facts<'_> {
    /// Ids of what speaks for a candidate, and of what speaks against it.
    pub fn argue(&self, candidate: &Candidate, book: &mut Book) -> (Vec<String>, Vec<String>) {
        let of = |component: usize| {
            let mut of: Vec<&Deviation> = self
                .deviations
                .iter()
                .filter(|d| d.score >= NOTABLE && self.component(d) == self.scene.names[component])
                .collect();
            of.sort_by(|a, b| b.score.total_cmp(&a.score));
            of
        };
        let mut evidence: Vec<String> =
            of(candidate.component).iter().take(CITED_MAX).map(|d| self.cite(d, true, book)).collect();
        if candidate.covers > 0.0 {
            let callers = self.scene.upstream(candidate.component);
            let shown =
                callers.iter().filter_map(|(caller, _)| of(*caller).into_iter().find(|d| self.is_symptom(d)));
            evidence.extend(shown.take(CITED_MAX).map(|d| self.cite(d, false, book)));
        }
        // Something that it calls shows the symptom just as much: it may be the cause of this.
        let mut against = Vec::new();
        for (callee, _) in self.scene.downstream(candidate.component) {
            let louder = of(callee).into_iter().find(|d| self.is_symptom(d) && d.score >= candidate.own);
            against.extend(louder.map(|d| self.cite(d, false, book)));
        }
        against.truncate(CITED_MAX);
        (evidence, against)
    }

    /// What is wrong with a candidate: a resource that it has run out of explains its latency and errors, which explain
    /// nothing; else the symptom that was alerted, where it shows that.
    pub fn class(&self, candidate: &Candidate) -> Class {
        let name = self.scene.names[candidate.component];
        let notable = || self.deviations.iter().filter(|d| d.score >= NOTABLE && self.component(d) == name);
        let resource =
            notable().filter(|d| d.meaning.class.is_resource() && d.score >= RESOURCE_SHARE * candidate.own);
        let resource = resource.max_by(|a, b| a.score.total_cmp(&b.score)).map(|d| d.meaning.class);
        let symptom = notable().any(|d| self.is_symptom(d)).then_some(self.scene.symptom);
        let best = candidate.best.map(|index| self.deviations[index].meaning.class);
        resource.or(symptom).or(best).unwrap_or(self.scene.symptom)
    }

    /// Whether the component has any series that could be compared.
    pub fn has_series(&self, component: usize) -> bool {
        self.deviations.iter().any(|d| self.component(d) == self.scene.names[component])
    }

    fn component(&self, deviation: &Deviation) -> &str {
        &self.bundle.metrics.series[deviation.series].component
    }

    fn is_symptom(&self, deviation: &Deviation) -> bool {
        deviation.meaning.class == self.scene.symptom
    }

    /// The component whose notable symptoms began first, of the likeliest origin and what calls it; of several at once
    /// the most surprising.
    pub fn first_failing(&self, root: usize) -> Option<String> {
        let callers = self.scene.upstream(root).into_iter().map(|(caller, _)| caller);
        let names: Vec<&str> =
            std::iter::once(root).chain(callers).map(|number| self.scene.names[number]).collect();
        let notable = |d: &&Deviation| {
            d.score >= NOTABLE && d.meaning.class != Class::Traffic && names.contains(&self.component(d))
        };
        let begun = self.deviations.iter().filter(notable).filter_map(|d| Some((d.onset?, d)));
        let first = begun.min_by(|a, b| a.0.cmp(&b.0).then(b.1.score.total_cmp(&a.1.score)));
        first.map(|(_, d)| self.component(d).to_owned())
    }

    fn cite(&self, deviation: &Deviation, own: bool, book: &mut Book) -> String {
        let series = &self.bundle.metrics.series[deviation.series];
        let source = if own { EvidenceSource::ServiceMetrics } else { EvidenceSource::NeighbourMetrics };
        let window = Window {
            from: time_text(series.at.first().copied().unwrap_or_default()),
            to: time_text(series.at.last().copied().unwrap_or_default()),
        };
        let query = format!("metrics.csv: service={}, metric={}", series.component, series.metric);
        let way = if deviation.rose { "rose to" } else { "fell to" };
        let since = deviation.onset.map_or(String::new(), |at| format!(" since {}", time_text(at)));
        let excerpt = format!(
            "{} of {} {way} {}{since}; normal is {} ± {}",
            series.metric,
            series.component,
            number(deviation.worst),
            number(deviation.centre),
            number(deviation.spread)
        );
        book.file(source, query, window, excerpt)
    }
}

/// A number with as many digits as a person reads.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        large if large >= 100.0 => 0,
        middle if middle >= 1.0 => 2,
        small => (2.0 - small.log10().floor()).clamp(0.0, 12.0) as usize,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
