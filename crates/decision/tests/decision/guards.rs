//! Every guard, holding and not holding, for midwatch and for a person.

use crate::ask::{Ask, past, scale, witness};
use crate::gate::{NONE, approved, check, human};
use midwatch_decision::{PastAction, ServiceHistory};
use midwatch_model::decision::{Decision, Guard};
use midwatch_model::journal::EffectOutcome;
use midwatch_model::{Action, ActionKind, EvidenceSource, SafetyClass};

fn pool(size: u32) -> Action {
    Action::ResizeDbPool { target: "payment".into(), size }
}

fn history(ask: &mut Ask, actions: Vec<PastAction>) {
    ask.history = ServiceHistory { actions, ..ServiceHistory::default() };
}

#[test]
fn guards_about_the_verdict_hold_midwatch_back_and_trust_a_person() {
    use Decision::{Auto, Deny};
    check(&[
        ("warming up", |a| a.warm_up_ticks_left = 3, Deny, &[Guard::WarmUp], "3 ticks left"),
        (
            "warming up, approved",
            |a| {
                approved(a);
                a.warm_up_ticks_left = 3;
            },
            Deny,
            &[Guard::WarmUp],
            "warming up",
        ),
        ("a fresh verdict", |a| a.verdict_stood_s = 14.9, Deny, &[Guard::Settled], "14.9 s of 15 s"),
        ("a verdict that has just settled", |a| a.verdict_stood_s = 15.0, Auto, NONE, "auto"),
        (
            "a fresh verdict, a person",
            |a| {
                human(a);
                a.verdict_stood_s = 0.0;
            },
            Auto,
            NONE,
            "person",
        ),
        (
            "too little confidence",
            |a| a.confidence = Some(0.699),
            Deny,
            &[Guard::Confidence],
            "is below 0.70",
        ),
        ("just enough confidence", |a| a.confidence = Some(0.7), Auto, NONE, "auto"),
        (
            "confidence that is not a number",
            |a| a.confidence = Some(f64::NAN),
            Deny,
            &[Guard::Confidence],
            "below",
        ),
        ("no verdict", |a| a.confidence = None, Deny, &[Guard::Confidence], "no verdict"),
        (
            "no verdict, a person",
            |a| {
                human(a);
                a.confidence = None;
            },
            Auto,
            NONE,
            "person",
        ),
        (
            "no evidence",
            |a| a.evidence.clear(),
            Deny,
            &[Guard::FreshEvidence],
            "0 of 2 independent sources (none)",
        ),
        (
            "no evidence, a person",
            |a| {
                human(a);
                a.evidence.clear();
            },
            Deny,
            &[Guard::FreshEvidence],
            "0 of 2",
        ),
        (
            "two pieces of one source",
            |a| a.evidence = vec![witness(EvidenceSource::Logs, 1.0), witness(EvidenceSource::Logs, 2.0)],
            Deny,
            &[Guard::FreshEvidence],
            "1 of 2 independent sources (logs)",
        ),
        (
            "one piece is old",
            |a| a.evidence[0] = witness(EvidenceSource::ServiceMetrics, 61.0),
            Deny,
            &[Guard::FreshEvidence],
            "1 of 2",
        ),
        (
            "just fresh enough",
            |a| a.evidence[0] = witness(EvidenceSource::ServiceMetrics, 60.0),
            Auto,
            NONE,
            "auto",
        ),
        ("many services", |a| a.affected_services = 21, Deny, &[Guard::BlastRadius], "more than 20"),
        (
            "many services, a person",
            |a| {
                human(a);
                a.affected_services = 21;
            },
            Auto,
            NONE,
            "person",
        ),
        (
            "everything at once",
            |a| {
                a.warm_up_ticks_left = 1;
                a.confidence = Some(0.1);
                a.evidence.clear();
            },
            Deny,
            &[Guard::WarmUp, Guard::Confidence, Guard::FreshEvidence],
            "warming up",
        ),
    ]);
}

#[test]
fn guards_about_the_action_bind_everybody() {
    use Decision::{Auto, Deny};
    check(&[
        (
            "a blocked class",
            |a| a.config.allowed_classes = vec![SafetyClass::ReadOnly],
            Deny,
            &[Guard::SafetyClass],
            "allowed_classes",
        ),
        (
            "a blocked class, a person",
            |a| {
                human(a);
                a.config.allowed_classes.clear();
            },
            Deny,
            &[Guard::SafetyClass],
            "reversible is blocked",
        ),
        (
            "a foreign namespace",
            |a| {
                a.config.namespaces = vec!["shop".into()];
                a.namespace = Some("bank");
            },
            Deny,
            &[Guard::NamespaceAllowlist],
            "bank is not on the allowlist (shop)",
        ),
        (
            "in maintenance",
            |a| a.maintenance = Some("in maintenance until noon: new disks (ana, m-1)"),
            Deny,
            &[Guard::Maintenance],
            "is in maintenance until noon: new disks (ana, m-1): whoever works on it",
        ),
        (
            "in maintenance, a person",
            |a| {
                human(a);
                a.maintenance = Some("in maintenance until noon: new disks (ana, m-1)");
            },
            Auto,
            NONE,
            "person",
        ),
        (
            "a namespace on the list",
            |a| {
                a.config.namespaces = vec!["shop".into()];
                a.namespace = Some("shop");
            },
            Auto,
            NONE,
            "auto",
        ),
        (
            "no namespace is the default one",
            |a| a.config.namespaces = vec!["default".into()],
            Auto,
            NONE,
            "auto",
        ),
        (
            "too many replicas by configuration",
            |a| a.action = scale(5),
            Deny,
            &[Guard::ReplicaCeiling],
            "5 replicas are outside 1–4",
        ),
        ("as many as allowed", |a| a.action = scale(4), Auto, NONE, "auto"),
        (
            "fewer than there are, by itself",
            |a| a.action = scale(1),
            Decision::NeedsApproval,
            NONE,
            "of 2 replicas, 1 would be left",
        ),
        (
            "fewer than there are, with a person's yes",
            |a| {
                human(a);
                a.action = scale(1);
            },
            Auto,
            NONE,
            "a person approved it",
        ),
        (
            "a pool beyond every size",
            |a| a.action = pool(65),
            Deny,
            &[Guard::PoolCeiling],
            "65 connections, of 1–64",
        ),
        ("a pool of none", |a| a.action = pool(0), Deny, &[Guard::PoolCeiling], "0 connections"),
        (
            "too many replicas for the platform",
            |a| {
                a.config.max_replicas = 50;
                a.action = scale(7);
            },
            Deny,
            &[Guard::ReplicaCeiling],
            "outside 1–6",
        ),
        (
            "none at all",
            |a| {
                human(a);
                a.action = scale(0);
            },
            Deny,
            &[Guard::ReplicaCeiling],
            "0 replicas",
        ),
    ]);
}

