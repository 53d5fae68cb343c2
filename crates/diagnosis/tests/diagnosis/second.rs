//! The second look: what an investigation of everything at hand adds to a verdict, and when it adds nothing.

use crate::scene::{Scene, at, signal};
use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_diagnosis::investigate::{Answer, investigate};
use midwatch_model::Metric::{ErrorRate, LatencyP99};
use midwatch_model::{Cause, SignalKind};

/// An alert about the gateway that names no series.
fn hearsay() -> Scene {
    let mut scene = Scene::of(&[]);
    let mut alert = signal(("gateway", LatencyP99, 0.0, 0.0));
    (alert.kind, alert.metric, alert.baseline) = (SignalKind::Alert, None, None);
    alert.summary = "users complain".into();
    scene.signals.push(alert);
    scene
}

/// Everything at hand says that a component has been failing since shortly before the alert.
fn found(component: &str) -> Answer {
    let began = at(0.0).as_second();
    let mut metrics = String::from("timestamp,service,metric,value\n");
    for second in -600..60_i64 {
        let wave = (second.rem_euclid(7)) as f64;
        let errors = if second < 0 { 0.001 * wave } else { 0.6 };
        metrics += &format!("{},{component},error_rate,{errors}\n", began + second);
        metrics += &format!("{},gateway,latency_p99,{}\n", began + second, 100.0 + wave);
    }
    let incident = format!(
        r#"{{"alert": {{"service": "gateway", "title": "users complain"}}, "detected_at": {}, "baseline": [{{"from": {}, "to": {}}}]}}"#,
        began + 30,
        began - 600,
        began - 1
    );
    let topology = Some(format!("caller,callee\ngateway,{component}\n"));
    let text = BundleText { incident, metrics: Some(metrics), topology, ..BundleText::default() };
    investigate(&Bundle::parse(&text).expect("a bundle")).answer
}

#[test]
fn what_symptoms_leave_open_is_answered_by_everything_at_hand() {
    let scene = hearsay();
    assert!(!scene.verdict().is_conclusive());
    let verdict = scene.verdict_with(&found("user"));
    let root = verdict.root().expect("a cause");
    assert_eq!((root.component.as_str(), root.cause), ("user", Cause::ErrorRateSpike));
    assert!(verdict.is_conclusive() && verdict.next_query.is_none(), "{}", verdict.sentence());
    let cited = verdict.evidence.iter().find(|piece| root.supports.contains(&piece.id)).expect("evidence");
    assert_eq!(cited.service.as_str(), "user");
    assert!(verdict.blast_radius.affected.iter().any(|service| service.as_str() == "user"));
}

#[test]
fn a_component_that_the_graph_does_not_know_is_never_named() {
    let scene = hearsay();
    assert_eq!(scene.verdict_with(&found("billing")), scene.verdict());
}

#[test]
fn what_symptoms_settle_is_not_looked_into_again() {
    let scene = Scene::of(&[("payment", ErrorRate, 0.4, 0.0), ("gateway", ErrorRate, 0.3, 0.0)]);
    assert!(scene.verdict().is_conclusive());
    assert_eq!(scene.verdict_with(&found("user")), scene.verdict());
}
