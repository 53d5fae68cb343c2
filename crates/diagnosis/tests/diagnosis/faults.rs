//! The nine faults of the lab, each with the symptoms that it causes at its neighbours.

use crate::scene::{Abnormal, Scene, root, series};
use midwatch_model::Metric::{
    Cpu, CriticalLogs, DbPool, ErrorRate, LatencyP99, Memory, QueueLag, RequestRate, Restarts, Up,
};
use midwatch_model::{Cause, Verdict};

/// The verdict does not depend on the order in which signals arrive, nor on a few seconds of blur between onsets.
fn check(symptoms: &[Abnormal], deployed: Option<&str>, component: &str, cause: Cause) {
    let blurs: [fn(usize) -> f64; 4] = [
        |_| 0.0,
        // The component first, its neighbours later.
        |index| index as f64 * 2.0,
        // A neighbour is seen a sample or two before the component.
        |index| if index == 0 { 4.0 } else { 0.0 },
        |index| [3.0, 0.0, 5.0][index % 3],
    ];
    for (blur_index, blur) in blurs.iter().enumerate() {
        let mut blurred: Vec<Abnormal> = symptoms.to_vec();
        blurred.iter_mut().enumerate().for_each(|(index, symptom)| symptom.3 += blur(index));
        for rotation in 0..blurred.len() {
            for reversed in [false, true] {
                let mut order = blurred.clone();
                order.rotate_left(rotation);
                if reversed {
                    order.reverse();
                }
                let mut scene = Scene::of(&order);
                if let Some(service) = deployed {
                    scene = scene.deployed(service, 30.0);
                }
                let verdict = scene.verdict();
                let what = format!("{cause} of {component}, blur {blur_index}, from {:?}", order[0]);
                assert_eq!(root(&verdict), Some((component, cause)), "{what}: {}", verdict.sentence());
                let confidence = verdict.root().map_or(0.0, |root| root.confidence);
                assert!(confidence >= 0.7, "{what}: {confidence}");
                assert!(verdict.next_query.is_none(), "{what}");
            }
        }
    }
}

#[test]
fn latency_is_put_down_to_the_service_at_the_end_of_the_calls() {
    let spike = Cause::LatencySpike;
    check(&[("payment", LatencyP99, 900.0, 0.0)], None, "payment", spike);
    check(
        &[
            ("payment", LatencyP99, 900.0, 0.0),
            ("order", LatencyP99, 950.0, 0.0),
            ("gateway", LatencyP99, 990.0, 0.0),
        ],
        None,
        "payment",
        spike,
    );
    check(
        &[
            ("inventory", LatencyP99, 900.0, 0.0),
            ("order", LatencyP99, 950.0, 0.0),
            ("gateway", LatencyP99, 990.0, 0.0),
        ],
        None,
        "inventory",
        spike,
    );
    check(&[("user", LatencyP99, 900.0, 0.0), ("gateway", LatencyP99, 990.0, 0.0)], None, "user", spike);
    check(&[("gateway", LatencyP99, 990.0, 0.0)], None, "gateway", spike);
    // Slow queries fill the pool at once where there is much to do; they still answer.
    check(
        &[
            ("user", LatencyP99, 2675.0, 0.0),
            ("user", DbPool, 1.0, 0.0),
            ("gateway", LatencyP99, 2046.0, 8.0),
        ],
        None,
        "user",
        spike,
    );
    // Slow queries fill the pool a little later.
    check(
        &[
            ("order", LatencyP99, 900.0, 0.0),
            ("order", DbPool, 0.95, 8.0),
            ("gateway", LatencyP99, 990.0, 0.0),
        ],
        None,
        "order",
        spike,
    );
}

