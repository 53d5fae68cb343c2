//! An alert's episode, as it is held in memory, and what is known of it besides.

use crate::observe::step;
use midwatch_model::{Alert, Duplicate, Fingerprint, HandlingStep, Labels, ServiceName, SignalId, Timestamp};
use midwatch_signal::source::service_of;
use midwatch_store::Retold;
use std::sync::Arc;

/// An alert's episode.
#[derive(Clone, Debug)]
pub struct Held {
    pub id: SignalId,
    pub alert: Alert,
    /// Set while a silence or another alert keeps it from opening or joining an incident.
    pub suppressed: bool,
    /// What it is about.
    pub service: ServiceName,
    /// The alert that it repeats: while that one fires, this one is told of by it.
    pub duplicate: Option<Duplicate>,
    /// How often it was told.
    pub(crate) told: u64,
    /// Whether its row does not say so yet.
    pub(super) behind: bool,
    /// Whether its words are others than those of its row.
    pub(super) reworded: bool,
    /// Whether its row says that it is over.
    pub(crate) ended: bool,
    /// Why it was last not told of to a receiver, as put on record.
    pub(crate) quiet: Option<String>,
    /// Set where it tells of an incident: the signals on whose record its telling is put.
    own: Option<Arc<[SignalId]>>,
}

/// What keeps an alert quiet at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suppression {
    /// Ids of the silences that mute it.
    pub silenced_by: Vec<String>,
    /// The alert that explains it.
    pub inhibited_by: Option<Fingerprint>,
}

impl Suppression {
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.silenced_by.is_empty() && self.inhibited_by.is_none()
    }
}

/// An alert with what keeps it quiet and who is told of it.
#[derive(Clone, Debug)]
pub struct Known {
    pub held: Held,
    pub suppression: Suppression,
    pub receivers: Vec<String>,
}

/// A group in which alerts are told of.
#[derive(Clone, Debug)]
pub struct KnownGroup {
    pub receiver: String,
    pub labels: Labels,
    /// Names of the time intervals that keep it quiet.
    pub muted_by: Vec<String>,
    pub alerts: Vec<Known>,
}

impl Held {
    pub(crate) fn new(id: SignalId, mut alert: Alert) -> Self {
        alert.labels.shrink_to_fit();
        alert.annotations.shrink_to_fit();
        Self {
            id,
            service: service_of(&alert),
            alert,
            suppressed: false,
            told: 1,
            behind: false,
            reworded: false,
            ended: false,
            duplicate: None,
            quiet: None,
            own: None,
        }
    }

    /// What people are told of an incident. It has no row that could be told anything.
    pub(crate) fn of_incident(
        id: SignalId,
        alert: Alert,
        rows: Arc<[SignalId]>,
        quiet: Option<String>,
    ) -> Self {
        Self { quiet, ended: true, own: Some(rows), ..Self::new(id, alert) }
    }

    /// Whether it tells of an incident rather than being an alert from outside.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Whose record says what becomes of its telling.
    pub(crate) fn on_record(&self) -> &[SignalId] {
        self.own.as_deref().unwrap_or(std::slice::from_ref(&self.id))
    }

    /// What its row has to be told; it says so from then on.
    pub(super) fn retold(&mut self, step: Option<serde_json::Value>) -> Retold {
        self.behind = false;
        Retold {
            id: self.id.to_string(),
            told: self.told,
            updated_at: self.alert.updated_at,
            ends_at: self.alert.ends_at,
            ended: false,
            words: std::mem::take(&mut self.reworded).then(|| Box::new(self.alert.clone())),
            step,
        }
    }

    /// Puts on record that it is over.
    pub(super) fn end(&mut self, how: HandlingStep, detail: String, now: Timestamp) -> Retold {
        self.ended = true;
        Retold { ended: true, ..self.retold(Some(step(&self.id, how, detail, now))) }
    }

    /// Puts on record that another episode has taken its place.
    pub(super) fn replaced_by(&mut self, other: &SignalId, now: Timestamp) -> Retold {
        if self.alert.is_resolved(now) {
            return self.time_out(now);
        }
        let retold =
            self.end(HandlingStep::Replaced, format!("{other} is its alert's episode from now on"), now);
        Retold { ends_at: now, ..retold }
    }

    /// Puts on record that an event came after the end, of what had happened before it.
    pub(super) fn came_late(&mut self, event: &Alert, now: Timestamp) -> Retold {
        self.told += 1;
        let clock = |at: Timestamp| at.strftime("%H:%M:%S UTC").to_string();
        let happened = event.occurred_at.map(clock).unwrap_or_default();
        let detail = format!(
            "its sender told of {happened}, before its end at {}; it stays over",
            clock(self.alert.ends_at)
        );
        self.retold(Some(step(&self.id, HandlingStep::Late, detail, now)))
    }

    pub(super) fn time_out(&mut self, now: Timestamp) -> Retold {
        let [last, end] =
            [self.alert.updated_at, self.alert.ends_at].map(|at| at.strftime("%H:%M:%S UTC").to_string());
        if self.alert.timeout {
            self.end(
                HandlingStep::TimedOut,
                format!("its sender last told of it {last}; over since {end}"),
                now,
            )
        } else {
            self.end(
                HandlingStep::Over,
                format!("its sender named {end} as its end, and told of it last {last}"),
                now,
            )
        }
    }
}
