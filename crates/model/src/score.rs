//! Scores whose parts are on record: why something was thought to belong together, or to be the root.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// What speaks for a relation, or for a root.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PartKind {
    // Of a relation: where.
    SameEntity,
    Alias,
    SameOwner,
    DependsOn,
    SameNamespace,
    /// Neither says where it is.
    NoNamespace,
    // Of a relation: when and what.
    CloseInTime,
    SharedCause,
    // Of a root.
    /// What others of its kind rest on: configuration before workloads before services.
    Layer,
    /// What its name says of its role: stores are depended upon, edges depend, generators of load disturb.
    Role,
    /// Its own state was told of, not only how its requests fare.
    OwnState,
    /// It acts upon something that is in trouble.
    ActsOn,
    /// Nothing is heard of it while others suffer.
    Silent,
    /// Callers fail at once rather than slowly: what is missing is the way to it.
    Refused,
    /// Nobody calls it: it suffers from what is wrong before it.
    Starved,
    /// Those in trouble call it.
    CalledByAlerted,
    /// Its trouble began before that of all others.
    Earliest,
}

/// One part: what, how much, and the words for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Part {
    pub kind: PartKind,
    /// Thousandths, so that equal scores are equal.
    pub points: i32,
    pub detail: String,
}

/// A sum of parts.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Score {
    pub parts: Vec<Part>,
    /// Thousandths.
    pub total: i32,
}

impl Score {
    /// Adds a part.
    #[must_use]
    pub fn with(mut self, kind: PartKind, points: i32, detail: impl Into<String>) -> Self {
        self.total += points;
        self.parts.push(Part { kind, points, detail: detail.into() });
        self
    }

    /// Whether it has such a part.
    #[must_use]
    pub fn has(&self, kind: PartKind) -> bool {
        self.parts.iter().any(|part| part.kind == kind)
    }

    /// The parts as one line, the weightiest first.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut parts: Vec<&Part> = self.parts.iter().collect();
        parts.sort_by_key(|part| Reverse(part.points.abs()));
        let words: Vec<String> = parts.iter().map(|p| format!("{} ({:+})", p.detail, p.points)).collect();
        format!("{} = {}", words.join(", "), self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_the_sum_of_its_parts_and_says_so() {
        let score = Score::default().with(PartKind::CloseInTime, 300, "began 5 s apart").with(
            PartKind::SameNamespace,
            350,
            "both in shop",
        );
        assert_eq!(score.sentence(), "both in shop (+350), began 5 s apart (+300) = 650");
        assert!(score.has(PartKind::CloseInTime) && !score.has(PartKind::Alias));
    }
}
