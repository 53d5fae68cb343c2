//! What people read: the timeline, the postmortem and the lineage of signals, all from the journal.
//!
//! Owns: wording. Must never: state what the journal does not hold, or blame a person.

mod bulletin;
mod incident_alert;
mod lesson;
mod lineage;
mod message;
mod postmortem;
mod remediation;
mod timeline;
mod way;

pub use bulletin::{BulletinInput, Sample, Turn, bulletins, of_alerts, sample};
pub use incident_alert::{
    INCIDENT_ALERT, IncidentAlerts, Needs, PERSON_ALERT, ToldIncidents, incident_alerts, tells_of_incident,
};
pub use lesson::lesson;
pub use lineage::{LineageStep, duplicate_of, flapping_since, quiet_for, why};
pub use message::{AlertStatus, Message, MessageAlert, message};
pub use postmortem::{PostmortemInput, render};
pub use remediation::remediation;
pub use timeline::{TimelineRow, timeline};
pub use way::{
    Damped, IncidentRoute, IncidentTelling, Telling, Told, Way, WayInput, incident_headline,
    told_with_incident, way, with_telling,
};
