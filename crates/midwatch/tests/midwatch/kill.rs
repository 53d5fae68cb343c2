//! `kill -9` in the middle of the night.

use crate::night::Night;

const AUTO: &str = "mode = \"auto\"\ndry_run = false\n[decision]\nwarm_up_ticks = 10\n";

/// Kills the server when the incident's state is `state` for the first time, starts it again, and expects the night to
/// end as if nothing had happened.
fn check(states: &[&str]) {
    let mut night = Night::begin(AUTO);
    night.serve();
    night.wait_until_warm();
    // The baselines need their samples, whatever the warm-up says.
    night.incident_free_samples(14);
    night.inject("user-service", "bad_deployment");
    for state in states {
        night.in_state(&[state]);
        night.kill_server();
        assert!(night.store_is_clean(), "after the kill in {state}");
        night.serve();
    }
    let resolved = night.in_state(&["resolved", "escalated"]);
    assert_eq!(resolved["state"], "resolved", "{:#}", resolved["timeline"]);
    assert_eq!(resolved["cause"], "deployment_failure");
    let operations = night.operations();
    assert_eq!(operations.len(), 1, "one effect, whatever happened: {operations:?}");
    assert_eq!(night.incidents().len(), 1);
    assert!(!night.fault_is_present("user-service"));
    assert!(night.store_is_clean());
}

#[test]
fn killed_after_the_verdict_and_while_verifying_the_incident_goes_on() {
    check(&["diagnosed", "verifying"]);
}

#[test]
fn killed_while_soaking_and_after_the_end_nothing_is_done_twice() {
    check(&["soaking", "resolved"]);
}
