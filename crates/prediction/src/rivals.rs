//! Who is best: every kind of network, and persistence, on windows that none of them was trained on.
//!
//! Owns: how a set is split, how rivals are graded alike, and which one serves. Chosen by log loss per service after
//! calibration: it rewards ranking and honesty at once, and what serves has to be good at both.

use crate::features::{Featured, SNAPSHOTS};
use crate::model::{Platt, Rival, Serves};
use crate::network::{Batch, Breach, Example, Kind, Labels, Network};
use crate::random::Random;
use crate::score::{Graded, scores};
use crate::window::{Quantity, Window, WindowSet};

/// The share of windows by which training is watched and rivals are compared.
const VALIDATION: f64 = 0.15;

/// What "nothing changes" is called.
pub const PERSISTENCE: &str = "persistence";

/// Windows of a batch when a network is asked.
const BATCH: usize = 32;

/// A network's word on one service or graph, beside what happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    pub window: usize,
    pub logit: f32,
    /// Share of the horizon until a breach, if there is one.
    pub after: f32,
    pub truth: Breach,
}

impl Told {
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self.truth, Breach::After(_))
    }
}

/// All that a network says of a set: of services, and of whole graphs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    pub services: Vec<Told>,
    pub graphs: Vec<Told>,
}

/// Indexes of the windows to train on and to validate with.
#[must_use]
pub fn split(windows: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..windows).collect();
    Random::of(seed, &[7]).shuffle(&mut order);
    let validation = order.split_off(((1.0 - VALIDATION) * windows as f64).round() as usize);
    (order, validation)
}

/// Windows of a set as a kind of network reads them, with what happened.
#[must_use]
pub fn examples(set: &WindowSet, indexes: &[usize], kind: Kind, seed: u64) -> Vec<Example> {
    let example = |index: &usize| {
        let mut example = Example::of(&set.windows[*index], kind, seed);
        example.labels = Some(Labels::of(&set.outcomes[*index], set.horizon_ticks));
        example
    };
    indexes.iter().map(example).collect()
}

/// Asks a network about labelled examples.
///
/// # Errors
/// None but of the arithmetic.
pub fn ask(network: &Network, examples: &[Example]) -> candle_core::Result<Answers> {
    let mut answers = Answers::default();
    for (number, chunk) in examples.chunks(BATCH).enumerate() {
        let refs: Vec<&Example> = chunk.iter().collect();
        let output = network.forward(&Batch::of(&refs)?, None)?;
        let (services, graphs) = (output.services.to_vec2::<f32>()?, output.graphs.to_vec2::<f32>()?);
        let mut rows = services.iter();
        for (index, example) in chunk.iter().enumerate() {
            let Some(labels) = &example.labels else { continue };
            let told = |(row, truth): (&Vec<f32>, &Option<Breach>)| {
                let after = 1.0 / (1.0 + (-row[1]).exp());
                Some(Told { window: number * BATCH + index, logit: row[0], after, truth: (*truth)? })
            };
            answers
                .services
                .extend(rows.by_ref().take(labels.services.len()).zip(&labels.services).filter_map(told));
            answers.graphs.extend(told((&graphs[index], &labels.graph)));
        }
    }
    Ok(answers)
}

/// Answers as graded probabilities.
#[must_use]
pub fn grade(told: &[Told], platt: Platt) -> Vec<Graded> {
    let one = |told: &Told| Graded {
        probability: platt.probability(told.logit),
        failed: told.failed(),
        block: told.window,
    };
    told.iter().map(one).collect()
}

/// The calibration that fits answers.
#[must_use]
pub fn calibrate(told: &[Told]) -> Platt {
    let pairs: Vec<(f32, bool)> = told.iter().map(|told| (told.logit, told.failed())).collect();
    Platt::fit(&pairs)
}

/// Mean error of the time until a failure, in shares of the horizon, over those that failed; and that of always saying the
/// middle of those.
#[must_use]
pub fn time_error(told: &[Told]) -> (f64, f64) {
    let failures = || {
        told.iter().filter_map(|told| match told.truth {
            Breach::After(share) => Some((f64::from(told.after), f64::from(share))),
            Breach::Never => None,
        })
    };
    let mut truths: Vec<f64> = failures().map(|(_, truth)| truth).collect();
    truths.sort_by(f64::total_cmp);
    let middle = truths.get(truths.len() / 2).copied().unwrap_or(f64::NAN);
    let count = truths.len() as f64;
    let said = failures().map(|(said, truth)| (said - truth).abs()).sum::<f64>() / count;
    (said, truths.iter().map(|truth| (middle - truth).abs()).sum::<f64>() / count)
}

/// What says that all goes on as it is: who is furthest from usual now will fail.
#[must_use]
pub fn persistence(set: &WindowSet, indexes: &[usize]) -> Answers {
    let mut answers = Answers::default();
    for (number, index) in indexes.iter().enumerate() {
        let labels = Labels::of(&set.outcomes[*index], set.horizon_ticks);
        let levels = levels(&set.windows[*index]);
        let told = |logit: f32, truth: Breach| Told { window: number, logit, after: 0.5, truth };
        let services = levels.iter().zip(&labels.services);
        answers.services.extend(services.filter_map(|(level, truth)| Some(told(*level, (*truth)?))));
        let most = levels.iter().copied().fold(0.0, f32::max);
        answers.graphs.extend(labels.graph.map(|truth| told(most, truth)));
    }
    answers
}

