//! Guards × mode × dry run × approval × policy.

use crate::ask::{Ask, approval, past, restart, scale, witness};
use midwatch_decision::{AutonomyRule, PastAction, ServiceHistory};
use midwatch_model::decision::{Decision, Guard, Mode, Principal};
use midwatch_model::journal::EffectOutcome;
use midwatch_model::{ActionKind, Cause, EvidenceSource, SafetyClass};

/// What the gate must answer: decision, guards that fail, and a part of the reason.
type Row = (&'static str, fn(&mut Ask), Decision, &'static [Guard], &'static str);

const NONE: &[Guard] = &[];

fn check(rows: &[Row]) {
    for (name, change, decision, guards, because) in rows {
        let ask = Ask::of(change);
        let (record, authorized) = ask.decide();
        let failed: Vec<Guard> = record.failed().map(|g| g.guard).collect();
        assert_eq!(record.decision, *decision, "{name}: {}", record.because);
        assert_eq!(failed, *guards, "{name}: {:?}", record.guards);
        assert!(record.because.contains(because), "{name}: {}", record.because);
        assert_eq!(record.guards.len(), 13, "{name}: every guard is on record");
        assert_eq!(authorized.is_some(), *decision == Decision::Auto, "{name}");
        if let Some(authorized) = authorized {
            assert_eq!(authorized.action(), &ask.action, "{name}");
            assert_eq!(authorized.principal(), &ask.principal, "{name}");
            assert_eq!(authorized.step(), ask.step, "{name}");
        }
    }
}

fn human(ask: &mut Ask) {
    ask.principal = Principal::Human("ann".into());
}

fn approved(ask: &mut Ask) {
    human(ask);
    ask.approval = Some(approval("plan-1", 0, 600.0));
}

fn history(ask: &mut Ask, actions: Vec<PastAction>) {
    ask.history = ServiceHistory { actions, ..ServiceHistory::default() };
}

#[test]
fn modes_dry_run_and_approval_decide_together() {
    use Decision::{Auto, Deny, DryRun, NeedsApproval};
    check(&[
        ("auto acts", |_| {}, Auto, NONE, "mode is auto"),
        ("auto in dry run", |a| a.dry_run = true, DryRun, NONE, "dry_run = false"),
        ("shadow", |a| a.mode = Mode::Shadow, Deny, NONE, "mode is shadow"),
        ("shadow in dry run", |a| (a.mode, a.dry_run) = (Mode::Shadow, true), Deny, NONE, "mode is shadow"),
        ("propose", |a| a.mode = Mode::Propose, NeedsApproval, NONE, "mode is propose"),
        (
            "propose in dry run",
            |a| (a.mode, a.dry_run) = (Mode::Propose, true),
            NeedsApproval,
            NONE,
            "propose",
        ),
        (
            "propose, approved",
            |a| {
                approved(a);
                a.mode = Mode::Propose;
            },
            Auto,
            NONE,
            "a person approved it",
        ),
        (
            "propose, approved, dry run",
            |a| {
                approved(a);
                (a.mode, a.dry_run) = (Mode::Propose, true);
            },
            DryRun,
            NONE,
            "dry_run",
        ),
        (
            "shadow, approved",
            |a| {
                approved(a);
                a.mode = Mode::Shadow;
            },
            Deny,
            NONE,
            "mode is shadow",
        ),
        (
            "a person asks in propose",
            |a| {
                human(a);
                a.mode = Mode::Propose;
            },
            Auto,
            NONE,
            "a person",
        ),
        (
            "a person asks in shadow",
            |a| {
                human(a);
                a.mode = Mode::Shadow;
            },
            Deny,
            NONE,
            "shadow",
        ),
        (
            "a runbook in propose",
            |a| {
                a.principal = Principal::Runbook("r".into());
                a.mode = Mode::Propose;
            },
            NeedsApproval,
            NONE,
            "propose",
        ),
        (
            "approval of another plan",
            |a| {
                human(a);
                a.approval = Some(approval("plan-0", 0, 600.0));
            },
            Deny,
            &[Guard::ApprovalBinding],
            "approved another plan",
        ),
        (
            "approval of another step",
            |a| {
                human(a);
                a.approval = Some(approval("plan-1", 1, 600.0));
            },
            Deny,
            &[Guard::ApprovalBinding],
            "approved another plan",
        ),
        (
            "approval that expired",
            |a| {
                human(a);
                a.approval = Some(approval("plan-1", 0, -1.0));
            },
            Deny,
            &[Guard::ApprovalBinding],
            "expired",
        ),
    ]);
}

#[test]
fn autonomy_is_per_action_service_and_cause() {
    use Decision::{Auto, NeedsApproval};
    fn rule(ask: &mut Ask, action: Option<ActionKind>, service: Option<&str>, cause: Option<Cause>) {
        ask.config.autonomy = vec![AutonomyRule { action, service: service.map(Into::into), cause }];
    }
    check(&[
        ("this action", |a| rule(a, Some(ActionKind::Restart), None, None), Auto, NONE, "mode is auto"),
        (
            "another action",
            |a| rule(a, Some(ActionKind::Scale), None, None),
            NeedsApproval,
            NONE,
            "[[decision.autonomy]]",
        ),
        ("this service", |a| rule(a, None, Some("payment"), None), Auto, NONE, "mode is auto"),
        (
            "another service",
            |a| rule(a, None, Some("order"), None),
            NeedsApproval,
            NONE,
            "restart on payment",
        ),
        ("this cause", |a| rule(a, None, None, Some(Cause::LatencySpike)), Auto, NONE, "mode is auto"),
        ("another cause", |a| rule(a, None, None, Some(Cause::MemoryLeak)), NeedsApproval, NONE, "autonomy"),
        (
            "all three",
            |a| rule(a, Some(ActionKind::Restart), Some("payment"), Some(Cause::LatencySpike)),
            Auto,
            NONE,
            "auto",
        ),
        (
            "two of three",
            |a| rule(a, Some(ActionKind::Restart), Some("order"), Some(Cause::LatencySpike)),
            NeedsApproval,
            NONE,
            "autonomy",
        ),
        (
            "approved beside the rules",
            |a| {
                approved(a);
                rule(a, None, Some("order"), None);
            },
            Auto,
            NONE,
            "approved",
        ),
    ]);
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

#[test]
fn policy_comes_last_and_only_narrows() {
    use Decision::{Auto, Deny, DryRun, NeedsApproval};
    const FORBID: &str = "@id(\"calm\") forbid(principal, action == Action::\"restart\", resource);";
    const ADVICE: &str = "@id(\"ask\") @advice(\"require_approval\") permit(principal, action, resource);";
    const FAILS: &str =
        "forbid(principal, action, resource) when { context.confidence * 9223372036854775807 > 0 };";
    const PERMIT_ALL: &str = "permit(principal, action, resource);";
    check(&[
        ("forbidden", |a| a.policy = FORBID, Deny, NONE, "forbidden by calm"),
        (
            "forbidden, approved",
            |a| {
                approved(a);
                a.policy = FORBID;
            },
            Deny,
            NONE,
            "forbidden by calm",
        ),
        (
            "forbidden, a person",
            |a| {
                human(a);
                a.policy = FORBID;
            },
            Deny,
            NONE,
            "by ann: forbidden by calm",
        ),
        (
            "forbidden in shadow shows as such",
            |a| {
                a.policy = FORBID;
                a.mode = Mode::Shadow;
            },
            Deny,
            NONE,
            "forbidden",
        ),
        (
            "another action is not meant",
            |a| {
                a.policy = FORBID;
                a.action = scale(3);
            },
            Auto,
            NONE,
            "auto",
        ),
        (
            "advice asks for a person",
            |a| a.policy = ADVICE,
            NeedsApproval,
            NONE,
            "policy ask asks for a person",
        ),
        (
            "advice, approved",
            |a| {
                approved(a);
                a.policy = ADVICE;
            },
            Auto,
            NONE,
            "approved",
        ),
        (
            "advice in dry run",
            |a| {
                a.policy = ADVICE;
                a.dry_run = true;
            },
            NeedsApproval,
            NONE,
            "asks for a person",
        ),
        ("a policy that cannot be evaluated", |a| a.policy = FAILS, Deny, NONE, "could not be evaluated"),
        (
            "the same, approved",
            |a| {
                approved(a);
                a.policy = FAILS;
            },
            Deny,
            NONE,
            "could not be evaluated",
        ),
        (
            "a permit does not overrule a guard",
            |a| {
                a.policy = PERMIT_ALL;
                a.confidence = Some(0.1);
            },
            Deny,
            &[Guard::Confidence],
            "below",
        ),
        (
            "a permit does not overrule propose",
            |a| {
                a.policy = PERMIT_ALL;
                a.mode = Mode::Propose;
            },
            NeedsApproval,
            NONE,
            "propose",
        ),
        (
            "a permit does not overrule dry run",
            |a| {
                a.policy = PERMIT_ALL;
                a.dry_run = true;
            },
            DryRun,
            NONE,
            "dry_run",
        ),
        (
            "a guard is named before the policy",
            |a| {
                a.policy = FORBID;
                a.warm_up_ticks_left = 1;
            },
            Deny,
            &[Guard::WarmUp],
            "warming up",
        ),
    ]);
}

#[test]
fn an_authorisation_carries_the_undo_and_ends_with_the_deadline() {
    let ask = Ask::of(|a| a.action = scale(4));
    let (record, authorized) = ask.decide();
    let authorized = authorized.expect("an authorisation");
    assert_eq!(authorized.undo(), Some(&scale(2)));
    assert_eq!(authorized.before(), &crate::ask::before());
    let end = midwatch_model::after(crate::ask::now(), ask.config.effect_deadline_s);
    assert_eq!(authorized.expires_at(), end);
    assert_eq!(authorized.plan(), &record.plan);
    let (_, authorized) = Ask::of(|a| a.action = restart()).decide();
    assert_eq!(authorized.expect("an authorisation").undo(), None);
}
