//! An answer for the engineer at 03:00: verdict first, then evidence, then what would be done and how to undo it.

use crate::output::bold;
use midwatch_diagnosis::bundle::Note;
use midwatch_diagnosis::investigate::{Answer, Investigation, Ranked, Remediation, VerdictKind};
use midwatch_model::ActionKind;
use std::fmt::Write as _;

/// Other explanations that are named at most: more is a list, not an answer.
const OTHERS_MAX: usize = 4;

/// Confidence below which another explanation is not worth a line.
const OTHERS_FROM: f64 = 0.02;

/// Confidence below which naming somebody would only send people the wrong way.
const GUESS_FROM: f64 = 0.05;

/// Changes that an explanation names at most.
const SUSPECTS_MAX: usize = 10;

/// The answer as text.
pub fn render(answer: &Answer) -> String {
    let mut text = format!("{}\n", bold(&verdict(answer)));
    if answer.verdict == VerdictKind::NoFault {
        let all: Vec<String> = answer.evidence.iter().map(|piece| piece.id.clone()).collect();
        cited(&mut text, answer, "Looked at", &all);
    } else if let Some(best) = answer.ranked.first() {
        cited(&mut text, answer, "Evidence", &best.evidence);
        cited(&mut text, answer, "Against", &best.against);
    }
    if let Some(remediation) = &answer.remediation {
        let _ = write!(
            text,
            "\nWhat would be done\n  {}\n  Undo: {}\n",
            action(remediation),
            undo(remediation.action)
        );
    }
    if let Some(next) = &answer.next_query {
        let _ = write!(text, "\nNext best query\n  {next}\n");
    }
    let guesses = answer.ranked.first().is_some_and(|best| best.confidence >= GUESS_FROM);
    if answer.verdict != VerdictKind::NoFault && guesses {
        others(&mut text, answer);
        reach(&mut text, answer);
    }
    let asked = answer.llm.as_ref().filter(|llm| llm.calls > 0).map_or_else(
        || "no language model asked".to_owned(),
        |llm| {
            let times = if llm.calls == 1 { "once".to_owned() } else { format!("{} times", llm.calls) };
            format!("{} asked {times}: {} tokens, ${:.4}", llm.provider, llm.tokens, llm.cost)
        },
    );
    let _ = write!(text, "\n{:.1} ms, {asked}", answer.elapsed_ms);
    text
}

fn verdict(answer: &Answer) -> String {
    match (answer.verdict, answer.ranked.first()) {
        (VerdictKind::NoFault, _) => {
            "No fault found: nothing that was measured shows what the alert tells of, or it is over."
                .to_owned()
        }
        (VerdictKind::RootCause, Some(best)) => {
            let change =
                best.change.as_ref().map_or(String::new(), |change| format!(", from change {change}"));
            format!(
                "{} has {}{change} ({:.0} % confident)",
                best.component,
                best.kind.phrase(),
                best.confidence * 100.0
            )
        }
        (_, Some(best)) if best.confidence >= GUESS_FROM => {
            format!("Inconclusive: {} is the best guess ({:.0} %)", best.component, best.confidence * 100.0)
        }
        _ => "Inconclusive: nothing in the bundle stands out".to_owned(),
    }
}

fn cited(text: &mut String, answer: &Answer, title: &str, ids: &[String]) {
    let pieces: Vec<_> = answer.evidence.iter().filter(|piece| ids.contains(&piece.id)).collect();
    if !pieces.is_empty() {
        let _ = write!(text, "\n{title}\n");
    }
    for piece in pieces {
        let _ = write!(text, "  {:<6}{}\n        {}\n", piece.id, piece.excerpt, piece.query);
    }
}

fn action(remediation: &Remediation) -> String {
    format!("{} {}: {}", remediation.action, remediation.target, remediation.reason)
}

/// How each action is taken back.
fn undo(action: ActionKind) -> &'static str {
    match action {
        ActionKind::Rollback => "deploy the newer version again",
        ActionKind::Restart | ActionKind::RestartDbPool => "nothing to undo; it only starts afresh",
        ActionKind::ResizeDbPool => "set the former size again",
        ActionKind::Scale => "scale back to the former number of replicas",
        ActionKind::CircuitBreak => "close the breaker",
        ActionKind::DeletePod => "nothing to undo; its controller makes another",
        ActionKind::Cordon => "uncordon the node",
        ActionKind::SetImage => "run the former image again",
        ActionKind::SetResources => "set the former requests and limits again",
        ActionKind::PullRequest => "close it and delete its branch",
        ActionKind::Escalate => "nothing to undo; a person decides",
    }
}

fn others(text: &mut String, answer: &Answer) {
    let mut others =
        answer.ranked.iter().skip(1).take(OTHERS_MAX).filter(|r| r.confidence >= OTHERS_FROM).peekable();
    if others.peek().is_some() {
        text.push_str("\nLess likely\n");
    }
    for (number, other) in others.enumerate() {
        let _ = writeln!(text, "  {}. {}", number + 2, one_line(other));
    }
}

fn one_line(ranked: &Ranked) -> String {
    let metric = ranked.metric.as_ref().map_or(String::new(), |metric| format!(", by {metric}"));
    format!("{} ({:.0} %): {}{metric}", ranked.component, ranked.confidence * 100.0, ranked.kind.phrase())
}

fn reach(text: &mut String, answer: &Answer) {
    if let Some(first) = &answer.first_failing_service {
        let _ = write!(text, "\nFailed first: {first}\n");
    }
    if !answer.blast_radius.is_empty() {
        let _ = writeln!(text, "Affected: {}", answer.blast_radius.join(", "));
    }
}

/// What the ranking is made of, and what was left out.
pub fn explain(found: &Investigation, notes: &[Note]) -> String {
    let mut text = "Score of each component, in nats of surprise: its own series + what callers show + what logs, traces and tools say\n".to_owned();
    for parts in found.parts.iter().filter(|parts| parts.own + parts.covers + parts.told > 0.0) {
        let total = parts.own + parts.covers + parts.told;
        let _ = writeln!(
            text,
            "  {:6.2} = {:.2} + {:.2} + {:.2}  {}",
            total, parts.own, parts.covers, parts.told, parts.component
        );
    }
    let suspects = found.suspects.iter().take(SUSPECTS_MAX).filter(|(suspicion, _)| *suspicion >= 0.01);
    let mut causes: Vec<&(f64, String)> = suspects.chain(&found.other).collect();
    causes.sort_by(|a, b| b.0.total_cmp(&a.0));
    if !causes.is_empty() {
        text.push_str("What could have done it, 0 to 1\n");
    }
    for (suspicion, what) in causes {
        let _ = writeln!(text, "  {suspicion:.2}  {what}");
    }
    for note in notes {
        let _ = writeln!(text, "Left out: {note}");
    }
    text
}
