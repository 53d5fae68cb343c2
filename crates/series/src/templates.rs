//! Log templates: lines that one statement of a program writes, found as they stream in.
//!
//! Owns: which line belongs to which template. A line is masked first (`mask`): what looks like a value is a place. Lines
//! that are equal then are of one template. Where templates differ in one word only, and in [`VARIES_FROM`] ways, that
//! word is a value, too (a user, a host, a state), and they become one. No setting is tuned to a system. The family is
//! Drain's (He et al., ICWS 2017: fixed depth, one pass); what is other is that a word becomes a place by the number of
//! ways in which it was seen, not by the share of words that agree, so that short lines do not run together.

mod mask;

use foldhash::fast::FixedState;
use mask::{Piece, mask};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher as _;

/// Ways in which one word of otherwise equal templates has to differ to be a value. Words for states (up, down,
/// starting, stopping) come in fewer.
const VARIES_FROM: usize = 5;

/// Words that a template must have before one of them may be a value.
const WORDS_MIN: usize = 2;

/// Templates that are kept at most; beyond it those that were not seen for longest are forgotten, half of all. About 1 KB
/// each.
const TEMPLATES_MAX: usize = 10_000;

/// What stands for a value in a template.
const ANY: &str = "<*>";

/// Names a template. Ids are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TemplateId(u32);

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Token {
    Word(Box<str>),
    /// `key=`, with a value behind it.
    Key(Box<str>),
    /// Masked.
    Place,
    /// A word that was seen in many ways.
    Varies,
}

/// A template and how often it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    tokens: Vec<Token>,
    /// Lines.
    pub count: u64,
    /// Number of the last line of it, counted over all lines; the first is 1.
    pub last: u64,
}

impl Template {
    fn hashes(&self) -> Vec<u64> {
        self.tokens.iter().map(hash_of).collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, token) in self.tokens.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            match token {
                Token::Word(word) => write!(f, "{space}{word}")?,
                Token::Key(key) => write!(f, "{space}{key}{ANY}")?,
                Token::Place | Token::Varies => write!(f, "{space}{ANY}")?,
            }
        }
        Ok(())
    }
}

/// A template with words that vary, and its hashes.
type Wide = (TemplateId, Box<[u64]>);

/// Finds templates in a stream of lines. Memory is bounded; equal streams give equal templates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct TemplateMiner {
    templates: HashMap<TemplateId, Template, FixedState>,
    /// Templates that became part of another.
    merged: HashMap<TemplateId, TemplateId, FixedState>,
    next: u32,
    lines: u64,
    /// By the hash of all tokens.
    exact: HashMap<u64, TemplateId, FixedState>,
    /// Templates that are equal but for one token, by the hash of the others.
    near: HashMap<u64, Vec<TemplateId>, FixedState>,
    /// Templates with words that vary, by number of tokens and the first.
    wide: HashMap<(usize, u64), Vec<Wide>, FixedState>,
    pieces: Vec<Piece>,
    hashes: Vec<u64>,
}

/// What is kept of a miner; the rest follows from it.
#[derive(Serialize, Deserialize)]
struct Saved {
    templates: Vec<(TemplateId, Template)>,
    merged: Vec<(TemplateId, TemplateId)>,
    next: u32,
    lines: u64,
}

impl From<TemplateMiner> for Saved {
    fn from(miner: TemplateMiner) -> Self {
        let mut saved = Saved {
            templates: miner.templates.into_iter().collect(),
            merged: miner.merged.into_iter().collect(),
            next: miner.next,
            lines: miner.lines,
        };
        saved.templates.sort_by_key(|(id, _)| *id);
        saved.merged.sort_unstable();
        saved
    }
}

impl From<Saved> for TemplateMiner {
    fn from(saved: Saved) -> Self {
        let mut miner = TemplateMiner {
            templates: saved.templates.into_iter().collect(),
            merged: saved.merged.into_iter().collect(),
            next: saved.next,
            lines: saved.lines,
            ..Self::default()
        };
        miner.index();
        miner
    }
}

