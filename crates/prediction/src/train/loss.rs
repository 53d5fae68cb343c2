//! What training makes small.

use crate::network::Breach;
use crate::network::{Labels, Output};
use candle_core::{Device, Result, Tensor};

/// How much the error of the time counts beside that of the probability.
const TIME: f64 = 1.0;

/// How much calibration counts.
const CALIBRATION: f64 = 0.3;

/// How much the whole graph counts beside its services.
const WHOLE: f64 = 0.5;

/// Cross-entropy of the probability, squared error of the time where there was a failure, and calibration: the Brier score,
/// and a confidence that is as high as the probability proved right.
pub fn loss(output: &Output, labels: &[&Labels]) -> Result<Tensor> {
    let services: Vec<Option<Breach>> = labels.iter().flat_map(|l| l.services.iter().copied()).collect();
    let graphs: Vec<Option<Breach>> = labels.iter().map(|l| l.graph).collect();
    of(&output.services, &services)? + (of(&output.graphs, &graphs)? * WHOLE)?
}

fn of(logits: &Tensor, labels: &[Option<Breach>]) -> Result<Tensor> {
    let numbers = |number: &dyn Fn(&Option<Breach>) -> f32| {
        Tensor::from_vec(labels.iter().map(number).collect::<Vec<f32>>(), labels.len(), &Device::Cpu)
    };
    let asked = numbers(&|label| f32::from(u8::from(label.is_some())))?;
    let failed = numbers(&|label| f32::from(u8::from(matches!(label, Some(Breach::After(_))))))?;
    let after = numbers(&|label| if let Some(Breach::After(share)) = label { *share } else { 0.0 })?;
    let count = labels.iter().filter(|label| label.is_some()).count().max(1) as f64;
    let failures =
        labels.iter().filter(|label| matches!(label, Some(Breach::After(_)))).count().max(1) as f64;
    let column = |index: usize| logits.narrow(1, index, 1)?.squeeze(1);
    let (failure, time, confidence) = (column(0)?, column(1)?, column(2)?);
    let entropy = (cross_entropy(&failure, &failed)? * &asked)?.sum_all()?;
    let late = ((sigmoid(&time)? - after)?.sqr()? * &failed)?.sum_all()?;
    let wrong = (sigmoid(&failure)? - &failed)?;
    let brier = (wrong.sqr()? * &asked)?.sum_all()?;
    let right = wrong.abs()?.affine(-1.0, 1.0)?.detach();
    let sure = (cross_entropy(&confidence, &right)? * &asked)?.sum_all()?;
    let calibration = ((brier + sure)? * CALIBRATION)?;
    ((entropy + calibration)? / count)? + ((late * TIME)? / failures)?
}

/// From logits, without computing the logarithm of nothing.
fn cross_entropy(logits: &Tensor, truth: &Tensor) -> Result<Tensor> {
    let tail = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    (logits.relu()? - (logits * truth)?)? + tail
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    candle_nn::ops::sigmoid(x)
}