/// How far each service is from usual now, by the worst of what can be bad.
fn levels(window: &Window) -> Vec<f32> {
    const BAD: [Quantity; 5] =
        [Quantity::LatencyP50, Quantity::LatencyP99, Quantity::ErrorRate, Quantity::Cpu, Quantity::Memory];
    let featured = Featured::of(window);
    let worst = |service: usize| {
        let features = featured.at(SNAPSHOTS - 1, service);
        BAD.iter().map(|quantity| features[*quantity as usize]).fold(0.0, f32::max)
    };
    (0..window.services.len()).map(worst).collect()
}

/// Somebody who was tried, as it did on validation.
pub struct Candidate {
    /// `None` is persistence.
    pub kind: Option<Kind>,
    pub seed: u64,
    pub answers: Answers,
}

impl Candidate {
    #[must_use]
    pub fn name(&self) -> String {
        self.kind
            .map_or_else(|| PERSISTENCE.to_owned(), |kind| format!("{}, seed {}", kind.title(), self.seed))
    }

    #[must_use]
    pub fn rival(&self) -> Rival {
        let graded = grade(&self.answers.services, calibrate(&self.answers.services));
        let may_serve = if self.kind.is_some_and(Kind::may_serve) { Serves::IfBest } else { Serves::Never };
        Rival { name: self.name(), may_serve, scores: scores(&graded) }
    }
}

/// Why nobody serves.
#[derive(Debug, thiserror::Error)]
pub enum NobodyServes {
    #[error("nothing was trained that may serve; train at least one of graph, no_graph, mlp, logistic")]
    Nobody,
    #[error(
        "nothing that was learnt is better on validation than saying that all goes on as it is (log loss {best:.4} against {persistence:.4}); \
         train longer or with more windows"
    )]
    NoBetterThanPersistence { best: f64, persistence: f64 },
}

/// Who serves, and why: the kind with the lowest mean log loss over its seeds, and of it the best seed.
///
/// # Errors
/// Nobody is better than persistence.
pub fn choose(candidates: &[Candidate]) -> Result<(usize, String), NobodyServes> {
    let losses: Vec<f64> = candidates.iter().map(|candidate| candidate.rival().scores.log_loss).collect();
    let mean = |kind: Kind| {
        let of = candidates.iter().zip(&losses).filter(|(candidate, _)| candidate.kind == Some(kind));
        let (sum, count) = of.fold((0.0, 0), |(sum, count), (_, loss)| (sum + loss, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    };
    let mut kinds: Vec<(Kind, f64)> = Kind::ALL
        .iter()
        .filter(|kind| kind.may_serve())
        .filter_map(|kind| Some((*kind, mean(*kind)?)))
        .collect();
    kinds.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (kind, best) = *kinds.first().ok_or(NobodyServes::Nobody)?;
    let persistence =
        candidates.iter().position(|candidate| candidate.kind.is_none()).map(|index| losses[index]);
    if let Some(persistence) = persistence.filter(|persistence| *persistence <= best) {
        return Err(NobodyServes::NoBetterThanPersistence { best, persistence });
    }
    let of = (0..candidates.len()).filter(|index| candidates[*index].kind == Some(kind));
    let winner = of.min_by(|a, b| losses[*a].total_cmp(&losses[*b])).ok_or(NobodyServes::Nobody)?;
    let next = kinds
        .get(1)
        .map_or_else(String::new, |(kind, loss)| format!(", before {} with {loss:.4}", kind.title()));
    let why = format!(
        "{} has the lowest log loss per service on windows that it was not trained on: {best:.4}{next}",
        kind.title()
    );
    Ok((winner, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: Option<Kind>, seed: u64, logit: f32) -> Candidate {
        let told = |window: usize| {
            let failed = window.is_multiple_of(2);
            // Every tenth is the other way round: no logit is sure for good reason.
            let sign = if failed != window.is_multiple_of(10) { 1.0 } else { -1.0 };
            let truth = if failed { Breach::After(0.5) } else { Breach::Never };
            Told { window, logit: sign * logit + (window % 7) as f32, after: 0.25, truth }
        };
        Candidate { kind, seed, answers: Answers { services: (0..200).map(told).collect(), graphs: vec![] } }
    }

    #[test]
    fn the_best_kind_on_validation_serves_and_a_shuffled_graph_never() {
        let candidates = [
            candidate(None, 0, 0.1),
            candidate(Some(Kind::Mlp), 1, 1.0),
            candidate(Some(Kind::Graph), 1, 4.0),
            candidate(Some(Kind::Graph), 2, 5.0),
            candidate(Some(Kind::ShuffledGraph), 1, 9.0),
        ];
        let (winner, why) = choose(&candidates).expect("somebody");
        assert_eq!(winner, 3);
        assert!(why.contains("temporal graph network") && why.contains("before MLP"), "{why}");
        assert!((time_error(&candidates[1].answers.services).0 - 0.25).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_better_than_persistence_does_not_serve() {
        let error =
            choose(&[candidate(None, 0, 5.0), candidate(Some(Kind::Mlp), 1, 1.0)]).expect_err("a refusal");
        assert!(error.to_string().contains("train longer"), "{error}");
        assert!(matches!(choose(&[candidate(None, 0, 5.0)]), Err(NobodyServes::Nobody)));
    }
}
