//! Alerts that begin and end again and again count as firing until they are stable.

use crate::harness::{Rig, TICK_S};
use crate::tell::{fires, over, routed, told};
use midwatch_engine::EngineConfig;
use midwatch_incident::{FlapConfig, State};
use serde_json::Value;

fn damped(config: &mut EngineConfig) {
    routed(config, 0.0);
    config.flap = FlapConfig { changes: 6, window_s: 200.0, quiet_s: 40.0 };
}

/// The alert ends and begins anew, so many times, each after some ticks. Gives what was told.
async fn flip(rig: &Rig, alert: &Value, times: usize, ticks: usize) -> Vec<String> {
    let mut heard = Vec::new();
    for _ in 0..times {
        rig.tell(&[over(alert)]).await.expect("taken");
        heard.extend(told(rig, ticks).await);
        rig.tell(&[fires(rig, "a", "pay")]).await.expect("taken");
        heard.extend(told(rig, ticks).await);
    }
    heard
}

#[tokio::test]
async fn an_alert_that_flaps_is_told_of_once_and_its_incident_stays_one() {
    let rig = Rig::with(damped, "").await;
    let a = fires(&rig, "a", "pay");
    rig.tell(std::slice::from_ref(&a)).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    // A beginning and an end every 16 s: as fast as the group's interval lets a receiver see.
    let before = flip(&rig, &a, 2, 8).await;
    assert_eq!(before, ["|a", "a|", "|a", "a|"]);
    let third = flip(&rig, &a, 1, 8).await;
    assert_eq!(third, ["|a", "a|"], "with its third beginning it flaps");
    assert_eq!(flip(&rig, &a, 1, 8).await, [""; 0]);
    let rows = rig.engine.store.intake_list(None, 100).await.expect("rows");
    let last = rows.first().expect("a row").handling.iter().map(|step| step["step"].as_str());
    assert!(last.flatten().any(|step| step == "flapping"), "{:?}", rows[0].handling);
    assert_eq!(rig.engine.flapping().await.len(), 1);
    let incident = rig.incident().await;
    assert!(incident.state.is_open(), "{}", rig.story().await);

    // It ends for good.
    rig.tell(&[over(&a)]).await.expect("taken");
    assert_eq!(told(&rig, (30.0 / TICK_S) as usize).await, [""; 0]);
    assert!(rig.incident().await.state.is_open());
    assert_eq!(told(&rig, 20).await, ["|a"]);
    rig.until_state(State::Resolved).await;
    assert!(rig.engine.flapping().await.is_empty());
    let steps = rig.engine.store.intake_list(None, 100).await.expect("rows")[0].handling.clone();
    assert_eq!(steps.iter().filter(|step| step["step"] == "stable").count(), 1, "{steps:?}");
}

#[tokio::test]
async fn that_an_alert_begins_to_flap_while_a_receiver_believes_it_firing_is_told_once() {
    let rig = Rig::with(damped, "").await;
    let a = fires(&rig, "a", "pay");
    rig.tell(std::slice::from_ref(&a)).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    // Faster than the group's interval: the receiver sees nothing of it but that the alert flaps.
    let heard = flip(&rig, &a, 12, 1).await;
    assert_eq!(heard, ["a|"]);
    let notifications = rig.engine.store.notifications(10).await.expect("rows");
    assert_eq!(notifications[0].why, "alerts flap: they count as firing until they are stable");
    let told: Value = serde_json::from_slice(&notifications[0].body).expect("a message");
    let reason = told["alerts"][0]["annotations"]["midwatch_flapping"].as_str().expect("a reason");
    assert!(reason.starts_with("6 or more changes between firing and over within 200 s"), "{reason}");
}

#[tokio::test]
async fn a_restart_knows_what_flaps() {
    let rig = Rig::with(damped, "").await;
    let a = fires(&rig, "a", "pay");
    rig.tell(std::slice::from_ref(&a)).await.expect("taken");
    told(&rig, 3).await;
    flip(&rig, &a, 4, 8).await;
    rig.tell(&[over(&a)]).await.expect("taken");
    let before = rig.engine.flapping().await;
    let rig = rig.reopen().await;
    assert_eq!((before.len(), rig.engine.flapping().await), (1, before));
    assert_eq!(told(&rig, 15).await, [""; 0], "it counts as firing");
    assert_eq!(told(&rig, 20).await, ["|a"]);
    let rig = rig.reopen().await;
    assert!(rig.engine.flapping().await.is_empty());
    assert_eq!(told(&rig, 20).await, [""; 0]);
}

#[tokio::test]
async fn without_damping_every_change_is_told_as_alertmanager_would() {
    let undamped = |config: &mut EngineConfig| {
        damped(config);
        config.flap.changes = 0;
    };
    let rig = Rig::with(undamped, "").await;
    let a = fires(&rig, "a", "pay");
    rig.tell(std::slice::from_ref(&a)).await.expect("taken");
    told(&rig, 3).await;
    assert_eq!(flip(&rig, &a, 6, 8).await.len(), 12);
}
