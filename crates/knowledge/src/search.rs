//! Finding documents.

use crate::bm25::Index;
use crate::meaning::{Compared, Nearness, Window, windows};
use crate::terms::terms;
use crate::{Collection, Document};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// How often a title counts: what a page is called says more than a word on it.
const TITLE_COUNTS: usize = 2;

/// Terms that a hit names.
const TERMS_NAMED: usize = 6;

/// Chunks of incidents that are looked at, and incidents that are made of them.
const INCIDENT_CHUNKS_MAX: usize = 10;
const INCIDENTS_MAX: usize = 5;

/// Sections of runbooks: what fits on a screen.
const RUNBOOK_SECTIONS_MAX: usize = 8;

/// Service docs for a text that is no service's name.
const SERVICES_MAX: usize = 3;

/// How much meaning counts beside words, 0–1. Chosen so that the shipped questions are answered no worse than by words alone;
/// `midwatch eval retrieval` prints what it makes of other questions.
pub const MEANING_WEIGHT: f64 = 0.5;

/// Nearness from which a document is found though it shares no word with the question: below, anything is near anything.
const NEAR_MIN: f32 = 0.35;

/// What a section's own fit moves its document's score by at most: the document comes first, since a section alone says too
/// little.
const SECTION_SHARE: f64 = 0.5;

/// A part of a document that can be found.
#[derive(Clone, Debug)]
struct Passage {
    document: usize,
    heading: String,
    text: String,
}

/// All documents, and what they are found by.
#[derive(Clone, Debug, Default)]
pub struct Library {
    documents: Vec<Document>,
    passages: Vec<Passage>,
    /// The passages of each document.
    of: Vec<Range<usize>>,
    words: Index,
    words_of_passages: Index,
    windows: Vec<Window>,
    meaning_weight: f64,
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    pub text: &'a str,
    pub collection: Collection,
    /// Only documents about this service, or about any.
    pub service: Option<&'a str>,
    /// Only documents that help with this type of anomaly, or with any.
    pub anomaly_type: Option<&'a str>,
    /// Fewer hits than the collection's own limit.
    pub limit: Option<usize>,
}

/// A part of a document that was found, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit<'a> {
    pub document: &'a Document,
    /// The heading of the section; empty where there is none.
    pub heading: &'a str,
    pub text: &'a str,
    /// 0–1, comparable within one search only: 1 is the best by everything that was asked.
    pub score: f64,
    /// The cosine of its document's nearest section, if meaning was compared.
    pub nearness: Option<f32>,
    /// Terms that its document was found by, the weightiest first.
    pub terms: Vec<String>,
}

/// A document with its score.
struct Ranked {
    place: usize,
    score: f64,
    nearness: Option<f32>,
    terms: Vec<String>,
}

impl Library {
    /// Of two documents of a collection with one id the later one holds.
    #[must_use]
    pub fn new(documents: impl IntoIterator<Item = Document>) -> Self {
        let mut all: Vec<Document> = documents.into_iter().collect();
        let mut known = HashSet::new();
        all.reverse();
        all.retain(|document| known.insert((document.collection, document.id.clone())));
        all.reverse();
        let mut library = Self { documents: all, meaning_weight: MEANING_WEIGHT, ..Self::default() };
        library.divide();
        library.windows = windows(library.passages.iter().map(|passage| {
            (
                library.documents[passage.document].title.as_str(),
                passage.heading.as_str(),
                passage.text.as_str(),
            )
        }));
        library
    }

