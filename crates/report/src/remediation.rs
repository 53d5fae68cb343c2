//! What a pull request says of an incident: the verdict first, then evidence, then what was done and how to take it back,
//! and the one change that outlives the night where there is one.

use crate::bulletin::word;
use crate::incident_alert::{cause_of, severity_of, words};
use midwatch_incident::Incident;
use midwatch_model::action::{FileChange, PROPOSAL_TITLE, Proposal};
use midwatch_model::journal::{EffectOutcome, VerificationOutcome};
use midwatch_model::redact::redact;
use midwatch_model::{Action, Evidence, Verdict};

/// Pieces of evidence that are shown; all of them are in the postmortem.
const EVIDENCE_MAX: usize = 8;

/// What is proposed for the incident's component; nothing while no cause is likelier than not.
#[must_use]
pub fn remediation(incident: &Incident, url: &str) -> Option<Proposal> {
    let verdict = incident.verdict.as_ref()?;
    let cause = cause_of(Some(verdict))?;
    let component = incident.component();
    let severity = word(severity_of(Some(verdict)));
    let change = lasting_change(incident);
    let title = format!("{PROPOSAL_TITLE} {severity}: {component} {}", cause.name());
    let mut text = format!("# {component}: {}\n\n{}\n", cause.phrase(), plain(&words::verdict(incident)));
    text.push_str(&evidence(verdict));
    text.push_str(&done(incident));
    text.push_str(&meaning(change.as_ref()));
    text.push_str(&format!("\n---\n`{}` · {url}/incidents/{}\n", incident.id, incident.id));
    Some(Proposal { title, document: text, change })
}

fn evidence(verdict: &Verdict) -> String {
    let supports = verdict.root().map(|root| root.supports.clone()).unwrap_or_default();
    let shown: Vec<&Evidence> =
        verdict.evidence.iter().filter(|piece| supports.contains(&piece.id)).take(EVIDENCE_MAX).collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut text = "\n## Evidence\n\n".to_owned();
    for piece in shown {
        let (source, said, query) = (piece.source.title(), code(&piece.excerpt), code(&piece.query));
        text.push_str(&format!("- {source}: {said} ({query})\n"));
    }
    text
}

fn done(incident: &Incident) -> String {
    let mut text = "\n## What was done\n\n".to_owned();
    for effect in &incident.effects {
        let how = match &effect.outcome {
            Some(EffectOutcome::Applied { .. }) => "done",
            Some(EffectOutcome::NotApplied { .. }) => "not done",
            Some(EffectOutcome::Failed { .. }) => "failed",
            Some(EffectOutcome::Unknown { .. }) | None => "nobody knows how it ended",
        };
        text.push_str(&format!("- {}: {how}\n", plain(&effect.intent.action.sentence())));
        if let Some(undo) = effect.intent.undo.as_ref().filter(|_| effect.intent.undoes.is_none()) {
            text.push_str(&format!("  - to take it back: {}\n", plain(&undo.sentence())));
        }
    }
    if incident.effects.is_empty() {
        text.push_str("Nothing.\n");
    }
    match (&incident.verified, &incident.escalated) {
        (Some((outcome, _, reason)), _) => {
            let found = match outcome {
                VerificationOutcome::Recovered => "It recovered",
                VerificationOutcome::Regressed => "It did not recover",
                VerificationOutcome::Unclear => "It is not clear whether it recovered",
            };
            text.push_str(&format!("\n{found}: {}.\n", plain(reason)));
        }
        (None, Some((_, reason))) => text.push_str(&format!("\nA person has it: {}.\n", plain(reason))),
        (None, None) => {}
    }
    text
}

fn meaning(change: Option<&FileChange>) -> String {
    let what = if change.is_some() {
        "makes last what is only set in the running system so far; the next deployment of the old file would undo it"
    } else {
        "changes no file but this one: what helped, or is missing, is no line of a manifest"
    };
    format!(
        "\n## Merging this\n\nMerging it {what}. It also tells midwatch that a person has taken the incident up.\n"
    )
}

/// What has helped, or what is still to be tried, as a line of the service's manifest.
fn lasting_change(incident: &Incident) -> Option<FileChange> {
    let recovered = matches!(incident.verified, Some((VerificationOutcome::Recovered, ..)));
    if recovered {
        let last = incident.last_effect()?;
        let after = match &last.outcome {
            Some(EffectOutcome::Applied { after, .. }) => after.as_deref(),
            _ => None,
        };
        // A rollback shows in the image that runs since.
        let image = after.and_then(|after| {
            let mut other = after.containers.iter().filter(|now| {
                last.intent.before.container(Some(&now.name)).is_some_and(|was| was.image != now.image)
            });
            let (first, none) = (other.next()?, other.next());
            none.is_none().then(|| FileChange::Image {
                container: Some(first.name.clone()),
                image: first.image.clone(),
            })
        });
        // The number that an autoscaler sets by itself is not what helped.
        let of_action = of_action(&last.intent.action).filter(|change| {
            last.intent.before.autoscaler.is_none() || !matches!(change, FileChange::Replicas { .. })
        });
        return of_action.or(image);
    }
    let (plan, _) = incident.plan.as_ref()?;
    let tried =
        |action: &Action| incident.attempts().any(|effect| effect.intent.action.kind() == action.kind());
    plan.steps.iter().map(|step| &step.action).filter(|action| !tried(action)).find_map(of_action)
}

fn of_action(action: &Action) -> Option<FileChange> {
    match action {
        Action::Scale { replicas, .. } => Some(FileChange::Replicas { replicas: *replicas }),
        Action::SetImage { container, image, .. } => {
            Some(FileChange::Image { container: container.clone(), image: image.clone() })
        }
        Action::SetResources { container, resources, exact: false, .. } => {
            Some(FileChange::Resources { container: container.clone(), resources: resources.clone() })
        }
        _ => None,
    }
}

/// Text that others may have written, as text: it mentions nobody and links to nothing.
fn plain(text: &str) -> String {
    let text = redact(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('@', "@\u{200b}").replace("](", "]\u{200b}(").replace('<', "&lt;").replace('`', "'")
}

/// The same as a quotation.
fn code(text: &str) -> String {
    let text = redact(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'");
    if line.is_empty() { "nothing".to_owned() } else { format!("`{line}`") }
}
