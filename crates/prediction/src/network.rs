//! The networks: over time and graph, and those that it has to beat.
//!
//! Owns: how features become a failure probability, a time and a confidence, per service and for the whole graph. All kinds
//! have the same heads, so that they are trained by the same loop on the same data.

mod batch;
mod fused;
mod lstm;
mod spread;

pub use batch::{Batch, Breach, Example, Labels};

use crate::features::FEATURES;
use crate::random::Random;
use candle_core::{D, DType, Device, Result, Tensor, Var};
use fused::{After, Attend, Dense};
use lstm::Lstm;
use serde::{Deserialize, Serialize};
use spread::Spread;
use std::collections::BTreeMap;

/// Width of the hidden layers.
const HIDDEN: usize = 64;

/// Width of what attention compares.
const ATTENTION: usize = 32;

/// Width of the first layer of the network without time and graph.
const WIDE: usize = 128;

/// Share of units that are left out at a step of training.
const DROPOUT: f64 = 0.2;

/// What a network can be.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// Graph convolutions, then LSTMs, then attention over time.
    Graph,
    /// The same on a graph whose services were mixed up: shows what the graph is worth.
    ShuffledGraph,
    /// The same with every service by itself.
    NoGraph,
    /// Two layers over a service's own window.
    Mlp,
    /// One layer over a service's own window.
    Logistic,
}

impl Kind {
    pub const ALL: &'static [Kind] = <Kind as strum::VariantArray>::VARIANTS;

    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What a person calls it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Kind::Graph => "temporal graph network",
            Kind::ShuffledGraph => "same network, shuffled graph",
            Kind::NoGraph => "same network, no graph",
            Kind::Mlp => "MLP",
            Kind::Logistic => "logistic regression",
        }
    }

    /// Whether it may serve: a mixed-up graph is there to compare with, not to be believed.
    #[must_use]
    pub fn may_serve(self) -> bool {
        self != Kind::ShuffledGraph
    }
}

/// Weights by name, and what they are weights of.
#[derive(Clone)]
pub struct Network {
    pub kind: Kind,
    /// Snapshots of the windows that it reads.
    pub snapshots: usize,
    weights: BTreeMap<String, Tensor>,
}

/// What a network says: logits of failure, time and confidence.
pub struct Output {
    /// (services, 3)
    pub services: Tensor,
    /// (windows, 3)
    pub graphs: Tensor,
    /// (services, width): what the services look like to it.
    pub embeddings: Tensor,
}

/// Names and shapes of the weights of a kind.
fn shapes(kind: Kind, snapshots: usize) -> Vec<(&'static str, Vec<usize>)> {
    let window = snapshots * FEATURES;
    let mut shapes = match kind {
        Kind::Graph | Kind::ShuffledGraph | Kind::NoGraph => vec![
            ("gcn1.weight", vec![FEATURES, HIDDEN]),
            ("gcn1.bias", vec![HIDDEN]),
            ("gcn2.weight", vec![HIDDEN, HIDDEN]),
            ("gcn2.bias", vec![HIDDEN]),
            ("lstm1.weight", vec![HIDDEN + FEATURES + HIDDEN, 4 * HIDDEN]),
            ("lstm1.bias", vec![4 * HIDDEN]),
            ("lstm2.weight", vec![2 * HIDDEN, 4 * HIDDEN]),
            ("lstm2.bias", vec![4 * HIDDEN]),
            ("attention.weight", vec![HIDDEN, ATTENTION]),
            ("attention.bias", vec![ATTENTION]),
            ("attention.score", vec![ATTENTION, 1]),
            ("embedding.weight", vec![2 * HIDDEN, HIDDEN]),
            ("embedding.bias", vec![HIDDEN]),
        ],
        Kind::Mlp => vec![
            ("wide.weight", vec![window, WIDE]),
            ("wide.bias", vec![WIDE]),
            ("embedding.weight", vec![WIDE, HIDDEN]),
            ("embedding.bias", vec![HIDDEN]),
        ],
        Kind::Logistic => vec![],
    };
    let width = if kind == Kind::Logistic { window } else { HIDDEN };
    shapes.extend([
        ("service.weight", vec![width, 3]),
        ("service.bias", vec![3]),
        ("graph.weight", vec![2 * width, 3]),
        ("graph.bias", vec![3]),
    ]);
    shapes
}

