//! The way of one alert: every step from its arrival to whoever was told of it, and in one sentence whether somebody was
//! paged, and why (not).

use crate::lineage::named;
use crate::lineage::{LineageStep, why};
use midwatch_incident::Incident;
use midwatch_model::journal::Line;
use midwatch_model::{Alert, Timestamp};

/// How it went to tell a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    Pending,
    Delivered,
    /// A newer notification says what this one would have said.
    Superseded,
    Failed,
}

/// A notification that told of the alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub id: String,
    /// The receiver's integration, such as `ops/webhook/0`.
    pub target: String,
    pub why: String,
    /// Whether it says that something fires, rather than that it is over.
    pub pages: bool,
    pub created_at: Timestamp,
    pub telling: Telling,
    pub attempts: u32,
    pub next_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
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

/// Steps that say into which incident it went.
const PLACED: [&str; 5] = ["opened", "joined", "deduplicated", "recurred", "echo"];

#[must_use]
pub fn way(input: &WayInput) -> Way {
    let mut steps: Vec<LineageStep> = input.steps.iter().map(|step| placed(step, input.incident)).collect();
    let at = |at, step: &str, detail| LineageStep::new(at, Some(input.id.to_owned()), step, detail);
    if let Some(alert) = input.alert {
        // After "received", before whatever was made of it.
        let place = steps.len().min(1);
        let arrived_at = steps.first().map_or(input.received_at, |step| step.at);
        steps.insert(place, at(arrived_at, "read", input.reading.clone()));
        if input.times > 1 {
            steps.push(at(alert.updated_at, "told again", again(alert, input.times)));
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
    let (paged, headline) = headline(input);
    Way { headline, paged, steps }
}

fn telling_steps(told: &Told, whose: &str, now: Timestamp) -> Vec<(Timestamp, &'static str, String)> {
    let what = format!("{} is told{whose} ({}): {}", told.target, told.id, told.why);
    std::iter::once((told.created_at, "notified", what)).chain(outcome(told, now)).collect()
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
    steps
}

fn placed(step: &LineageStep, incident: Option<&str>) -> LineageStep {
    match incident {
        Some(incident) if PLACED.contains(&step.step.as_str()) => {
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

fn outcome(told: &Told, now: Timestamp) -> Option<(Timestamp, &'static str, String)> {
    let tries = match told.attempts {
        0 | 1 => String::new(),
        more => format!(", at attempt {more}"),
    };
    let ended_at = told.ended_at.unwrap_or(now);
    match (told.telling, told.attempts) {
        (Telling::Delivered, _) => Some((ended_at, "delivered", format!("{}{tries}", told.answer))),
        (Telling::Superseded, _) => Some((ended_at, "superseded", told.answer.clone())),
        (Telling::Failed, _) => {
            Some((ended_at, "failed", format!("{}{tries}; it is not tried again", told.answer)))
        }
        (Telling::Pending, 0) => None,
        (Telling::Pending, attempts) => {
            Some((now, "retrying", format!("{attempts} attempts failed, {}: {}", next(told), told.answer)))
        }
    }
}

fn next(told: &Told) -> String {
    told.next_at.map_or_else(|| "none follows".into(), |at| format!("the next is at {}", clock(at)))
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

/// Whether somebody was paged, and the sentence that says why (not).
fn headline(input: &WayInput) -> (bool, String) {
    let incident =
        input.incident.map_or_else(String::new, |incident| format!(" with its incident {incident}"));
    let paged = delivered(&input.told, "").or_else(|| delivered(&input.incident_told, &incident));
    if let Some(sentence) = paged {
        return (true, sentence);
    }
    let sentence = undelivered(&input.told, "").or_else(|| undelivered(&input.incident_told, &incident));
    (false, sentence.unwrap_or_else(|| unpaged(input)))
}

fn pages(told: &[Told], telling: Telling) -> impl DoubleEndedIterator<Item = &Told> {
    told.iter().filter(move |told| told.pages && told.telling == telling)
}

fn delivered(told: &[Told], with: &str) -> Option<String> {
    let first = pages(told, Telling::Delivered).min_by_key(|told| told.ended_at)?;
    let at = clock(first.ended_at.unwrap_or(first.created_at));
    let more = match pages(told, Telling::Delivered).count() {
        1 => String::new(),
        count => format!(" ({count} pages in all)"),
    };
    Some(format!("Paged {}{with} at {at}: {}{more}.", first.receiver(), first.why))
}

fn undelivered(told: &[Told], with: &str) -> Option<String> {
    if let Some(pending) = pages(told, Telling::Pending).next_back() {
        let answer = if pending.answer.is_empty() { "it is being sent" } else { &pending.answer };
        return Some(format!("Has not paged {}{with} yet: {answer}; {}.", pending.receiver(), next(pending)));
    }
    let failed = pages(told, Telling::Failed).next_back()?;
    Some(format!("Did not page{with}: {} could not be told: {}.", failed.receiver(), failed.answer))
}

/// The last step that says that it is kept quiet, or has to wait.
fn held_back(input: &WayInput) -> Option<String> {
    let last = |name: &str| input.steps.iter().rposition(|step| step.step == name);
    let repeats = input.steps.iter().rposition(|step| step.duplicate.is_some());
    let at = last(named::SUPPRESSED).max(last(named::NOT_TOLD)).max(last(named::PUT_OFF)).max(repeats)?;
    if last(named::RELEASED) > Some(at) {
        return None;
    }
    let step = &input.steps[at];
    Some(match (step.step.as_str(), input.alert, input.incident) {
        (named::PUT_OFF, ..) => format!("Has not paged yet: {}.", step.detail),
        _ if step.duplicate.is_some() => format!("Did not page: deduplicated {}.", step.detail),
        (named::SUPPRESSED, None, None) => format!("Opened no incident: {}.", step.detail),
        _ => format!("Did not page: {}.", step.detail),
    })
}

fn unpaged(input: &WayInput) -> String {
    let Some(alert) = input.alert else { return unpaged_anomaly(input) };
    let over = alert.is_resolved(input.now);
    let over_by_then = "Did not page: it was over before its group was told of.";
    if let Some(sentence) = held_back(input) {
        return if over && sentence.starts_with("Has not") { over_by_then.into() } else { sentence };
    }
    let last = |name: &str| input.steps.iter().rposition(|step| step.step == name);
    let routed = last("routed").is_some();
    match (routed, over) {
        (false, _) if last("resolved by its sender").is_some() => {
            "Did not page: it was over when it came in.".into()
        }
        (false, _) => {
            "Did not page: nobody is to be told of alerts; the configuration has no [route].".into()
        }
        (true, _) if !input.can_be_told => {
            "Did not page: its receiver has no way to be told; the configuration names no webhook for it."
                .into()
        }
        (true, true) => over_by_then.into(),
        (true, false) => "Has not paged yet: its group waits (group_wait_s, group_interval_s).".into(),
    }
}

/// What midwatch found itself is told with its incident.
fn unpaged_anomaly(input: &WayInput) -> String {
    if let Some(sentence) = held_back(input) {
        return sentence;
    }
    let Some(incident) = input.incident else {
        return "Has not paged yet: midwatch found it itself and has not placed it in an incident yet."
            .into();
    };
    let no = match input.incident_route {
        IncidentRoute::NoRoute => "nobody is to be told; the configuration has no [route]",
        IncidentRoute::Off => "nobody is to be told of incidents (incidents = \"off\" in [routing])",
        IncidentRoute::NoWay => {
            "its receiver has no way to be told; the configuration names no webhook for it"
        }
        IncidentRoute::Routed if has_ended(input.lines) => "that was over before anybody was told of it",
        IncidentRoute::Routed => {
            return format!(
                "Has not paged yet: it is in {incident}, whose group waits (group_wait_s, group_interval_s)."
            );
        }
    };
    format!("Did not page: it is in {incident}, and {no}.")
}

fn has_ended(lines: &[Line]) -> bool {
    Incident::fold(lines).is_some_and(|incident| !incident.state.is_open())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).expect("a time")
    }

    fn alert() -> Alert {
        serde_json::from_value(serde_json::json!({
            "source": "test", "labels": {"alertname": "Slow"}, "annotations": {}, "starts_at": at(0),
            "ends_at": at(900), "timeout": true, "generator_url": "", "severity": "warning", "updated_at": at(60),
        }))
        .expect("an alert")
    }

    fn told(telling: Telling, why: &str) -> Told {
        Told {
            id: "ntf-1".into(),
            target: "ops/webhook/0".into(),
            why: why.into(),
            pages: !why.contains("over"),
            created_at: at(10),
            telling,
            attempts: 2,
            next_at: (telling == Telling::Pending).then_some(at(40)),
            ended_at: (telling != Telling::Pending).then_some(at(20)),
            answer: "http://ops answered 200".into(),
        }
    }

    fn check(steps: &[&str], told: &[Told], expected: &str) {
        let alert = alert();
        let step = |(n, text): (usize, &&str)| {
            let (step, detail) = text.split_once(": ").unwrap_or((text, ""));
            LineageStep::new(at(n as i64), None, step, detail.into())
        };
        let input = WayInput {
            id: "alt-1",
            received_at: at(0),
            alert: Some(&alert),
            times: 3,
            reading: "service a".into(),
            steps: steps.iter().enumerate().map(step).collect(),
            incident: Some("inc-1"),
            lines: &[],
            told: told.to_vec(),
            incident_told: Vec::new(),
            incident_route: IncidentRoute::Routed,
            can_be_told: true,
            now: at(30),
        };
        let way = way(&input);
        assert_eq!((way.headline.as_str(), way.paged), (expected, expected.starts_with("Paged")));
        assert!(way.steps.is_sorted_by_key(|step| step.at), "{:?}", way.steps);
        assert_eq!(way.steps[1].step, "read");
    }

    #[test]
    fn one_sentence_says_whether_it_paged_and_why() {
        let first = "first notification of the group";
        check(
            &["received", "routed: to ops"],
            &[
                told(Telling::Superseded, first),
                told(Telling::Delivered, first),
                told(Telling::Delivered, "all alerts are over"),
            ],
            "Paged ops at 14:13:40 UTC: first notification of the group.",
        );
        check(
            &["received", "routed: to ops"],
            &[told(Telling::Pending, first)],
            "Has not paged ops yet: http://ops answered 200; the next is at 14:14:00 UTC.",
        );
        check(
            &["received", "routed: to ops"],
            &[told(Telling::Failed, first)],
            "Did not page: ops could not be told: http://ops answered 200.",
        );
        check(
            &["received", "routed: to ops", "suppressed: muted by silence 1234 (ann: load test)"],
            &[],
            "Did not page: muted by silence 1234 (ann: load test).",
        );
        check(
            &["received", "routed: to ops", "suppressed: muted", "released: free"],
            &[],
            "Has not paged yet: its group waits (group_wait_s, group_interval_s).",
        );
        check(
            &[
                "received",
                "routed: to ops",
                "put off: ops was told of pay; it waits until 03:05:00 UTC (cooldown_s)",
            ],
            &[],
            "Has not paged yet: ops was told of pay; it waits until 03:05:00 UTC (cooldown_s).",
        );
        check(
            &["received", "resolved by its sender: over"],
            &[],
            "Did not page: it was over when it came in.",
        );
        check(
            &["received"],
            &[],
            "Did not page: nobody is to be told of alerts; the configuration has no [route].",
        );
    }
    fn check_anomaly(
        incident: Option<&str>,
        steps: &[&str],
        told: &[Told],
        route: IncidentRoute,
        expected: &str,
    ) {
        let step = |(n, text): (usize, &&str)| {
            let (step, detail) = text.split_once(": ").unwrap_or((text, ""));
            LineageStep::new(at(n as i64), None, step, detail.into())
        };
        let input = WayInput {
            id: "sig-1",
            received_at: at(0),
            alert: None,
            times: 1,
            reading: String::new(),
            steps: steps.iter().enumerate().map(step).collect(),
            incident,
            lines: &[],
            told: Vec::new(),
            incident_told: told.to_vec(),
            incident_route: route,
            can_be_told: false,
            now: at(30),
        };
        let way = way(&input);
        assert_eq!((way.headline.as_str(), way.paged), (expected, expected.starts_with("Paged")));
    }

    #[test]
    fn what_midwatch_found_itself_is_told_with_its_incident() {
        use IncidentRoute::{NoRoute, NoWay, Off, Routed};
        let opened = &["received", "opened"];
        check_anomaly(
            Some("inc-1"),
            opened,
            &[told(Telling::Delivered, "first notification of the group")],
            Routed,
            "Paged ops with its incident inc-1 at 14:13:40 UTC: first notification of the group.",
        );
        check_anomaly(
            Some("inc-1"),
            &["received", "opened", "not told: its incident inc-1: muted by silence 1 (ann: known)"],
            &[],
            Routed,
            "Did not page: its incident inc-1: muted by silence 1 (ann: known).",
        );
        check_anomaly(
            None,
            &["received", "suppressed: in maintenance"],
            &[],
            Routed,
            "Opened no incident: in maintenance.",
        );
        for (route, part) in [
            (
                NoRoute,
                "Did not page: it is in inc-1, and nobody is to be told; the configuration has no [route].",
            ),
            (
                Off,
                "Did not page: it is in inc-1, and nobody is to be told of incidents (incidents = \"off\" in [routing]).",
            ),
            (
                NoWay,
                "Did not page: it is in inc-1, and its receiver has no way to be told; the configuration names no webhook for it.",
            ),
            (
                Routed,
                "Has not paged yet: it is in inc-1, whose group waits (group_wait_s, group_interval_s).",
            ),
        ] {
            check_anomaly(Some("inc-1"), opened, &[], route, part);
        }
    }
}