impl TemplateMiner {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a line in and names its template. The template may become part of another later: see
    /// [`TemplateMiner::resolve`].
    pub fn observe(&mut self, line: &str) -> TemplateId {
        let (mut pieces, mut hashes) = (std::mem::take(&mut self.pieces), std::mem::take(&mut self.hashes));
        mask(line, &mut pieces);
        hashes.clear();
        hashes.extend(pieces.iter().map(|piece| hash_of_piece(piece, line)));
        let id = self.find(&hashes).unwrap_or_else(|| self.begin(&pieces, line, &hashes));
        (self.pieces, self.hashes) = (pieces, hashes);
        self.lines += 1;
        if let Some(template) = self.templates.get_mut(&id) {
            template.count += 1;
            template.last = self.lines;
        }
        if self.templates.len() > TEMPLATES_MAX {
            self.forget();
        }
        id
    }

    /// The template that a line would be of, if it is known. Nothing is learnt.
    #[must_use]
    pub fn recognise(&self, line: &str) -> Option<TemplateId> {
        let mut pieces = Vec::new();
        mask(line, &mut pieces);
        let hashes: Vec<u64> = pieces.iter().map(|piece| hash_of_piece(piece, line)).collect();
        self.find(&hashes)
    }

    /// The template that an id stands for now: itself, or what it became part of.
    #[must_use]
    pub fn resolve(&self, mut id: TemplateId) -> TemplateId {
        while let Some(into) = self.merged.get(&id) {
            id = *into;
        }
        id
    }

    #[must_use]
    pub fn template(&self, id: TemplateId) -> Option<&Template> {
        self.templates.get(&self.resolve(id))
    }

    /// All templates, in no particular order.
    pub fn templates(&self) -> impl Iterator<Item = (TemplateId, &Template)> {
        self.templates.iter().map(|(id, template)| (*id, template))
    }

