//! AdamW (Loshchilov and Hutter 2019), with a state that can be written down: a run that was stopped goes on as if it had not.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

/// Of the gradients of all weights together, at most this length: one window of a rare kind must not throw away the rest.
const LENGTH_MAX: f64 = 1.0;

const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// A weight with what the optimiser remembers of its gradients.
pub struct Learning {
    pub name: String,
    pub var: Var,
    pub mean: Tensor,
    pub square: Tensor,
}

impl Learning {
    pub fn new(name: String, var: Var) -> Result<Self> {
        let nothing = var.as_tensor().zeros_like()?;
        Ok(Self { name, mean: nothing.clone(), square: nothing, var })
    }
}

/// Moves the weights against their gradients; `step` counts from 1.
pub fn step(weights: &mut [Learning], grads: &GradStore, step: usize, rate: f64, decay: f64) -> Result<()> {
    let mut length = 0.0;
    for weight in weights.iter() {
        if let Some(grad) = grads.get(weight.var.as_tensor()) {
            length += f64::from(grad.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
    }
    let shorter = (LENGTH_MAX / length.sqrt().max(1e-12)).min(1.0);
    let power = i32::try_from(step).unwrap_or(i32::MAX);
    let young = (1.0 - BETA.0.powi(power), 1.0 - BETA.1.powi(power));
    for weight in weights {
        let Some(grad) = grads.get(weight.var.as_tensor()) else { continue };
        let grad = (grad * shorter)?;
        weight.mean = ((&weight.mean * BETA.0)? + (&grad * (1.0 - BETA.0))?)?.detach();
        weight.square = ((&weight.square * BETA.1)? + (grad.sqr()? * (1.0 - BETA.1))?)?.detach();
        let moved = ((&weight.mean / young.0)? / ((&weight.square / young.1)?.sqrt()? + EPSILON)?)?;
        // A bias is no slope: it is not made small.
        let kept = if weight.var.rank() > 1 { 1.0 - rate * decay } else { 1.0 };
        weight.var.set(&((weight.var.as_tensor() * kept)? - (moved * rate)?)?.detach())?;
    }
    Ok(())
}
