//! Several windows as one input: their services side by side, their graphs beside each other.

use super::Kind;
use crate::features::{FEATURES, Featured};
use crate::graph::Graph;
use crate::window::{Outcome, Window};
use candle_core::{Device, Result, Tensor};
use std::sync::Arc;

/// What is right about a window, as numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Of each service whether it breaches within the horizon; `None` where that is not asked.
    pub services: Vec<Option<Breach>>,
    pub graph: Option<Breach>,
}

/// Whether and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Breach {
    /// Not within the horizon.
    Never,
    /// After this share of the horizon, 0–1.
    After(f32),
}

impl Labels {
    /// What happened, as shares of the horizon. Of a service that is in breach already nothing is asked.
    #[must_use]
    pub fn of(outcome: &Outcome, horizon_ticks: u32) -> Self {
        let share = |ticks: Option<u32>| match ticks {
            Some(ticks) => Breach::After(ticks as f32 / horizon_ticks.max(1) as f32),
            None => Breach::Never,
        };
        let of = |(ticks, already): (&Option<u32>, &bool)| (!already).then(|| share(*ticks));
        let services: Vec<_> = outcome.breach_in.iter().zip(&outcome.in_breach).map(of).collect();
        let asked = services.iter().any(Option::is_some);
        Self { graph: asked.then(|| share(outcome.first_breach())), services }
    }
}

/// A window as a network reads it, with what is right about it if that is known.
#[derive(Clone, Debug)]
pub struct Example {
    pub featured: Featured,
    pub graph: Graph,
    pub labels: Option<Labels>,
}

impl Example {
    /// A window for a kind of network; `seed` mixes up the graph of [`Kind::ShuffledGraph`].
    #[must_use]
    pub fn of(window: &Window, kind: Kind, seed: u64) -> Self {
        let services = window.services.len();
        let graph = match kind {
            Kind::Graph => Graph::new(services, &window.links),
            Kind::ShuffledGraph => Graph::shuffled(services, &window.links, seed),
            Kind::NoGraph | Kind::Mlp | Kind::Logistic => Graph::alone(services),
        };
        Self { featured: Featured::of(window), graph, labels: None }
    }
}

/// Windows side by side.
pub struct Batch {
    /// (time, services, features)
    pub(super) x: Tensor,
    /// (time, services): 0 where something was read, far below where nothing was.
    pub(super) unseen: Tensor,
    pub(super) graph: Arc<Graph>,
    /// Services of each window.
    pub(super) sizes: Vec<usize>,
}

/// Far below any score of attention, and far from infinity.
const NOT_LOOKED_AT: f32 = -1e4;

impl Batch {
    /// Examples with the same number of snapshots, side by side.
    ///
    /// # Errors
    /// There is none, or they differ.
    pub fn of(examples: &[&Example]) -> Result<Self> {
        let sizes: Vec<usize> = examples.iter().map(|example| example.featured.services).collect();
        let services: usize = sizes.iter().sum();
        let snapshots =
            examples.iter().map(|e| e.featured.values.len() / e.featured.services.max(1)).max().unwrap_or(0);
        let mut x: Vec<f32> = Vec::with_capacity(snapshots * services * FEATURES);
        let mut unseen = Vec::with_capacity(snapshots * services);
        for snapshot in 0..snapshots {
            for Example { featured, .. } in examples {
                let row = snapshot * featured.services..(snapshot + 1) * featured.services;
                x.extend(featured.values[row.clone()].iter().flatten());
                unseen.extend(featured.seen[row].iter().map(|seen| if *seen { 0.0 } else { NOT_LOOKED_AT }));
            }
        }
        Ok(Self {
            x: Tensor::from_vec(x, (snapshots, services, FEATURES), &Device::Cpu)?,
            unseen: Tensor::from_vec(unseen, (snapshots, services), &Device::Cpu)?,
            graph: Arc::new(Graph::beside(examples.iter().map(|example| &example.graph))),
            sizes,
        })
    }

    /// (services, time · features)
    pub(super) fn flat(&self) -> Result<Tensor> {
        let (time, services, features) = self.x.dims3()?;
        self.x.transpose(0, 1)?.contiguous()?.reshape((services, time * features))
    }

    /// Mean and largest of each window's services, (windows, 2 · width).
    pub(super) fn pooled(&self, services: &Tensor) -> Result<Tensor> {
        let mut start = 0;
        let mut rows = Vec::with_capacity(self.sizes.len());
        for size in &self.sizes {
            let window = services.narrow(0, start, *size)?;
            rows.push(Tensor::cat(&[window.mean(0)?, window.max(0)?], 0)?);
            start += size;
        }
        Tensor::stack(&rows, 0)
    }
}
