//! The postmortem: blameless Markdown from the journal, also when midwatch failed.

use crate::timeline::{headline, short, timeline};
use midwatch_incident::{EffectRecord, Incident, State};
use midwatch_model::journal::Entry;
use midwatch_model::journal::{EffectOutcome, Line, VerificationOutcome};
use midwatch_model::verdict::Spread;
use midwatch_model::{
    Cause, Evidence, Hypothesis, Timestamp, Verdict, after, redact::redact, seconds_between,
};
use std::fmt::Write as _;

/// What a postmortem is written from.
pub struct PostmortemInput<'a> {
    pub incident: &'a Incident,
    pub lines: &'a [Line],
    pub now: Timestamp,
    /// The team that answers for the component, if known.
    pub owner: Option<&'a str>,
}

/// Days until an action item is due, by urgency.
const DUE_SOON_DAYS: f64 = 3.0;
const DUE_LATER_DAYS: f64 = 14.0;
const DAY_S: f64 = 86_400.0;

/// Renders the postmortem.
#[must_use]
pub fn render(input: &PostmortemInput<'_>) -> String {
    let incident = input.incident;
    let mut text = String::with_capacity(8 * 1024);
    let verdict = incident.verdict.as_ref();
    let _ = writeln!(text, "# {} — {}\n", incident.id, headline(verdict));
    text.push_str(&summary(input));
    text.push_str(&impact(input));
    text.push_str(&root_cause(verdict));
    text.push_str(&actions(incident));
    text.push_str(&factors(incident));
    text.push_str(&action_items(input));
    text.push_str(&timeline_table(input.lines));
    text.push_str(&prose(input.lines));
    text.push_str(
        "\n*Written by midwatch from the incident's journal. It speaks of systems, not of people.*\n",
    );
    redact(&text).into_owned()
}

fn summary(input: &PostmortemInput<'_>) -> String {
    let incident = input.incident;
    let mut text = String::from("## Summary\n\n");
    let what = incident.verdict.as_ref().map_or_else(|| "No verdict was reached.".into(), Verdict::sentence);
    let _ = writeln!(text, "{what}\n");
    let _ = writeln!(text, "**Outcome:** {}\n", outcome(incident));
    text.push_str("| | |\n|---|---|\n");
    let onset = incident.signals.iter().map(|s| s.onset_at).min().unwrap_or(incident.opened_at);
    let _ = writeln!(text, "| Began | {} |", stamp(onset));
    let _ = writeln!(
        text,
        "| Detected | {} ({:.1} s later) |",
        stamp(incident.opened_at),
        seconds_between(onset, incident.opened_at)
    );
    if let Some(at) = incident.first_verdict_at {
        let _ = writeln!(
            text,
            "| First verdict | {} ({:.1} s after detection) |",
            stamp(at),
            seconds_between(incident.opened_at, at)
        );
    }
    if let Some((VerificationOutcome::Recovered, at, _)) = &incident.verified {
        let _ = writeln!(text, "| Recovery verified | {} |", stamp(*at));
    }
    // What ended by itself was not repaired.
    if let Some(mttr) = incident.mttr_ms.filter(|ms| *ms > 0) {
        let _ = writeln!(text, "| MTTR (detection to verified recovery) | {:.1} s |", mttr as f64 / 1000.0);
    }
    text.push_str(&model_costs(input));
    let _ = writeln!(text, "| State when written | {} |\n", incident.state);
    text
}

/// What a language model cost, in all and per minute until recovery; nothing where none was asked.
fn model_costs(input: &PostmortemInput<'_>) -> String {
    // Of calls that a crash interrupted, only what they may have cost is known.
    let made = |calls: usize, tokens: u64| calls.max(usize::from(tokens > 0));
    let (mut calls, mut tokens, mut cost) = (0, 0, 0.0);
    for line in input.lines {
        let asked = match &line.entry {
            Entry::Advised { advice } => {
                (made(advice.calls.len(), advice.tokens), advice.tokens, advice.cost)
            }
            Entry::Worded { prose } => (made(1, prose.tokens), prose.tokens, prose.cost),
            _ => continue,
        };
        (calls, tokens, cost) = (calls + asked.0, tokens + asked.1, cost + asked.2);
    }
    if calls == 0 {
        return String::new();
    }
    // Under a minute there is no rate to speak of.
    let minutes = input.incident.mttr_ms.map_or(0.0, |ms| ms as f64 / 60_000.0).max(1.0);
    let per_minute = cost / minutes;
    let times = if calls == 1 { "call" } else { "calls" };
    format!(
        "| Language model | {calls} {times}, {tokens} tokens, ${cost:.4}; ${per_minute:.4} per minute until recovery |\n"
    )
}

