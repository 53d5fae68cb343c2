//! What holds for every verdict, whatever it is made from.

use crate::scene::{Scene, change, failing_probe, lab, log, root, series, signal};
use midwatch_model::{Cause, Metric, ServiceName};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;

/// The lab's services and one that the graph does not know.
const SERVICES: [&str; 7] = ["gateway", "payment", "order", "user", "inventory", "notification", "stranger"];

/// Everything of a scene in lists that can be put into any order. Series are unique, as they are in the detectors.
fn scenes() -> impl Strategy<Value = Scene> {
    let symptom = || (select(&SERVICES[..]), select(Metric::ALL), 0.0..2000.0, -100.0..60.0);
    let signals = prop::collection::vec((symptom(), any::<bool>()), 0..10);
    let more = prop::collection::vec((symptom(), any::<bool>(), any::<bool>()), 0..10);
    let changes = prop::collection::btree_map(select(&SERVICES[..]), -4000.0..60.0, 0..4);
    let witnesses = prop::collection::btree_set(select(&SERVICES[..]), 0..4);
    (signals, more, changes, witnesses, any::<bool>()).prop_map(
        |(signals, more, changes, witnesses, stale)| {
            let mut known = BTreeSet::new();
            let mut scene = Scene::of(&[]);
            for (symptom, named) in signals {
                let mut signal = signal(symptom);
                if !named {
                    // Somebody else's alert knows neither series nor baseline.
                    (signal.metric, signal.baseline) = (None, None);
                }
                if known.insert((symptom.0, symptom.1)) {
                    scene.signals.push(signal);
                    scene.series.push(series(symptom));
                }
            }
            for (symptom, abnormal, stale) in more {
                if known.insert((symptom.0, symptom.1)) {
                    let view = series(symptom);
                    scene.series.push(midwatch_diagnosis::SeriesView { abnormal, stale, ..view });
                }
            }
            scene.changes = changes.into_iter().map(|(service, second)| change(service, second)).collect();
            scene.probes = witnesses.iter().map(|service| failing_probe(service)).collect();
            scene.logs = witnesses.iter().map(|service| log(service, 3)).collect();
            scene.stale = stale;
            scene
        },
    )
}

/// A scene and the same one with every list in another order.
fn shuffled() -> impl Strategy<Value = (Scene, Scene)> {
    scenes().prop_flat_map(|scene| {
        let signals = Just(scene.signals.clone()).prop_shuffle();
        let series = Just(scene.series.clone()).prop_shuffle();
        let changes = Just(scene.changes.clone()).prop_shuffle();
        let logs = Just(scene.logs.clone()).prop_shuffle();
        (Just(scene), signals, series, changes, logs).prop_map(|(scene, signals, series, changes, logs)| {
            let other = Scene { signals, series, changes, logs, ..scene.clone() };
            (scene, other)
        })
    })
}

type Ranked = Vec<(ServiceName, Cause, f64, Vec<String>)>;

fn ranked(scene: &Scene) -> Ranked {
    let verdict = scene.verdict();
    verdict.ranked.into_iter().map(|h| (h.component, h.cause, h.confidence, h.reasons)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn confidence_is_a_share_and_the_best_comes_first(scene in scenes()) {
        let verdict = scene.verdict();
        let confidences: Vec<f64> = verdict.ranked.iter().map(|h| h.confidence).collect();
        prop_assert!(confidences.iter().all(|c| (0.0..=1.0).contains(c)), "{:?}", confidences);
        prop_assert!(confidences.is_sorted_by(|a, b| a >= b), "{:?}", confidences);
        prop_assert!(verdict.ranked.len() <= 3);
        let most = if scene.stale { 0.5 } else { 1.0 };
        prop_assert!(confidences.iter().all(|c| *c <= most), "{:?}", confidences);
    }

    #[test]
    fn a_component_is_always_a_service_that_showed_something(scene in scenes()) {
        let verdict = scene.verdict();
        let shown: BTreeSet<&ServiceName> = scene.signals.iter().map(|s| &s.service)
            .chain(scene.series.iter().filter(|s| s.abnormal).map(|s| &s.service)).collect();
        for hypothesis in &verdict.ranked {
            prop_assert!(shown.contains(&hypothesis.component), "{}", hypothesis.component);
        }
        let known = |s: &ServiceName| shown.contains(s) || lab().contains(s);
        prop_assert!(verdict.blast_radius.affected.iter().chain(&verdict.blast_radius.at_risk).all(known));
    }

    #[test]
    fn a_symptom_always_has_some_explanation_and_nothing_has_none(scene in scenes()) {
        let verdict = scene.verdict();
        let any = !scene.signals.is_empty() || scene.series.iter().any(|s| s.abnormal);
        prop_assert_eq!(root(&verdict).is_some(), any);
        prop_assert!(any || verdict.next_query.is_some());
    }

    #[test]
    fn every_reference_leads_to_evidence(scene in scenes()) {
        let verdict = scene.verdict();
        let ids: BTreeSet<_> = verdict.evidence.iter().map(|e| e.id.clone()).collect();
        prop_assert_eq!(ids.len(), verdict.evidence.len());
        for id in verdict.ranked.iter().flat_map(|h| h.supports.iter().chain(&h.against)) {
            prop_assert!(ids.contains(id), "{}", id);
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter((scene, other) in shuffled()) {
        prop_assert_eq!(ranked(&scene), ranked(&other));
    }
}
