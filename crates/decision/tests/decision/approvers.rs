//! Who may say yes, and how many of them it takes.

use crate::ask::{Ask, approval};
use crate::gate::{NONE, check, human};
use midwatch_decision::{Approver, DecisionConfig};
use midwatch_model::Severity;
use midwatch_model::decision::{Approval, Caller, Decision, Guard, Mode, Principal, Way};

fn approver(name: &str, slack: &str) -> Approver {
    Approver { name: name.into(), slack: vec![slack.into()], ..Approver::default() }
}

fn of(by: &str) -> Approval {
    Approval { by: by.into(), ..approval("plan-1", 0, 600.0) }
}

/// Ann, Bob and Cem may approve; so many of them have. It is critical.
fn two(ask: &mut Ask, approvals: &[&str]) {
    ask.mode = Mode::Propose;
    ask.severity = Severity::Critical;
    ask.config.approvers = vec![approver("ann", "U1"), approver("bob", "U2"), approver("cem", "U3")];
    ask.approvals = approvals.iter().map(|by| of(by)).collect();
    if let Some(last) = approvals.last() {
        ask.principal = Principal::Human((*last).to_owned());
    }
}

#[test]
fn critical_plans_need_two_different_people() {
    use Decision::{Auto, Deny, NeedsApproval};
    const NO_BOB: &str = "@id(\"no-bob\") forbid(principal == Human::\"bob\", action, resource);";
    check(&[
        ("nobody", |a| two(a, &[]), NeedsApproval, NONE, "critical needs two people"),
        ("one", |a| two(a, &["ann"]), NeedsApproval, NONE, "need 2 people: ann said yes"),
        ("the same one twice", |a| two(a, &["ann", "ann"]), NeedsApproval, NONE, "ann said yes"),
        ("two", |a| two(a, &["ann", "bob"]), Auto, NONE, "ann and bob approved it"),
        ("a stranger", |a| two(a, &["ann", "eve"]), Deny, &[Guard::ApprovalBinding], "eve is no approver"),
        (
            "one is enough for less",
            |a| {
                two(a, &["ann"]);
                a.severity = Severity::High;
            },
            Auto,
            NONE,
            "a person approved",
        ),
        (
            "switched off",
            |a| {
                two(a, &["ann"]);
                a.config.two_person.clear();
            },
            Auto,
            NONE,
            "a person approved",
        ),
        (
            "nobody is known",
            |a| {
                two(a, &["ann"]);
                a.config.approvers.clear();
            },
            Auto,
            NONE,
            "a person approved",
        ),
        (
            "alone by hand",
            |a| {
                two(a, &[]);
                human(a);
            },
            NeedsApproval,
            NONE,
            "ann said yes",
        ),
        (
            "a stranger by hand",
            |a| {
                two(a, &[]);
                a.principal = Principal::Human("eve".into());
            },
            Deny,
            &[Guard::ApprovalBinding],
            "eve is no approver",
        ),
        (
            "one of them for another plan",
            |a| {
                two(a, &["ann", "bob"]);
                a.approvals[0].plan = "plan-0".into();
            },
            Deny,
            &[Guard::ApprovalBinding],
            "ann approved another plan",
        ),
        (
            "one of them too long ago",
            |a| {
                two(a, &["ann", "bob"]);
                a.approvals[0] = Approval { by: "ann".into(), ..approval("plan-1", 0, -1.0) };
            },
            Deny,
            &[Guard::ApprovalBinding],
            "the approval of ann expired",
        ),
        (
            "policy forbids the last",
            |a| {
                two(a, &["ann", "bob"]);
                a.policy = NO_BOB;
            },
            Deny,
            NONE,
            "no-bob",
        ),
        (
            "policy forbids the first",
            |a| {
                two(a, &["bob", "ann"]);
                a.policy = NO_BOB;
            },
            Deny,
            NONE,
            "no-bob",
        ),
    ]);
}

#[test]
fn a_person_is_known_by_what_the_way_proves() {
    let ann =
        Approver { api_keys: vec!["ann-laptop".into()], users: vec!["root".into()], ..approver("ann", "U1") };
    let bob = Approver {
        severities: vec![Severity::High],
        services: vec!["order".into()],
        ..approver("bob", "U2")
    };
    let config = DecisionConfig { approvers: vec![ann, bob], ..DecisionConfig::default() };
    let open = DecisionConfig::default();
    let check = |config: &DecisionConfig,
                 way,
                 id: &str,
                 severity,
                 service: &str,
                 expected: Result<&str, &str>| {
        match (config.person(&Caller::new(way, id), severity, service), expected) {
            (Ok(name), Ok(wanted)) => assert_eq!(name, wanted, "{id}"),
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{id}: {reason}"),
            (found, _) => panic!("{id}: {found:?}"),
        }
    };
    use Severity::{Critical, High};
    use Way::{ApiKey, Local, Slack};
    check(&config, Slack, "U1", Critical, "payment", Ok("ann"));
    check(&config, ApiKey, "ann-laptop", Critical, "payment", Ok("ann"));
    check(&config, Local, "root", Critical, "payment", Ok("ann"));
    check(&config, Local, "ann", Critical, "payment", Ok("ann"));
    check(&config, Slack, "ann", Critical, "payment", Err("`slack` of a [[decision.approver]]"));
    check(&config, Slack, "ann-laptop", Critical, "payment", Err("is no approver"));
    check(&config, ApiKey, "U1", Critical, "payment", Err("`api_keys`"));
    check(&config, Local, "U1", Critical, "payment", Err("`users`"));
    check(&config, Slack, "U2", High, "order", Ok("bob"));
    check(&config, Slack, "U2", High, "payment", Err("ask one who does (ann)"));
    check(&config, Slack, "U2", Critical, "order", Err("bob does not decide on critical incidents of order"));
    check(&open, Local, "anybody", Critical, "order", Ok("anybody"));
    check(&open, Slack, "U1", Critical, "order", Err("no approver is configured"));
}

#[test]
fn what_is_wrong_with_approvers_is_said_with_the_fix() {
    let check = |approvers: Vec<Approver>, parts: &[&str]| {
        let wrong = DecisionConfig { approvers, ..DecisionConfig::default() }.wrong_approvers();
        assert_eq!(wrong.len(), parts.len(), "{wrong:?}");
        for (problem, part) in wrong.iter().zip(parts) {
            assert!(problem.contains(part), "{problem}");
        }
    };
    check(vec![], &[]);
    check(vec![approver("ann", "U1"), approver("bob", "U2")], &[]);
    check(vec![approver("ann", "U1")], &["fewer than two approvers decide on it"]);
    check(vec![approver("ann", "U1"), approver("ann", "U2")], &["a name of its own"]);
    check(vec![approver("ann", "U1"), approver("bob", "U1")], &["stands for two people"]);
    check(vec![approver("ann", "@ann"), approver("bob", "U2")], &["no id of a user"]);
}