/// Weights at the start: uniform, as wide as their inputs allow (He et al. 2015); those of a linear model are 0.
fn start(kind: Kind, name: &str, shape: &[usize], random: &mut Random) -> Vec<f32> {
    let count = shape.iter().product();
    if shape.len() == 1 || kind == Kind::Logistic {
        // What an LSTM saw is kept at first.
        let forget = |unit: usize| name.starts_with("lstm") && (HIDDEN..2 * HIDDEN).contains(&unit);
        return (0..count).map(|unit| f32::from(u8::from(forget(unit)))).collect();
    }
    let gain = if name.starts_with("gcn") { 6.0 } else { 3.0 };
    let bound = (gain / shape[0] as f64).sqrt();
    (0..count).map(|_| random.between(-bound, bound) as f32).collect()
}

impl Network {
    /// A network that has learnt nothing, with the variables to train it by.
    ///
    /// # Errors
    /// None but of the arithmetic.
    pub fn new(kind: Kind, snapshots: usize, seed: u64) -> Result<(Self, Vec<(String, Var)>)> {
        one_thread();
        let mut random = Random::of(seed, &[2]);
        let mut variables = Vec::new();
        for (name, shape) in shapes(kind, snapshots) {
            let values = start(kind, name, &shape, &mut random);
            let var = Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
            variables.push((name.to_owned(), var));
        }
        let weights = variables.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        Ok((Self { kind, snapshots, weights }, variables))
    }

    /// A network with given weights, to be asked and not to be trained.
    ///
    /// # Errors
    /// A weight is missing or of another shape; the name of it.
    pub fn with(
        kind: Kind,
        snapshots: usize,
        mut weights: BTreeMap<String, Tensor>,
    ) -> std::result::Result<Self, String> {
        one_thread();
        let mut kept = BTreeMap::new();
        for (name, shape) in shapes(kind, snapshots) {
            match weights.remove(name) {
                Some(weight) if weight.dims() == shape && weight.dtype() == DType::F32 => {
                    kept.insert(name.to_owned(), weight);
                }
                _ => return Err(name.to_owned()),
            }
        }
        Ok(Self { kind, snapshots, weights: kept })
    }

    #[must_use]
    pub fn weights(&self) -> &BTreeMap<String, Tensor> {
        &self.weights
    }

    fn weight(&self, name: &str) -> &Tensor {
        &self.weights[name]
    }

