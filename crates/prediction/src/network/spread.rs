//! One step over the graph as an operation of the network.

use crate::graph::Graph;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;

/// Multiplies (time, services, width) with the graph's matrix at each time.
pub(super) struct Spread(pub Arc<Graph>);

impl CustomOp1 for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("the numbers do not lie in a row")
        };
        let (_, services, width) = layout.shape().dims3()?;
        if services != self.0.services() {
            bail!("the graph has {} services, the numbers are of {services}", self.0.services());
        }
        let values = self.0.propagate(&storage.as_slice::<f32>()?[start..end], width);
        Ok((CpuStorage::F32(values), layout.shape().clone()))
    }

    /// The matrix is symmetric: its transpose is itself.
    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(&Spread(self.0.clone()))?))
    }
}