    fn divide(&mut self) {
        for (place, document) in self.documents.iter().enumerate() {
            let start = self.passages.len();
            let of = |section: crate::Section<'_>| Passage {
                document: place,
                heading: section.heading.to_owned(),
                text: section.text.to_owned(),
            };
            self.passages.extend(document.sections().into_iter().map(of));
            self.of.push(start..self.passages.len());
        }
        let texts: Vec<Vec<String>> = self.documents.iter().map(terms_of).collect();
        self.words = Index::of(texts.iter().map(Vec::as_slice));
        let texts: Vec<Vec<String>> =
            self.passages.iter().map(|one| terms(&format!("{} {}", one.heading, one.text))).collect();
        self.words_of_passages = Index::of(texts.iter().map(Vec::as_slice));
    }

    /// Lets meaning count more or less than by default: 0 for words alone, 1 for meaning alone.
    #[must_use]
    pub fn with_meaning_weight(self, meaning_weight: f64) -> Self {
        Self { meaning_weight, ..self }
    }

    #[must_use]
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// A document by its name.
    #[must_use]
    pub fn document(&self, collection: Collection, id: &str) -> Option<&Document> {
        self.documents.iter().find(|document| document.collection == collection && document.id == id)
    }

    /// Texts that have no vector yet; each is embedded as it is.
    #[must_use]
    pub fn without_vector(&self) -> Vec<Arc<str>> {
        self.windows.iter().filter(|w| w.vector.get().is_none()).map(|w| w.text.clone()).collect()
    }

    /// All texts that can have a vector, with those that have one.
    pub fn with_vectors(&self) -> impl Iterator<Item = (&Arc<str>, Option<&Arc<[f32]>>)> {
        self.windows.iter().map(|window| (&window.text, window.vector.get()))
    }

    /// Gives vectors to the texts for which there are any and which have none: a text has one vector for ever.
    pub fn set_vectors(&self, vectors: &HashMap<Arc<str>, Arc<[f32]>>) {
        for window in &self.windows {
            if let Some(vector) = vectors.get(&window.text) {
                window.vector.get_or_init(|| vector.clone());
            }
        }
    }

    /// Texts that have a vector, all texts, and the bytes that the vectors take.
    #[must_use]
    pub fn vectors(&self) -> (usize, usize, usize) {
        let with = || self.windows.iter().filter_map(|window| window.vector.get().map(|vector| &**vector));
        (with().count(), self.windows.len(), with().map(std::mem::size_of_val).sum())
    }

    /// What fits best, best first: of runbooks the 8 best sections; of incidents at most 5, which the 10 best chunks belong
    /// to, each with its best chunk; a service doc by its exact name, else those that fit best. Compared by meaning, that
    /// counts beside words.
    #[must_use]
    pub fn search<'a>(&self, query: &Query<'_>, compared: impl Into<Compared<'a>>) -> Vec<Hit<'_>> {
        let compared = compared.into();
        let own = match query.collection {
            Collection::Incidents => INCIDENTS_MAX,
            Collection::Runbooks => RUNBOOK_SECTIONS_MAX,
            Collection::Services => SERVICES_MAX,
        };
        let mut hits = match query.collection {
            Collection::Services => match self.service(query) {
                Some(hit) => vec![hit],
                None => self.best_of_each(query, compared),
            },
            Collection::Runbooks => self.parts(query, compared),
            Collection::Incidents => {
                let mut chunks = self.parts(query, compared);
                chunks.truncate(INCIDENT_CHUNKS_MAX);
                let mut known = HashSet::new();
                chunks.retain(|hit| known.insert(hit.document.id.as_str()));
                chunks
            }
        };
        hits.truncate(query.limit.unwrap_or(own).min(own));
        hits
    }

    /// All documents that fit, best first, each with its best part.
    #[must_use]
    pub fn best_of_each<'a>(&self, query: &Query<'_>, compared: impl Into<Compared<'a>>) -> Vec<Hit<'_>> {
        let mut hits = self.parts(query, compared.into());
        let mut known = HashSet::new();
        hits.retain(|hit| known.insert(hit.document.id.as_str()));
        hits
    }

    /// The service doc of exactly that name, be it the filter or the text.
    fn service(&self, query: &Query<'_>) -> Option<Hit<'_>> {
        let asked = query.service.unwrap_or(query.text).trim();
        let is_it = |document: &&Document| {
            document.collection == Collection::Services && document.id.eq_ignore_ascii_case(asked)
        };
        let document = self.documents.iter().find(is_it)?;
        let (heading, text, terms) = ("", document.text.as_str(), vec![document.id.clone()]);
        Some(Hit { document, heading, text, score: 1.0, nearness: None, terms })
    }

    /// Every part of every document that fits, best first.
    fn parts(&self, query: &Query<'_>, compared: Compared<'_>) -> Vec<Hit<'_>> {
        let asked = terms(query.text);
        let near = Nearness::of(&self.windows, compared);
        let fits = self.words_of_passages.fits(&asked);
        let fit = |passage: usize| fits.get(&passage).map_or(0.0, |fit| fit.score);
        let mut parts = Vec::new();
        for Ranked { place, score, nearness, terms } in self.rank(query, &asked, &near) {
            let own = self.of[place].clone();
            let best = own.clone().map(fit).fold(0.0, f64::max);
            for passage in own {
                let words = if best > 0.0 { fit(passage) / best } else { 0.0 };
                let share =
                    near.share(passage, nearness).map_or(words, |meaning| f64::midpoint(words, meaning));
                let of = &self.passages[passage];
                parts.push(Hit {
                    document: &self.documents[place],
                    heading: &of.heading,
                    text: &of.text,
                    score: score * (1.0 - SECTION_SHARE * (1.0 - share)),
                    nearness,
                    terms: terms.clone(),
                });
            }
        }
        // Found by its title only: the page is read from its beginning, which is what a stable sort keeps first.
        parts.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.document.id.cmp(&b.document.id)));
        parts
    }

    /// The documents that fit, with a score of 0–1.
    fn rank(&self, query: &Query<'_>, asked: &[String], near: &Nearness) -> Vec<Ranked> {
        let mut fits = self.words.fits(asked);
        fits.retain(|place, _| is_for(&self.documents[*place], query));
        let best = fits.values().map(|fit| fit.score).fold(0.0, f64::max);
        let mut found: BTreeMap<usize, Ranked> = BTreeMap::new();
        for (place, fit) in fits {
            let terms = fit.by.into_iter().take(TERMS_NAMED).map(|(term, _)| term).collect();
            found.insert(place, Ranked { place, score: fit.score / best, nearness: None, terms });
        }
        if near.is_compared() {
            self.add_meaning(query, near, &mut found);
        }
        found.into_values().collect()
    }

    fn add_meaning(&self, query: &Query<'_>, near: &Nearness, found: &mut BTreeMap<usize, Ranked>) {
        let allowed = (0..self.documents.len()).filter(|place| is_for(&self.documents[*place], query));
        let nearest: Vec<(usize, f32)> =
            allowed.filter_map(|place| Some((place, near.nearest(self.of[place].clone())?))).collect();
        let best = nearest.iter().map(|(_, near)| *near).fold(0.0, f32::max).max(f32::EPSILON);
        for one in found.values_mut() {
            one.score *= 1.0 - self.meaning_weight;
        }
        for (place, nearness) in nearest {
            if nearness < NEAR_MIN && !found.contains_key(&place) {
                continue;
            }
            let empty = Ranked { place, score: 0.0, nearness: None, terms: Vec::new() };
            let one = found.entry(place).or_insert(empty);
            one.score += self.meaning_weight * f64::from((nearness / best).max(0.0));
            one.nearness = Some(nearness);
        }
    }
}

fn is_for(document: &Document, query: &Query<'_>) -> bool {
    let allows = |named: &[String], asked: Option<&str>| {
        asked.is_none_or(|asked| named.is_empty() || named.iter().any(|name| name == asked))
    };
    document.collection == query.collection
        && allows(&document.services, query.service)
        && allows(&document.anomaly_types, query.anomaly_type)
}

fn terms_of(document: &Document) -> Vec<String> {
    let title = terms(&document.title);
    let about = [&document.tags, &document.services, &document.anomaly_types].into_iter().flatten();
    let mut all = terms(&document.text);
    all.extend(std::iter::repeat_n(title, TITLE_COUNTS).flatten());
    all.extend(about.flat_map(|name| terms(name)));
    all
}

#[cfg(test)]
mod tests;
