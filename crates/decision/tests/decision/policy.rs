//! Policies as operators write them, rightly and wrongly.

use crate::ask::{Ask, restart, scale};
use midwatch_decision::Policy;
use midwatch_model::decision::{PolicyResult, Principal};
use midwatch_model::{Action, Cause};

#[test]
fn mistakes_are_refused_with_their_place() {
    for (text, parts) in [
        ("forbid(principal, action == Action::\"restrat\", resource);", &["restrat"][..]),
        ("permit(principal, action, resource);\nforbid(principal, action == , resource);", &["line 2"]),
        ("permit(principal, action, resource)", &["line 1"]),
        ("\n\npermit principal;", &["line 3"]),
        ("forbid(principal is Robot, action, resource);", &["Robot"]),
        ("forbid(principal, action, resource) when { context.confidense < 900 };", &["confidense"]),
        ("forbid(principal, action, resource) when { context.confidence < \"high\" };", &[]),
        ("forbid(principal, action, resource) when { resource.namspace == \"x\" };", &["namspace"]),
    ] {
        let error = Policy::parse(text).err().unwrap_or_else(|| panic!("{text} was taken")).to_string();
        assert!(error.starts_with("the policy cannot be used: "), "{error}");
        for part in parts {
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

fn check(change: impl FnOnce(&mut Ask), expected: &str) {
    let (record, _) = Ask::of(change).decide();
    let said = match &record.policy {
        PolicyResult::Permitted { policies } => format!("permitted {}", policies.join(",")),
        PolicyResult::NeedsApproval { policies } => format!("asks {}", policies.join(",")),
        PolicyResult::Denied { policies, singled_out, .. } => {
            format!("denied {} singled_out={singled_out}", policies.join(","))
        }
        PolicyResult::Failed { errors } => format!("failed {}", errors.len()),
    };
    assert_eq!(said, expected, "{:?}", record.policy);
}

#[test]
fn a_file_that_only_forbids_keeps_the_built_in_permission_and_a_permit_replaces_it() {
    check(|_| {}, "permitted built-in");
    check(|a| a.policy = "@id(\"x\") forbid(principal is Human, action, resource);", "permitted built-in");
    check(|a| a.policy = "@id(\"x\") permit(principal is Agent, action, resource);", "permitted x");
    check(|a| a.policy = "permit(principal is Human, action, resource);", "denied  singled_out=false");
}

#[test]
fn one_remedy_that_is_ruled_out_is_told_from_a_short_list_of_allowed_ones() {
    const NO_RESTART: &str = "@id(\"x\") forbid(principal, action == Action::\"restart\", resource);";
    const ONLY_SCALE: &str = "@id(\"x\") permit(principal, action == Action::\"scale\", resource);";
    const THREE: &str = "@id(\"x\") permit(principal, action in [Action::\"scale\", Action::\"rollback\", Action::\"circuit_break\"], resource);";
    const TWO: &str =
        "@id(\"x\") permit(principal, action in [Action::\"scale\", Action::\"rollback\"], resource);";
    const NOTHING: &str = "@id(\"x\") forbid(principal, action, resource);";
    check(|a| (a.policy, a.action) = (NO_RESTART, restart()), "denied x singled_out=true");
    check(|a| (a.policy, a.action) = (NO_RESTART, scale(3)), "permitted built-in");
    check(|a| (a.policy, a.action) = (ONLY_SCALE, restart()), "denied  singled_out=false");
    check(|a| (a.policy, a.action) = (ONLY_SCALE, scale(3)), "permitted x");
    check(|a| (a.policy, a.action) = (THREE, restart()), "denied  singled_out=true");
    check(|a| (a.policy, a.action) = (TWO, restart()), "denied  singled_out=false");
    check(|a| (a.policy, a.action) = (NOTHING, restart()), "denied x singled_out=false");
}

#[test]
fn a_policy_sees_who_asks_for_what_on_what_and_why() {
    fn only_when(ask: &mut Ask, policy: &'static str) {
        ask.policy = policy;
    }
    const OFF: &str = "denied x singled_out=false";
    const ON: &str = "permitted built-in";
    let confident = "@id(\"x\") forbid(principal, action, resource) when { context.confidence < 900 };";
    check(|a| only_when(a, confident), ON);
    check(
        |a| {
            only_when(a, confident);
            a.confidence = Some(0.899);
        },
        OFF,
    );
    let cause = "@id(\"x\") forbid(principal, action, resource) when { context.cause == \"memory_leak\" };";
    check(|a| only_when(a, cause), ON);
    check(
        |a| {
            only_when(a, cause);
            a.cause = Some(Cause::MemoryLeak);
        },
        OFF,
    );
    let service = "@id(\"x\") forbid(principal, action, resource == Service::\"payment\");";
    check(|a| only_when(a, service), OFF);
    check(
        |a| {
            only_when(a, service);
            a.action = Action::Restart { target: "order".into() };
        },
        ON,
    );
    let namespace = "@id(\"x\") forbid(principal, action, resource) when { resource.namespace == \"bank\" };";
    check(|a| only_when(a, namespace), ON);
    check(
        |a| {
            only_when(a, namespace);
            a.namespace = Some("bank");
        },
        OFF,
    );
    let person = "@id(\"x\") forbid(principal == Human::\"ann\", action, resource);";
    check(|a| only_when(a, person), ON);
    check(
        |a| {
            only_when(a, person);
            a.principal = Principal::Human("ann".into());
        },
        OFF,
    );
    let guards = "@id(\"x\") forbid(principal, action, resource) when { context.failed_guards.contains(\"confidence\") };";
    check(|a| only_when(a, guards), ON);
    check(
        |a| {
            only_when(a, guards);
            a.confidence = Some(0.2);
        },
        OFF,
    );
    let crowd = "@id(\"x\") forbid(principal, action, resource) when { context.affected_services > 5 || context.replicas > 4 };";
    check(|a| only_when(a, crowd), ON);
    check(
        |a| {
            only_when(a, crowd);
            a.affected_services = 6;
        },
        OFF,
    );
}

#[test]
fn hostile_names_stay_names() {
    let policy = "@id(\"x\") forbid(principal == Human::\"ann\", action, resource);";
    for name in ["\", action, resource); permit(principal", "Human::\"ann\"", "", "änn 🦀"] {
        let ask = |a: &mut Ask| (a.policy, a.principal) = (policy, Principal::Human(name.into()));
        check(ask, "permitted built-in");
    }
}
