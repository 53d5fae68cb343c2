//! Bulletins: an incident's journal as what people are told, turn by turn. The verdict first, then evidence, then what
//! was or would be done, and how to take that back.

mod alerts;
mod parts;
mod sample;
mod turn;

pub use alerts::of_alerts;
pub use sample::{Sample, sample};
pub use turn::Turn;

use crate::incident_alert::{cause_of, needs_of, severity_of, words};
use crate::timeline::sentence;
use crate::{PostmortemInput, render};
use midwatch_incident::{Incident, State};
use midwatch_model::bulletin::{Asked, Bulletin, Foreseen, Moment, Standing};
use midwatch_model::decision::Principal;
use midwatch_model::journal::Line;
use midwatch_model::redact::redact;
use midwatch_model::{Severity, SignalKind};
use parts::{done, evidence, path, pull_request, steps, symptoms};
use turn::Turns;

/// What bulletins are made from.
#[derive(Clone, Copy)]
pub struct BulletinInput<'a> {
    /// The incident's stream.
    pub lines: &'a [Line],
    /// Where people reach midwatch.
    pub url: &'a str,
    /// The team that answers for the component, if known.
    pub owner: Option<&'a str>,
}

/// What is told of an incident after its first `after` records, in order: each turn with the incident as it stood then,
/// so that a turn that could not be told in time still says what was known at its time.
#[must_use]
pub fn bulletins(input: BulletinInput<'_>, after: u64) -> Vec<(Turn, Bulletin)> {
    let (mut turns, mut all) = (Turns::default(), Vec::new());
    let (mut seq, mut severity, mut seen) = (0, Severity::Info, 0);
    let _ = Incident::fold_each(input.lines, |incident, line| {
        seq += 1;
        let joined = incident
            .signals
            .get(seen..)
            .unwrap_or_default()
            .iter()
            .filter_map(|signal| signal.severity)
            .max();
        seen = incident.signals.len();
        // As bad as it ever was, as for the incident's alerts.
        severity = severity.max(severity_of(incident.verdict.as_ref())).max(joined.unwrap_or(Severity::Info));
        let Some(moment) = turns.take(incident, line) else { return };
        if seq > after {
            let mut bulletin = bulletin(incident, line, severity, moment, input.url);
            if moment == Moment::Postmortem {
                let lines = &input.lines[..usize::try_from(seq).unwrap_or(usize::MAX)];
                let postmortem = PostmortemInput { incident, lines, now: line.at, owner: input.owner };
                bulletin.postmortem = Some(render(&postmortem));
            }
            all.push((Turn { seq, moment }, bulletin));
        }
    });
    all
}

fn clean(text: String) -> String {
    redact(&text).into_owned()
}

fn bulletin(incident: &Incident, line: &Line, severity: Severity, moment: Moment, url: &str) -> Bulletin {
    let verdict = incident.verdict.as_ref();
    let root = verdict.and_then(midwatch_model::Verdict::root);
    let needs = needs_of(incident);
    Bulletin {
        topic: incident.id.to_string(),
        is_incident: true,
        moment,
        at: line.at,
        opened_at: incident.opened_at,
        standing: standing(incident),
        state: incident.state.name().replace('_', " "),
        severity,
        service: clean(incident.component().to_string()),
        title: clean(title(incident, severity)),
        verdict: clean(words::verdict(incident)),
        news: clean(news(incident, line, moment)),
        cause: cause_of(verdict).map(|cause| cause.name().to_owned()),
        confidence: root.filter(|_| cause_of(verdict).is_some()).map(|root| root.confidence),
        foreseen: foreseen(incident),
        symptoms: symptoms(incident),
        path: path(incident),
        evidence: evidence(verdict),
        next_query: verdict.and_then(|verdict| verdict.next_query.clone()).map(clean),
        action: words::action(incident).map(clean),
        undo: words::undo(incident).map(clean),
        steps: steps(incident),
        done: done(incident),
        approval: asked(incident).filter(|_| moment != Moment::Answer || !incident.approvals.is_empty()),
        answer: clean(
            words::answer(incident, needs).unwrap_or_else(|| format!("midwatch why {}", incident.id)),
        ),
        mttr_s: incident.mttr_ms.filter(|ms| *ms > 0).map(|ms| ms as f64 / 1000.0),
        postmortem: None,
        url: format!("{url}/incidents/{}", incident.id),
        pull_request: pull_request(incident),
        is_test: false,
    }
}

