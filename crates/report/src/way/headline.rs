//! The first sentence: whether somebody was paged, and why (not).

use super::{IncidentRoute, Telling, Told, WayInput, clock, failed, next};
use crate::incident_alert::summary;
use crate::lineage::LineageStep;
use midwatch_incident::Incident;
use midwatch_model::journal::Line;
use midwatch_model::{Alert, HandlingStep};

const GROUP_WAITS: &str = "its group waits (group_wait_s, group_interval_s)";
const NO_ROUTE: &str = "the configuration has no [route]";
const NO_WAY: &str = "its receiver has no way to be told; the configuration names no webhook for it";

/// Whether somebody was paged, and the sentence that says why (not).
pub(super) fn of(input: &WayInput) -> (bool, String) {
    let incident =
        input.incident.map_or_else(String::new, |incident| format!(" with its incident {incident}"));
    let paged = delivered(&input.told, "").or_else(|| delivered(&input.incident_told, &incident));
    if let Some(sentence) = paged {
        return (true, format!("{sentence}{}", counts_as_firing(input)));
    }
    let sentence = undelivered(&input.told, "").or_else(|| undelivered(&input.incident_told, &incident));
    let sentence = sentence.unwrap_or_else(|| match input.alert {
        Some(alert) => unpaged(input, alert),
        None => unpaged_anomaly(input),
    });
    (false, format!("{sentence}{}", counts_as_firing(input)))
}

/// Who was told of an incident, and what is on record of its signals.
pub struct IncidentTelling<'a> {
    /// Notifications that told of the incident as such.
    pub told: &'a [Told],
    /// Those that told of alerts in it.
    pub alerts_told: &'a [Told],
    /// Its signals with the steps of their handling.
    pub intake: &'a [(String, Vec<LineageStep>)],
    pub route: IncidentRoute,
}

/// The first sentences about an incident: its verdict, what it waits for, and whether somebody was paged, and why (not).
#[must_use]
pub fn incident_headline(lines: &[Line], telling: &IncidentTelling) -> Option<String> {
    let incident = Incident::fold(lines)?;
    let with_alerts = " with its alerts";
    let sentence = delivered(telling.told, "")
        .or_else(|| delivered(telling.alerts_told, with_alerts))
        .or_else(|| undelivered(telling.told, ""))
        .or_else(|| undelivered(telling.alerts_told, with_alerts))
        .unwrap_or_else(|| unpaged_incident(&incident, telling));
    Some(format!("{}. {sentence}", summary(&incident)))
}

fn unpaged_incident(incident: &Incident, telling: &IncidentTelling) -> String {
    let is_open = incident.state.is_open();
    let kept_quiet = telling.intake.iter().flat_map(|(_, steps)| steps);
    let kept_quiet =
        kept_quiet.filter(|step| matches!(step.step, HandlingStep::NotTold | HandlingStep::PutOff));
    match (kept_quiet.max_by_key(|step| step.at), unheard(telling.route)) {
        (Some(step), _) if is_open && step.step == HandlingStep::PutOff => {
            format!("Has not paged yet: {}.", step.detail)
        }
        (Some(step), _) => format!("Did not page: {}.", step.detail),
        (None, Some(reason)) => format!("Did not page: {reason}."),
        (None, None) if is_open && incident.parent.is_some() => {
            let parent = incident.parent.as_ref().map(ToString::to_string).unwrap_or_default();
            format!(
                "Has not paged by itself: it is a child of {parent}; `midwatch why {parent}` says who was told of that one."
            )
        }
        (None, None) if is_open => "Has not paged yet: nobody was told of it or of its alerts so far.".into(),
        (None, None) => "Did not page: it was over before anybody was told of it.".into(),
    }
}

fn counts_as_firing(input: &WayInput) -> String {
    input.damped.map_or_else(String::new, |damped| {
        format!(" It flaps: it counts as firing until {} at the earliest.", clock(damped.until))
    })
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
    if let Some(failed) = pages(told, Telling::Failed).next_back() {
        return Some(format!(
            "Did not page{with}: {} could not be told: {}.",
            failed.receiver(),
            failed.answer
        ));
    }
    let tried = pages(told, Telling::Superseded).rfind(|told| told.attempts > 0)?;
    Some(format!(
        "Did not page{with}: {} took nothing while it fired; {}: {}.",
        tried.receiver(),
        failed(tried.attempts),
        tried.answer
    ))
}

fn last(steps: &[LineageStep], wanted: HandlingStep) -> Option<usize> {
    steps.iter().rposition(|step| step.step == wanted)
}

