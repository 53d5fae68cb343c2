//! An investigation with a language model, without any I/O: questions come out, answers go in.
//!
//! Owns: what a model may ask, what it is told, when it is cut off, what of its verdict stands. Whoever drives
//! [`Agent::step`] brings the model and the clock. Must never: let a model name a component, a change, an action or a
//! target that numbers and the graph have not named before it, or raise a confidence to where anything may be done. So a
//! model that obeys whatever a log line tells it can change the order among explanations that the numbers leave open, and
//! nothing else.

mod book;
mod budget;
mod check;
mod knowledge;
mod look;
mod merge;
mod prompt;
mod query;
mod quote;
mod recheck;
mod step;
mod submission;
pub mod told;
mod tool;

pub use book::Piece;
pub use budget::{Limits, Spent};
pub use check::Struck;
pub use knowledge::{Document, Knowledge, Shelf};
pub use merge::DOUBTFUL_MAX;
pub use query::Query;
pub use quote::quote;
pub use recheck::Recheck;
pub use step::{Agent, Conclusion, Observation, Step, Why};
pub use submission::{Claim, Submission};
pub use tool::{Tool, specs};
