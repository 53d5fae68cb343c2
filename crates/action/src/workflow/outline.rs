//! An outline of a runbook from what happened: deterministic, and for a person to finish. It is a draft in a file and runs
//! nowhere before somebody enables it.

use midwatch_model::{Action, ActionKind, Cause, IncidentId, ServiceName, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What an earlier incident teaches.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    pub incident: IncidentId,
    pub at: Timestamp,
    pub service: ServiceName,
    /// What was done, in order, and whether the service then recovered and stayed so.
    pub tried: Vec<(Action, bool)>,
}

/// How one kind of action went.
#[derive(Clone, Copy, Default)]
struct Record {
    tried: usize,
    helped: usize,
}

/// Lessons that are named one by one at most.
const NAMED_MAX: usize = 10;

/// A runbook for a cause, from its earlier incidents; `None` where nothing that was done has ever helped.
#[must_use]
pub fn outline(cause: Cause, service: Option<&ServiceName>, lessons: &[Lesson]) -> Option<String> {
    let mut records: BTreeMap<ActionKind, Record> = BTreeMap::new();
    for (action, helped) in lessons.iter().flat_map(|lesson| &lesson.tried) {
        let record = records.entry(action.kind()).or_default();
        record.tried += 1;
        record.helped += usize::from(*helped);
    }
    // Most often helped first; of those, the one that helped most surely; then by name.
    let rank = |(kind, record): &(&ActionKind, &Record)| {
        (record.helped, record.helped * 1000 / record.tried.max(1), std::cmp::Reverse(kind.name()))
    };
    let best = *records.iter().filter(|(_, record)| record.helped > 0).max_by_key(rank)?.0;
    let place = service.map_or_else(String::new, |service| format!(" at {service}"));
    let mut text = format!(
        "---\ntitle: {cause}{place}, from {} earlier incidents\nanomaly_types: [{}]\n{}---\n",
        lessons.len(),
        cause.name(),
        service.map_or_else(String::new, |service| format!("services: [{service}]\n")),
    );
    text.push_str("## Meaning\nA draft, made from what is on record. Say here what it means for whoever is woken by it.\n\n");
    text.push_str("## What was tried\n");
    for (kind, record) in &records {
        let _ = writeln!(text, "- {kind}: helped {} of {} times", record.helped, record.tried);
    }
    for lesson in lessons.iter().rev().take(NAMED_MAX) {
        let tried: Vec<String> = lesson
            .tried
            .iter()
            .map(|(action, helped)| {
                format!("{} ({})", action.sentence(), if *helped { "helped" } else { "did not help" })
            })
            .collect();
        let what = if tried.is_empty() { "nothing was done".to_owned() } else { tried.join("; ") };
        let _ = writeln!(text, "- {} on {}: {what}", lesson.incident, lesson.at.strftime("%Y-%m-%d"));
    }
    text.push_str("\n## Steps\n");
    text.push_str(&steps(best, cause, service));
    Some(text)
}

fn steps(best: ActionKind, cause: Cause, service: Option<&ServiceName>) -> String {
    let components = service.map_or_else(String::new, |service| format!(", components: [{service}]"));
    format!(
        "```yaml midwatch\ntrigger: {{ causes: [{}]{components} }}\nsteps:\n  - id: before\n    look: state\n  - id: remedy\n    \
         approval: This workflow is new. Does it fit?\n    act: {{ action: {best}{} }}\n  - id: settle\n    wait_s: 30\n  - id: after\n    \
         look: health\n    retries: 5\n    retry_after_s: 10\n```\n",
        cause.name(),
        parameters(best),
    )
}

/// Parameters that hold for any target.
fn parameters(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Scale => ", replicas: \"= steps.before.replicas + 1\"",
        ActionKind::ResizeDbPool => ", size: \"= steps.before.pool_size * 2\"",
        ActionKind::CircuitBreak => ", open: true",
        ActionKind::DeletePod => ", pod: \"= steps.before.unready_pod\"",
        ActionKind::Cordon => ", node: NODE",
        ActionKind::SetImage => ", image: IMAGE",
        ActionKind::SetResources => ", resources: { memory_limit: LIMIT }",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::read;

    fn lesson(n: u64, tried: Vec<(Action, bool)>) -> Lesson {
        let at = "2026-01-05T03:00:00Z".parse().expect("a time");
        Lesson { incident: IncidentId::new(format!("inc-{n}")), at, service: "payment".into(), tried }
    }

    #[test]
    fn the_outline_is_a_runbook_that_can_be_read_and_asks_a_person() {
        let restart = || Action::Restart { target: "payment".into() };
        let scale = || Action::Scale { target: "payment".into(), replicas: 4 };
        let lessons = [
            lesson(1, vec![(scale(), false), (restart(), true)]),
            lesson(2, vec![(restart(), true)]),
            lesson(3, vec![(scale(), true)]),
            lesson(4, vec![]),
        ];
        let text = outline(Cause::LatencySpike, Some(&"payment".into()), &lessons).expect("something helped");
        assert!(
            text.contains("restart: helped 2 of 2 times") && text.contains("scale: helped 1 of 2"),
            "{text}"
        );
        let workflow = read("latency.md", &text).unwrap_or_else(|e| panic!("{e:?}\n{text}")).expect("steps");
        let acting: Vec<_> = workflow
            .steps
            .iter()
            .filter_map(|s| Some((s.act.as_ref()?.action, s.approval.is_some())))
            .collect();
        assert_eq!(acting, [(ActionKind::Restart, true)]);
        assert_eq!(
            outline(Cause::LatencySpike, Some(&"payment".into()), &lessons),
            Some(text),
            "it is deterministic"
        );
    }

    #[test]
    fn every_action_gives_steps_that_can_be_read() {
        for kind in
            ActionKind::ALL.iter().filter(|k| !matches!(k, ActionKind::PullRequest | ActionKind::Escalate))
        {
            let text = steps(*kind, Cause::LatencySpike, None);
            assert!(matches!(read("a.md", &text), Ok(Some(_))), "{kind}: {:?}", read("a.md", &text));
        }
    }

    #[test]
    fn nothing_is_outlined_from_what_never_helped() {
        assert_eq!(outline(Cause::LatencySpike, None, &[]), None);
        let scale = Action::Scale { target: "payment".into(), replicas: 4 };
        assert_eq!(outline(Cause::LatencySpike, None, &[lesson(1, vec![(scale, false)])]), None);
    }
}
