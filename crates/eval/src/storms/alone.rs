//! Each storm by itself: is it one incident, and is its root ranked first?

use super::load::Case;
use super::scene::{Outcome, Scene, entity};
use super::seed::Seed;
use midwatch_incident::{Root, rank_roots};
use midwatch_model::{Entity, PartKind};
use serde::Serialize;
use std::collections::BTreeSet;

/// Orders in which the alerts of a storm come. A storm is right only if it is right in all of them.
const ORDERS: u64 = 10;

/// Parts of a root's score, for seeing what each does.
const ROOT_PARTS: [PartKind; 9] = [
    PartKind::Layer,
    PartKind::Role,
    PartKind::OwnState,
    PartKind::ActsOn,
    PartKind::Silent,
    PartKind::Refused,
    PartKind::Starved,
    PartKind::CalledByAlerted,
    PartKind::Earliest,
];

/// How all storms fared.
#[derive(Serialize)]
pub struct Alone {
    pub storms: Vec<OfStorm>,
    pub orders: u64,
    /// Alerts whose group the file describes, and those of them that were placed on it.
    pub described_alerts: usize,
    pub placed: usize,
    /// Alerts whose group it does not describe or that name none, and those that were placed on something described.
    pub other_alerts: usize,
    pub other_placed: usize,
    /// Shares of storms, 0–1.
    pub one_incident: f64,
    pub one_incident_and_root_first: f64,
    pub root_first: f64,
    pub root_in_three: f64,
    pub chance_first: f64,
    pub chance_in_three: f64,
    /// The share of storms with the root first if one part of the score is left out, halved or doubled.
    pub ablation: Vec<Ablation>,
}

#[derive(Serialize)]
pub struct OfStorm {
    pub name: String,
    pub alerts: usize,
    pub groups: usize,
    /// Incidents in the worst order.
    pub incidents: usize,
    /// Strict: of a tie it is the worst place.
    pub rank: usize,
    pub chance: f64,
    pub first: String,
    pub why: String,
}

#[derive(Serialize)]
pub struct Ablation {
    pub part: PartKind,
    pub without: f64,
    pub halved: f64,
    pub doubled: f64,
    pub only: f64,
}

/// One storm in one order.
struct Played {
    incidents: usize,
    roots: Vec<Root>,
    labelled: BTreeSet<Entity>,
}

