//! BM25 over texts in memory.

use std::collections::HashMap;

/// How fast a term that is there more often stops to count, and how much long texts are held back. The values that Robertson
/// and Zaragoza (2009, section 3) recommend and search engines ship.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// Texts by their terms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// For each term the texts that hold it, with how often.
    postings: HashMap<String, Vec<(usize, u32)>>,
    /// Terms of each text.
    lengths: Vec<usize>,
}

/// How well a text fits, and by which terms, the weightiest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fit {
    pub score: f64,
    pub by: Vec<(String, f64)>,
}

impl Index {
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a [String]>) -> Self {
        let mut index = Self::default();
        for terms in texts {
            let text = index.lengths.len();
            index.lengths.push(terms.len());
            let mut counts: HashMap<&String, u32> = HashMap::new();
            for term in terms {
                *counts.entry(term).or_default() += 1;
            }
            for (term, count) in counts {
                index.postings.entry(term.clone()).or_default().push((text, count));
            }
        }
        index
    }

    /// The fit of every text that holds a term of the query, by number of the text. A term that is asked for twice counts
    /// once.
    pub(crate) fn fits(&self, query: &[String]) -> HashMap<usize, Fit> {
        let mut fits: HashMap<usize, Fit> = HashMap::new();
        let mut asked: Vec<&String> = query.iter().collect();
        asked.sort_unstable();
        asked.dedup();
        let mean = self.lengths.iter().sum::<usize>() as f64 / self.lengths.len().max(1) as f64;
        for term in asked {
            let Some(holders) = self.postings.get(term) else { continue };
            let (all, some) = (self.lengths.len() as f64, holders.len() as f64);
            // Lucene's variant, which is never negative.
            let rarity = (1.0 + (all - some + 0.5) / (some + 0.5)).ln();
            for (text, count) in holders {
                let count = f64::from(*count);
                let long = 1.0 - B + B * self.lengths[*text] as f64 / mean.max(1.0);
                let weight = rarity * count * (K1 + 1.0) / (count + K1 * long);
                let fit = fits.entry(*text).or_default();
                fit.score += weight;
                fit.by.push((term.clone(), weight));
            }
        }
        for fit in fits.values_mut() {
            fit.by.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<Vec<String>> {
        all.iter().map(|text| text.split(' ').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn rare_terms_and_short_texts_count_more() {
        let all = texts(&["disk full", "disk slow", "disk full of old logs and more", "network slow"]);
        let index = Index::of(all.iter().map(Vec::as_slice));
        let fits = index.fits(&texts(&["full disk disk"])[0]);
        assert_eq!(fits.len(), 3);
        assert!(fits[&0].score > fits[&2].score && fits[&2].score > fits[&1].score, "{fits:?}");
        assert_eq!(fits[&0].by[0].0, "full");
        assert!(index.fits(&texts(&["nothing"])[0]).is_empty());
        assert!(Index::default().fits(&all[0]).is_empty());
    }
}