/// What keeps it quiet, and whether that is for a while only.
enum HeldBack<'a> {
    For(String),
    PutOff(&'a str),
}

impl HeldBack<'_> {
    fn sentence(&self, over: bool) -> String {
        match self {
            Self::For(sentence) => sentence.clone(),
            Self::PutOff(why) if over => format!("Did not page: it was over while it had to wait: {why}."),
            Self::PutOff(why) => format!("Has not paged yet: {why}."),
        }
    }
}

/// The last step that says that it is kept quiet, or has to wait.
fn held_back<'a>(input: &'a WayInput) -> Option<HeldBack<'a>> {
    use HandlingStep::{NotTold, PutOff, Released, Suppressed};
    let repeats = input.steps.iter().rposition(|step| step.duplicate.is_some());
    let holds = [Suppressed, NotTold, PutOff].map(|wanted| last(&input.steps, wanted));
    let at = holds.into_iter().max().flatten().max(repeats)?;
    if last(&input.steps, Released) > Some(at) {
        return None;
    }
    let step = &input.steps[at];
    Some(HeldBack::For(match (&step.step, input.alert, input.incident) {
        (PutOff, ..) => return Some(HeldBack::PutOff(&step.detail)),
        _ if step.duplicate.is_some() => format!("Did not page: deduplicated {}.", step.detail),
        (Suppressed, None, None) => format!("Opened no incident: {}.", step.detail),
        _ => format!("Did not page: {}.", step.detail),
    }))
}

fn unpaged(input: &WayInput, alert: &Alert) -> String {
    // Rows keep milliseconds; what ends as it comes in is over by then.
    if alert.ends_at.as_millisecond() <= input.received_at.as_millisecond() {
        return "Did not page: it was over when it came in.".into();
    }
    let over = alert.is_resolved(input.now) && input.damped.is_none();
    if let Some(held_back) = held_back(input) {
        return held_back.sentence(over);
    }
    let routed = last(&input.steps, HandlingStep::Routed).is_some();
    let flapped = last(&input.steps, HandlingStep::Flapping).is_some();
    match input.damped {
        _ if !routed => format!("Did not page: nobody is to be told of alerts; {NO_ROUTE}."),
        _ if !input.can_be_told => format!("Did not page: {NO_WAY}."),
        Some(damped) if damped.is_told => {
            "Did not page again: whoever was told of it before still believes it to fire.".into()
        }
        None if over && flapped => "Did not page again: it flapped, and this was one of its changes.".into(),
        None if over => "Did not page: it was over before its group was told of.".into(),
        _ => format!("Has not paged yet: {GROUP_WAITS}."),
    }
}

/// Why people cannot hear of an incident as such.
fn unheard(route: IncidentRoute) -> Option<String> {
    match route {
        IncidentRoute::NoRoute => Some(format!("nobody is to be told; {NO_ROUTE}")),
        IncidentRoute::Off => {
            Some("nobody is to be told of incidents (incidents = \"off\" in [routing])".into())
        }
        IncidentRoute::NoWay => Some(NO_WAY.into()),
        IncidentRoute::Routed => None,
    }
}

