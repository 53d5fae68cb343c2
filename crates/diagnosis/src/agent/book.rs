//! What was looked at: every answer of a tool is a piece with an id that a verdict can cite.

use super::query::Query;
use crate::investigate::answer::About;
use crate::investigate::{AnswerEvidence, Window};
use midwatch_model::{Evidence, EvidenceSource};
use serde_json::{Value, json};

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub query: Query,
    /// `None` for knowledge: what is written somewhere is no observation.
    pub source: Option<EvidenceSource>,
    pub window: Window,
    /// What the model is told.
    pub data: Value,
    /// One line for a person.
    pub excerpt: String,
    /// Components that it shows something abnormal of, by numbers or by the state that a platform reports.
    pub shows: Vec<String>,
    /// Ids of changes that it tells of.
    pub changes: Vec<String>,
    /// Whether there was anything.
    pub found: bool,
}

impl Piece {
    /// Hex SHA-256 over what was seen.
    #[must_use]
    pub fn digest(&self) -> String {
        Evidence::digest_of(self.data.to_string().as_bytes())
    }
}

impl Piece {
    /// What it is about: the component that was asked for, and its series.
    fn about(&self) -> About {
        let metric = match &self.query {
            Query::Metrics { metric, .. } => metric.clone(),
            _ => None,
        };
        About { component: self.query.component().unwrap_or_default().to_owned(), metric }
    }
}

/// All pieces with their ids, which go on where those of the deterministic answer end.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    first: usize,
    pieces: Vec<(Piece, String)>,
}

impl Book {
    pub fn after(evidence: usize) -> Self {
        Self { first: evidence + 1, pieces: Vec::new() }
    }

    /// Files a piece with what it looked like then; gives back its id.
    pub fn file(&mut self, piece: Piece) -> String {
        let digest = piece.digest();
        self.pieces.push((piece, digest));
        self.id(self.pieces.len() - 1)
    }

    fn id(&self, at: usize) -> String {
        format!("ev-{}", self.first + at)
    }

    /// The id of the answer to a question that was asked before.
    pub fn of(&self, query: &Query) -> Option<String> {
        self.pieces.iter().position(|(piece, _)| piece.query == *query).map(|at| self.id(at))
    }

    /// A piece by its id, with its digest.
    pub fn get(&self, id: &str) -> Option<&(Piece, String)> {
        let number: usize = id.strip_prefix("ev-")?.parse().ok()?;
        self.pieces.get(number.checked_sub(self.first)?)
    }

    /// A piece as evidence of an answer, if it is of a source.
    pub fn evidence(&self, id: &str) -> Option<AnswerEvidence> {
        let (piece, digest) = self.get(id)?;
        Some(AnswerEvidence {
            id: id.to_owned(),
            source: piece.source?,
            query: super::quote(&piece.query.to_string(), 300),
            window: piece.window.clone(),
            digest: digest.clone(),
            excerpt: piece.excerpt.clone(),
            about: piece.about(),
        })
    }
}

/// What the model is told of a piece.
pub(super) fn told(id: &str, piece: &Piece) -> String {
    let kind = if piece.source.is_some() { "evidence" } else { "knowledge" };
    json!({ "id": id, "is": kind, "data": piece.data }).to_string()
}
