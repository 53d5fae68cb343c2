//! Scores of midwatch's root-cause analysis on labelled incident bundles.
//!
//! Owns: reading the folders of bundles, and what is a right answer. Must never: hand a label to a stage. Inputs and
//! labels are read into different types, and only scorers get the second.

pub mod folder;
pub mod rca;
