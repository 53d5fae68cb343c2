//! Investigations with models that do what a script says.

mod claims;
mod garbage;
pub mod script;
mod told;