/// What is new, in the words of the timeline where those are for people who were not there.
fn news(incident: &Incident, line: &Line, moment: Moment) -> String {
    match moment {
        Moment::Alert | Moment::Verdict => words::verdict(incident),
        Moment::Approval => {
            let what = words::next_action(incident).unwrap_or_else(|| "the next step".to_owned());
            let why = incident.waiting.as_ref().map_or("", |waiting| waiting.why.as_str());
            let count = incident.count_of_yeses().map_or_else(String::new, |count| format!("; {count}"));
            format!("Waits for your yes: {what} ({why}{count})")
        }
        Moment::Answer if incident.approval.is_none() && !incident.approvals.is_empty() => {
            let count = incident.count_of_yeses().unwrap_or_default();
            format!("{}; {count}: somebody else must, too", sentence(&line.entry))
        }
        Moment::Resolved => format!("{}{}", sentence(&line.entry), words::still_open(incident)),
        Moment::Postmortem => "The postmortem is written".to_owned(),
        _ => sentence(&line.entry),
    }
}

fn standing(incident: &Incident) -> Standing {
    match incident.state {
        State::Resolved | State::Closed | State::FalseAlarm => Standing::Over,
        _ if incident.acknowledged.is_some() => Standing::Acknowledged,
        // Whoever said yes or no has seen it; a later step that waits asks anew.
        State::AwaitingApproval | State::Escalated => Standing::Open,
        _ if incident.approval.is_some() || by_person(incident) => Standing::Acknowledged,
        _ => Standing::Open,
    }
}

/// Whether a person has had something done.
fn by_person(incident: &Incident) -> bool {
    incident.effects.iter().any(|effect| matches!(effect.intent.principal, Principal::Human(_)))
}

/// One line to recognise it by: how bad, where, what.
fn title(incident: &Incident, severity: Severity) -> String {
    let component = incident.component();
    let known = cause_of(incident.verdict.as_ref());
    let what = known.map_or_else(|| "cause not known yet".to_owned(), |cause| cause.phrase().to_owned());
    let head: &str = match incident.state {
        State::Closed if incident.merged_into.is_some() => "Merged",
        State::Resolved | State::Closed => "Recovered",
        State::FalseAlarm => "False alarm",
        _ => return format!("{} {component}: {}", word(severity), said(incident, &what)),
    };
    format!("{head}: {component}: {what}")
}

fn said(incident: &Incident, what: &str) -> String {
    if incident.is_predicted() { format!("{what} ahead") } else { what.to_owned() }
}

pub(crate) fn word(severity: Severity) -> String {
    let word: &str = severity.into();
    word.to_uppercase()
}

/// What is foreseen, while nothing has happened.
fn foreseen(incident: &Incident) -> Option<Foreseen> {
    if !incident.is_predicted() {
        return None;
    }
    let last = incident.signals.iter().rev().find(|signal| signal.kind == SignalKind::Forecast)?;
    let expected_at = last.ahead.as_ref().map(|ahead| ahead.expected_at);
    Some(Foreseen { probability: last.value, expected_at })
}

fn asked(incident: &Incident) -> Option<Asked> {
    // What was answered is asked no more, though nothing has been done yet.
    let waiting = incident.waiting.as_ref().filter(|_| incident.approval.is_none())?;
    Some(Asked {
        plan: waiting.plan.clone(),
        step: waiting.step,
        count: incident.count_of_yeses().map(clean),
        what: clean(words::next_action(incident).unwrap_or_else(|| "the next step".to_owned())),
        why: clean(waiting.why.clone()),
        expires_at: waiting.expires_at,
    })
}
