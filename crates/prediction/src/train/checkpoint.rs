//! A run of training in bytes, so that it can go on later.

use super::{Epoch, Learning, Settings, Trainer};
use crate::network::Network;
use crate::window::WINDOW_VERSION;
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Why a run cannot go on from a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(
        "the checkpoint is cut off, changed or something else: {reason}; delete it and train from the start"
    )]
    Broken { reason: String },
    #[error(
        "the checkpoint is of a run with other settings or other data ({what}); delete it, or train with those again"
    )]
    Other { what: String },
    #[error("the run cannot be written down")]
    Arithmetic(#[from] candle_core::Error),
}

pub(crate) fn broken(reason: impl ToString) -> CheckpointError {
    CheckpointError::Broken { reason: reason.to_string() }
}

/// What is not a tensor.
#[derive(Serialize, Deserialize)]
struct About {
    window_version: u32,
    feature_version: u32,
    settings: Settings,
    snapshots: usize,
    step: usize,
    sum: (f64, usize),
    epochs: Vec<Epoch>,
    best: Option<(usize, f64)>,
}

const KEY: &str = "midwatch training";

/// Named tensors as bytes, in the order of their names.
pub(crate) fn write(
    tensors: &BTreeMap<String, Tensor>,
    about: Option<HashMap<String, String>>,
) -> Result<Vec<u8>, CheckpointError> {
    let bytes = |tensor: &Tensor| -> candle_core::Result<Vec<u8>> {
        Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect())
    };
    let all = tensors.iter().map(|(name, tensor)| Ok((name, tensor.dims().to_vec(), bytes(tensor)?)));
    let all: Vec<_> = all.collect::<candle_core::Result<_>>()?;
    let mut views = Vec::with_capacity(all.len());
    for one in &all {
        let (name, shape, bytes) = one;
        views.push(((*name).clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(broken)?));
    }
    safetensors::serialize(views, about).map_err(broken)
}

/// Tensors by name.
pub(crate) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, CheckpointError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut read = BTreeMap::new();
    for (name, view) in tensors.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(broken(format!("{name} is of another type")));
        }
        let words =
            view.data().chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        let values: Vec<f32> = words.collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(broken(format!("{name} holds what is no number")));
        }
        read.insert(name, Tensor::from_vec(values, view.shape().to_vec(), &Device::Cpu)?);
    }
    Ok(read)
}

impl Trainer {
    /// Everything that the run needs to go on.
    ///
    /// # Errors
    /// None that a run in memory can cause.
    pub fn checkpoint(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut tensors = BTreeMap::new();
        for weight in &self.weights {
            tensors.insert(format!("weight/{}", weight.name), weight.var.as_tensor().clone());
            tensors.insert(format!("mean/{}", weight.name), weight.mean.clone());
            tensors.insert(format!("square/{}", weight.name), weight.square.clone());
        }
        for (name, tensor) in self.best.iter().flat_map(|(.., weights)| weights) {
            tensors.insert(format!("best/{name}"), tensor.clone());
        }
        let about = About {
            window_version: WINDOW_VERSION,
            feature_version: crate::features::FEATURE_VERSION,
            settings: self.settings.clone(),
            snapshots: self.network.snapshots,
            step: self.step,
            sum: self.sum,
            epochs: self.epochs.clone(),
            best: self.best.as_ref().map(|(number, loss, _)| (*number, *loss)),
        };
        let about = serde_json::to_string(&about).map_err(broken)?;
        write(&tensors, Some(HashMap::from([(KEY.to_owned(), about)])))
    }

    /// The run that was written down.
    ///
    /// # Errors
    /// It is broken, or of other settings or data.
    pub fn resume(bytes: &[u8], settings: &Settings) -> Result<Self, CheckpointError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let about = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get(KEY))
            .ok_or_else(|| broken("it is of no run"))?;
        let about: About = serde_json::from_str(about).map_err(broken)?;
        let other = |what: &str| CheckpointError::Other { what: what.to_owned() };
        if about.window_version != WINDOW_VERSION || about.feature_version != crate::features::FEATURE_VERSION
        {
            return Err(other("windows or features of another version"));
        }
        if about.settings.data != settings.data {
            return Err(other("the data"));
        }
        if about.settings != *settings {
            return Err(other("the settings"));
        }
        let mut tensors = read(bytes)?;
        let (network, variables) = Network::new(settings.kind, about.snapshots, settings.seed)?;
        let mut best = BTreeMap::new();
        let mut weights = Vec::new();
        for (name, var) in variables {
            let mut take = |part: &str| {
                let tensor = tensors.remove(&format!("{part}/{name}"));
                let fits = tensor.filter(|tensor| tensor.shape() == var.shape());
                fits.ok_or_else(|| broken(format!("{part}/{name} is missing")))
            };
            var.set(&take("weight")?)?;
            let learning = Learning {
                mean: take("mean")?,
                square: take("square")?,
                name: name.clone(),
                var: var.clone(),
            };
            if about.best.is_some() {
                best.insert(name.clone(), take("best")?);
            }
            weights.push(learning);
        }
        let best = about.best.map(|(number, loss)| (number, loss, best));
        let About { settings, step, sum, epochs, .. } = about;
        Ok(Self { settings, network, weights, step, sum, epochs, best })
    }
}
