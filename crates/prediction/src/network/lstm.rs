//! A whole LSTM layer as one operation, for training and for serving.
//!
//! Step by step, with an operation for each gate, most of the time goes into small tensors. Here the sequence is one
//! operation with its own derivative, and a gate is a loop that the compiler computes many at once of.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};

/// Input (time, services, inputs), weights (inputs + hidden, 4 · hidden), bias (4 · hidden) → hidden states (time,
/// services, hidden). Gates in the order input, forget, cell, output.
pub(super) struct Lstm;

/// What a forward pass leaves for the derivative.
struct Trace {
    /// Gates after their functions, (time, services, 4 · hidden).
    gates: Vec<f32>,
    cells: Vec<f32>,
    hidden: Vec<f32>,
}

/// Sizes of a layer.
#[derive(Clone, Copy)]
struct Sizes {
    time: usize,
    services: usize,
    inputs: usize,
    hidden: usize,
}

impl CustomOp3 for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (time, services, inputs) = x_layout.shape().dims3()?;
        let (rows, gates) = w_layout.shape().dims2()?;
        let sizes = Sizes { time, services, inputs, hidden: gates / 4 };
        if rows != inputs + sizes.hidden {
            bail!("the weights of an LSTM have {rows} rows, not {}", inputs + sizes.hidden);
        }
        let w = Tensor::from_slice(slice(w, w_layout)?, (rows, gates), &Device::Cpu)?;
        let trace = forward(sizes, slice(x, x_layout)?, &w, slice(b, b_layout)?, Keep::Hidden)?;
        Ok((CpuStorage::F32(trace.hidden), Shape::from((time, services, sizes.hidden))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (time, services, inputs) = x.dims3()?;
        let sizes = Sizes { time, services, inputs, hidden: w.dim(1)? / 4 };
        let values = x.flatten_all()?.to_vec1::<f32>()?;
        // Computing the gates again is cheaper than keeping them for every layer of every window.
        let trace = forward(sizes, &values, w, &b.to_vec1::<f32>()?, Keep::All)?;
        let dgates = backward(sizes, &trace, w, &grad.flatten_all()?.to_vec1::<f32>()?)?;
        let rows = time * services;
        let dgates = Tensor::from_vec(dgates, (rows, 4 * sizes.hidden), &Device::Cpu)?;
        let before = services * sizes.hidden;
        let mut previous = vec![0.0; before];
        previous.extend_from_slice(&trace.hidden[..trace.hidden.len() - before]);
        let previous = Tensor::from_vec(previous, (rows, sizes.hidden), &Device::Cpu)?;
        let x = x.reshape((rows, inputs))?;
        let dw = Tensor::cat(&[x.t()?.matmul(&dgates)?, previous.t()?.matmul(&dgates)?], 0)?;
        let dx = dgates.matmul(&w.narrow(0, 0, inputs)?.t()?)?.reshape((time, services, inputs))?;
        Ok((Some(dx), Some(dw), Some(dgates.sum(0)?)))
    }
}

pub(super) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("the numbers do not lie in a row") };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// What of a forward pass is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Hidden,
    All,
}

