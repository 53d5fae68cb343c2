//! Receivers: who can be told, and by which ways.

use midwatch_model::{Moment, Telling};

/// Somebody who is told of alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receiver {
    pub name: String,
    /// Each of them is told; none means that alerts routed here are told to nobody.
    pub integrations: Vec<Integration>,
}

/// One way to tell a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// `receiver/kind/number`, such as `team/webhook/0`: what the notification log and the outbox know it by.
    pub target: String,
    /// Whether it wants to hear that alerts are over.
    pub send_resolved: bool,
    /// Most alerts of one message; 0 for all.
    pub max_alerts: usize,
    /// How it hears of incidents.
    pub telling: Telling,
    /// The moments of an incident that it hears of.
    pub moments: Vec<Moment>,
}

impl Integration {
    /// One that hears of everything as alerts.
    #[must_use]
    pub fn of_alerts(target: impl Into<String>) -> Self {
        let (telling, moments) = (Telling::Alerts, Vec::new());
        Self { target: target.into(), send_resolved: true, max_alerts: 0, telling, moments }
    }
}
