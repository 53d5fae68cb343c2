//! Steps of a forecast in one go. The library gives each sum and each function of a layer a pass of its own over all numbers, and
//! splits large ones over threads that wait for each other: more than half of the time of a forecast.

use super::lstm::slice;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};

/// What comes after the sums of a layer.
#[derive(Clone, Copy)]
pub(super) enum After {
    Relu,
    Tanh,
}

/// A linear layer over the last dimension, and what comes after it.
pub(super) struct Dense(pub After);

impl CustomOp3 for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (time, services, inputs) = x_layout.shape().dims3()?;
        let (rows, width) = weight_layout.shape().dims2()?;
        if rows != inputs {
            bail!("a layer of {rows} inputs was given {inputs}");
        }
        let x = Tensor::from_slice(slice(x, x_layout)?, (time * services, inputs), &Device::Cpu)?;
        let weight = Tensor::from_slice(slice(weight, weight_layout)?, (rows, width), &Device::Cpu)?;
        let bias = slice(bias, bias_layout)?;
        let mut sums = x.matmul(&weight)?.flatten_all()?.to_vec1::<f32>()?;
        for row in sums.chunks_exact_mut(width) {
            let both = row.iter_mut().zip(bias);
            match self.0 {
                After::Relu => both.for_each(|(sum, bias)| *sum = (*sum + bias).max(0.0)),
                After::Tanh => both.for_each(|(sum, bias)| *sum = (*sum + bias).tanh()),
            }
        }
        Ok((CpuStorage::F32(sums), Shape::from((time, services, width))))
    }
}

/// States (time, services, width), weighted with shares (time, services) and summed over time.
pub(super) struct Attend;

impl CustomOp2 for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(
        &self,
        states: &CpuStorage,
        layout: &Layout,
        shares: &CpuStorage,
        shares_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, services, width) = layout.shape().dims3()?;
        let mut sums = vec![0.0; services * width];
        let times = slice(states, layout)?.chunks_exact((services * width).max(1));
        for (states, shares) in times.zip(slice(shares, shares_layout)?.chunks_exact(services.max(1))) {
            for ((sum, state), share) in
                sums.chunks_exact_mut(width).zip(states.chunks_exact(width)).zip(shares)
            {
                sum.iter_mut().zip(state).for_each(|(sum, state)| *sum += share * state);
            }
        }
        Ok((CpuStorage::F32(sums), Shape::from((services, width))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Example, Kind, Network};
    use crate::features::SNAPSHOTS;
    use crate::simulate::{Plan, generate};

    #[test]
    fn a_forecast_in_one_go_is_what_training_computes_step_by_step() {
        let set = generate(&Plan { windows: 2, ..Plan::default() }, |_| ()).expect("windows");
        let example = Example::of(&set.windows[0], Kind::Graph, 1);
        let batch = Batch::of(&[&example]).expect("a batch");
        let (network, _) = Network::new(Kind::Graph, SNAPSHOTS, 1).expect("a network");
        let fused =
            network.forward(&batch, None).expect("one go").services.to_vec2::<f32>().expect("numbers");
        let plain = network.plain(&batch).expect("step by step").to_vec2::<f32>().expect("numbers");
        for (one, other) in fused.iter().flatten().zip(plain.iter().flatten()) {
            assert!((one - other).abs() < 1e-4, "{one} is not {other}");
        }
    }
}
