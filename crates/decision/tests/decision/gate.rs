//! Mode × dry run × approval × autonomy × policy.

use crate::ask::{Ask, approval, restart, scale};
use midwatch_decision::AutonomyRule;
use midwatch_model::decision::{Decision, Guard, Mode, Principal};
use midwatch_model::{ActionKind, Cause};

/// What the gate must answer: decision, guards that fail, and a part of the reason.
pub type Row = (&'static str, fn(&mut Ask), Decision, &'static [Guard], &'static str);

pub const NONE: &[Guard] = &[];

pub fn check(rows: &[Row]) {
    for (name, change, decision, guards, because) in rows {
        let ask = Ask::of(change);
        let (record, authorized) = ask.decide();
        let failed: Vec<Guard> = record.failed().map(|g| g.guard).collect();
        assert_eq!(record.decision, *decision, "{name}: {}", record.because);
        assert_eq!(failed, *guards, "{name}: {:?}", record.guards);
        assert!(record.because.contains(because), "{name}: {}", record.because);
        assert_eq!(record.guards.len(), 16, "{name}: every guard is on record");
        assert_eq!(authorized.is_some(), *decision == Decision::Auto, "{name}");
        if let Some(authorized) = authorized {
            assert_eq!(authorized.action(), &ask.action, "{name}");
            assert_eq!(authorized.principal(), &ask.principal, "{name}");
            assert_eq!(authorized.step(), ask.step, "{name}");
        }
    }
}

pub fn human(ask: &mut Ask) {
    ask.principal = Principal::Human("ann".into());
}

pub fn approved(ask: &mut Ask) {
    human(ask);
    ask.approvals = vec![approval("plan-1", 0, 600.0)];
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
                a.approvals = vec![approval("plan-0", 0, 600.0)];
            },
            Deny,
            &[Guard::ApprovalBinding],
            "approved another plan",
        ),
        (
            "approval of another step",
            |a| {
                human(a);
                a.approvals = vec![approval("plan-1", 1, 600.0)];
            },
            Deny,
            &[Guard::ApprovalBinding],
            "approved another plan",
        ),
        (
            "approval that expired",
            |a| {
                human(a);
                a.approvals = vec![approval("plan-1", 0, -1.0)];
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
