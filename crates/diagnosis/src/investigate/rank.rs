//! Components, the likeliest origin first.
//!
//! A component's score is how surprising it is by itself, plus a share of what its callers show of the same symptom: a
//! fault shows at those that call, so what lies deepest under the most trouble explains the most of it.

use super::class::Class;
use super::deviation::{Deviation, NOTABLE};
use super::scene::Scene;
use crate::bundle::Bundle;

/// Share of a direct caller's surprise that counts for what it calls, and how much of it is left per further call.
const COVERED: f64 = 0.2;
const PER_CALL: f64 = 0.7;

/// Share for what is down: it has no series that could look as bad as those of its callers, and explains them wholly.
const COVERED_BY_DOWN: f64 = 1.0;

/// Share of its surprise that a component loses where what it calls explains all of it.
const PASSED_ON: f64 = 0.3;

/// Weight of a class beside that of errors, latency and saturation: traffic follows trouble more often than it makes it,
/// and bytes and system calls follow traffic.
const TRAFFIC: f64 = 0.3;
const INCIDENTAL: f64 = 0.5;

/// One component and what speaks for it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Number in the scene.
    pub component: usize,
    /// Index of the deviation that shows it best.
    pub best: Option<usize>,
    /// Surprise of its own, of its series.
    pub own: f64,
    /// What its callers show that it would explain.
    pub covers: f64,
    /// What logs, traces and tools say, in the same units.
    pub told: f64,
}

impl Candidate {
    pub fn score(&self) -> f64 {
        self.own + self.covers + self.told
    }
}

/// How much a class says about where a fault is.
fn weight(class: Class) -> f64 {
    match class {
        Class::Traffic => TRAFFIC,
        Class::Network | Class::Other => INCIDENTAL,
        _ => 1.0,
    }
}

/// Surprise of each component's own series.
pub fn own(bundle: &Bundle, scene: &Scene<'_>, deviations: &[Deviation]) -> Vec<f64> {
    let mut own = vec![0.0_f64; scene.names.len()];
    for deviation in deviations {
        if let Some(component) = scene.number(&bundle.metrics.series[deviation.series].component) {
            own[component] = own[component].max(weight(deviation.meaning.class) * deviation.score);
        }
    }
    own
}

/// Every eligible component, best first; equal scores in order of names. `down` are those that serve nobody.
pub fn rank(
    bundle: &Bundle,
    scene: &Scene<'_>,
    deviations: &[Deviation],
    told: &[f64],
    down: &[bool],
) -> Vec<Candidate> {
    let mut own = vec![(0.0_f64, None); scene.names.len()];
    let mut symptom = vec![0.0_f64; scene.names.len()];
    for (index, deviation) in deviations.iter().enumerate() {
        let Some(component) = scene.number(&bundle.metrics.series[deviation.series].component) else {
            continue;
        };
        let passed_on = PASSED_ON * passed_on(bundle, scene, deviations, component, deviation);
        let score = weight(deviation.meaning.class) * deviation.score * (1.0 - passed_on);
        if score > own[component].0 {
            own[component] = (score, Some(index));
        }
        if deviation.meaning.class == scene.symptom {
            symptom[component] = symptom[component].max(deviation.score);
        }
    }
    let candidate = |component: usize| Candidate {
        component,
        best: own[component].1,
        own: own[component].0,
        covers: covers(scene, &symptom, component).max(if down[component] {
            covered_by_down(scene, &symptom, component)
        } else {
            0.0
        }),
        told: told.get(component).copied().unwrap_or(0.0),
    };
    let mut ranked: Vec<Candidate> =
        (0..scene.names.len()).filter(|number| scene.eligible[*number]).map(candidate).collect();
    ranked.sort_by(|a, b| b.score().total_cmp(&a.score()).then(a.component.cmp(&b.component)));
    ranked
}

/// Share of what a component shows of the symptom that it only passes on, 0–1: a call takes at least as long as what it calls, fails where
/// that fails, and holds its connection meanwhile. So what a direct callee shows beyond its own normal, in the same unit, is
/// part of what the caller shows.
fn passed_on(
    bundle: &Bundle,
    scene: &Scene<'_>,
    deviations: &[Deviation],
    component: usize,
    of: &Deviation,
) -> f64 {
    let travels = matches!(of.meaning.class, Class::Latency | Class::Errors | Class::Connections);
    if !travels || !of.rose || of.meaning.class != scene.symptom {
        return 0.0;
    }
    let metric = &bundle.metrics.series[of.series].metric;
    let beyond = |deviation: &Deviation| deviation.worst - deviation.centre;
    let is_callee = |name: &str| {
        let callee = scene.number(name).filter(|callee| scene.callees[component].contains(callee));
        callee.is_some_and(|callee| scene.downstream(callee).iter().all(|(below, _)| *below != component))
    };
    let of_callees = deviations.iter().filter(|deviation| {
        let series = &bundle.metrics.series[deviation.series];
        deviation.rose
            && deviation.score >= NOTABLE
            && series.metric == *metric
            && is_callee(&series.component)
    });
    let most = of_callees.map(beyond).fold(0.0, f64::max);
    (most / beyond(of)).clamp(0.0, 1.0)
}

/// What the callers show of the symptom, as far as the component shows it too.
fn covers(scene: &Scene<'_>, symptom: &[f64], of: usize) -> f64 {
    let shown = |(caller, calls): (usize, i32)| symptom[caller].min(symptom[of]) * PER_CALL.powi(calls - 1);
    COVERED * scene.upstream(of).into_iter().map(shown).sum::<f64>()
}

/// What those that call it directly show of the symptom.
fn covered_by_down(scene: &Scene<'_>, symptom: &[f64], of: usize) -> f64 {
    let callers = scene.callers[of].iter().map(|caller| symptom[*caller]);
    COVERED_BY_DOWN * callers.fold(0.0, f64::max)
}
