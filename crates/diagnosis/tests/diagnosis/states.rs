//! What platforms say of the state of things: the common causes, and what only looks like one.

use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_diagnosis::investigate::{Answer, VerdictKind, investigate};
use serde_json::{Value, json};

fn investigated(answer: &Value, metrics: &str, logs: &str) -> Answer {
    let incident = json!({
        "alert": { "service": "api", "title": "api is not well" }, "detected_at": "2026-04-18T10:45:00Z",
    });
    let text = BundleText {
        incident: incident.to_string(),
        metrics: Some(format!("timestamp,service,metric,value\n{metrics}")),
        logs: Some(logs.to_owned()),
        tools: Some(json!([{ "tool": "any", "arguments": {}, "answer": answer }]).to_string()),
        ..BundleText::default()
    };
    investigate(&Bundle::parse(&text).expect("a bundle")).answer
}

fn check(answer: &Value, component: &str, kind: &str) {
    let found = investigated(answer, "", "");
    assert_eq!(found.verdict, VerdictKind::RootCause, "{answer}");
    let best = &found.ranked[0];
    assert_eq!((best.component.as_str(), best.kind.name()), (component, kind), "{answer}");
    assert!(!best.evidence.is_empty() && found.remediation.is_some());
}

fn check_well(answer: &Value) {
    let found = investigated(answer, "", "");
    assert_eq!((found.verdict, found.remediation), (VerdictKind::NoFault, None), "{answer}");
}

fn pod(extra: &Value) -> Value {
    let mut pod = json!({"name": "api-7f9d-x1", "phase": "Running", "containers": [{"name": "api", "ready": false, "restart_count": 1}]});
    for (key, value) in extra.as_object().expect("fields") {
        pod[key] = value.clone();
    }
    let well = json!({"name": "api-7f9d-x2", "phase": "Running", "containers": [{"name": "api", "ready": true, "restart_count": 0}]});
    json!({ "pods": [pod, well] })
}

fn waiting(reason: &str) -> Value {
    pod(
        &json!({"containers": [{"name": "api", "ready": false, "restart_count": 5, "state": {"waiting": true, "reason": reason}}]}),
    )
}

#[test]
fn pods_that_do_not_run_say_why() {
    check(&waiting("OOMKilled"), "api", "memory_leak");
    check(&waiting("ImagePullBackOff"), "api", "deployment_failure");
    check(&waiting("CreateContainerConfigError"), "api", "deployment_failure");
    check(&waiting("CrashLoopBackOff"), "api", "crash_loop");
    let unschedulable = |message: &str| {
        pod(
            &json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}),
        )
    };
    check(&unschedulable("0/2 nodes are available: 2 Insufficient cpu."), "api", "cpu_saturation");
    check(
        &unschedulable("0/2 nodes are available: 2 node(s) had untolerated taint."),
        "api",
        "deployment_failure",
    );
}

#[test]
fn the_api_s_own_shape_is_understood() {
    let container = json!({"name": "api", "ready": false, "restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}});
    let list = json!({"kind": "PodList", "items": [
        {"metadata": {"name": "api-7f9d-x1"}, "status": {"phase": "Running", "containerStatuses": [container]}}]});
    check(&list, "api", "memory_leak");
}

#[test]
fn events_nodes_and_rollouts_count() {
    let event = |reason: &str, message: &str| json!({"events": [{"type": "Warning", "reason": reason, "message": message, "involved_object": "Pod/api-7f9d-x1", "last_time": "2026-04-18T10:44:00Z"}]});
    check(&event("Unhealthy", "Readiness probe failed: HTTP 503"), "api", "deployment_failure");
    check(
        &event("FailedCreate", "pods \"api-1\" is forbidden: exceeded quota: team"),
        "api",
        "deployment_failure",
    );
    check(&event("Failed", "lookup ledger: no such host"), "api", "dependency_failure");
    check(&json!({"nodes": [{"name": "node-1", "ready": "False"}]}), "node-1", "dependency_failure");
    let old = json!({"events": [{"type": "Warning", "reason": "BackOff", "message": "Back-off restarting failed container",
        "involved_object": "Pod/api-7f9d-x1", "last_time": "2026-04-13T10:44:00Z"}], "deployments": [{"name": "api", "desired": 3, "ready": 3}]});
    check_well(&old);
}

#[test]
fn what_is_being_taken_away_may_look_broken() {
    let mut leaving = waiting("CrashLoopBackOff");
    leaving["pods"][0]["deletion_timestamp"] = json!("2026-04-18T10:40:00Z");
    check_well(&leaving);
}

#[test]
fn databases_say_what_they_lack() {
    let event = |message: &str| json!({"events": [{"date": "2026-04-18T10:40:00Z", "source_identifier": "api", "message": message}]});
    check(&event("Multi-AZ instance failover started."), "api", "dependency_failure");
    check(
        &event("The free storage capacity is low; the DB instance has run out of storage."),
        "api",
        "storage_exhaustion",
    );
    check(&event("approaching max_connections limit: 469 of 500"), "api", "db_connection_exhaustion");
    let lag: String = (0..20)
        .map(|m| format!("2026-04-18T10:{:02}:00Z,api-replica,ReplicaLag:Maximum,{}\n", 20 + m, 1 + m * 60))
        .collect();
    let cpu: String =
        (0..20).map(|m| format!("2026-04-18T10:{:02}:00Z,api,CPUUtilization:Average,85\n", 20 + m)).collect();
    let found = investigated(&json!({}), &(lag + &cpu), "");
    // CPU is high as well, but a replica that cannot keep up is the more specific.
    assert_eq!(
        (found.ranked[0].component.as_str(), found.ranked[0].kind.name()),
        ("api-replica", "consumer_lag")
    );
}

#[test]
fn kernels_say_why_they_kill() {
    let line = json!({"timestamp": "2026-04-18T10:41:00Z", "service": "db-host", "msg": "Memory cgroup out of memory: Killed process 1 (postgres)"});
    let found = investigated(&json!({}), "", &format!("{line}\n"));
    assert_eq!((found.ranked[0].component.as_str(), found.ranked[0].kind.name()), ("db-host", "memory_leak"));
}

#[test]
fn any_answer_of_a_tool_is_survived() {
    for odd in [
        json!(null),
        json!("text"),
        json!([1, "x"]),
        json!({"pods": 7, "events": [null], "nodes": [[]], "items": {}}),
    ] {
        investigated(&odd, "", "");
    }
    investigated(
        &json!({"pods": [{"name": 7, "containers": [{"ready": "maybe"}]}], "deployments": [{}]}),
        "",
        "",
    );
}
