//! The way of one alert: every step from its arrival to whoever was told of it, and in one sentence whether somebody was
//! paged, and why (not).

mod headline;

pub use headline::{IncidentTelling, incident_headline};

use crate::lineage::{LineageStep, why};
use midwatch_model::journal::Line;
use midwatch_model::redact::redact;
use midwatch_model::{Alert, HandlingStep, Timestamp};

/// How it went to tell a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    Pending,
    Delivered,
    /// A newer notification says what this one would have said.
    Superseded,
    Failed,
}

/// A notification that told of the alert, or of the incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub id: String,
    /// The receiver's integration, such as `ops/webhook/0`.
    pub target: String,
    pub why: String,
    /// Whether it says that this alert, or this incident, fires; rather than that it is over, or only others fire.
    pub pages: bool,
    pub created_at: Timestamp,
    pub telling: Telling,
    pub attempts: u32,
    pub next_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// The notification that took its place, if one did.
    pub superseded_by: Option<String>,
    /// What the receiver, or the way to it, said last.
    pub answer: String,
}

impl Told {
    fn receiver(&self) -> &str {
        self.target.split('/').next().unwrap_or(&self.target)
    }
}

/// Whether people can hear of an incident as such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncidentRoute {
    /// The configuration has no routes.
    NoRoute,
    /// The configuration tells nobody of incidents.
    Off,
    /// None of its receivers has a way to be told.
    NoWay,
    /// It goes through the routing tree.
    #[default]
    Routed,
}

/// An alert that changes so often that it counts as firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damped {
    /// When it is stable again, unless it changes before.
    pub until: Timestamp,
    /// Whether somebody was told that it fires, and not of its end.
    pub is_told: bool,
}

/// Everything that is on record of an alert or anomaly.
pub struct WayInput<'a> {
    pub id: &'a str,
    pub received_at: Timestamp,
    /// `None` for what midwatch found itself.
    pub alert: Option<&'a Alert>,
    /// How often it was told.
    pub times: u64,
    /// Which of its words say what it is about.
    pub reading: String,
    pub steps: Vec<LineageStep>,
    pub incident: Option<&'a str>,
    /// The incident's journal.
    pub lines: &'a [Line],
    pub told: Vec<Told>,
    /// Notifications that told of its incident.
    pub incident_told: Vec<Told>,
    pub incident_route: IncidentRoute,
    /// Whether one of its receivers has a way to be told.
    pub can_be_told: bool,
    /// Set while it flaps.
    pub damped: Option<Damped>,
    pub now: Timestamp,
}

/// The answer to "why".
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    pub headline: String,
    pub paged: bool,
    /// In the order of time.
    pub steps: Vec<LineageStep>,
}

#[must_use]
pub fn way(input: &WayInput) -> Way {
    let mut steps: Vec<LineageStep> = input.steps.iter().map(|step| placed(step, input.incident)).collect();
    let at = |at, step: HandlingStep, detail| LineageStep::new(at, Some(input.id.to_owned()), step, detail);
    if let Some(alert) = input.alert {
        // After "received", before whatever was made of it.
        let place = steps.len().min(1);
        let arrived_at = steps.first().map_or(input.received_at, |step| step.at);
        steps.insert(place, at(arrived_at, HandlingStep::Read, input.reading.clone()));
        if input.times > 1 {
            steps.push(at(alert.updated_at, HandlingStep::ToldAgain, again(alert, input.times)));
        }
    }
    // What the incident's journal says of its signals is among the steps already.
    let of_incident = why(input.lines, &[], Some(input.id)).into_iter();
    steps.extend(of_incident.filter(|step| step.signal.is_none() && step.at >= input.received_at));
    let of_incident = input.incident_told.iter().map(|told| (told, " of its incident"));
    for (told, whose) in input.told.iter().map(|told| (told, "")).chain(of_incident) {
        let telling = telling_steps(told, whose, input.now).into_iter();
        steps.extend(telling.map(|(when, step, detail)| at(when, step, detail)));
    }
    steps.sort_by_key(|step| step.at);
    let (paged, headline) = headline::of(input);
    Way { headline: redact(&headline).into_owned(), paged, steps: clean(steps) }
}

