//! `midwatch demo`: every scenario on its default service, as the README promises it.

use crate::night::{midwatch, one_lab, text};
use crate::undisturbed::undisturbed;
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

/// Seconds from the start of the process within which the demo must be over.
const DEMO_S_MAX: f64 = 120.0;

fn check(scenario: &str, component: &str, action: &str) {
    let _alone = one_lab();
    undisturbed(|| play(scenario, component, action));
}

fn play(scenario: &str, component: &str, action: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let began = Instant::now();
    let output = midwatch()
        .args(["demo", "--scenario", scenario, "--mode", "auto", "--json", "--dir"])
        .arg(dir.path())
        .output()
        .expect("midwatch runs");
    let took = began.elapsed().as_secs_f64();
    let story = text(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("standard output is one JSON object ({e}):\n{story}"));
    assert_eq!(output.status.code(), Some(0), "{result}\n{story}");
    assert!(took <= DEMO_S_MAX, "took {took:.0} s\n{story}");
    assert_eq!(result["cause"], scenario, "{story}");
    assert_eq!(result["component"], component, "{story}");
    assert_eq!(result["action"], action, "{story}");
    assert_eq!(result["recovered"], true, "{story}");
    assert_eq!(result["fault_gone"], true, "{story}");
    assert_eq!(result["incidents"], 1, "one fault is one incident\n{story}");
    for field in ["time_to_detect_s", "time_to_verdict_s", "mttr_s"] {
        assert!(result[field].as_f64().is_some_and(|s| (0.0..DEMO_S_MAX).contains(&s)), "{field}: {result}");
    }
    check_bundle(&result, scenario, component);
    let postmortem = result["postmortem"].as_str().expect("a path");
    let postmortem = std::fs::read_to_string(Path::new(postmortem)).expect("a postmortem");
    for heading in [
        "## Summary",
        "## Impact",
        "## Root cause",
        "## What was done, and undone",
        "## Contributing factors",
        "## Action items",
        "## Timeline",
    ] {
        assert!(postmortem.contains(heading), "{heading} is missing:\n{postmortem}");
    }
}

/// What was handed over says the same to whoever looks into it without a server.
fn check_bundle(result: &Value, cause: &str, component: &str) {
    let bundle = result["bundle"].as_str().expect("a bundle");
    let output = midwatch().args(["investigate", bundle, "--json"]).output().expect("midwatch runs");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    assert_eq!(answer["verdict"], "root_cause", "{answer}");
    assert_eq!(answer["ranked"][0]["component"], component, "{answer}");
    assert_eq!(answer["ranked"][0]["kind"], cause, "{answer}");
}

#[test]
fn a_latency_spike_is_cured_by_a_restart() {
    check("latency_spike", "payment-service", "restart");
}

#[test]
fn an_error_rate_spike_is_cured_by_a_restart() {
    check("error_rate_spike", "order-service", "restart");
}

#[test]
fn cpu_saturation_is_cured_by_scaling() {
    check("cpu_saturation", "api-gateway", "scale");
}

#[test]
fn a_memory_leak_is_cured_by_a_rollback() {
    check("memory_leak", "notification-service", "rollback");
}

#[test]
fn an_exhausted_pool_is_cured_by_restarting_it() {
    check("db_connection_exhaustion", "payment-service", "restart_db_pool");
}

#[test]
fn a_consumer_that_lags_is_cured_by_a_restart() {
    check("consumer_lag", "notification-service", "restart");
}

#[test]
fn a_failed_deployment_is_rolled_back() {
    check("deployment_failure", "user-service", "rollback");
}

#[test]
fn a_crash_loop_is_rolled_back() {
    check("crash_loop", "inventory-service", "rollback");
}

#[test]
fn a_traffic_spike_is_cured_by_scaling() {
    check("traffic_spike", "api-gateway", "scale");
}