    /// Lines that were taken in.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    fn find(&self, hashes: &[u64]) -> Option<TemplateId> {
        if let Some(id) = self.exact.get(&sum(hashes)) {
            return Some(self.resolve(*id));
        }
        let fits =
            |theirs: &[u64]| theirs.iter().zip(hashes).all(|(theirs, own)| *theirs == PLACE || theirs == own);
        let wide = self.wide.get(&(hashes.len(), *hashes.first()?))?;
        wide.iter().find(|(_, theirs)| fits(theirs)).map(|(id, _)| self.resolve(*id))
    }

    fn begin(&mut self, pieces: &[Piece], line: &str, hashes: &[u64]) -> TemplateId {
        let id = TemplateId(self.next);
        self.next += 1;
        let tokens = pieces.iter().map(|piece| token_of(piece, line)).collect();
        self.templates.insert(id, Template { tokens, count: 0, last: self.lines });
        self.exact.insert(sum(hashes), id);
        self.compare(id, hashes);
        self.resolve(id)
    }

    /// Looks for templates that differ from this one in one word. The first word never varies: it says most.
    fn compare(&mut self, id: TemplateId, hashes: &[u64]) {
        if hashes.iter().filter(|hash| **hash != PLACE).count() < WORDS_MIN {
            return;
        }
        let whole = sum(hashes);
        for (place, hash) in hashes.iter().enumerate().skip(1) {
            let others = whole.wrapping_sub(at(*hash, place)).wrapping_add(at(PLACE, place));
            let alike = self.near.entry(others).or_default();
            alike.push(id);
            if alike.len() >= VARIES_FROM {
                let alike = std::mem::take(alike);
                self.merge(&alike);
            }
        }
    }

    /// Makes one template of several of the same length.
    fn merge(&mut self, alike: &[TemplateId]) {
        let mut ids: Vec<TemplateId> = alike.iter().map(|id| self.resolve(*id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let [into, others @ ..] = ids.as_slice() else { return };
        let Some(mut all) = self.templates.remove(into) else { return };
        for other in others {
            let Some(template) = self.templates.remove(other) else { continue };
            for (mine, theirs) in all.tokens.iter_mut().zip(template.tokens) {
                if *mine != theirs {
                    *mine = Token::Varies;
                }
            }
            all.count += template.count;
            all.last = all.last.max(template.last);
            self.merged.insert(*other, *into);
        }
        let hashes = all.hashes();
        self.templates.insert(*into, all);
        self.widen(*into, &hashes);
        // What varies in two words is found by comparing what already varies in one.
        if !others.is_empty() && self.exact.insert(sum(&hashes), *into).is_none() {
            self.compare(*into, &hashes);
        }
    }

    fn widen(&mut self, id: TemplateId, hashes: &[u64]) {
        let Some(first) = hashes.first() else { return };
        let wide = self.wide.entry((hashes.len(), *first)).or_default();
        let narrower =
            |theirs: &[u64]| theirs.iter().zip(hashes).all(|(theirs, own)| *own == PLACE || theirs == own);
        wide.retain(|(_, theirs)| !narrower(theirs));
        wide.push((id, hashes.into()));
    }

    /// Forgets the half that was not seen for longest.
    fn forget(&mut self) {
        let mut seen: Vec<u64> = self.templates.values().map(|template| template.last).collect();
        let middle = seen.len() / 2;
        let (_, since, _) = seen.select_nth_unstable(middle);
        let since = *since;
        self.templates.retain(|_, template| template.last >= since);
        let resolved: Vec<_> = self.merged.keys().map(|id| (*id, self.resolve(*id))).collect();
        self.merged = resolved.into_iter().filter(|(_, into)| self.templates.contains_key(into)).collect();
        if self.merged.len() > TEMPLATES_MAX {
            let oldest = self.next.saturating_sub(u32::try_from(TEMPLATES_MAX).unwrap_or(u32::MAX));
            self.merged.retain(|id, _| id.0 >= oldest);
        }
        self.index();
    }

    /// Makes what is looked up from the templates.
    fn index(&mut self) {
        self.exact.clear();
        self.near.clear();
        self.wide.clear();
        let mut ids: Vec<TemplateId> = self.templates.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(template) = self.templates.get(&id) else { continue };
            let (hashes, varies) = (template.hashes(), template.tokens.contains(&Token::Varies));
            self.exact.insert(sum(&hashes), id);
            if varies {
                self.widen(id, &hashes);
            }
            self.compare(id, &hashes);
        }
    }
}

fn token_of(piece: &Piece, line: &str) -> Token {
    match piece {
        Piece::Word(range) => Token::Word(line[range.clone()].into()),
        Piece::Key(range) => Token::Key(line[range.clone()].into()),
        Piece::Place => Token::Place,
    }
}

/// Odd numbers with well spread bits (from the fraction of the golden ratio, and of √2).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const SPREAD_PLACE: u64 = 0x6a09_e667_f3bc_c909;

/// The hash of what changes.
const PLACE: u64 = SPREAD;

fn hash_of_piece(piece: &Piece, line: &str) -> u64 {
    match piece {
        Piece::Word(range) => hash_of_text(&line[range.clone()]),
        Piece::Key(range) => !hash_of_text(&line[range.clone()]),
        Piece::Place => PLACE,
    }
}

fn hash_of(token: &Token) -> u64 {
    match token {
        Token::Word(word) => hash_of_text(word),
        Token::Key(key) => !hash_of_text(key),
        Token::Place | Token::Varies => PLACE,
    }
}

fn hash_of_text(text: &str) -> u64 {
    FixedState::with_seed(0).hash_one(text.as_bytes())
}

/// A token's share of the hash of all: a sum, so that one token can be taken out of it.
fn at(hash: u64, place: usize) -> u64 {
    (hash ^ (place as u64 + 1).wrapping_mul(SPREAD_PLACE)).wrapping_mul(SPREAD).rotate_left(29)
}