/// What a language model made of these facts; nothing where none was asked. In a block of code neither link nor markup
/// comes to life, and what could end the block does not stand in it.
fn prose(lines: &[Line]) -> String {
    // Words about an end that did not hold tell the wrong story.
    let mut lately = lines.iter().rev().take_while(|line| !matches!(line.entry, Entry::Recurred { .. }));
    let said = lately.find_map(|line| match &line.entry {
        Entry::Worded { prose } => Some((prose.text.as_deref()?, prose.call.as_ref()?)),
        _ => None,
    });
    let Some((said, call)) = said else { return String::new() };
    let mut text = String::from("\n## In other words\n\n```text\n");
    for line in said.lines() {
        text.push_str(&wrapped(&line.replace('`', "'")));
    }
    let by = cell(&call.provider);
    let _ = writeln!(
        text,
        "```\n\n*By a language model ({by}), from this postmortem alone; nobody has checked it.*"
    );
    text
}

/// A line as lines that a page shows whole.
fn wrapped(line: &str) -> String {
    const WIDTH: usize = 100;
    let (mut text, mut width) = (String::with_capacity(line.len() + 8), 0);
    for word in line.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + length >= WIDTH {
            text.push('\n');
            width = 0;
        } else if width > 0 {
            text.push(' ');
        }
        text.push_str(word);
        width += length + 1;
    }
    text.push('\n');
    text
}

pub(crate) fn outcome(incident: &Incident) -> String {
    let end = match incident.state {
        State::FalseAlarm if incident.is_predicted() => "what was foreseen did not happen".into(),
        State::FalseAlarm => "marked as a false alarm by a person".into(),
        State::Resolved | State::Closed => match remedy(incident) {
            Some(effect) => format!("recovered after \"{}\"", effect.intent.action.sentence()),
            None if incident.effects.is_empty() => "recovered without anything that midwatch did".into(),
            None => {
                "recovered, and not by what was done here: that was not done, did not help or was taken back"
                    .into()
            }
        },
        State::Escalated => "not recovered when this was written".into(),
        _ => "still open".into(),
    };
    match &incident.escalated {
        Some((at, reason)) => format!("handed to a person at {} ({reason}); {end}.", stamp(*at)),
        None => format!("{end}."),
    }
}

/// The effect that a verified recovery followed.
fn remedy(incident: &Incident) -> Option<&EffectRecord> {
    let verified = matches!(&incident.verified, Some((VerificationOutcome::Recovered, ..)));
    incident.last_effect().filter(|effect| verified && incident.undo_of(&effect.intent.key).is_none())
}

fn impact(input: &PostmortemInput<'_>) -> String {
    let mut text = String::from("## Impact\n\n");
    let Some(verdict) = &input.incident.verdict else {
        text.push_str("Not known: there was no verdict.\n\n");
        return text;
    };
    let blast = &verdict.blast_radius;
    let names = |list: &[midwatch_model::ServiceName]| {
        if list.is_empty() {
            "none".into()
        } else {
            list.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ")
        }
    };
    // The verdict saw the beginning; what signalled later was hit as well.
    let mut affected = blast.affected.clone();
    affected.extend(input.incident.services());
    affected.sort();
    affected.dedup();
    let spared: Vec<_> = blast.at_risk.iter().filter(|s| !affected.contains(s)).cloned().collect();
    let _ = writeln!(text, "- Services with symptoms: {}", names(&affected));
    let _ = writeln!(text, "- Services that could have followed: {}", names(&spared));
    let spread = match verdict.spread {
        Spread::Contained => "the fault stayed at the component",
        Spread::UpstreamDegradation => "calling services were degraded, none failed",
        Spread::Cascade => "calling services failed as well (more than 5 % errors)",
    };
    let _ = writeln!(text, "- Spread: {spread}");
    let _ = writeln!(
        text,
        "- Users: about {:.0} % of requests at the entry were slow or failed ({:.1} per second), estimated from error rate and p99 latency\n",
        blast.impacted_share * 100.0,
        blast.impacted_requests_per_s
    );
    text
}

