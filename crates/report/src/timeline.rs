//! The timeline: one sentence per journal entry that a reader wants to see.

use midwatch_model::artifact::Role;
use midwatch_model::journal::{EffectOutcome, Entry, Line};
use midwatch_model::silence::Silence;
use midwatch_model::{Signal, SignalKind, Timestamp, Verdict};
use serde::Serialize;

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimelineRow {
    pub at: Timestamp,
    pub role: Role,
    pub what: String,
}

/// The rows of a stream. Readings that say the same as the one before are folded into it.
#[must_use]
pub fn timeline(lines: &[Line]) -> Vec<TimelineRow> {
    let mut rows: Vec<TimelineRow> = Vec::with_capacity(lines.len());
    let mut last_reading: Option<Option<bool>> = None;
    for line in lines {
        if let Entry::Observed { reading } = &line.entry {
            if last_reading == Some(reading.normal) {
                continue;
            }
            last_reading = Some(reading.normal);
        } else {
            last_reading = None;
        }
        rows.push(TimelineRow { at: line.at, role: line.role, what: sentence(&line.entry) });
    }
    rows
}

/// An entry as a sentence.
pub(crate) fn sentence(entry: &Entry) -> String {
    match entry {
        Entry::Opened { signal, .. } => format!("Incident opened: {}", heard(signal)),
        Entry::SignalJoined { signal, reason, .. } => format!("Joined: {} ({reason})", heard(signal)),
        Entry::Linked { parent, score } => format!("Child of {parent}: {}", score.sentence()),
        Entry::Diagnosed { verdict, .. } if verdict.foreseen => format!("Foreseen: {}", verdict.sentence()),
        Entry::Diagnosed { verdict, .. } => format!("Verdict: {}", verdict.sentence()),
        Entry::Planned { plan, hash } => {
            let joint = if plan.run.is_some() { "; then " } else { "; else " };
            let steps: Vec<String> = plan.steps.iter().map(|step| step.action.sentence()).collect();
            let steps = steps.join(joint);
            match &plan.run {
                Some(run) => {
                    format!("Plan {}: workflow {}: {steps}", short(hash.as_str()), run.workflow.name)
                }
                None => format!("Plan {}: {steps}", short(hash.as_str())),
            }
        }
        Entry::Gated { record } => format!("Gate: {} {}: {}", record.action, record.decision, record.because),
        Entry::ApprovalRequested { .. }
        | Entry::ApprovalGiven { .. }
        | Entry::ApprovalRefused { .. }
        | Entry::ApprovalNotCounted { .. }
        | Entry::ApprovalExpired { .. } => asked(entry),
        Entry::WouldHaveActed { action, how_to_arm } => {
            format!("Dry run: would now have done \"{}\". {how_to_arm}", action.sentence())
        }
        Entry::Intended { intent } => {
            let (what, by, key) = (intent.action.sentence(), &intent.principal, &intent.key);
            if intent.undoes.is_some() {
                format!("Undoing: {what} (by midwatch, taking back what {by} did, key {key})")
            } else {
                format!("Doing: {what} (by {by}, key {key})")
            }
        }
        Entry::Performed { outcome, reconciled, .. } => performed(outcome, *reconciled),
        Entry::StepSkipped { reason, .. } => format!("Step skipped: {reason}"),
        Entry::Observed { reading } => match reading.normal {
            Some(true) => format!("Normal: {}", reading.detail),
            Some(false) => format!("Not normal yet: {}", reading.detail),
            None => format!("Unknown: {}", reading.detail),
        },
        Entry::Verified { outcome, reason } => {
            format!("Verification: {}: {reason}", format!("{outcome:?}").to_lowercase())
        }
        Entry::SoakStarted { until } => {
            format!("Soaking until {}: the original signals must stay normal", until.strftime("%H:%M:%S"))
        }
        Entry::Resolved { mttr_ms, soak_ms, by_itself } => resolved(*mttr_ms, *soak_ms, *by_itself),
        Entry::Recurred { reason } => format!("The trouble is back: {reason}"),
        Entry::Escalated { reason } => format!("Handed to a person: {reason}"),
        Entry::Acknowledged { by, how } => format!("{by} has taken it up, by {how}"),
        Entry::Assigned { .. }
        | Entry::Snoozed { .. }
        | Entry::Merged { .. }
        | Entry::Absorbed { .. }
        | Entry::SplitOff { .. }
        | Entry::Revised { .. } => handled(entry),
        Entry::FalseAlarm { by, reason } => format!("{by} marked it a false alarm: {reason}"),
        Entry::AdviceSought { tokens_max, cost_max } => {
            format!("A language model is asked for its opinion: at most {tokens_max} tokens, ${cost_max:.4}")
        }
        Entry::Advised { advice } => advice.summary.clone(),
        Entry::Worded { prose } if prose.text.is_some() => {
            "A language model put the postmortem into other words".to_owned()
        }
        Entry::Worded { .. } => {
            "A language model had no words for the postmortem that can be used".to_owned()
        }
        Entry::Reported { path, .. } => format!("Postmortem written to {path}"),
        Entry::Closed { reason } => format!("Closed: {reason}"),
        Entry::ServiceRegistered { registration } => format!("Service {} registered", registration.name),
        Entry::ServiceUnregistered { service } => format!("Service {service} is not watched any more"),
        Entry::SilenceSet { silence } => silenced(silence),
        Entry::AutonomySet { combination, level, by, reason } => {
            format!("{by} set {combination} to {level}: {reason}")
        }
        Entry::AutonomySuggested { combination, reason } => {
            format!("{combination} could be trusted with more: {reason}")
        }
        Entry::ConfigChanged { section, by, changed } => format!("{by} changed [{section}]: {changed}"),
        Entry::Workflow { event, .. } => event.sentence(),
        Entry::Forecast { event } => format!("Forecast: {}", event.name().replace('_', " ")),
    }
}

