//! Forecasts of the real lab while the server watches it: made, kept, graded, and there after a restart.

use crate::night::{Night, text, wait_for};
use serde_json::Value;

/// The lab polled four times as often, so that a window is full after half a minute.
const FAST: &str =
    "[telemetry]\npoll_interval_s = 0.5\n[engine]\ntick_s = 0.5\n[foresight]\nhorizon_s = 225.0\n";

fn payment(night: &Night) -> Option<Value> {
    let ledger = night.get("/api/v1/forecasts/ledger")?;
    ledger["rows"].as_array()?.iter().find(|row| row["service"] == "payment-service").cloned()
}

#[test]
fn what_was_foreseen_of_the_lab_is_graded_by_what_happens() {
    let mut night = Night::begin(FAST);
    night.serve();
    let foreseen = wait_for("forecasts of every service", || {
        let answer = night.get("/api/v1/forecasts")?;
        let services = answer["services"].as_array()?;
        let all = services.len() == 6 && services.iter().all(|service| service["probability"].is_number());
        all.then_some(answer)
    });
    assert_eq!(foreseen["horizon_s"], 225.0);
    let (status, what_if) = night.post(
        "/api/v1/predict",
        &serde_json::json!({ "changed": [{ "service": "payment-service", "readings": { "cpu": 0.97, "memory": 0.95 } }] }),
    );
    assert_eq!(status, 200, "{what_if}");
    night.wait_until_warm();
    night.inject("payment-service", "latency");
    let graded = wait_for("a breach", || {
        payment(&night).filter(|row| row["hits"].as_u64() > Some(0) || row["missed"].as_u64() > Some(0))
    });
    assert!(graded["forecasts"].as_u64() > Some(0) && graded["base_rate"] == 1.0, "{graded}");

    let ledger = night.run(&["forecast", "ledger"]);
    let said = text(&ledger.stdout);
    assert!(said.contains("breaches were foreseen") && said.contains("payment-service"), "{said}");
    let list = night.run(&["forecast", "list"]);
    assert!(text(&list.stdout).contains("in breach"), "{}", text(&list.stdout));

    night.kill_server();
    night.serve();
    let after = payment(&night).expect("the record is there again");
    assert!(after["forecasts"].as_u64() >= graded["forecasts"].as_u64(), "{after}");
    assert!(night.store_is_clean());
}
