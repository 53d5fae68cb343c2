//! Plans: which remedies for which cause, in which order.

use crate::ask::{before, now};
use midwatch_decision::{DecisionConfig, PlanInput, plan, plan_ahead};
use midwatch_model::action::TargetState;
use midwatch_model::{ActionKind, Cause, Change, ChangeKind, Hypothesis, IncidentId, Plan, Tier, after};
use std::fmt::Write as _;

fn root(cause: Cause, changed: bool) -> Hypothesis {
    let change = Change {
        id: "chg-1".into(),
        at: after(now(), -60.0),
        service: "payment".into(),
        kind: ChangeKind::Deploy,
        from: "v1".into(),
        to: "v2".into(),
        by: "ann".into(),
        title: String::new(),
        url: String::new(),
        content: None,
    };
    Hypothesis {
        cause,
        component: "payment".into(),
        confidence: 0.95,
        reasons: Vec::new(),
        supports: Vec::new(),
        against: Vec::new(),
        change: changed.then_some(change),
    }
}

fn plan_for(root: &Hypothesis, target: Option<&TargetState>, has_callers: bool) -> Plan {
    plan(&PlanInput {
        incident: &IncidentId::new("inc-1"),
        root,
        target,
        config: &DecisionConfig::default(),
        has_callers,
        owner: Some("team-pay"),
        tried: &[],
    })
}

fn kinds(plan: &Plan) -> Vec<ActionKind> {
    plan.steps.iter().map(|step| step.action.kind()).collect()
}

#[test]
fn every_cause_has_its_remedies_in_order() {
    let mut text = String::new();
    for cause in Cause::ALL.iter().copied() {
        for changed in [false, true] {
            let plan = plan_for(&root(cause, changed), Some(&before()), true);
            let after = if changed { " after a deployment" } else { "" };
            let _ = writeln!(text, "{cause}{after}:");
            for step in &plan.steps {
                let undo = step.undo.as_ref().map_or("nothing to undo".to_owned(), |undo| undo.sentence());
                let _ = writeln!(
                    text,
                    "  {:?}: {} ({undo}): {}",
                    step.priority,
                    step.action.sentence(),
                    step.rationale
                );
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_plan_ends_with_a_person_aims_at_the_component_and_never_repeats_a_remedy() {
    for cause in Cause::ALL.iter().copied() {
        let plan = plan_for(&root(cause, true), Some(&before()), true);
        let mut kinds = kinds(&plan);
        assert_eq!(kinds.last(), Some(&ActionKind::Escalate), "{cause}");
        assert!(kinds.len() > 1, "{cause}");
        assert!(plan.steps.iter().all(|step| step.action.target().as_str() == "payment"), "{cause}");
        assert!(plan.steps.iter().all(|step| step.undo == step.action.undo(&before())), "{cause}");
        kinds.sort();
        let count = kinds.len();
        kinds.dedup();
        assert_eq!(kinds.len(), count, "{cause}");
    }
}

#[test]
fn what_would_change_nothing_is_no_step() {
    use ActionKind::{CircuitBreak, Escalate, Restart, Scale};
    let spike = root(Cause::TrafficSpike, false);
    let full = TargetState { replicas: 4, ..before() };
    let open = TargetState { circuit_open: true, ..before() };
    let narrow = TargetState { max_replicas: 2, ..before() };
    let unversioned = TargetState { previous_version: None, ..before() };
    assert_eq!(kinds(&plan_for(&spike, Some(&before()), true)), [Scale, CircuitBreak, Escalate]);
    assert_eq!(kinds(&plan_for(&spike, Some(&full), true)), [CircuitBreak, Escalate]);
    assert_eq!(kinds(&plan_for(&spike, Some(&narrow), true)), [CircuitBreak, Escalate]);
    assert_eq!(kinds(&plan_for(&spike, Some(&open), true)), [Scale, Escalate]);
    assert_eq!(kinds(&plan_for(&spike, Some(&before()), false)), [Scale, Escalate]);
    let failed = root(Cause::DeploymentFailure, true);
    assert_eq!(kinds(&plan_for(&failed, Some(&unversioned), true)), [Restart, Scale, Escalate]);
    assert_eq!(
        kinds(&plan_for(&failed, None, true)),
        [Escalate],
        "without a control plane a person must act"
    );
}

#[test]
fn replicas_follow_the_severity_tier_within_the_ceiling() {
    for (confidence, replicas, max, expected) in [
        (0.95, 2, 6, Some(4)),
        (0.89, 2, 6, Some(3)),
        (0.89, 3, 6, Some(4)),
        (0.95, 1, 2, Some(2)),
        (0.95, 4, 6, None),
    ] {
        let root = Hypothesis { confidence, ..root(Cause::CpuSaturation, false) };
        let target = TargetState { replicas, max_replicas: max, ..before() };
        let plan = plan_for(&root, Some(&target), true);
        let found = plan.steps.iter().find_map(|step| match step.action {
            midwatch_model::Action::Scale { replicas, .. } => Some(replicas),
            _ => None,
        });
        assert_eq!(found, expected, "{confidence} {replicas} of {max}");
    }
}

#[test]
fn any_change_of_a_plan_changes_its_hash() {
    let plan = plan_for(&root(Cause::LatencySpike, false), Some(&before()), true);
    let again = plan_for(&root(Cause::LatencySpike, false), Some(&before()), true);
    assert_eq!(plan.hash(), again.hash());
    let other = TargetState { replicas: 3, ..before() };
    assert_ne!(plan.hash(), plan_for(&root(Cause::LatencySpike, false), Some(&other), true).hash());
    let mut changed = plan.clone();
    changed.steps[0].rationale.push('.');
    assert_ne!(plan.hash(), changed.hash());
}

#[test]
fn what_is_foreseen_is_prepared_by_its_tier_and_who_fails_next_only_when_it_is_all_but_certain() {
    let root = root(Cause::TrafficSpike, false);
    let (target, next) =
        (before(), [("order".into(), TargetState { replicas: 6, ..before() }), ("gateway".into(), before())]);
    let input = PlanInput {
        incident: &IncidentId::new("inc-1"),
        root: &root,
        target: Some(&target),
        config: &DecisionConfig::default(),
        has_callers: true,
        owner: None,
        tried: &[],
    };
    let check = |tier: Tier, expected: &[&str]| {
        let plan = plan_ahead(&input, tier, &next);
        let steps: Vec<String> = plan.steps.iter().map(|step| step.action.sentence()).collect();
        let expected: Vec<&str> =
            expected.iter().copied().chain(["Hand payment over to the engineer on call"]).collect();
        assert_eq!(steps, expected, "{tier}");
        let undone = plan.steps.iter().filter(|step| step.action.kind() == ActionKind::Scale);
        assert!(undone.into_iter().all(|step| step.undo.is_some()));
    };
    check(Tier::Low, &[]);
    check(Tier::Medium, &["Scale payment to 3 replicas"]);
    check(Tier::High, &["Scale payment to 3 replicas"]);
    check(
        Tier::Critical,
        &[
            "Scale payment to 4 replicas",
            "Open the circuit breaker in front of payment",
            // The order service has as many as it may have.
            "Scale gateway to 3 replicas",
        ],
    );
}