fn root_cause(verdict: Option<&Verdict>) -> String {
    let mut text = String::from("## Root cause\n\n");
    let Some(verdict) = verdict else {
        text.push_str("Not found.\n\n");
        return text;
    };
    let Some((root, others)) = verdict.ranked.split_first() else {
        let next = verdict.next_query.as_deref().unwrap_or("more telemetry");
        let _ = writeln!(text, "Inconclusive. The next best query is: {next}.\n");
        return text;
    };
    let _ = writeln!(
        text,
        "**{}** — {} (confidence {:.2})\n",
        root.component,
        root.cause.phrase(),
        root.confidence
    );
    for reason in &root.reasons {
        let _ = writeln!(text, "- {}", sentence_case(reason));
    }
    evidence_table(&mut text, "Evidence for", &root.supports, &verdict.evidence);
    evidence_table(&mut text, "Evidence against", &root.against, &verdict.evidence);
    if !others.is_empty() {
        text.push_str("\nAlso considered:\n\n");
        for other in others {
            let why = other.reasons.first().map_or("", String::as_str);
            let _ = writeln!(
                text,
                "- {}: {} (confidence {:.2}): {why}",
                other.component, other.cause, other.confidence
            );
        }
    }
    text.push('\n');
    text
}

fn evidence_table(text: &mut String, title: &str, ids: &[midwatch_model::EvidenceId], all: &[Evidence]) {
    let cited: Vec<_> = all.iter().filter(|e| ids.contains(&e.id)).collect();
    if cited.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n{title}:\n\n| | source | what was seen | ask again | digest |\n|---|---|---|---|---|"
    );
    for e in cited {
        let _ = writeln!(
            text,
            "| {} | {} | {} | `{}` ({}–{}) | `{}` |",
            e.id,
            e.source.title(),
            cell(&e.excerpt),
            cell(&e.query),
            e.from.strftime("%H:%M:%S"),
            e.to.strftime("%H:%M:%S"),
            short(&e.digest)
        );
    }
}

fn actions(incident: &Incident) -> String {
    let mut text = String::from("## What was done, and undone\n\n");
    if incident.effects.is_empty() {
        let why = incident
            .gate
            .as_ref()
            .map_or_else(|| "no step reached the gate".to_owned(), |g| g.because.clone());
        let _ = writeln!(text, "Nothing was done to any system: {why}.\n");
        return text;
    }
    for effect in &incident.effects {
        let intent = &effect.intent;
        let result = match &effect.outcome {
            Some(EffectOutcome::Applied { detail, .. }) => format!("done: {detail}"),
            Some(EffectOutcome::NotApplied { reason }) => format!("not done: {reason}"),
            Some(EffectOutcome::Failed { reason }) => format!("failed: {reason}"),
            Some(EffectOutcome::Unknown { reason }) => format!("outcome unknown: {reason}"),
            None => "outcome not known yet".into(),
        };
        let word = if intent.undoes.is_some() { "Undo" } else { "Action" };
        let _ = writeln!(
            text,
            "- {word}, {}: {} by {} — {result}",
            stamp(effect.intended_at),
            intent.action.sentence(),
            intent.principal
        );
        if intent.undoes.is_none() {
            let undo = intent
                .undo
                .as_ref()
                .map_or("leaves nothing to undo".into(), |u| format!("undo: {}", u.sentence()));
            let _ = writeln!(text, "  - {undo}");
        }
    }
    if let Some((outcome, _, reason)) = &incident.verified {
        let _ = writeln!(text, "- Verification: {}: {reason}", format!("{outcome:?}").to_lowercase());
    }
    text.push('\n');
    text
}

pub(crate) fn factors(incident: &Incident) -> String {
    let mut text = String::from("## Contributing factors\n\n");
    let mut any = false;
    let mut add = |line: String| {
        any = true;
        let _ = writeln!(text, "- {line}");
    };
    if let Some(verdict) = &incident.verdict {
        if let Some(change) = verdict.root().and_then(|r| r.change.as_ref()) {
            add(format!(
                "{} reached production at {} and nothing stopped it there",
                change.to,
                stamp(change.at)
            ));
        }
        if verdict.spread == Spread::Cascade {
            add("callers had no fallback that kept them below 5 % errors while the component failed".into());
        }
        if !verdict.past.is_empty() {
            add(format!("the component has failed before: {}", verdict.past.join("; ")));
        }
        if verdict.freshness < 1.0 {
            add("telemetry was stale while the verdict was made".into());
        }
    }
    if incident.recurred.is_some() && !incident.effects.is_empty() {
        add("the first remedy treated a symptom: the trouble came back".into());
    }
    let failed = incident.effects.iter().filter(|e| e.intent.undoes.is_some()).count();
    if failed > 0 {
        add(format!("{failed} remedy did not help and was taken back"));
    }
    if !any {
        text.push_str("None could be told from the journal.\n");
    }
    text.push('\n');
    text
}