#[test]
fn guards_about_the_past_count_what_happened_to_the_service() {
    use ActionKind::{Restart, RestartDbPool, Rollback, Scale};
    use Decision::{Auto, Deny};
    fn many(ask: &mut Ask, ages: [f64; 3]) {
        let kinds = [Scale, Rollback, RestartDbPool];
        let own = |(kind, age_s)| PastAction { incident: Some("inc-1".into()), ..past(kind, age_s) };
        history(ask, kinds.into_iter().zip(ages).map(own).collect());
    }
    fn one(ask: &mut Ask, kind: ActionKind, age_s: f64, change: fn(&mut PastAction)) {
        let mut action = past(kind, age_s);
        change(&mut action);
        history(ask, vec![action]);
    }
    check(&[
        (
            "three actions in five minutes",
            |a| many(a, [290.0, 200.0, 100.0]),
            Deny,
            &[Guard::RateLimit],
            "3 of at most 3",
        ),
        (
            "three actions, a person",
            |a| {
                human(a);
                many(a, [290.0, 200.0, 100.0]);
            },
            Deny,
            &[Guard::RateLimit],
            "3 of at most 3",
        ),
        ("one of three is long ago", |a| many(a, [301.0, 200.0, 100.0]), Auto, NONE, "auto"),
        (
            "undos do not count",
            |a| {
                many(a, [290.0, 200.0, 100.0]);
                a.history.actions[0].undoes = Some("k".into());
            },
            Auto,
            NONE,
            "auto",
        ),
        (
            "refused calls do not count",
            |a| {
                many(a, [290.0, 200.0, 100.0]);
                a.history.actions[0].outcome = Some(EffectOutcome::NotApplied { reason: "no".into() });
            },
            Auto,
            NONE,
            "auto",
        ),
        (
            "a call under way",
            |a| one(a, Scale, 400.0, |p| p.outcome = None),
            Deny,
            &[Guard::OneAtATime],
            "still under way",
        ),
        (
            "an unknown outcome",
            |a| one(a, Scale, 400.0, |p| p.outcome = Some(EffectOutcome::Unknown { reason: "?".into() })),
            Deny,
            &[Guard::OneAtATime],
            "still under way",
        ),
        (
            "a call under way, a person",
            |a| {
                human(a);
                one(a, Scale, 400.0, |p| p.outcome = None);
            },
            Deny,
            &[Guard::OneAtATime],
            "under way",
        ),
        (
            "an undo under way",
            |a| {
                one(a, Scale, 400.0, |p| {
                    p.outcome = None;
                    p.undoes = Some("k".into());
                })
            },
            Deny,
            &[Guard::OneAtATime],
            "under way",
        ),
        (
            "another incident acted lately",
            |a| one(a, Scale, 299.0, |_| {}),
            Deny,
            &[Guard::RecentlyRemediated],
            "for another incident",
        ),
        ("another incident acted earlier", |a| one(a, Scale, 301.0, |_| {}), Auto, NONE, "auto"),
        ("a person acted lately", |a| one(a, Scale, 10.0, |p| p.by_person = true), Auto, NONE, "auto"),
        (
            "another incident acted lately, a person",
            |a| {
                human(a);
                one(a, Scale, 10.0, |_| {});
            },
            Auto,
            NONE,
            "person",
        ),
        (
            "the same dose",
            |a| one(a, Restart, 1799.0, |p| p.incident = Some("inc-1".into())),
            Deny,
            &[Guard::RepeatedDose],
            "this treats a symptom",
        ),
        ("the same dose long ago", |a| one(a, Restart, 1801.0, |_| {}), Auto, NONE, "auto"),
        (
            "the same dose that was refused",
            |a| {
                one(a, Restart, 10.0, |p| p.outcome = Some(EffectOutcome::NotApplied { reason: "no".into() }))
            },
            Auto,
            NONE,
            "auto",
        ),
        (
            "the same dose that failed",
            |a| {
                one(a, Restart, 400.0, |p| p.outcome = Some(EffectOutcome::Failed { reason: "broke".into() }))
            },
            Deny,
            &[Guard::RepeatedDose],
            "symptom",
        ),
        (
            "the same dose, a person",
            |a| {
                human(a);
                one(a, Restart, 400.0, |_| {});
            },
            Auto,
            NONE,
            "person",
        ),
    ]);
}
