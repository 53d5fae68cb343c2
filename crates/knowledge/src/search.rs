//! Finding documents.

use crate::bm25::{Fit, Index};
use crate::section::sections;
use crate::terms::terms;
use crate::{Collection, Document, Section};
use std::collections::HashSet;

/// How often a title counts: what a page is called says more than a word on it.
const TITLE_COUNTS: usize = 2;

/// Terms that a hit names.
const TERMS_NAMED: usize = 6;

/// All documents, and what they are found by.
#[derive(Clone, Debug, Default)]
pub struct Library {
    documents: Vec<Document>,
    index: Index,
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
    /// Documents at most.
    pub limit: usize,
}

/// A document that was found, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit<'a> {
    pub document: &'a Document,
    /// Its section that fits best.
    pub section: Option<Section<'a>>,
    /// BM25; comparable within one search only.
    pub score: f64,
    /// Terms that it was found by, the weightiest first.
    pub terms: Vec<String>,
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
        let texts: Vec<Vec<String>> = all.iter().map(terms_of).collect();
        Self { index: Index::of(texts.iter().map(Vec::as_slice)), documents: all }
    }

    #[must_use]
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The documents that fit best, best first. Whole documents are ranked: a section alone says too little.
    #[must_use]
    pub fn search(&self, query: &Query<'_>) -> Vec<Hit<'_>> {
        let asked = terms(query.text);
        let fits = self.index.fits(&asked);
        let mut found: Vec<(&Document, Fit)> = fits
            .into_iter()
            .map(|(place, fit)| (&self.documents[place], fit))
            .filter(|(document, _)| is_for(document, query))
            .collect();
        found.sort_by(|a, b| b.1.score.total_cmp(&a.1.score).then_with(|| a.0.id.cmp(&b.0.id)));
        found.truncate(query.limit);
        found.into_iter().map(|(document, fit)| hit(document, fit, &asked)).collect()
    }
}

fn hit<'a>(document: &'a Document, fit: Fit, asked: &[String]) -> Hit<'a> {
    Hit {
        document,
        section: best_section(&document.text, asked),
        score: fit.score,
        terms: fit.by.into_iter().take(TERMS_NAMED).map(|(term, _)| term).collect(),
    }
}

fn best_section<'a>(text: &'a str, asked: &[String]) -> Option<Section<'a>> {
    let all = sections(text);
    let words: Vec<Vec<String>> =
        all.iter().map(|section| terms(&format!("{} {}", section.heading, section.text))).collect();
    let fits = Index::of(words.iter().map(Vec::as_slice)).fits(asked);
    let best = fits.iter().max_by(|a, b| a.1.score.total_cmp(&b.1.score).then_with(|| b.0.cmp(a.0)));
    // Found by its title only: the page is read from its beginning.
    let place = best.map_or(0, |(place, _)| *place);
    all.get(place).cloned()
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
mod tests {
    use super::*;

    fn runbook(id: &str, text: &str) -> Document {
        Document {
            id: id.into(),
            collection: Collection::Runbooks,
            title: id.into(),
            text: text.into(),
            services: Vec::new(),
            anomaly_types: Vec::new(),
            tags: Vec::new(),
        }
    }

    fn library() -> Library {
        let pool = Document {
            services: vec!["payment-service".into()],
            anomaly_types: vec!["db_pool".into()],
            ..runbook(
                "PoolExhausted",
                "## Meaning\nAll connections of the pool are in use, and requests wait.\n## Mitigation\nFind what holds \
                 connections in pg_stat_activity, end it, then restart.",
            )
        };
        let disk = runbook("DiskFull", "## Meaning\nThe disk is full, and connections may be refused.");
        Library::new([
            runbook("DiskFull", "an older page about connections, connections, connections"),
            disk,
            pool,
        ])
    }

    fn found(query: &Query<'_>) -> Vec<(String, String)> {
        let library = library();
        let hits = library.search(query);
        hits.iter()
            .map(|hit| (hit.document.id.clone(), hit.section.as_ref().map_or("", |s| s.heading).to_owned()))
            .collect()
    }

    fn query(text: &str) -> Query<'_> {
        Query { text, collection: Collection::Runbooks, service: None, anomaly_type: None, limit: 10 }
    }

    fn check(query: &Query<'_>, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(id, s)| ((*id).to_owned(), (*s).to_owned())).collect();
        assert_eq!(found(query), expected, "{query:?}");
    }

    #[test]
    fn the_page_that_fits_best_is_first_with_its_section() {
        check(&query("who holds connections"), &[("PoolExhausted", "Mitigation"), ("DiskFull", "Meaning")]);
        check(&query("pools are exhausted"), &[("PoolExhausted", "Meaning")]);
        check(&Query { limit: 1, ..query("connection") }, &[("DiskFull", "Meaning")]);
        check(&query("nothing of this"), &[]);
        check(&query(""), &[]);
    }

    #[test]
    fn filters_keep_what_is_about_anything() {
        check(&Query { service: Some("order-service"), ..query("connections") }, &[("DiskFull", "Meaning")]);
        check(
            &Query { anomaly_type: Some("db_pool"), ..query("exhausted") },
            &[("PoolExhausted", "Meaning")],
        );
        check(&Query { collection: Collection::Incidents, ..query("connections") }, &[]);
    }
}
