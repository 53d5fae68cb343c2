//! Samples and payloads become signals.
//!
//! Owns: normalising readings, the detectors and their baselines, the last samples, the critical log patterns, the payloads of alert sources
//! and deployers, and whether their senders are believed. Must never: do I/O, read a clock, invent an id, or take a target or an instruction from text that it reads.

pub mod authentic;
pub mod change;
pub mod detect;
mod history;
pub mod logs;
pub mod normalise;
mod sns;
pub mod source;

pub use detect::{
    BaselineKind, ConfigError, DetectionConfig, Detectors, DetectorsSnapshot, Rule, SeriesStatus, TrendRule,
};
pub use history::History;
pub use logs::{CriticalPatterns, PatternHit, UserPattern};
pub use normalise::{LastGood, Normalised, normalise};

// Under a fuzzer every test program of a package needs the fuzzer's own code.
#[cfg(test)]
use bolero as _;
