//! What must not mislead: decoys, old changes, cycles, noise, silence.

use crate::scene::{Abnormal, Scene, change, failing_probe, lab, log, root, series};
use midwatch_model::Metric::{Cpu, DbPool, ErrorRate, LatencyP99, Memory};
use midwatch_model::graph::EdgeKind;
use midwatch_model::verdict::Spread;
use midwatch_model::{Cause, ChangeKind, ServiceGraph};

const SLOW_PAYMENT: [Abnormal; 3] = [
    ("payment", LatencyP99, 900.0, 0.0),
    ("order", LatencyP99, 950.0, 2.0),
    ("gateway", LatencyP99, 990.0, 4.0),
];

fn slow_payment() -> Scene {
    Scene::of(&SLOW_PAYMENT)
}

fn check(scene: &Scene, component: &str, cause: Cause) -> f64 {
    let verdict = scene.verdict();
    assert_eq!(root(&verdict), Some((component, cause)), "{}", verdict.sentence());
    verdict.root().map_or(0.0, |root| root.confidence)
}

#[test]
fn a_deployment_of_another_service_is_a_decoy() {
    for decoy in ["user", "gateway", "order", "inventory", "notification"] {
        check(&slow_payment().deployed(decoy, 20.0), "payment", Cause::LatencySpike);
    }
}

#[test]
fn a_harmless_deployment_of_the_same_service_long_ago_is_mentioned_but_not_blamed() {
    let scene = slow_payment().deployed("payment", 50.0 * 60.0);
    let confidence = check(&scene, "payment", Cause::LatencySpike);
    assert!(confidence >= 0.7, "{confidence}");
    let verdict = scene.verdict();
    let reasons = &verdict.root().expect("a root").reasons;
    assert!(reasons.iter().any(|r| r.contains("v2 was deployed (from v1) 50 min before")), "{reasons:?}");
}

#[test]
fn the_nearer_the_deployment_the_surer_the_verdict() {
    let with =
        |seconds| check(&slow_payment().deployed("payment", seconds), "payment", Cause::DeploymentFailure);
    assert!(with(10.0) > with(10.0 * 60.0));
    assert!(with(10.0 * 60.0) > with(25.0 * 60.0));
}

#[test]
fn only_new_code_before_the_onset_and_not_our_own_is_a_suspect() {
    let with = |edit: fn(&mut midwatch_model::Change)| {
        let mut scene = slow_payment();
        let mut deployed = change("payment", -20.0);
        edit(&mut deployed);
        scene.changes.push(deployed);
        scene.verdict().root().map(|root| root.cause)
    };
    assert_eq!(with(|_| {}), Some(Cause::DeploymentFailure));
    assert_eq!(with(|c| c.kind = ChangeKind::Rollback), Some(Cause::DeploymentFailure));
    assert_eq!(with(|c| c.kind = ChangeKind::Scale), Some(Cause::LatencySpike));
    assert_eq!(with(|c| c.kind = ChangeKind::Restart), Some(Cause::LatencySpike));
    assert_eq!(with(|c| c.by = "midwatch".into()), Some(Cause::LatencySpike));
    assert_eq!(with(|c| c.at = crate::scene::at(30.0)), Some(Cause::LatencySpike), "after the onset");
    assert_eq!(with(|c| c.at = crate::scene::at(-3700.0)), Some(Cause::LatencySpike), "before the window");
}

#[test]
fn one_noisy_neighbour_does_not_turn_the_verdict() {
    for noise in
        [("inventory", Cpu, 0.9, 0.0), ("user", LatencyP99, 400.0, 30.0), ("user", ErrorRate, 0.06, 10.0)]
    {
        let mut symptoms = SLOW_PAYMENT.to_vec();
        symptoms.push(noise);
        check(&Scene::of(&symptoms), "payment", Cause::LatencySpike);
    }
}

#[test]
fn a_cycle_blames_neither_for_the_others_sake() {
    let mut graph = ServiceGraph::default();
    graph.add_edge("a".into(), "b".into(), EdgeKind::Calls);
    graph.add_edge("b".into(), "a".into(), EdgeKind::Calls);
    let with = |a: f64, b: f64| Scene {
        graph: graph.clone(),
        ..Scene::of(&[("a", LatencyP99, 900.0, a), ("b", LatencyP99, 900.0, b)])
    };
    check(&with(0.0, 20.0), "a", Cause::LatencySpike);
    check(&with(20.0, 0.0), "b", Cause::LatencySpike);
    assert_eq!(with(0.0, 0.0).verdict().ranked.len(), 2);
}

#[test]
fn stale_telemetry_halves_every_confidence() {
    let fresh = slow_payment();
    let stale = Scene { stale: true, ..slow_payment() };
    let (fresh, stale) = (fresh.verdict(), stale.verdict());
    let (a, b) = (fresh.root().expect("a root").confidence, stale.root().expect("a root").confidence);
    assert!((b - a / 2.0).abs() <= 0.001, "{a} {b}");
    assert!((fresh.freshness, stale.freshness) == (1.0, 0.5));
    assert!(stale.next_query.is_some(), "too little to act upon, so it says what to look at");
}

#[test]
fn nothing_known_is_inconclusive_with_the_next_query() {
    let verdict = Scene::of(&[]).verdict();
    assert!(verdict.root().is_none() && verdict.evidence.is_empty());
    assert!(verdict.next_query.is_some());
    assert!(verdict.sentence().starts_with("Inconclusive. Next best query: "), "{}", verdict.sentence());
}

#[test]
fn a_callee_that_only_stirs_makes_its_caller_a_doubtful_suspect() {
    let mut scene = Scene::of(&[("gateway", LatencyP99, 990.0, 0.0)]);
    let calm = check(&scene, "gateway", Cause::LatencySpike);
    scene.series.push(midwatch_diagnosis::SeriesView {
        abnormal: false,
        since: None,
        ..series(SLOW_PAYMENT[0])
    });
    let stirring = check(&scene, "gateway", Cause::LatencySpike);
    assert!(calm >= 0.7 && stirring < 0.7, "{calm} {stirring}");
}

#[test]
fn witnesses_add_confidence_to_their_own_service_only() {
    let plain = check(&slow_payment(), "payment", Cause::LatencySpike);
    let with = |edit: fn(&mut Scene)| {
        let mut scene = slow_payment();
        edit(&mut scene);
        check(&scene, "payment", Cause::LatencySpike)
    };
    assert!(with(|s| s.probes.push(failing_probe("payment"))) > plain);
    assert!(with(|s| s.logs.push(log("payment", 5))) > plain);
    assert_eq!(with(|s| s.logs.push(log("payment", 0))), plain);
    assert_eq!(with(|s| s.logs.push(log("user", 5))), plain);
}

#[test]
fn spread_and_blast_radius_follow_the_symptoms() {
    let verdict = slow_payment().verdict();
    assert_eq!(verdict.spread, Spread::UpstreamDegradation);
    let names =
        |list: &[midwatch_model::ServiceName]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&verdict.blast_radius.affected), ["gateway", "order", "payment"]);
    assert!(verdict.blast_radius.at_risk.is_empty());

    let alone = Scene::of(&[("payment", Memory, 0.9, 0.0)]).verdict();
    assert_eq!(alone.spread, Spread::Contained);
    assert_eq!(names(&alone.blast_radius.at_risk), ["gateway", "order"]);

    let failing = Scene::of(&[("payment", DbPool, 1.0, 0.0), ("gateway", ErrorRate, 0.2, 4.0)]).verdict();
    assert_eq!(failing.spread, Spread::Cascade);
    assert!(lab().contains(&"gateway".into()));
}
