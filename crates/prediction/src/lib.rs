//! Forecasts: which services will fail within the horizon, when, and which way the failure will take.
//!
//! Owns: features, the temporal graph network and its rivals, training, the simulator that training needs, cascade paths,
//! time to exhaustion, and what serving keeps (window, gates, alarms, ledger). Must never: read a clock, a file or a random device. Bytes, times and seeds are inputs.

pub mod capacity;
pub mod cascade;
pub mod chart;
pub mod features;
pub mod graph;
pub mod history;
pub mod model;
pub mod network;
pub mod random;
pub mod rivals;
pub mod score;
pub mod serving;
pub mod simulate;
pub mod train;
pub mod window;