fn telling_steps(told: &Told, whose: &str, now: Timestamp) -> Vec<(Timestamp, HandlingStep, String)> {
    let what = format!("{} is told{whose} ({}): {}", told.target, told.id, told.why);
    std::iter::once((told.created_at, HandlingStep::Notified, what)).chain(outcome(told, now)).collect()
}

/// Notifications of an incident that may have told of what came in at `received_at`: not those from before, nor those that
/// told of that itself.
#[must_use]
pub fn told_with_incident(of_incident: Vec<Told>, of_itself: &[Told], received_at: Timestamp) -> Vec<Told> {
    let is_own = |told: &Told| of_itself.iter().any(|own| own.id == told.id);
    of_incident.into_iter().filter(|told| told.created_at >= received_at && !is_own(told)).collect()
}

/// The lineage of an incident with who was told of it, in the order of time.
#[must_use]
pub fn with_telling(mut steps: Vec<LineageStep>, told: &[Told], now: Timestamp) -> Vec<LineageStep> {
    let telling = told.iter().flat_map(|told| telling_steps(told, "", now));
    steps.extend(telling.map(|(at, step, detail)| LineageStep::new(at, None, step, detail)));
    steps.sort_by_key(|step| step.at);
    clean(steps)
}

/// Steps quote what others wrote and answered.
fn clean(mut steps: Vec<LineageStep>) -> Vec<LineageStep> {
    for step in &mut steps {
        step.detail = redact(&step.detail).into_owned();
    }
    steps
}

fn placed(step: &LineageStep, incident: Option<&str>) -> LineageStep {
    match incident {
        Some(incident) if step.step.places() => {
            LineageStep { detail: format!("{incident}: {}", step.detail), ..step.clone() }
        }
        _ => step.clone(),
    }
}

fn again(alert: &Alert, times: u64) -> String {
    let by = match &alert.id {
        Some(id) => format!("its sender's id {id:?}"),
        None => "its labels".into(),
    };
    format!("{times} times so far, last now; one episode by {by} (fingerprint {})", alert.fingerprint())
}

fn outcome(told: &Told, now: Timestamp) -> Option<(Timestamp, HandlingStep, String)> {
    let tries = match told.attempts {
        0 | 1 => String::new(),
        more => format!(", at attempt {more}"),
    };
    let ended_at = told.ended_at.unwrap_or(now);
    match (told.telling, told.attempts) {
        (Telling::Delivered, _) => {
            Some((ended_at, HandlingStep::Delivered, format!("{}{tries}", told.answer)))
        }
        (Telling::Superseded, attempts) => {
            let by = told.superseded_by.as_deref().unwrap_or("a newer one");
            let tried = match attempts {
                0 => String::new(),
                _ => format!("; {}: {}", failed(attempts), told.answer),
            };
            Some((ended_at, HandlingStep::Superseded, format!("superseded by {by}{tried}")))
        }
        (Telling::Failed, _) => {
            Some((ended_at, HandlingStep::Failed, format!("{}{tries}; it is not tried again", told.answer)))
        }
        (Telling::Pending, 0) => None,
        (Telling::Pending, attempts) => Some((
            now,
            HandlingStep::Retrying,
            format!("{}, {}: {}", failed(attempts), next(told), told.answer),
        )),
    }
}

fn failed(attempts: u32) -> String {
    match attempts {
        1 => "1 attempt failed".into(),
        more => format!("{more} attempts failed"),
    }
}

fn next(told: &Told) -> String {
    told.next_at.map_or_else(|| "none follows".into(), |at| format!("the next is at {}", clock(at)))
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}