fn sum(hashes: &[u64]) -> u64 {
    let all = hashes.iter().enumerate().map(|(place, hash)| at(*hash, place));
    all.fold(hashes.len() as u64, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mined(lines: impl IntoIterator<Item = String>) -> (TemplateMiner, Vec<TemplateId>) {
        let mut miner = TemplateMiner::new();
        let ids = lines.into_iter().map(|line| miner.observe(&line)).collect();
        (miner, ids)
    }

    fn texts(miner: &TemplateMiner) -> Vec<(String, u64)> {
        let mut all: Vec<_> =
            miner.templates().map(|(_, template)| (template.to_string(), template.count)).collect();
        all.sort();
        all
    }

    #[test]
    fn a_word_that_is_seen_in_many_ways_is_a_value() {
        let users = ["ann", "bob", "cy", "dee", "eve", "flo"];
        let lines = users.map(|user| format!("login of {user} from 10.0.0.1 failed"));
        let (miner, ids) = mined(lines);
        assert_eq!(texts(&miner), [("login of <*> from <*> failed".to_owned(), 6)]);
        assert!(ids.iter().all(|id| miner.resolve(*id) == miner.resolve(ids[0])));
        assert_eq!(miner.recognise("login of zoe from 10.9.9.9 failed"), Some(miner.resolve(ids[0])));
        assert_eq!(miner.recognise("logout of zoe from 10.9.9.9 failed"), None);
    }

    #[test]
    fn states_stay_words() {
        let states = ["up", "down", "starting", "stopping"];
        let (miner, _) = mined(states.map(|state| format!("the link is {state} now")));
        assert_eq!(miner.templates().count(), 4);
    }

    #[test]
    fn two_values_in_one_line_are_found() {
        let names = ["ann", "bob", "cy", "dee", "eve", "flo"];
        let pairs =
            names.iter().flat_map(|a| names.iter().map(move |b| format!("{a} gave the book to {b} at last")));
        // The first word names the statement and never varies.
        let (miner, _) = mined(pairs);
        assert_eq!(miner.templates().count(), names.len());
        let pairs = names.iter().flat_map(|a| names.iter().map(move |b| format!("moved {a} to {b} at last")));
        let (miner, _) = mined(pairs);
        assert_eq!(texts(&miner), [("moved <*> to <*> at last".to_owned(), 36)]);
    }

    #[test]
    fn memory_is_bounded_and_what_is_seen_often_is_kept() {
        let mut miner = TemplateMiner::new();
        let word = |n: usize| -> String {
            n.to_string().bytes().map(|digit| char::from(b'a' + (digit - b'0'))).collect()
        };
        let often = "the disk of this node is full".to_owned();
        for n in 0..40_000 {
            miner.observe(&format!("{} fell over {} in the yard", word(n), word(n + 7)));
            miner.observe(&often);
        }
        assert!(miner.templates().count() <= TEMPLATES_MAX);
        let id = miner.recognise(&often).expect("it is still known");
        assert_eq!(miner.template(id).map(|template| template.count), Some(40_000));
    }

    fn line() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            "[a-c]{1,2}",
            "[0-9]{1,3}",
            "k=[a-z0-9]{0,2}",
            "/x/[a-z]",
            "\"[a-z ]{0,5}\"",
            "\\PC{0,6}"
        ];
        prop::collection::vec(word, 0..7).prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn what_was_seen_is_known_again_also_after_a_restart(lines in prop::collection::vec(line(), 0..60)) {
            let (miner, ids) = mined(lines.clone());
            let saved = serde_json::to_string(&miner).expect("plain");
            let mut again: TemplateMiner = serde_json::from_str(&saved).expect("the same");
            let counted: u64 = miner.templates().map(|(_, template)| template.count).sum();
            prop_assert_eq!(counted, lines.len() as u64);
            prop_assert_eq!(texts(&miner), texts(&again));
            for (line, id) in lines.iter().zip(ids) {
                prop_assert!(miner.template(id).is_some());
                let known = miner.recognise(line);
                prop_assert_eq!(known, Some(miner.resolve(id)));
                prop_assert_eq!(again.recognise(line), known);
                prop_assert_eq!(Some(again.observe(line)), known);
            }
        }
    }
}