fn forward(sizes: Sizes, x: &[f32], w: &Tensor, b: &[f32], keep: Keep) -> Result<Trace> {
    let Sizes { time, services, inputs, hidden } = sizes;
    let (row, step) = (4 * hidden, services * hidden);
    let x = Tensor::from_slice(x, (time * services, inputs), &Device::Cpu)?;
    // The part of the gates that does not wait for the step before, all at once.
    let mut gates = x.matmul(&w.narrow(0, 0, inputs)?)?.flatten_all()?.to_vec1::<f32>()?;
    let recurrent = w.narrow(0, inputs, hidden)?;
    let mut trace = Trace { gates: vec![], cells: vec![], hidden: Vec::with_capacity(time * step) };
    let mut cells = vec![0.0; step];
    for at in 0..time {
        let gates = &mut gates[at * services * row..(at + 1) * services * row];
        if at > 0 {
            let before =
                Tensor::from_slice(&trace.hidden[(at - 1) * step..], (services, hidden), &Device::Cpu)?;
            let from_before = before.matmul(&recurrent)?.flatten_all()?.to_vec1::<f32>()?;
            gates.iter_mut().zip(from_before).for_each(|(gate, before)| *gate += before);
        }
        for (gates, cells) in gates.chunks_exact_mut(row).zip(cells.chunks_exact_mut(hidden)) {
            gates.iter_mut().zip(b).for_each(|(gate, b)| *gate += b);
            activate(gates, hidden);
            let (i, f, g, o) = quarters(gates, hidden);
            for unit in 0..hidden {
                cells[unit] = f[unit] * cells[unit] + i[unit] * g[unit];
            }
            trace.hidden.extend(cells.iter().zip(o).map(|(cell, o)| o * tanh(*cell)));
        }
        if keep == Keep::All {
            trace.cells.extend_from_slice(&cells);
        }
    }
    if keep == Keep::All {
        trace.gates = gates;
    }
    Ok(trace)
}

/// The derivatives of the gates before their functions, (time, services, 4 · hidden).
fn backward(sizes: Sizes, trace: &Trace, w: &Tensor, grad: &[f32]) -> Result<Vec<f32>> {
    let Sizes { time, services, inputs, hidden } = sizes;
    let (row, step) = (4 * hidden, services * hidden);
    let recurrent = w.narrow(0, inputs, hidden)?.t()?.contiguous()?;
    let mut dgates = vec![0.0; time * services * row];
    let mut dcells = vec![0.0; step];
    let mut dhidden = vec![0.0; step];
    let nothing = vec![0.0; step];
    for at in (0..time).rev() {
        dhidden.iter_mut().zip(&grad[at * step..(at + 1) * step]).for_each(|(sum, grad)| *sum += grad);
        let cells = &trace.cells[at * step..(at + 1) * step];
        let before = if at > 0 { &trace.cells[(at - 1) * step..at * step] } else { &nothing };
        let here = &mut dgates[at * services * row..(at + 1) * services * row];
        for service in 0..services {
            let units = service * hidden..(service + 1) * hidden;
            let gates = &trace.gates[(at * services + service) * row..(at * services + service + 1) * row];
            let place = Place { cells: &cells[units.clone()], before: &before[units.clone()], gates, hidden };
            let out = &mut here[service * row..(service + 1) * row];
            place.differentiate(&dhidden[units.clone()], &mut dcells[units], out);
        }
        if at > 0 {
            let here = Tensor::from_slice(here, (services, row), &Device::Cpu)?;
            dhidden = here.matmul(&recurrent)?.flatten_all()?.to_vec1::<f32>()?;
        }
    }
    Ok(dgates)
}

/// One service at one time.
struct Place<'a> {
    cells: &'a [f32],
    before: &'a [f32],
    gates: &'a [f32],
    hidden: usize,
}

impl Place<'_> {
    fn differentiate(&self, dhidden: &[f32], dcells: &mut [f32], out: &mut [f32]) {
        let (i, f, g, o) = quarters(self.gates, self.hidden);
        for unit in 0..self.hidden {
            let squashed = tanh(self.cells[unit]);
            let dcell = dcells[unit] + dhidden[unit] * o[unit] * (1.0 - squashed * squashed);
            out[unit] = dcell * g[unit] * i[unit] * (1.0 - i[unit]);
            out[self.hidden + unit] = dcell * self.before[unit] * f[unit] * (1.0 - f[unit]);
            out[2 * self.hidden + unit] = dcell * i[unit] * (1.0 - g[unit] * g[unit]);
            out[3 * self.hidden + unit] = dhidden[unit] * squashed * o[unit] * (1.0 - o[unit]);
            dcells[unit] = dcell * f[unit];
        }
    }
}

fn quarters(gates: &[f32], hidden: usize) -> (&[f32], &[f32], &[f32], &[f32]) {
    let (i, rest) = gates.split_at(hidden);
    let (f, rest) = rest.split_at(hidden);
    let (g, o) = rest.split_at(hidden);
    (i, f, g, o)
}

