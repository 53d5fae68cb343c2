//! From a bundle to an answer, deterministically and without a model.
//!
//! Owns: how abnormal each series is, what follows from whom over the call graph, which change could have done it, and
//! how sure that is. Must never: do I/O, read a clock, or know the name of any component or metric; words of the field
//! (latency, memory, OOMKilled) are all that it goes by.

pub mod answer;
mod argue;
mod class;
mod conclude;
mod deviation;
mod onset;
mod rank;
mod scene;
mod window;

pub use answer::{Answer, AnswerEvidence, Ranked, Remediation, VerdictKind, Window};

use crate::bundle::Bundle;

/// Components that an answer ranks at most.
const RANKED_MAX: usize = 50;

/// An answer, and what its ranking is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Investigation {
    pub answer: Answer,
    /// Of each ranked component, in the same order.
    pub parts: Vec<Parts>,
}

/// What a component's score is made of, in nats of surprise.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    pub component: String,
    /// Of its own series.
    pub own: f64,
    /// What its callers show that it would explain.
    pub covers: f64,
    /// What logs, traces and tools say.
    pub told: f64,
}

/// Investigates one incident.
#[must_use]
pub fn investigate(bundle: &Bundle) -> Investigation {
    let scene = scene::Scene::of(bundle);
    let window = window::Window::of(bundle);
    let deviations = deviation::all(bundle, &window);
    let mut candidates = rank::rank(bundle, &scene, &deviations, &[]);
    let confidence = conclude::confidences(&candidates);
    candidates.truncate(RANKED_MAX);
    let facts = argue::Facts { bundle, scene: &scene, deviations: &deviations };
    let answer = conclude::answer(&facts, &candidates, &confidence);
    let parts = |c: &rank::Candidate| Parts {
        component: scene.names[c.component].to_owned(),
        own: c.own,
        covers: c.covers,
        told: c.told,
    };
    Investigation { answer, parts: candidates.iter().map(parts).collect() }
}
