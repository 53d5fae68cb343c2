//! The encoder of all-MiniLM-L6-v2: BERT with 6 layers (Devlin et al., 2018; Wang et al., 2020), on the CPU.

use super::gelu::Gelu;
use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::{Embedding, LayerNorm, Module as _, VarBuilder, embedding, layer_norm};

const LAYERS: usize = 6;
const HEADS: usize = 12;
const HIDDEN: usize = 384;
const BETWEEN: usize = 1536;
const VOCABULARY: usize = 30_522;
const POSITIONS: usize = 512;
const KINDS: usize = 2;
const EPSILON: f64 = 1e-12;

pub(super) struct Bert {
    words: Embedding,
    positions: Embedding,
    kinds: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

/// x · W + b. The weights lie as they are multiplied, since turning them for every text took a third of the time.
struct Linear {
    weights: Tensor,
    bias: Tensor,
}

struct Layer {
    /// Query, key and value beside each other: one multiplication for three.
    attend: Linear,
    out: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

impl Bert {
    pub(super) fn new(weights: &VarBuilder<'_>) -> Result<Self> {
        let tables = weights.pp("embeddings");
        let layers = (0..LAYERS).map(|n| Layer::new(&weights.pp(format!("encoder.layer.{n}"))));
        Ok(Self {
            words: embedding(VOCABULARY, HIDDEN, tables.pp("word_embeddings"))?,
            positions: embedding(POSITIONS, HIDDEN, tables.pp("position_embeddings"))?,
            kinds: embedding(KINDS, HIDDEN, tables.pp("token_type_embeddings"))?,
            norm: layer_norm(HIDDEN, EPSILON, tables.pp("LayerNorm"))?,
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// One text: tokens in, a unit vector of [`HIDDEN`] numbers out (the mean over tokens, scaled to length 1).
    pub(super) fn encode(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        let device = self.words.embeddings().device();
        let tokens = Tensor::new(tokens, device)?;
        let places = Tensor::arange(0, u32::try_from(tokens.elem_count()).unwrap_or(u32::MAX), device)?;
        let kinds = tokens.zeros_like()?;
        let sum = (self.words.forward(&tokens)? + self.positions.forward(&places)?)?;
        let mut states = self.norm.forward(&(sum + self.kinds.forward(&kinds)?)?)?;
        for layer in &self.layers {
            states = layer.forward(&states)?;
        }
        let mean = states.mean(0)?;
        let length = mean.sqr()?.sum_all()?.sqrt()?;
        mean.broadcast_div(&length)?.to_vec1()
    }
}

impl Linear {
    /// One or several published layers of the same width beside each other.
    fn new(ins: usize, outs: usize, all: &[VarBuilder<'_>]) -> Result<Self> {
        let weights = all.iter().map(|one| one.get((outs, ins), "weight")?.t());
        let biases = all.iter().map(|one| one.get(outs, "bias"));
        let weights = Tensor::cat(&weights.collect::<Result<Vec<_>>>()?, 1)?.contiguous()?;
        Ok(Self { weights, bias: Tensor::cat(&biases.collect::<Result<Vec<_>>>()?, 0)? })
    }

    fn forward(&self, states: &Tensor) -> Result<Tensor> {
        states.matmul(&self.weights)?.broadcast_add(&self.bias)
    }
}

impl Layer {
    fn new(weights: &VarBuilder<'_>) -> Result<Self> {
        let attention = weights.pp("attention");
        let of_self = ["query", "key", "value"].map(|name| attention.pp("self").pp(name));
        Ok(Self {
            attend: Linear::new(HIDDEN, HIDDEN, &of_self)?,
            out: Linear::new(HIDDEN, HIDDEN, &[attention.pp("output.dense")])?,
            attention_norm: layer_norm(HIDDEN, EPSILON, attention.pp("output.LayerNorm"))?,
            up: Linear::new(HIDDEN, BETWEEN, &[weights.pp("intermediate.dense")])?,
            down: Linear::new(BETWEEN, HIDDEN, &[weights.pp("output.dense")])?,
            norm: layer_norm(HIDDEN, EPSILON, weights.pp("output.LayerNorm"))?,
        })
    }

    /// States of all tokens, `[tokens, HIDDEN]`.
    fn forward(&self, states: &Tensor) -> Result<Tensor> {
        let (tokens, _) = states.dims2()?;
        let all = self.attend.forward(states)?.reshape((tokens, 3, HEADS, HIDDEN / HEADS))?;
        let heads = |which: usize| all.narrow(1, which, 1)?.squeeze(1)?.transpose(0, 1)?.contiguous();
        let (query, key, value) = (heads(0)?, heads(1)?, heads(2)?);
        let scale = ((HIDDEN / HEADS) as f64).sqrt();
        let weights = softmax_last_dim(&(query.matmul(&key.transpose(D::Minus1, D::Minus2)?)? / scale)?)?;
        let seen = weights.matmul(&value)?.transpose(0, 1)?.contiguous()?.flatten_from(1)?;
        let states = self.attention_norm.forward(&(self.out.forward(&seen)? + states)?)?;
        let between = self.up.forward(&states)?.apply_op1_no_bwd(&Gelu)?;
        self.norm.forward(&(self.down.forward(&between)? + states)?)
    }
}