fn activate(gates: &mut [f32], hidden: usize) {
    gates[..2 * hidden].iter_mut().for_each(|gate| *gate = sigmoid(*gate));
    gates[2 * hidden..3 * hidden].iter_mut().for_each(|gate| *gate = tanh(*gate));
    gates[3 * hidden..].iter_mut().for_each(|gate| *gate = sigmoid(*gate));
}

/// e^x without branches or calls, to 1e-6: two to a whole power by its bits, the rest by Taylor's series.
#[inline]
fn exp(x: f32) -> f32 {
    // Beyond these, sigmoid and tanh are at their limits.
    let x = x.clamp(-40.0, 40.0) * std::f32::consts::LOG2_E;
    // Adding 1.5 · 2²³ rounds to a whole number, which then stands in the last bits: no conversion that has to mind what does
    // not fit, so that the compiler computes many at once.
    const ROUND: f32 = 12_582_912.0;
    let rounded = x + ROUND;
    let rest = (x - (rounded - ROUND)) * std::f32::consts::LN_2;
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest * (1.0 / 120.0 + rest / 720.0)))));
    let whole = rounded.to_bits().wrapping_sub(ROUND.to_bits());
    series * f32::from_bits(whole.wrapping_add(127) << 23)
}

#[inline]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline]
fn tanh(x: f32) -> f32 {
    2.0 / (1.0 + exp(-2.0 * x)) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use candle_core::Var;

    #[test]
    fn functions_are_exact_enough() {
        for step in -800..800 {
            let x = step as f32 / 40.0;
            assert!((sigmoid(x) - 1.0 / (1.0 + (-x).exp())).abs() < 2e-6, "sigmoid {x}");
            assert!((tanh(x) - x.tanh()).abs() < 2e-6, "tanh {x}");
        }
    }

    fn random(random: &mut Random, shape: &[usize]) -> Var {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.normal() as f32 * 0.5).collect();
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor"))
            .expect("a variable")
    }

    /// Step by step with the library's own operations.
    fn slow(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (time, services, inputs) = x.dims3()?;
        let hidden = w.dim(1)? / 4;
        let mut h = Tensor::zeros((services, hidden), candle_core::DType::F32, &Device::Cpu)?;
        let (mut c, mut all) = (h.clone(), vec![]);
        for at in 0..time {
            let here = x.narrow(0, at, 1)?.reshape((services, inputs))?;
            let gates = Tensor::cat(&[here, h], 1)?.matmul(w)?.broadcast_add(b)?.chunk(4, 1)?;
            let [i, f, o] = [&gates[0], &gates[1], &gates[3]].map(candle_nn::ops::sigmoid);
            c = ((f? * c)? + (i? * gates[2].tanh()?)?)?;
            h = (o? * c.tanh()?)?;
            all.push(h.clone());
        }
        Tensor::stack(&all, 0)
    }

    #[test]
    fn it_is_the_lstm_of_the_library_forward_and_back() {
        let mut seed = Random::new(3);
        let [x, w, b] = [&[6, 3, 5][..], &[9, 16], &[16]].map(|shape| random(&mut seed, shape));
        let fast = x.as_tensor().apply_op3(&w, &b, Lstm).expect("fast");
        let slow = slow(&x, &w, &b).expect("slow");
        let apart = |a: &Tensor, b: &Tensor| {
            let apart = (a - b).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>());
            apart.expect("a number")
        };
        assert!(apart(&fast, &slow) < 1e-5);
        let by = random(&mut seed, &[6, 3, 4]);
        let grads =
            |out: &Tensor| (out * by.as_tensor()).and_then(|t| t.sum_all()?.backward()).expect("grads");
        let (one, other) = (grads(&fast), grads(&slow));
        for (name, var) in [("x", &x), ("w", &w), ("b", &b)] {
            let both = (one.get(var).expect("a gradient"), other.get(var).expect("a gradient"));
            assert!(apart(both.0, both.1) < 1e-4, "{name}: {}", apart(both.0, both.1));
        }
    }
}
