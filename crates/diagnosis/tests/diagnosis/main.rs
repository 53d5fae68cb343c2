//! Verdicts on the lab's graph: every fault with what it causes elsewhere, decoys, and properties of every verdict.

mod agent;
mod bundles;
mod convictions;
mod down;
mod faults;
mod first_look;
mod honest;
mod investigations;
mod properties;
mod scene;
mod second;
mod states;
mod traps;
