//! From a bundle to an answer, deterministically and without a model.
//!
//! Owns: how abnormal each series is, what follows from whom over the call graph, which change could have done it, and
//! how sure that is. Must never: do I/O, read a clock, or know the name of any component or metric; words of the field
//! (latency, memory, OOMKilled) are all that it goes by.

pub mod answer;
mod argue;
mod book;
mod changes;
mod class;
mod conclude;
pub(crate) mod content;
mod deviation;
mod diff;
mod effect;
mod first_look;
mod mechanism;
mod onset;
mod rank;
mod scene;
mod templates;
pub(crate) mod tools;
pub(crate) mod view;
mod window;

pub use answer::{About, Answer, AnswerEvidence, Ranked, Remediation, VerdictKind, Window};

pub(crate) use conclude::CONCLUSIVE;

use crate::bundle::Bundle;

/// Components that an answer ranks at most.
const RANKED_MAX: usize = 50;

/// An answer, and what its ranking is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Investigation {
    pub answer: Answer,
    /// Of each ranked component, in the same order.
    pub parts: Vec<Parts>,
    /// What was changed before, the most suspect first: how suspect, 0–1, and in words.
    pub suspects: Vec<(f64, String)>,
    /// What explains the trouble and is no change, as suspect as that.
    pub other: Option<(f64, String)>,
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
    let state = tools::look(bundle);
    let named: Vec<String> = state.findings.iter().map(|finding| finding.component.clone()).collect();
    let scene = scene::Scene::of(bundle, &named);
    let window = window::Window::of(bundle);
    let deviations = deviation::all(bundle, &window);
    let (templates, incident_share) = templates::mine(bundle, &window);
    let new: Vec<&templates::Template> = templates.iter().filter(|t| t.stands_out(incident_share)).collect();
    let own = rank::own(bundle, &scene, &deviations);
    let trouble =
        changes::Trouble { bundle, scene: &scene, deviations: &deviations, templates: &new, own: &own };
    let changes = trouble.judge();
    let first_look = first_look::first_look(bundle, &scene, &deviations);
    let mut told = told(&scene, &new, &changes, &state);
    if let Some(found) = first_look {
        told[found.component] += FIRST_LOOK_WEIGHT * found.confidence;
    }
    let down: Vec<bool> = scene.names.iter().map(|name| state.is_down(name)).collect();
    let mut candidates = rank::rank(bundle, &scene, &deviations, &told, &down);
    let mut confidence = conclude::confidences(&candidates);
    // A folder makes nobody surer than those who watched it happen.
    if let (Some(found), Some(best)) = (first_look, candidates.first())
        && found.component == best.component
    {
        confidence[0] = confidence[0].min(found.confidence);
    }
    candidates.truncate(RANKED_MAX);
    let facts = argue::Facts {
        bundle,
        scene: &scene,
        deviations: &deviations,
        templates: &new,
        changes: &changes,
        state: &state,
        first_look,
    };
    let answer = conclude::answer(&facts, &candidates, &confidence);
    let parts = |c: &rank::Candidate| Parts {
        component: scene.names[c.component].to_owned(),
        own: c.own,
        covers: c.covers,
        told: c.told,
    };
    Investigation {
        answer,
        parts: candidates.iter().map(parts).collect(),
        suspects: changes
            .suspects
            .iter()
            .map(|suspect| (suspect.suspicion, suspect.describe(&scene)))
            .collect(),
        other: changes.other.as_ref().map(|other| (other.weight, other.shown.clone())),
    }
}

/// Weight of what logs say beside what series say: an error is logged by those that suffer as well.
const LOG_WEIGHT: f64 = 0.5;

/// Weight of a convicted change: what it was made to is where it is taken back.
const CHANGE_WEIGHT: f64 = 6.0;

/// Weight of what the platform says of a component's state: it needs no comparison with normal.
const STATE_WEIGHT: f64 = 10.0;

/// Weight of what the detectors that watched it told, walked over the graph: as much as that of a change.
const FIRST_LOOK_WEIGHT: f64 = CHANGE_WEIGHT;

/// What logs, changes and tools say of each component.
fn told(
    scene: &scene::Scene<'_>,
    new: &[&templates::Template],
    changes: &changes::Verdict,
    state: &tools::State,
) -> Vec<f64> {
    let mut told = vec![0.0; scene.names.len()];
    for (number, name) in scene.names.iter().enumerate() {
        let bad = new.iter().filter(|template| template.bad && template.component == *name);
        let lines: u64 = bad.map(|template| template.incident).sum();
        told[number] += LOG_WEIGHT * (lines as f64).ln_1p();
        told[number] += STATE_WEIGHT * state.of(name).map_or(0.0, |finding| finding.weight);
    }
    if let Some((component, suspicion)) = changes.convicted().and_then(|s| Some((s.component?, s.suspicion)))
    {
        told[component] += CHANGE_WEIGHT * suspicion;
    }
    told
}