/// What people did with an incident beside deciding.
fn handled(entry: &Entry) -> String {
    let with = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {reason}") };
    match entry {
        Entry::Assigned { to: Some(to), by } => format!("{by} assigned it to {to}"),
        Entry::Assigned { to: None, by } => format!("{by} assigned it to nobody in particular"),
        Entry::Snoozed { until, by, reason } => {
            format!("{by} snoozed it until {}{}", until.strftime("%Y-%m-%d %H:%M:%S UTC"), with(reason))
        }
        Entry::Merged { into, by, reason } => format!("{by} merged it into {into}{}", with(reason)),
        Entry::Absorbed { from, by, reason } => format!("{by} merged {from} into it{}", with(reason)),
        Entry::SplitOff { to, signals, by, reason } => {
            let count = signals.len();
            let what = if count == 1 { "1 signal".to_owned() } else { format!("{count} signals") };
            format!("{by} split {what} off into {to}{}", with(reason))
        }
        Entry::Revised { by, digest, .. } => format!("{by} revised the postmortem ({})", short(digest)),
        _ => String::new(),
    }
}

fn performed(outcome: &EffectOutcome, reconciled: bool) -> String {
    let found = if reconciled { " (found by looking at the target)" } else { "" };
    match outcome {
        EffectOutcome::Applied { detail, .. } => format!("Done{found}: {detail}"),
        EffectOutcome::NotApplied { reason } => format!("Not done{found}: {reason}"),
        EffectOutcome::Failed { reason } => format!("Failed{found}: {reason}"),
        EffectOutcome::Unknown { reason } => format!("No answer from the target: {reason}"),
    }
}

fn resolved(mttr_ms: u64, soak_ms: u64, by_itself: bool) -> String {
    if by_itself {
        return "Resolved by itself: what had signalled is well again".into();
    }
    format!(
        "Resolved: {:.1} s from detection to verified recovery, then {:.1} s of soak",
        mttr_ms as f64 / 1000.0,
        soak_ms as f64 / 1000.0
    )
}

fn silenced(silence: &Silence) -> String {
    let matchers: Vec<_> = silence.matchers.iter().map(ToString::to_string).collect();
    let what = if silence.kind.is_silence() { "Silence" } else { "Maintenance" };
    format!(
        "{what} {} of {} until {}: {}",
        matchers.join(","),
        silence.created_by,
        silence.ends_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        silence.comment
    )
}

/// What people were asked and what they said.
fn asked(entry: &Entry) -> String {
    match entry {
        Entry::ApprovalRequested { plan, why, needed, .. } => {
            let who = if *needed > 1 { format!("{needed} people") } else { "a person".to_owned() };
            format!("Waiting for {who} to approve plan {}: {why}", short(plan.as_str()))
        }
        Entry::ApprovalGiven { approval } => {
            let via = if approval.via.is_empty() { String::new() } else { format!(" ({})", approval.via) };
            format!("{}{via} approved plan {}", approval.by, short(approval.plan.as_str()))
        }
        Entry::ApprovalNotCounted { plan, by, reason } => {
            format!("An answer of {by} to plan {} does not count: {reason}", short(plan.as_str()))
        }
        Entry::ApprovalRefused { by, reason, .. } => format!("Refused by {by}: {reason}"),
        Entry::ApprovalExpired { plan } => {
            format!("Nobody answered in time; the request for plan {} expired", short(plan.as_str()))
        }
        other => other.type_name().to_owned(),
    }
}

/// Somebody else's words stay theirs.
fn heard(signal: &Signal) -> String {
    match signal.kind {
        SignalKind::Alert => {
            format!("{} says of {}: \"{}\"", signal.origin, signal.service, signal.summary)
        }
        SignalKind::Anomaly | SignalKind::Forecast => signal.summary.clone(),
    }
}

/// The first characters of a hash: enough to tell plans of one incident apart.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// The verdict's component and cause, or the honest absence.
pub(crate) fn headline(verdict: Option<&Verdict>) -> String {
    match verdict.and_then(Verdict::root) {
        Some(root) => format!("{}: {}", root.component, root.cause),
        None => "no conclusive cause".into(),
    }
}