pub fn score(cases: &[Case]) -> Alone {
    let plays: Vec<Vec<Played>> =
        cases.iter().map(|case| (0..ORDERS).map(|order| play(case, order)).collect()).collect();
    let storms: Vec<OfStorm> = cases.iter().zip(&plays).map(|(case, plays)| of_storm(case, plays)).collect();
    let share =
        |right: &dyn Fn(&OfStorm) -> bool| ratio(storms.iter().filter(|s| right(s)).count(), storms.len());
    let mean = |chance: &dyn Fn(&Case) -> f64| cases.iter().map(chance).sum::<f64>() / cases.len() as f64;
    let (described_alerts, placed, other_alerts, other_placed) = placement(cases);
    Alone {
        orders: ORDERS,
        described_alerts,
        placed,
        other_alerts,
        other_placed,
        one_incident: share(&|s| s.incidents == 1),
        one_incident_and_root_first: share(&|s| s.incidents == 1 && s.rank == 1),
        root_first: share(&|s| s.rank == 1),
        root_in_three: share(&|s| s.rank <= 3),
        chance_first: mean(&|case| chance(case, 1)),
        chance_in_three: mean(&|case| chance(case, 3)),
        ablation: ROOT_PARTS.iter().map(|part| ablate(*part, &plays)).collect(),
        storms,
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn scene(case: &Case, order: u64) -> Scene {
    let mut scene = Scene::default();
    scene.add(&case.storm, None, 0, &mut Seed(order));
    scene
}

fn play(case: &Case, order: u64) -> Played {
    let Outcome { topology, groups, .. } = scene(case, order).play();
    let largest = groups.iter().max_by_key(|group| group.subjects.len());
    let roots = largest.map_or_else(Vec::new, |group| rank_roots(&group.members, &topology));
    let root = |id: &&String| case.storm.objects.iter().find(|object| object.name == **id);
    let labelled = case.truth.roots.iter().filter_map(|id| root(&id)).map(|o| entity(o, None)).collect();
    Played { incidents: groups.len(), roots, labelled }
}

fn of_storm(case: &Case, plays: &[Played]) -> OfStorm {
    let as_it_is = |root: &Root| f64::from(root.score.total);
    // The worst order is what is reported.
    let worst = plays.iter().max_by_key(|played| rank(played, as_it_is)).expect("at least one order");
    let first = worst.roots.first();
    OfStorm {
        name: case.name.clone(),
        alerts: case.storm.alerts.len(),
        groups: case.storm.objects.len(),
        incidents: plays.iter().map(|played| played.incidents).max().unwrap_or(0),
        rank: rank(worst, as_it_is),
        chance: chance(case, 1),
        first: first.map_or_else(|| "nothing".into(), |root| root.entity.to_string()),
        why: first.map_or_else(String::new, |root| root.score.sentence()),
    }
}

/// The place of the best labelled root. What is not labelled and scores as much comes before it.
fn rank(played: &Played, total: impl Fn(&Root) -> f64) -> usize {
    let (right, wrong): (Vec<&Root>, Vec<&Root>) =
        played.roots.iter().partition(|root| played.labelled.contains(&root.entity));
    let best = right.iter().map(|root| total(root)).fold(f64::NEG_INFINITY, f64::max);
    // A root that is not among the candidates comes after all of them.
    1 + wrong.iter().filter(|root| total(root) >= best).count()
        + if right.is_empty() { played.roots.len() } else { 0 }
}

/// How likely a random order of the groups has a labelled root among the first `k`.
fn chance(case: &Case, k: usize) -> f64 {
    let (groups, roots) = (case.storm.objects.len(), case.truth.roots.len());
    let miss = |drawn: usize| groups.saturating_sub(roots + drawn) as f64 / (groups - drawn) as f64;
    1.0 - (0..k.min(groups)).map(miss).product::<f64>()
}

/// The score with one part weighed differently, from the parts on record.
fn ablate(part: PartKind, plays: &[Vec<Played>]) -> Ablation {
    let first = |weigh: &dyn Fn(PartKind) -> f64| {
        let total = |root: &Root| root.score.parts.iter().map(|p| weigh(p.kind) * f64::from(p.points)).sum();
        let right = |orders: &&Vec<Played>| orders.iter().all(|played| rank(played, total) == 1);
        ratio(plays.iter().filter(right).count(), plays.len())
    };
    let times = |factor: f64| first(&move |kind| if kind == part { factor } else { 1.0 });
    let only = first(&|kind| if kind == part { 1.0 } else { 0.0 });
    Ablation { part, without: times(0.0), halved: times(0.5), doubled: times(2.0), only }
}

/// Alerts with a described group, those placed on it; other alerts, those placed on something described.
fn placement(cases: &[Case]) -> (usize, usize, usize, usize) {
    let mut counts = (0, 0, 0, 0);
    for case in cases {
        let scene = scene(case, 0);
        let subjects = scene.play().subjects;
        for (number, (fired, subject)) in case.storm.alerts.iter().zip(&subjects).enumerate() {
            let object = case.storm.objects.iter().find(|object| Some(&object.name) == fired.object.as_ref());
            let named = scene.named(number);
            match object.map(|object| entity(object, None)) {
                Some(expected) => {
                    counts.0 += 1;
                    counts.1 += usize::from(subject.entities == [expected]);
                }
                None => {
                    counts.2 += 1;
                    let known = |e: &Entity| Some(e) != named.as_ref() && e.namespace.is_some();
                    counts.3 += usize::from(subject.entities.iter().any(known));
                }
            }
        }
    }
    counts
}
