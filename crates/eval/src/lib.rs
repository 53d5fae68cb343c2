//! Scores of midwatch's stages on labelled data: root causes of incident bundles, templates of logs, runbooks for
//! questions, anomalies of series, alert storms, forecasts of failures.
//!
//! Owns: reading the folders, and what is a right answer. Must never: hand a label to a stage. Inputs and
//! labels are read into different types, and only scorers get the second.

pub mod anomaly;
pub mod folder;
pub mod foresight;
pub mod logs;
pub mod rca;
pub mod retrieval;
pub mod storms;