    /// x · weight + bias over the last dimension.
    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let weight = self.weight(&format!("{name}.weight"));
        let rows = x.elem_count() / x.dim(D::Minus1)?;
        let mut shape = x.dims().to_vec();
        shape.pop();
        shape.push(weight.dim(1)?);
        let product = x.reshape((rows, x.dim(D::Minus1)?))?.matmul(weight)?;
        product.broadcast_add(self.weight(&format!("{name}.bias")))?.reshape(shape)
    }

    /// What the network says of a batch; with randomness, as in training: some units are left out.
    ///
    /// # Errors
    /// The batch is of another shape.
    pub fn forward(&self, batch: &Batch, mut dropout: Option<&mut Random>) -> Result<Output> {
        let embeddings = match self.kind {
            Kind::Graph | Kind::ShuffledGraph | Kind::NoGraph => {
                let training = dropout.is_some();
                self.over_time(batch, &mut dropout, training)?
            }
            Kind::Mlp => {
                let wide = self.linear(&batch.flat()?, "wide")?.relu()?;
                self.linear(&drop(&wide, &mut dropout)?, "embedding")?.relu()?
            }
            Kind::Logistic => batch.flat()?,
        };
        let heads = drop(&embeddings, &mut dropout)?;
        let services = self.linear(&heads, "service")?;
        let graphs = self.linear(&batch.pooled(&heads)?, "graph")?;
        Ok(Output { services, graphs, embeddings })
    }

    fn over_time(&self, batch: &Batch, dropout: &mut Option<&mut Random>, training: bool) -> Result<Tensor> {
        let spread = |x: &Tensor| x.contiguous()?.apply_op1(Spread(batch.graph.clone()));
        let layer = |x: &Tensor, name: &str, after| self.layer(x, name, after, training);
        // Over the graph first and times the weights then: sixteen numbers travel instead of sixty-four.
        let once = layer(&spread(&batch.x)?, "gcn1", After::Relu)?;
        let twice = layer(&spread(&once)?, "gcn2", After::Relu)?;
        // A service's own features come along unmixed: its neighbours must not hide what it shows itself.
        let seen = Tensor::cat(&[&drop(&twice, dropout)?, &batch.x], 2)?;
        let lstm = |x: &Tensor, name: &str| {
            let (weight, bias) =
                (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
            x.contiguous()?.apply_op3(weight, bias, Lstm)
        };
        let first = lstm(&seen, "lstm1")?;
        let states = lstm(&drop(&first, dropout)?, "lstm2")?;
        let scores = layer(&states, "attention", After::Tanh)?;
        let (time, services, _) = scores.dims3()?;
        let scores = scores.reshape((time * services, ATTENTION))?.matmul(self.weight("attention.score"))?;
        // A snapshot of which nothing was read is not looked at.
        let scores = (scores.reshape((time, services))? + &batch.unseen)?;
        let shares = candle_nn::ops::softmax(&scores, 0)?;
        let context = if training {
            states.broadcast_mul(&shares.unsqueeze(2)?)?.sum(0)?
        } else {
            states.apply_op2_no_bwd(&shares.contiguous()?, &Attend)?
        };
        let last = states.narrow(0, time - 1, 1)?.squeeze(0)?;
        self.linear(&Tensor::cat(&[context, last], 1)?, "embedding")?.relu()
    }

    /// Logits of services as training computes them, with nobody left out.
    #[cfg(test)]
    fn plain(&self, batch: &Batch) -> Result<Tensor> {
        self.linear(&self.over_time(batch, &mut None, true)?, "service")
    }

    /// A linear layer and what comes after it; when nobody learns from it, in one go.
    fn layer(&self, x: &Tensor, name: &str, after: After, training: bool) -> Result<Tensor> {
        if training {
            let sums = self.linear(x, name)?;
            return match after {
                After::Relu => sums.relu(),
                After::Tanh => sums.tanh(),
            };
        }
        let (weight, bias) = (self.weight(&format!("{name}.weight")), self.weight(&format!("{name}.bias")));
        x.contiguous()?.apply_op3_no_bwd(weight, bias, &Dense(after))
    }
}

/// Leaves out the same units at all times (Gal and Ghahramani 2016).
fn drop(x: &Tensor, dropout: &mut Option<&mut Random>) -> Result<Tensor> {
    let Some(random) = dropout else { return Ok(x.clone()) };
    let dims = x.dims();
    let shape = (dims[dims.len() - 2], dims[dims.len() - 1]);
    let kept = (1.0 / (1.0 - DROPOUT)) as f32;
    let mask: Vec<f32> =
        (0..shape.0 * shape.1).map(|_| if random.chance(DROPOUT) { 0.0 } else { kept }).collect();
    x.broadcast_mul(&Tensor::from_vec(mask, shape, &Device::Cpu)?)
}

/// Products of this size are faster on one thread than on two that wait for each other, and the sum of two halves is not
/// always the sum of the whole; the setting is the library's, for the whole process.
fn one_thread() {
    gemm::set_threading_threshold(usize::MAX);
}
