//! From signals to incidents: which incident a signal belongs to, and what an incident's journal adds up to.
//!
//! Owns: silences and inhibition, which alerts tell the same and which flap, correlation of signals over the service graph and time, and the lifecycle as a fold of journal entries.
//! Must never: read a clock, or decide what to do about an incident.

mod alike;
mod config;
mod correlate;
mod dedup;
mod flap;
mod fold;
mod group;
mod inhibit;
mod origin;
mod relate;
mod role;
mod root;
mod silence;
mod symptom;
mod topology;

pub use config::IncidentConfig;
pub use correlate::{Belongs, Open, correlate, topology_of};
pub use dedup::{
    DedupConfig, ExactDedup, FuzzyDedup, Originals, Portrait, SourceDedup, Strategies, WindowDedup,
};
pub use flap::{FlapConfig, Flapping, Flaps};
pub use fold::{EffectRecord, Incident, RunRecord, State, Waiting};
pub use group::{Group, Grouping, Placed, group};
pub use inhibit::{InhibitRule, Inhibitor};
pub use origin::suspected_origin;
pub use relate::{JOIN_POINTS, LINK_POINTS, Members, Subject, relate};
pub use root::{Root, rank_roots};
pub use silence::{SilenceError, Silences, WantedSilence};
pub use symptom::Symptom;
pub use topology::Topology;