fn action_items(input: &PostmortemInput<'_>) -> String {
    let incident = input.incident;
    let component = incident.component();
    let team = input.owner.map_or_else(|| format!("owner of {component}"), str::to_owned);
    let root = incident.verdict.as_ref().and_then(Verdict::root);
    let close = |service| format!("close the circuit breaker in front of {service}, which is still open");
    let mut items: Vec<(String, f64)> =
        incident.open_breakers().into_iter().map(|service| (close(service), 0.0)).collect();
    if let Some(root) = root {
        items.extend(lasting_fix(root).into_iter().map(|item| (item, DUE_SOON_DAYS)));
    } else {
        items.push((
            format!("find the cause by hand, starting with the logs and changes of {component}"),
            DUE_SOON_DAYS,
        ));
    }
    if incident.escalated.is_some() {
        items.push(("write down what the person on call found and did, as a runbook".into(), DUE_LATER_DAYS));
    }
    items.push(("review this postmortem and correct what the journal could not know".into(), DUE_SOON_DAYS));
    let mut text = String::from("## Action items\n\n| what | owner | due |\n|---|---|---|\n");
    for (what, days) in items {
        let due = after(input.now, days * DAY_S).strftime("%Y-%m-%d").to_string();
        let _ = writeln!(text, "| {} | {team} | {due} |", sentence_case(&what));
    }
    text.push('\n');
    text
}

/// What keeps the cause from coming back, as against what ended it tonight.
fn lasting_fix(root: &Hypothesis) -> Vec<String> {
    let c = &root.component;
    match root.cause {
        Cause::LatencySpike => vec![
            format!(
                "find what made the processes of {c} slow: compare a profile and the storage's latency from before and after"
            ),
            "alert on p99 latency before callers time out".into(),
        ],
        Cause::ErrorRateSpike => vec![format!(
            "find the state in {c} that makes requests fail and make it recover without a restart"
        )],
        Cause::CpuSaturation => vec![
            format!("decide whether {c} keeps the added instances, and profile the expensive requests"),
            format!("set up autoscaling of {c} on CPU"),
        ],
        Cause::MemoryLeak => vec![
            format!("find and fix the leak in {c} before the version is deployed again"),
            "add a memory soak to the release checks".into(),
        ],
        Cause::DbConnectionExhaustion => {
            vec![format!("find what held the connections of {c} and give it a timeout")]
        }
        Cause::ConsumerLag => {
            vec![format!("find why the consumer of {c} stopped and let it skip what it cannot process")]
        }
        Cause::DeploymentFailure => vec![
            format!("fix the failed version of {c} and add the check that would have caught it"),
            "deploy to a canary first".into(),
        ],
        Cause::CrashLoop => vec![format!(
            "read the crash of {c} from its log and fix it before the version is deployed again"
        )],
        Cause::TrafficSpike => {
            vec![format!("find the source of the traffic at {c} and agree on a rate limit")]
        }
        Cause::DependencyFailure => vec![format!("give {c} a fallback for the dependency that failed")],
        Cause::StorageExhaustion => {
            vec![format!(
                "find what fills the storage of {c}, bound it, and alert on the day it will be full"
            )]
        }
    }
}

fn timeline_table(lines: &[Line]) -> String {
    let mut text = String::from("## Timeline\n\n| time (UTC) | role | what |\n|---|---|---|\n");
    for row in timeline(lines) {
        let role = format!("{:?}", row.role).to_lowercase();
        let _ = writeln!(text, "| {} | {role} | {} |", row.at.strftime("%H:%M:%S%.3f"), cell(&row.what));
    }
    text
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Text that cannot break out of a table cell or smuggle in markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r', '`'], " ").replace('<', "&lt;")
}

pub(crate) fn sentence_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}