#[test]
fn errors_are_put_down_to_the_service_that_makes_them() {
    let errors = Cause::ErrorRateSpike;
    check(
        &[("payment", ErrorRate, 0.4, 0.0), ("order", ErrorRate, 0.4, 0.0), ("gateway", ErrorRate, 0.3, 0.0)],
        None,
        "payment",
        errors,
    );
    check(&[("order", ErrorRate, 0.4, 0.0), ("gateway", ErrorRate, 0.2, 0.0)], None, "order", errors);
    check(
        &[("user", ErrorRate, 0.4, 0.0), ("user", CriticalLogs, 3.0, 0.0), ("gateway", ErrorRate, 0.2, 0.0)],
        None,
        "user",
        errors,
    );
}

#[test]
fn a_saturated_cpu_explains_its_own_slowness_and_that_of_its_callers() {
    check(
        &[
            ("payment", Cpu, 0.98, 0.0),
            ("payment", LatencyP99, 700.0, 0.0),
            ("order", LatencyP99, 750.0, 0.0),
            ("gateway", LatencyP99, 800.0, 0.0),
        ],
        None,
        "payment",
        Cause::CpuSaturation,
    );
}

#[test]
fn a_traffic_spike_at_the_gateway_loads_everything_below_it() {
    check(
        &[
            ("gateway", RequestRate, 200.0, 0.0),
            ("payment", RequestRate, 150.0, 0.0),
            ("order", RequestRate, 120.0, 0.0),
            ("user", RequestRate, 140.0, 0.0),
            ("inventory", RequestRate, 110.0, 0.0),
            ("payment", Cpu, 0.95, 0.0),
            ("order", LatencyP99, 700.0, 0.0),
            ("gateway", LatencyP99, 900.0, 0.0),
            ("notification", QueueLag, 900.0, 0.0),
        ],
        None,
        "gateway",
        Cause::TrafficSpike,
    );
    check(&[("user", RequestRate, 200.0, 0.0), ("user", Cpu, 0.95, 0.0)], None, "user", Cause::TrafficSpike);
}

#[test]
fn memory_is_always_a_services_own() {
    check(&[("user", Memory, 0.9, 0.0)], None, "user", Cause::MemoryLeak);
    check(&[("order", Memory, 0.9, 0.0)], Some("order"), "order", Cause::MemoryLeak);
    check(
        &[
            ("payment", Memory, 0.95, 0.0),
            ("payment", LatencyP99, 400.0, 0.0),
            ("gateway", LatencyP99, 500.0, 0.0),
        ],
        Some("payment"),
        "payment",
        Cause::MemoryLeak,
    );
}

#[test]
fn a_pool_that_is_full_first_is_the_cause_of_the_waiting() {
    check(
        &[
            ("payment", DbPool, 1.0, 0.0),
            ("payment", ErrorRate, 0.3, 8.0),
            ("order", ErrorRate, 0.3, 8.0),
            ("gateway", ErrorRate, 0.2, 8.0),
        ],
        None,
        "payment",
        Cause::DbConnectionExhaustion,
    );
    check(
        &[("order", DbPool, 1.0, 0.0), ("gateway", LatencyP99, 800.0, 8.0)],
        None,
        "order",
        Cause::DbConnectionExhaustion,
    );
}

#[test]
fn a_consumer_that_stops_lags_without_hurting_anybody() {
    check(&[("notification", QueueLag, 900.0, 0.0)], None, "notification", Cause::ConsumerLag);
}

#[test]
fn processes_that_keep_dying_are_a_crash_loop_whatever_else_shows() {
    let loops = Cause::CrashLoop;
    let symptoms: [Abnormal; 5] = [
        ("inventory", Restarts, 4.0, 0.0),
        ("inventory", Up, 0.5, 0.0),
        ("inventory", ErrorRate, 0.5, 0.0),
        ("order", ErrorRate, 0.3, 0.0),
        ("gateway", ErrorRate, 0.2, 0.0),
    ];
    check(&symptoms, None, "inventory", loops);
    check(&symptoms, Some("inventory"), "inventory", loops);
}

