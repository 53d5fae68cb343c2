//! Verdicts on the lab's graph: every fault with what it causes elsewhere, decoys, and properties of every verdict.

mod faults;
mod properties;
mod scene;
mod traps;