/// What midwatch found itself is told with its incident.
fn unpaged_anomaly(input: &WayInput) -> String {
    if let Some(held_back) = held_back(input) {
        return held_back.sentence(has_ended(input.lines));
    }
    let Some(incident) = input.incident else {
        return "Has not paged yet: midwatch found it itself and has not placed it in an incident yet."
            .into();
    };
    let no = match unheard(input.incident_route) {
        Some(reason) => reason,
        None if has_ended(input.lines) => "that was over before anybody was told of it".into(),
        None => {
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
    use super::super::{Damped, way};
    use super::*;
    use midwatch_model::Timestamp;

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
            superseded_by: (telling == Telling::Superseded).then(|| "ntf-2".into()),
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
            damped: None,
            now: at(30),
        };
        let way = way(&input);
        assert_eq!((way.headline.as_str(), way.paged), (expected, expected.starts_with("Paged")));
        assert!(way.steps.is_sorted_by_key(|step| step.at), "{:?}", way.steps);
        assert_eq!(way.steps[1].step, HandlingStep::Read);
    }

    #[test]
    fn what_a_receiver_answered_is_told_without_its_secrets() {
        let secret = "hunter2Xq81vvZ";
        let mut failed = told(Telling::Failed, "first");
        failed.answer = format!("401: password={secret} is wrong");
        let alert = alert();
        let input = WayInput {
            id: "alt-1",
            received_at: at(0),
            alert: Some(&alert),
            times: 1,
            reading: "service a".into(),
            steps: Vec::new(),
            incident: None,
            lines: &[],
            told: vec![failed],
            incident_told: Vec::new(),
            incident_route: IncidentRoute::Routed,
            can_be_told: true,
            damped: None,
            now: at(30),
        };
        let way = way(&input);
        let text = format!("{way:?}");
        assert!(text.contains("is wrong") && !text.contains(secret), "{text}");
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
                "put off: ops was told of pay; it hears of it again from 03:05:00 UTC (cooldown_s)",
            ],
            &[],
            "Has not paged yet: ops was told of pay; it hears of it again from 03:05:00 UTC (cooldown_s).",
        );
        check(
            &["received"],
            &[],
            "Did not page: nobody is to be told of alerts; the configuration has no [route].",
        );
    }

    /// The sentence about an alert that ended at a second after it came in, if that flaps or not.
    fn check_end(ends_s: i64, steps: &[&str], told: &[Told], damped: Option<Damped>, expected: &str) {
        let alert = Alert { ends_at: at(ends_s), ..alert() };
        let step = |text: &&str| {
            let (step, detail) = text.split_once(": ").unwrap_or((text, ""));
            LineageStep::new(at(0), None, step, detail.into())
        };
        let input = WayInput {
            id: "alt-1",
            received_at: at(5),
            alert: Some(&alert),
            times: 2,
            reading: String::new(),
            steps: steps.iter().map(step).collect(),
            incident: None,
            lines: &[],
            told: told.to_vec(),
            incident_told: Vec::new(),
            incident_route: IncidentRoute::Routed,
            can_be_told: true,
            damped,
            now: at(30),
        };
        let way = way(&input);
        assert_eq!((way.headline.as_str(), way.paged), (expected, expected.starts_with("Paged")));
    }

    #[test]
    fn an_alert_that_was_over_on_arrival_has_paged_nobody_whoever_else_was_told_with_it() {
        let over = "Did not page: it was over when it came in.";
        let with_others =
            Told { pages: false, ..told(Telling::Delivered, "alerts fire that it was not told of") };
        for steps in
            [&["received", "resolved by its sender"][..], &["received", "routed", "resolved by its sender"]]
        {
            check_end(5, steps, &[], None, over);
            check_end(5, steps, std::slice::from_ref(&with_others), None, over);
        }
        let routed = &["received", "routed", "resolved by its sender"];
        check_end(20, routed, &[], None, "Did not page: it was over before its group was told of.");
        check_end(
            20,
            &["received", "resolved by its sender"],
            &[],
            None,
            "Did not page: nobody is to be told of alerts; the configuration has no [route].",
        );
    }

    #[test]
    fn what_could_not_be_told_while_it_fired_says_so_once_it_is_over() {
        let tried = told(Telling::Superseded, "first notification of the group");
        let routed = &["received", "routed", "resolved by its sender"];
        for (attempts, expected) in [
            (0, "Did not page: it was over before its group was told of."),
            (2, "Did not page: ops took nothing while it fired; 2 attempts failed: http://ops answered 200."),
        ] {
            check_end(20, routed, &[Told { attempts, ..tried.clone() }], None, expected);
        }
        check_end(
            20,
            &["received", "routed", "put off: ops was told of pay (cooldown_s)", "resolved by its sender"],
            &[],
            None,
            "Did not page: it was over while it had to wait: ops was told of pay (cooldown_s).",
        );
    }

    #[test]
    fn an_alert_that_flaps_is_not_called_over() {
        let steps = &["received", "routed", "flapping", "resolved by its sender"];
        let damped = |is_told| Some(Damped { until: at(600), is_told });
        let flaps = "It flaps: it counts as firing until 14:23:20 UTC at the earliest.";
        for (told, damped, expected) in [
            (
                vec![],
                damped(true),
                format!(
                    "Did not page again: whoever was told of it before still believes it to fire. {flaps}"
                ),
            ),
            (
                vec![],
                damped(false),
                format!("Has not paged yet: its group waits (group_wait_s, group_interval_s). {flaps}"),
            ),
            (
                vec![told(Telling::Delivered, "first notification of the group")],
                damped(true),
                format!("Paged ops at 14:13:40 UTC: first notification of the group. {flaps}"),
            ),
            (vec![], None, "Did not page again: it flapped, and this was one of its changes.".into()),
        ] {
            check_end(20, steps, &told, damped, &expected);
        }
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
            damped: None,
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