#[test]
fn trouble_right_after_a_deployment_of_the_same_service_is_the_deployments() {
    check(
        &[
            ("order", ErrorRate, 0.4, 0.0),
            ("order", LatencyP99, 600.0, 0.0),
            ("gateway", ErrorRate, 0.3, 0.0),
            ("gateway", LatencyP99, 700.0, 0.0),
        ],
        Some("order"),
        "order",
        Cause::DeploymentFailure,
    );
    check(
        &[
            ("payment", LatencyP99, 600.0, 0.0),
            ("order", LatencyP99, 650.0, 0.0),
            ("gateway", LatencyP99, 700.0, 0.0),
        ],
        Some("payment"),
        "payment",
        Cause::DeploymentFailure,
    );
}

#[test]
fn a_change_is_judged_by_what_it_did_to_the_code_too() {
    let slow = [("payment", LatencyP99, 600.0, 0.0), ("gateway", LatencyP99, 700.0, 0.0)];
    let check = |files: &[&str], diff: &str, cause: Cause, says: &str| {
        let verdict = Scene::of(&slow).deployed("payment", 20.0).whose_content(files, diff).verdict();
        let root = verdict.root().expect("a cause");
        assert_eq!((root.component.as_str(), root.cause), ("payment", cause), "{diff}");
        assert_eq!(root.change.is_some(), cause == Cause::DeploymentFailure, "{diff}");
        assert!(root.change.as_ref().is_none_or(|change| change.content.is_none()), "verdicts stay small");
        assert!(root.reasons.iter().any(|reason| reason.contains(says)), "{says}: {:?}", root.reasons);
    };
    let failed = Cause::DeploymentFailure;
    check(&["docs/pool.md"], "", Cause::LatencySpike, "not because of v2");
    check(&["a.go"], "@@ a.go @@\n-// old words\n+// new words\n", Cause::LatencySpike, "only moves code");
    let loops = "@@ a.go @@\n+for _, id := range ids {\n+  row := db.QueryRow(ctx, \"SELECT * FROM orders WHERE id = $1\", id)\n+}\n";
    check(&["a.go"], loops, failed, "its diff asks");
    // What midwatch does not recognise may well be it.
    check(&["a.go"], "@@ a.go @@\n+frobnicate(x)\n", failed, "v2 was deployed (from v1) 20 s before");
    check(&["a.go"], "", failed, "v2 was deployed");
}

#[test]
fn cpu_that_more_requests_take_is_a_traffic_spike() {
    let scene = |rate: f64| loaded(&[("gateway", Cpu, 1.0, 0.0)], rate);
    assert_eq!(root(&scene(90.0)), Some(("gateway", Cause::TrafficSpike)));
    // The CPU has more than doubled, and so has what is served; a fifth more does not take it.
    assert_eq!(root(&scene(70.0)), Some(("gateway", Cause::TrafficSpike)));
    assert_eq!(root(&scene(36.0)), Some(("gateway", Cause::CpuSaturation)));
}

#[test]
fn memory_that_waiting_requests_hold_is_no_leak() {
    let queued = |memory_at: f64| {
        [
            ("gateway", Cpu, 1.0, 6.0),
            ("gateway", LatencyP99, 7733.0, 8.0),
            ("gateway", Memory, 0.4, memory_at),
        ]
    };
    assert_eq!(root(&loaded(&queued(4.0), 73.0)), Some(("gateway", Cause::TrafficSpike)));
    assert_eq!(root(&loaded(&queued(10.0), 36.0)), Some(("gateway", Cause::CpuSaturation)));
    // A process that runs out of memory spends its CPU on looking for some.
    assert_eq!(root(&loaded(&queued(0.0), 36.0)), Some(("gateway", Cause::MemoryLeak)));
    assert_eq!(root(&loaded(&[("gateway", Memory, 0.9, 0.0)], 90.0)), Some(("gateway", Cause::MemoryLeak)));
}

/// The verdict where the gateway serves that many requests a second, which alone is not yet abnormal.
fn loaded(symptoms: &[Abnormal], rate: f64) -> Verdict {
    let mut scene = Scene::of(symptoms);
    let mut series = series(("gateway", RequestRate, rate, 0.0));
    (series.abnormal, series.since, series.sigma) = (false, None, (rate - 30.0) / 4.0);
    scene.series.push(series);
    scene.verdict()
}
