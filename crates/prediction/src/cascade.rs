//! The way that a failure will take: a beam search over the graph.
//!
//! Owns: how likely a failure goes from one service to the next: by how likely the next one fails, how strong the edge is,
//! how alike the network sees both, and the edge's direction.

use crate::graph::strengths;
use crate::model::Outlook;
use crate::window::Window;
use serde::Serialize;

/// Paths that are followed at a time.
const BEAM: usize = 4;

/// Services of a path at most.
const STEPS_MAX: usize = 6;

/// Failures go to callers, load goes to callees; the second is rarer.
const TO_CALLEE: f64 = 0.5;

/// A service that is less likely to fail than this is on no path.
const PROBABILITY_MIN: f64 = 0.2;

/// A station of the path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    pub service: String,
    pub probability: f64,
    pub minutes: f64,
    pub why: Why,
}

/// Why a service is on the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is the likeliest to fail first.
    Start,
    /// It calls the one before: it waits for what fails.
    Calls,
    /// It is called by the one before: retries and held connections are its load.
    Called,
}

/// A way over an edge.
struct Way {
    to: usize,
    why: Why,
    weight: f64,
}

/// The ways from each service.
fn ways(window: &Window, outlooks: &[Outlook], embeddings: &[Vec<f32>]) -> Vec<Vec<Way>> {
    let strengths = strengths(window.services.len(), &window.links);
    let mut ways: Vec<Vec<Way>> = window.services.iter().map(|_| vec![]).collect();
    for (link, strength) in window.links.iter().zip(strengths) {
        let (caller, callee) = (link.from as usize, link.to as usize);
        let alike = alike(&embeddings[caller], &embeddings[callee]);
        let mut add = |from: usize, to: usize, why, direction: f64| {
            let probability = outlooks[to].foreseen().map_or(0.0, |f| f.probability);
            // Strength is 0.25 to 2: as a share of its largest.
            let weight = probability * direction * (f64::from(strength) / 2.0).sqrt() * (0.5 + 0.5 * alike);
            ways[from].push(Way { to, why, weight });
        };
        add(callee, caller, Why::Calls, 1.0);
        add(caller, callee, Why::Called, TO_CALLEE);
    }
    for ways in &mut ways {
        ways.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    }
    ways
}

/// The cosine of two embeddings, 0–1: none of their numbers is negative.
fn alike(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if length > 0.0 { (dot(a, b) / length).clamp(0.0, 1.0) } else { 0.0 }
}

/// Services to which a failure of `from` goes next, likeliest first.
#[must_use]
pub fn next(window: &Window, outlooks: &[Outlook], embeddings: &[Vec<f32>], from: usize) -> Vec<usize> {
    let mut seen = Vec::new();
    for way in &ways(window, outlooks, embeddings)[from] {
        if !seen.contains(&way.to) {
            seen.push(way.to);
        }
    }
    seen
}

/// The likeliest way from the service that is likeliest to fail.
#[must_use]
pub fn path(window: &Window, outlooks: &[Outlook], embeddings: &[Vec<f32>]) -> Vec<Step> {
    let foreseen = |service: usize| outlooks[service].foreseen();
    let likely =
        (0..outlooks.len()).filter(|s| foreseen(*s).is_some_and(|f| f.probability >= PROBABILITY_MIN));
    let start = likely.max_by(|a, b| {
        let probability = |service: usize| foreseen(service).map_or(0.0, |f| f.probability);
        probability(*a).total_cmp(&probability(*b))
    });
    let Some(start) = start else { return vec![] };
    let ways = ways(window, outlooks, embeddings);
    let best = search(&ways, outlooks, start);
    let step = |(service, why): (usize, Why)| {
        let foreseen = foreseen(service)?;
        let service = window.services[service].clone();
        Some(Step { service, probability: foreseen.probability, minutes: foreseen.minutes, why })
    };
    best.into_iter().filter_map(step).collect()
}

/// Longer paths are better as long as each further step is likelier than not to be right; the sum of logarithms would
/// always prefer the shortest.
fn search(ways: &[Vec<Way>], outlooks: &[Outlook], start: usize) -> Vec<(usize, Why)> {
    let mut beam = vec![(0.0, vec![(start, Why::Start)])];
    let mut best = beam[0].clone();
    for _ in 1..STEPS_MAX {
        let mut longer = Vec::new();
        for (score, path) in &beam {
            let Some((last, _)) = path.last() else { continue };
            for way in &ways[*last] {
                let likely = outlooks[way.to].foreseen().is_some_and(|f| f.probability >= PROBABILITY_MIN);
                if likely && !path.iter().any(|(service, _)| *service == way.to) {
                    let mut path = path.clone();
                    path.push((way.to, way.why));
                    longer.push((score + way.weight, path));
                }
            }
        }
        longer.sort_by(|a, b| b.0.total_cmp(&a.0));
        longer.truncate(BEAM);
        if let Some(first) = longer.first().filter(|first| first.0 > best.0) {
            best = first.clone();
        }
        beam = longer;
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Foreseen;
    use crate::window::{Link, NOTHING_READ, Normal};

    fn check(probabilities: &[f64], expected: &[usize]) {
        let outlooks: Vec<Outlook> = probabilities
            .iter()
            .map(|p| Outlook::Foreseen(Foreseen { probability: *p, minutes: 1.0, confidence: 1.0 }))
            .collect();
        let link = |from, to| Link { from, to, rate: 1.0, errors: 0.0, latency_ms: 1.0 };
        // gateway → order → payment, gateway → user
        let window = Window {
            services: ["gateway", "order", "payment", "user"].map(str::to_owned).to_vec(),
            normals: vec![Normal { mean: NOTHING_READ, std: NOTHING_READ }; 4],
            readings: vec![],
            links: vec![link(0, 1), link(1, 2), link(0, 3)],
            tick_s: 2.0,
        };
        let path = path(&window, &outlooks, &vec![vec![1.0]; 4]);
        let names: Vec<&str> = path.iter().map(|step| step.service.as_str()).collect();
        let expected: Vec<&str> = expected.iter().map(|service| window.services[*service].as_str()).collect();
        assert_eq!(names, expected, "{probabilities:?}");
    }

    #[test]
    fn a_failure_goes_from_where_it_is_likeliest_to_those_who_wait_for_it() {
        check(&[0.5, 0.7, 0.9, 0.05], &[2, 1, 0]);
        check(&[0.9, 0.1, 0.1, 0.6], &[0, 3]);
        check(&[0.1, 0.1, 0.1, 0.1], &[]);
    }
}
