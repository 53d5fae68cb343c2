//! From verdict to decision: the plan, the guards, Cedar policy and the gate.
//!
//! Owns: [`Authorized`], the only key to an effect. It comes from [`decide`] or, for taking back what an earlier
//! authorisation did, from [`resume`]; it can be neither copied nor read from bytes:
//!
//! ```compile_fail,E0277
//! fn copy<T: Clone>(_: &T) {}
//! fn steal(authorized: &midwatch_decision::Authorized) {
//!     copy(authorized);
//! }
//! ```
//! ```compile_fail,E0277
//! fn parse<T: for<'a> serde::Deserialize<'a>>() {}
//! fn forge() {
//!     parse::<midwatch_decision::Authorized>();
//! }
//! ```
//! ```compile_fail,E0451
//! fn build(action: midwatch_model::Action) -> midwatch_decision::Authorized {
//!     midwatch_decision::Authorized { action, ..panic!() }
//! }
//! ```
//!
//! Must never: touch a live system, read a clock, or let policy widen what a guard narrowed.

mod approver;
mod autonomy;
mod config;
mod gate;
mod guards;
mod history;
mod plan;
mod policy;
mod resume;

pub use approver::Approver;
pub use autonomy::{
    AutonomyConfig, Level, Levels, MIDWATCH, Profile, Set, TrackRecord, Trial, TrialOutcome, trials,
};
pub use config::{AutonomyRule, DecisionConfig};
pub use gate::{Authorized, GateInput, decide, replay};
pub use history::{PastAction, ServiceHistory};
pub use plan::{PlanInput, plan, plan_ahead, plan_of};
pub use policy::{Policy, PolicyError};
pub use resume::{resume, resume_effect};
