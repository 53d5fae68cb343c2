//! How near parts of documents are to a question in meaning: the nearest window of each part counts.

use crate::embed::cosine;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Longest text that becomes one vector, characters: about as much as the model reads at once (256 tokens). A longer section
/// has several windows, so that its end is found as well as its beginning.
const WINDOW_CHARS_MAX: usize = 900;

/// A text that becomes one vector.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub passage: usize,
    /// What is embedded: the title, the heading, and some lines.
    pub text: Arc<str>,
    /// Comes when it is made; who searches meanwhile does without.
    pub vector: OnceLock<Arc<[f32]>>,
}

/// The windows of all passages, given as title, heading and text.
pub(crate) fn windows<'a>(passages: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> Vec<Window> {
    let mut all = Vec::new();
    for (passage, (title, heading, text)) in passages.enumerate() {
        let about = if heading.is_empty() { title.to_owned() } else { format!("{title}. {heading}") };
        for part in parts(text) {
            all.push(Window { passage, text: format!("{about}. {part}").into(), vector: OnceLock::new() });
        }
    }
    all
}

/// A text in pieces of whole lines, none longer than [`WINDOW_CHARS_MAX`] unless a line is.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        if at > start && at - start + line.len() > WINDOW_CHARS_MAX {
            parts.push(text[start..at].trim());
            start = at;
        }
        at += line.len();
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// How near each passage is; empty if there is nothing to compare.
pub(crate) struct Nearness(Vec<Option<f32>>);

/// How a question is compared by meaning.
#[derive(Clone, Copy)]
pub enum Compared<'a> {
    /// Words alone count.
    Not,
    /// With the vectors that the library has.
    Here(&'a [f32]),
    /// Elsewhere: how near which text is. What is not among them is not near.
    Elsewhere(&'a HashMap<Arc<str>, f32>),
}

impl<'a> From<Option<&'a [f32]>> for Compared<'a> {
    fn from(vector: Option<&'a [f32]>) -> Self {
        vector.map_or(Self::Not, Self::Here)
    }
}

impl Nearness {
    pub(crate) fn of(windows: &[Window], compared: Compared<'_>) -> Self {
        let near_to = |window: &Window| match compared {
            Compared::Not => None,
            Compared::Here(asked) => window.vector.get().map(|vector| cosine(vector, asked)),
            Compared::Elsewhere(near) => near.get(&window.text).copied(),
        };
        let mut near: Vec<Option<f32>> = Vec::new();
        for window in windows {
            if near.len() <= window.passage {
                near.resize(window.passage + 1, None);
            }
            let Some(nearness) = near_to(window) else { continue };
            near[window.passage] =
                Some(near[window.passage].map_or(nearness, |best: f32| best.max(nearness)));
        }
        if near.iter().all(Option::is_none) { Self(Vec::new()) } else { Self(near) }
    }

    pub(crate) fn is_compared(&self) -> bool {
        !self.0.is_empty()
    }

    /// The nearest of some passages.
    pub(crate) fn nearest(&self, passages: Range<usize>) -> Option<f32> {
        self.0.get(passages)?.iter().copied().flatten().reduce(f32::max)
    }

    /// A passage's nearness as a share of its document's.
    pub(crate) fn share(&self, passage: usize, best: Option<f32>) -> Option<f64> {
        let (own, best) = ((*self.0.get(passage)?)?, best.filter(|best| *best > 0.0)?);
        Some(f64::from((own / best).max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_several_windows_of_whole_lines() {
        let line = format!("{}\n", "word ".repeat(80));
        let long = line.repeat(5);
        let all = windows([("T", "H", "short"), ("T", "", long.as_str())].into_iter());
        assert_eq!(&*all[0].text, "T. H. short");
        assert_eq!(all.iter().filter(|window| window.passage == 1).count(), 3);
        assert!(all.iter().all(|window| window.text.len() <= WINDOW_CHARS_MAX + 4), "too long");
    }

    #[test]
    fn the_nearest_window_counts() {
        let window = |passage: usize, vector: Option<[f32; 2]>| Window {
            passage,
            text: "".into(),
            vector: vector.map(|v| Arc::from(v.as_slice())).map_or_else(OnceLock::new, OnceLock::from),
        };
        let all = [window(0, Some([0.0, 1.0])), window(0, Some([1.0, 0.0])), window(1, None)];
        let near = Nearness::of(&all, Compared::Here(&[1.0, 0.0]));
        assert_eq!(
            (near.nearest(0..1), near.nearest(1..2), near.nearest(0..2)),
            (Some(1.0), None, Some(1.0))
        );
        assert!(!Nearness::of(&all, Compared::Not).is_compared());
        assert!(!Nearness::of(&all[2..], Compared::Here(&[1.0, 0.0])).is_compared());
        let elsewhere = HashMap::from([(Arc::from(""), 0.5)]);
        assert_eq!(Nearness::of(&all, Compared::Elsewhere(&elsewhere)).nearest(1..2), Some(0.5));
    }
}
