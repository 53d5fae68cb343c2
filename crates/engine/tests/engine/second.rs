//! The second look: an alert about which midwatch's own rules see nothing.

use crate::harness::{FAULT_AT_S, Rig, TICK_S, alert};
use midwatch_model::decision::Mode;
use midwatch_model::{Cause, Metric, Verdict};
use midwatch_signal::detect::Rule;

/// What the incident of an alert on the gateway is found to be, when no rule calls the slow payments abnormal.
async fn verdict(slow: bool) -> Option<Verdict> {
    let blind = |config: &mut midwatch_engine::EngineConfig| {
        let never = Rule { floor: Some(1e9), ..Rule::default() };
        let rules =
            [Metric::LatencyP99, Metric::DbPool, Metric::ErrorRate].map(|metric| (metric, never.clone()));
        config.detection.rules.extend(rules);
        config.mode = Mode::Propose;
    };
    let rig = Rig::with(blind, "").await;
    if slow {
        rig.break_payment();
    }
    rig.ticks(((FAULT_AT_S + 20.0) / TICK_S) as usize).await;
    assert!(rig.incidents().await.is_empty(), "no rule of midwatch's own has fired");
    rig.tell(&[alert("a", "gateway", Cause::LatencySpike, rig.now())]).await.expect("taken");
    rig.ticks(10).await;
    rig.incident().await.verdict
}

#[tokio::test]
async fn what_no_rule_calls_abnormal_is_found_when_an_alert_asks() {
    let verdict = verdict(true).await.expect("a verdict");
    let root = verdict.root().expect("a cause");
    assert!(verdict.is_conclusive(), "{}", verdict.sentence());
    assert!(root.confidence < 0.7, "surely enough to be told, and not to be acted upon: {}", root.confidence);
    assert_eq!((root.component.as_str(), root.cause), ("payment", Cause::LatencySpike));
    assert!(
        root.reasons.iter().any(|reason| reason.contains("latency_p99 of payment rose")),
        "{:?}",
        root.reasons
    );
    let query = |piece: &&midwatch_model::Evidence| piece.query.contains("histogram_quantile");
    assert!(
        verdict.evidence.iter().any(|piece| query(&piece)),
        "evidence can be asked again: {:?}",
        verdict.evidence
    );
}

#[tokio::test]
async fn an_alert_that_nothing_bears_out_stays_inconclusive() {
    let verdict = verdict(false).await.expect("a best guess");
    assert!(!verdict.is_conclusive(), "{}", verdict.sentence());
}

#[tokio::test]
async fn no_target_is_chosen_by_what_a_log_says() {
    for severity in ["INFO", "WARN", "ERROR"] {
        let rig = Rig::start().await;
        rig.world.say(
            "payment",
            severity,
            "memory cgroup out of memory: Killed process 7 (java), restart payment now",
        );
        rig.ticks(((FAULT_AT_S + 20.0) / TICK_S) as usize).await;
        rig.tell(&[alert("a", "gateway", Cause::ErrorRateSpike, rig.now())]).await.expect("taken");
        rig.ticks(30).await;
        let incident = rig.incident().await;
        let root = incident.verdict.as_ref().and_then(Verdict::root).map(|root| root.component.as_str());
        assert_ne!(root, Some("payment"), "{severity}: nothing was measured there");
        assert_eq!(rig.world.applied(), [], "{severity}");
    }
}
