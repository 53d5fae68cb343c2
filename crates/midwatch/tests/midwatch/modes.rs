//! What midwatch may do, and what it says when it may not.

use crate::night::{Night, text, wait_for};
use serde_json::json;

/// Armed: only the lab is touched.
const AUTO: &str = "mode = \"auto\"\ndry_run = false\n";

/// Writes a policy beside the lab's configuration and names it there.
fn with_policy(night: &Night, policy: &str) {
    let file = night.path("policy.cedar");
    std::fs::write(&file, policy).expect("written");
    let config = std::fs::read_to_string(night.config()).expect("the configuration");
    std::fs::write(night.config(), format!("{config}\n[policy]\nfile = {file:?}\n")).expect("written");
}

#[test]
fn shadow_only_watches() {
    let mut night = Night::begin("mode = \"shadow\"\ndry_run = false\n");
    night.serve();
    night.wait_until_warm();
    night.inject("user-service", "bad_deployment");
    let incident = night.incident("the gate's answer", |i| {
        i["gate"]["because"].as_str().is_some_and(|b| b.contains("shadow"))
    });
    assert_eq!(incident["cause"], "deployment_failure");
    assert_eq!(incident["gate"]["decision"], "deny");
    assert_eq!(incident["actions"], json!([]));
    assert!(night.fault_is_present("user-service"));
    assert!(night.operations().is_empty());
}

#[test]
fn propose_waits_for_exactly_the_plan_that_a_person_approves() {
    let mut night = Night::begin("mode = \"propose\"\ndry_run = false\n");
    night.serve();
    night.wait_until_warm();
    night.inject("user-service", "bad_deployment");
    let incident = night.in_state(&["awaiting_approval"]);
    let id = incident["id"].as_str().expect("an id");
    assert!(night.operations().is_empty(), "nothing is done before the approval");

    let stale = json!({ "incident": id, "plan": "0".repeat(64), "decision": "approve", "by": "ana" });
    let (status, body) = night.post("/api/v1/approvals", &stale);
    assert_eq!(status, 409);
    assert!(body["error"].as_str().is_some_and(|e| e.contains("the plan is now")), "{body}");
    assert!(night.operations().is_empty());

    let listed = night.get("/api/v1/approvals").expect("approvals");
    assert_eq!(listed["approvals"][0]["incident"], id);
    let output = night.run(&["approve", id, "--by", "ana"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let twice = night.run(&["approve", id, "--by", "ana"]);
    // Until the next tick it still waits: the same yes then counts once. After it, nothing waits any more.
    let said = text(&twice.stdout) + &text(&twice.stderr);
    match twice.status.code() {
        Some(0) => assert!(said.contains("counts once"), "{said}"),
        code => assert!(code == Some(1) && said.contains("waits for nobody's approval"), "{code:?} {said}"),
    }
    let resolved = night.in_state(&["resolved"]);
    assert_eq!(resolved["actions"][0]["by"], "ana");
    assert_eq!(night.operations().len(), 1);
    assert!(!night.fault_is_present("user-service"));

    let why = text(&night.run(&["why", id]).stdout);
    assert!(why.contains("ana approved plan"), "{why}");
    let shown = text(&night.run(&["incident", "show", id]).stdout);
    assert!(shown.contains("Evidence for"), "{shown}");
    assert!(night.store_is_clean());
}

#[test]
fn dry_run_says_what_it_would_have_done_and_how_to_arm_it() {
    let mut night = Night::begin("mode = \"auto\"\n");
    night.serve();
    night.wait_until_warm();
    night.inject("user-service", "bad_deployment");
    let incident = night.incident("a dry run", |i| i["would_have_acted"] == true);
    let told = incident["timeline"].to_string();
    assert!(told.contains("would now have done") && told.contains("dry_run = false"), "{told}");
    assert!(night.operations().is_empty());
}

#[test]
fn a_cure_that_policy_forbids_is_proposed_and_waited_with() {
    let mut night = Night::begin(AUTO);
    with_policy(
        &night,
        "@id(\"no-rollback\") forbid (principal, action == Action::\"rollback\", resource);\n",
    );
    night.serve();
    night.wait_until_warm();
    night.inject("user-service", "bad_deployment");
    let incident = night.in_state(&["awaiting_approval"]);
    let why = incident["waiting"]["why"].as_str().expect("a reason");
    assert!(why.contains("no-rollback"), "{why}");
    assert!(night.operations().is_empty());
    assert!(night.fault_is_present("user-service"));

    // The same gate serves people: a forbidden action stays forbidden, and says so.
    let id = incident["id"].as_str().expect("an id");
    assert_eq!(night.run(&["approve", id, "--by", "ana"]).status.code(), Some(0));
    let refused =
        night.incident("the policy's refusal", |i| i["timeline"].to_string().contains("Refused by policy"));
    assert_eq!(refused["state"], "awaiting_approval");
    let acted = night.run(&["act", "rollback", "user-service", "--by", "ana"]);
    assert_eq!(acted.status.code(), Some(1), "{}", text(&acted.stdout));
    assert!(text(&acted.stdout).contains("no-rollback"), "{}", text(&acted.stdout));
    assert!(night.operations().is_empty());
}

#[test]
fn a_wrong_remedy_is_found_out_taken_back_and_escalated() {
    let mut night = Night::begin(AUTO);
    with_policy(&night, "permit (principal, action == Action::\"scale\", resource);\n");
    night.serve();
    night.wait_until_warm();
    night.inject("user-service", "bad_deployment");
    let incident = night.in_state(&["escalated"]);
    let kinds: Vec<_> =
        night.operations().iter().map(|o| o["op"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(kinds, ["scale", "scale"], "the remedy and its undo");
    let service = night.lab_get("/api/v1/control/services/user-service");
    assert_eq!(service["replicas"], 1, "the previous state is back");
    assert!(night.fault_is_present("user-service"));
    wait_for("the postmortem", || {
        let id = incident["id"].as_str()?;
        let output = night.run(&["incident", "postmortem", id]);
        let text = text(&output.stdout);
        (output.status.success() && text.contains("handed to a person") && text.contains("Undo"))
            .then_some(())
    });
    assert!(night.store_is_clean());
}

#[test]
fn a_person_acts_through_the_same_gate() {
    let mut night = Night::begin(AUTO);
    night.serve();
    night.wait_until_warm();
    let output = night.run(&["act", "scale", "user-service", "--replicas", "2", "--by", "ana", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(night.lab_get("/api/v1/control/services/user-service")["replicas"], 2);
    let log = night.get("/api/v1/actions").expect("actions");
    assert_eq!(log["actions"][0]["by"], "ana");
    let too_many = night.run(&["act", "scale", "user-service", "--replicas", "40", "--by", "ana"]);
    assert_eq!(too_many.status.code(), Some(1));
    assert!(text(&too_many.stdout).contains("outside"), "{}", text(&too_many.stdout));
    let unknown = night.run(&["act", "restart", "nobody", "--by", "ana"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(night.incidents().is_empty(), "a person's action is no incident");

    let body = json!({ "name": "ledger", "depends_on": ["payment-service"] });
    assert_eq!(night.post("/api/v1/services", &body).0, 201);
    night.kill_server();
    night.serve();
    let graph = night.get("/api/v1/graph").expect("the graph").to_string();
    assert!(graph.contains("ledger"), "a registered service survives a restart: {graph}");
}
