//! Who is next to whom, as a network reads it: a sparse matrix with the normalisation of Kipf and Welling (2017).
//!
//! Owns: how strong an edge is. Cost grows with edges, not with the square of services: five thousand are no matter.

use crate::random::Random;
use crate::window::Link;

/// The matrix D^-½ (A + I) D^-½ by rows. A holds how strong each edge is, both ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Of each service where its neighbours begin; one more than services.
    starts: Vec<u32>,
    neighbours: Vec<u32>,
    weights: Vec<f32>,
}

/// How strongly trouble can travel over an edge, 0–2: what share of the caller's busiest edge it carries, and whether calls on it fail
/// or are slow already.
#[must_use]
pub fn strength(link: &Link, busiest: f32) -> f32 {
    let share = if busiest > 0.0 { (link.rate / busiest).clamp(0.0, 1.0) } else { 1.0 };
    let errors = if link.errors.is_finite() { (5.0 * link.errors).clamp(0.0, 1.0) } else { 0.0 };
    // An edge without traffic is still an edge: a call a day can hold what a caller needs.
    0.25 + 0.75 * if share.is_finite() { share } else { 1.0 } + errors
}

/// The strength of every edge of a graph.
#[must_use]
pub fn strengths(services: usize, links: &[Link]) -> Vec<f32> {
    let mut busiest = vec![0.0f32; services];
    for link in links {
        busiest[link.from as usize] = busiest[link.from as usize].max(link.rate);
    }
    links.iter().map(|link| strength(link, busiest[link.from as usize])).collect()
}

impl Graph {
    /// The graph of a window's edges.
    #[must_use]
    pub fn new(services: usize, links: &[Link]) -> Self {
        let strengths = strengths(services, links);
        let ends = links.iter().zip(&strengths).map(|(link, strength)| (link.from, link.to, *strength));
        Self::of(services, ends)
    }

    /// A graph in which nobody is next to anybody.
    #[must_use]
    pub fn alone(services: usize) -> Self {
        Self::of(services, std::iter::empty())
    }

    /// The same edges between services drawn at random: what is left of a graph when it says nothing.
    #[must_use]
    pub fn shuffled(services: usize, links: &[Link], seed: u64) -> Self {
        let mut places: Vec<u32> = (0..services as u32).collect();
        Random::of(seed, &[services as u64, links.len() as u64]).shuffle(&mut places);
        let strengths = strengths(services, links);
        let moved = |(link, strength): (&Link, &f32)| {
            (places[link.from as usize], places[link.to as usize], *strength)
        };
        Self::of(services, links.iter().zip(&strengths).map(moved))
    }

    fn of(services: usize, edges: impl Iterator<Item = (u32, u32, f32)>) -> Self {
        let mut rows: Vec<Vec<(u32, f32)>> =
            (0..services as u32).map(|service| vec![(service, 1.0)]).collect();
        for (from, to, strength) in edges.filter(|(from, to, _)| from != to) {
            rows[from as usize].push((to, strength));
            rows[to as usize].push((from, strength));
        }
        // Two that call each other are one edge, as strong as both.
        for row in &mut rows {
            row.sort_by_key(|(neighbour, _)| *neighbour);
            row.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 += next.1;
                }
                same
            });
        }
        let degrees: Vec<f32> = rows.iter().map(|row| row.iter().map(|(_, weight)| weight).sum()).collect();
        let mut graph = Self { starts: vec![0], neighbours: vec![], weights: vec![] };
        for (service, row) in rows.iter().enumerate() {
            for (neighbour, weight) in row {
                graph.neighbours.push(*neighbour);
                graph.weights.push(weight / (degrees[service] * degrees[*neighbour as usize]).sqrt());
            }
            graph.starts.push(graph.neighbours.len() as u32);
        }
        graph
    }

    /// Several graphs as one, side by side.
    #[must_use]
    pub fn beside<'a>(graphs: impl Iterator<Item = &'a Graph>) -> Self {
        let mut all = Self { starts: vec![0], neighbours: vec![], weights: vec![] };
        for graph in graphs {
            let (services, edges) = (all.services() as u32, all.neighbours.len() as u32);
            all.starts.extend(graph.starts[1..].iter().map(|start| start + edges));
            all.neighbours.extend(graph.neighbours.iter().map(|neighbour| neighbour + services));
            all.weights.extend(&graph.weights);
        }
        all
    }

    #[must_use]
    pub fn services(&self) -> usize {
        self.starts.len() - 1
    }

    /// Multiplies rows of `width` numbers, a row for each service, with the matrix; `from` may hold several snapshots.
    #[must_use]
    pub fn propagate(&self, from: &[f32], width: usize) -> Vec<f32> {
        let mut to = vec![0.0; from.len()];
        let snapshot = (self.services() * width).max(1);
        for (from, to) in from.chunks_exact(snapshot).zip(to.chunks_exact_mut(snapshot)) {
            for (service, row) in to.chunks_exact_mut(width).enumerate() {
                for edge in self.starts[service] as usize..self.starts[service + 1] as usize {
                    let (neighbour, weight) = (self.neighbours[edge] as usize, self.weights[edge]);
                    let other = &from[neighbour * width..(neighbour + 1) * width];
                    row.iter_mut().zip(other).for_each(|(sum, value)| *sum += weight * value);
                }
            }
        }
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(from: u32, to: u32) -> Link {
        Link { from, to, rate: 1.0, errors: 0.0, latency_ms: 1.0 }
    }

    #[test]
    fn normalisation_is_that_of_kipf_and_welling() {
        // Degrees with self loops: 2 and 3 and 2.
        let graph = Graph::new(3, &[link(0, 1), link(1, 2)]);
        let sixth = 1.0 / 6.0f32.sqrt();
        let expected = [[0.5, sixth, 0.0], [sixth, 1.0 / 3.0, sixth], [0.0, sixth, 0.5]];
        for (column, unit) in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].iter().enumerate() {
            let found = graph.propagate(unit, 1);
            for row in 0..3 {
                assert!((found[row] - expected[row][column]).abs() < 1e-6, "{found:?}");
            }
        }
    }

    #[test]
    fn nobody_beside_and_graphs_side_by_side_do_not_mix() {
        let rows = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(Graph::alone(2).propagate(&rows, 2), rows);
        let both = Graph::beside([Graph::alone(1), Graph::new(2, &[link(0, 1)])].iter());
        assert_eq!(both.propagate(&[5.0, 1.0, 3.0], 1), [5.0, 2.0, 2.0]);
        assert_eq!((both.services(), Graph::alone(0).propagate(&[], 1).len()), (3, 0));
    }

    #[test]
    fn five_thousand_services_are_no_matter() {
        let links: Vec<Link> = (1..5000).map(|to| link(to / 3, to)).collect();
        let graph = Graph::new(5000, &links);
        assert_eq!(graph.neighbours.len(), 5000 + 2 * 4999);
        assert!(graph.propagate(&vec![1.0; 5000 * 16], 16).iter().all(|value| value.is_finite()));
    }
}
