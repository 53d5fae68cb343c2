//! The Gaussian error linear unit, fast: a quarter of the time went into exact error functions, one number at a time.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, bail};

/// x · Φ(x), to 3e-7.
pub(super) struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("the numbers do not lie in a row")
        };
        let values = storage.as_slice::<f32>()?[start..end].iter().map(|x| gelu(*x)).collect();
        Ok((CpuStorage::F32(values), layout.shape().clone()))
    }
}

/// Without branches and without a call, so that the compiler computes many at once.
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.28: the error is 3e-7 at most.
fn erf(x: f32) -> f32 {
    let z = x.abs();
    let sum = 1.0
        + z * (0.070_523_08
            + z * (0.042_282_01
                + z * (0.009_270_527 + z * (0.000_152_014_3 + z * (0.000_276_567_2 + z * 0.000_043_063_8)))));
    let square = sum * sum;
    let fourth = square * square;
    let eighth = fourth * fourth;
    // What is too large for a number makes 1 / ∞ = 0, which is the limit.
    (1.0 - 1.0 / (eighth * eighth)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    #[test]
    fn the_error_function_is_that_of_the_tables() {
        for (x, expected) in [(0.0, 0.0), (0.5, 0.520_500), (1.0, 0.842_701), (-2.0, -0.995_322), (30.0, 1.0)]
        {
            assert!((erf(x) - expected).abs() < 1e-6, "erf({x}) is {}", erf(x));
        }
    }

    #[test]
    fn it_agrees_with_the_exact_one() {
        let values: Vec<f32> = (-600..600).map(|n| n as f32 / 100.0).collect();
        let all = Tensor::new(values, &Device::Cpu).expect("a tensor");
        let (fast, exact) = (all.apply_op1_no_bwd(&Gelu).expect("fast"), all.gelu_erf().expect("exact"));
        let apart = (fast - exact).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>()).expect("a number");
        assert!(apart < 2e-6, "{apart} apart");
    }
}
