//! From signals to incidents: which incident a signal belongs to, and what an incident's journal adds up to.
//!
//! Owns: silences and inhibition, correlation of signals over the service graph and time, and the lifecycle as a fold of journal entries.
//! Must never: read a clock, or decide what to do about an incident.

mod config;
mod correlate;
mod fold;
mod inhibit;
mod silence;

pub use config::IncidentConfig;
pub use correlate::{Belongs, Open, correlate};
pub use fold::{EffectRecord, Incident, State, Waiting};
pub use inhibit::{InhibitRule, Inhibitor};
pub use silence::{SilenceError, Silences, WantedSilence};
