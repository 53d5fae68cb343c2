//! Alerts that come back, and incidents of nothing but alerts: when they end, and when they are opened again.

use crate::harness::{Rig, alert};
use midwatch_incident::State;
use midwatch_model::{Cause, after};
use serde_json::Value;

fn fires(rig: &Rig, id: &str, service: &str) -> Value {
    alert(id, service, Cause::LatencySpike, rig.now())
}

fn over(alert: &Value) -> Value {
    let mut over = alert.clone();
    over["status"] = "resolved".into();
    over
}

/// An alert begins, ends, and begins anew so many ticks after its incident has resolved by itself.
async fn again(rig: &Rig, service: &str, ticks: usize) {
    rig.ticks(3).await;
    let first = fires(rig, "a", service);
    rig.tell(std::slice::from_ref(&first)).await.expect("taken");
    rig.ticks(3).await;
    rig.tell(&[over(&first)]).await.expect("taken");
    rig.until_state(State::Resolved).await;
    rig.ticks(ticks).await;
    rig.tell(&[fires(rig, "a", service)]).await.expect("taken");
    rig.ticks(2).await;
}

#[tokio::test]
async fn an_alert_that_comes_back_within_the_window_opens_its_incident_again_and_says_so() {
    // One that the graph knows, and one of which nothing but alerts is known.
    for service in ["payment", "elsewhere"] {
        let rig = Rig::start().await;
        again(&rig, service, 20).await;
        let incident = rig.incident().await;
        assert!(incident.state.is_open(), "{service}: {}", rig.story().await);
        let (_, reason) = incident.recurred.clone().expect("a recurrence");
        assert!(reason.contains("is abnormal again") && reason.contains("recovered"), "{reason}");
        assert_eq!(rig.handling("a").await.last().map(String::as_str), Some("recurred"));
        // It can end once more.
        rig.tell(&[over(&fires(&rig, "a", service))]).await.expect("taken");
        rig.until_state(State::Resolved).await;
    }
}

#[tokio::test]
async fn after_the_window_it_is_another_incident_and_the_window_can_be_set() {
    for (window_s, incidents) in [(120.0, 2), (600.0, 1)] {
        let rig = Rig::with(|config| config.incident.recurrence_window_s = window_s, "").await;
        again(&rig, "elsewhere", 90).await;
        assert_eq!(rig.incidents().await.len(), incidents, "{window_s} s: {}", rig.story().await);
    }
}

#[tokio::test]
async fn an_alert_that_never_ended_keeps_its_incident_from_being_closed() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let first = fires(&rig, "a", "elsewhere");
    rig.tell(std::slice::from_ref(&first)).await.expect("taken");
    rig.ticks(3).await;
    rig.tell(&[over(&first)]).await.expect("taken");
    let recovered_at = rig.until_state(State::Resolved).await.recovered_at().expect("a recovery");
    // Its sender says that it began before the incident had recovered: an echo at first.
    let late = alert("b", "elsewhere", Cause::LatencySpike, after(recovered_at, -5.0));
    rig.tell(std::slice::from_ref(&late)).await.expect("taken");
    rig.ticks(3).await;
    assert_eq!(rig.handling("b").await, ["received", "echo"]);
    rig.ticks(70).await;
    let incident = rig.incident().await;
    assert!(incident.state.is_open(), "{}", rig.story().await);
    let (_, reason) = incident.recurred.expect("a recurrence");
    assert!(reason.starts_with("an alert about elsewhere still fires"), "{reason}");
    rig.tell(&[over(&late)]).await.expect("taken");
    rig.until_state(State::Resolved).await;
    rig.until_state(State::Resolved).await;
}

#[tokio::test]
async fn an_incident_of_alerts_ends_only_when_the_last_of_them_has() {
    // Told as over, or not told again.
    for (timeout_s, told) in [(3600.0, true), (200.0, false)] {
        let rig = Rig::with(|config| config.resolve_timeout_s = timeout_s, "").await;
        rig.ticks(3).await;
        let of = |id: &str, service: &str| {
            let mut alert = fires(&rig, id, service);
            alert["labels"] = serde_json::json!({ "namespace": "shop" });
            alert
        };
        let all = [of("a", "desk"), of("b", "till"), of("c", "till")];
        rig.tell(&all).await.expect("taken");
        rig.ticks(3).await;
        let incident = rig.incident().await;
        assert_eq!(incident.services().len(), 2, "{}", rig.story().await);
        for alert in &all[..2] {
            rig.tell(&[over(alert)]).await.expect("taken");
            rig.ticks(30).await;
            assert!(rig.incident().await.state.is_open(), "{}", rig.story().await);
        }
        if told {
            rig.tell(&[over(&all[2])]).await.expect("taken");
        }
        rig.until_state(State::Resolved).await;
    }
}

#[tokio::test]
async fn why_a_signal_joined_is_on_record_part_by_part() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let of = |id: &str, service: &str| {
        let mut alert = fires(&rig, id, service);
        alert["labels"] = serde_json::json!({ "namespace": "shop" });
        alert
    };
    let signals =
        [of("a", "desk"), of("b", "till"), fires(&rig, "c", "payment"), fires(&rig, "d", "gateway")];
    let ids = rig.tell(&signals).await.expect("taken").accepted;
    rig.ticks(2).await;
    for (id, parts) in [
        (&ids[1], ["same_namespace", "close_in_time", "shared_cause"].as_slice()),
        (&ids[3], &["depends_on", "close_in_time"]),
    ] {
        let row = rig.engine.store.intake(id.as_str()).await.expect("readable").expect("a row");
        let step = row.handling.last().expect("a step");
        assert_eq!(step["step"], "joined");
        let of = |score: &Value| -> Vec<String> {
            let parts = score["parts"].as_array().expect("parts").iter();
            parts.map(|part| part["kind"].as_str().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(of(&step["score"]), parts, "{step}");
        let stream = rig.lines(&row.incident.expect("an incident").as_str().into()).await;
        let joined = stream.iter().map(|line| serde_json::to_value(&line.entry).expect("plain"));
        let joined = joined.rev().find(|entry| entry["type"] == "signal_joined").expect("it joined");
        assert_eq!(of(&joined["score"]), parts);
    }
    rig.assert_sound().await;
}
