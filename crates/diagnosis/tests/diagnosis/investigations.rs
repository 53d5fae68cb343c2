//! Investigations of small made-up incidents.

use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_diagnosis::investigate::{Answer, VerdictKind, investigate};
use proptest::prelude::*;
use std::fmt::Write as _;

/// Minutes of normal operation, and of the incident.
const NORMAL: i64 = 60;
const INCIDENT: i64 = 5;

/// A bundle about `web`, which calls `cart`, which calls `db`; `value` says what each series shows at a minute.
fn bundle(series: &[(&str, &str)], value: &dyn Fn(usize, i64) -> f64) -> Bundle {
    let mut metrics = "timestamp,service,metric,value\n".to_owned();
    for minute in 0..NORMAL + INCIDENT {
        for (number, (service, metric)) in series.iter().enumerate() {
            let _ = writeln!(metrics, "{},{service},{metric},{}", minute * 60, value(number, minute));
        }
    }
    parse(metrics)
}

fn parse(metrics: String) -> Bundle {
    let detected = (NORMAL + 1) * 60;
    let incident = format!(
        r#"{{"alert": {{"service": "web", "title": "slow", "class": "latency_spike"}}, "detected_at": {detected},
            "baseline": [{{"from": 0, "to": {}}}]}}"#,
        NORMAL * 60 - 1
    );
    let topology = Some("caller,callee\nweb,cart\ncart,db\nweb,ads\n".to_owned());
    Bundle::parse(&BundleText { incident, metrics: Some(metrics), topology, ..BundleText::default() })
        .expect("a bundle")
}

fn answer(bundle: &Bundle) -> Answer {
    investigate(bundle).answer
}

/// What wiggles without meaning, the same in every run.
fn noise(number: usize, minute: i64) -> f64 {
    let mixed = (number as i64 * 7919 + minute * 104_729) % 1000;
    mixed as f64 / 1000.0
}

const LATENCIES: [(&str, &str); 4] =
    [("web", "latency_p99"), ("cart", "latency_p99"), ("db", "latency_p99"), ("ads", "latency_p99")];

/// Latencies that rise at some of the four services by some amount.
fn slow(by: [f64; 4]) -> Bundle {
    bundle(&LATENCIES, &|number, minute| {
        10.0 + noise(number, minute) + if minute >= NORMAL { by[number] } else { 0.0 }
    })
}

#[test]
fn what_lies_deepest_under_the_trouble_is_the_cause() {
    let answer = answer(&slow([50.0, 50.0, 50.0, 0.0]));
    assert_eq!(answer.verdict, VerdictKind::RootCause);
    assert_eq!(answer.ranked[0].component, "db");
    assert_eq!(answer.blast_radius, ["cart", "db", "web"]);
    assert!(!answer.ranked[0].evidence.is_empty() && answer.next_query.is_none());
}

#[test]
fn a_service_whose_callees_are_well_is_itself_the_cause() {
    assert_eq!(answer(&slow([50.0, 50.0, 0.0, 0.0])).ranked[0].component, "cart");
    assert_eq!(answer(&slow([50.0, 0.0, 0.0, 0.0])).ranked[0].component, "web");
}

#[test]
fn when_everything_is_as_always_nothing_is_wrong() {
    let answer = answer(&slow([0.0; 4]));
    assert_eq!(answer.verdict, VerdictKind::NoFault);
    assert!(answer.remediation.is_none());
}

#[test]
fn without_telemetry_the_answer_is_the_next_best_query() {
    let answer = answer(&parse("timestamp,service,metric,value\n".to_owned()));
    assert_eq!(answer.verdict, VerdictKind::Inconclusive);
    assert!(answer.next_query.is_some_and(|query| !query.is_empty()));
}

#[test]
fn a_column_that_never_moved_and_now_does_counts() {
    let series = [("web", "latency_p99"), ("cart", "errors_total"), ("db", "errors_total")];
    let bundle = bundle(&series, &|number, minute| match (number, minute >= NORMAL) {
        (0, false) => 10.0 + noise(0, minute),
        (0, true) => 30.0,
        (1, true) => 4.0,
        _ => 0.0,
    });
    assert_eq!(answer(&bundle).ranked[0].component, "cart");
}

#[test]
fn what_a_host_shows_of_several_components_accuses_none_of_them() {
    let series = [("web", "node_cpu"), ("ads", "node_cpu"), ("cart", "latency_p99"), ("web", "latency_p99")];
    let bundle = bundle(&series, &|number, minute| {
        let shared = noise(if number < 2 { 0 } else { number }, minute);
        let by = [400.0, 400.0, 20.0, 20.0][number];
        10.0 + shared + if minute >= NORMAL { by } else { 0.0 }
    });
    assert_eq!(answer(&bundle).ranked[0].component, "cart");
}

#[test]
fn who_is_as_slow_as_what_it_calls_only_passes_it_on() {
    // `web` hardly ever moves, and `cart` wavers: the same 300 ms are much rarer at the caller.
    let bundle = bundle(&LATENCIES[..2], &|number, minute| {
        let wavers = [1.0, 40.0][number] * noise(number, minute);
        100.0 + wavers + if minute >= NORMAL { 300.0 } else { 0.0 }
    });
    let answer = answer(&bundle);
    assert_eq!((answer.verdict, answer.ranked[0].component.as_str()), (VerdictKind::RootCause, "cart"));
}

#[test]
fn a_pool_that_is_mostly_free_is_no_fault() {
    let series = [("cart", "memory"), ("ads", "db_pool")];
    let ranked = |in_use: f64| {
        let bundle = bundle(&series, &|number, minute| match (number, minute > NORMAL) {
            (0, begun) => 0.3 + noise(0, minute) / 100.0 + if begun { 0.2 } else { 0.0 },
            (_, true) => in_use,
            _ => 0.0,
        });
        let answer = answer(&bundle);
        (answer.verdict, answer.ranked[0].component.clone())
    };
    assert_eq!(ranked(0.125), (VerdictKind::RootCause, "cart".to_owned()));
    assert_eq!(ranked(1.0).1, "ads");
}

#[test]
fn a_pool_that_slow_work_fills_is_not_what_is_wrong_until_requests_are_turned_away() {
    let series =
        [("cart", "latency_p99"), ("cart", "db_pool"), ("cart", "error_rate"), ("web", "latency_p99")];
    let kind = |failing: f64| {
        let bundle = bundle(&series, &|number, minute| {
            let normal = [150.0, 0.06, 0.0, 180.0][number] * (1.0 + noise(number, minute) / 10.0);
            let begun = [2180.0, 1.0, failing, 2430.0][number];
            if minute >= NORMAL { begun } else { normal }
        });
        let best = &answer(&bundle).ranked[0];
        (best.component.clone(), best.kind.name())
    };
    assert_eq!(kind(0.0), ("cart".to_owned(), "latency_spike"));
    assert_eq!(kind(0.6), ("cart".to_owned(), "db_connection_exhaustion"));
}

#[test]
fn cpu_that_is_gone_explains_latency() {
    let series = [("cart", "latency_p99"), ("cart", "cpu_usage"), ("web", "latency_p99")];
    let bundle = bundle(&series, &|number, minute| {
        10.0 + noise(number, minute) + if minute >= NORMAL { 80.0 } else { 0.0 }
    });
    let best = &answer(&bundle).ranked[0];
    assert_eq!((best.component.as_str(), best.kind.name()), ("cart", "cpu_saturation"));
}

fn names(answer: &Answer) -> Vec<String> {
    answer.ranked.iter().map(|ranked| ranked.component.clone()).collect()
}

proptest! {
    #[test]
    fn other_units_and_another_order_of_rows_change_nothing(
        by in prop::array::uniform4(0.0..100.0_f64), exponent in -20..20_i32, rotate in 0..200_usize,
    ) {
        let value = |number: usize, minute: i64| {
            10.0 + noise(number, minute) + if minute >= NORMAL { by[number] } else { 0.0 }
        };
        let plain = bundle(&LATENCIES, &value);
        // A power of two scales without rounding.
        let scaled = bundle(&LATENCIES, &|number, minute| value(number, minute) * 2.0_f64.powi(exponent));
        prop_assert_eq!(names(&answer(&plain)), names(&answer(&scaled)));
        let mut rows = Vec::new();
        for minute in 0..NORMAL + INCIDENT {
            for (number, (service, metric)) in LATENCIES.iter().enumerate() {
                rows.push(format!("{},{service},{metric},{}\n", minute * 60, value(number, minute)));
            }
        }
        rows.rotate_left(rotate);
        let shuffled = parse(format!("timestamp,service,metric,value\n{}", rows.concat()));
        prop_assert_eq!(answer(&plain), answer(&shuffled));
    }

    #[test]
    fn anything_that_can_be_parsed_gets_an_answer(
        rows in prop::collection::vec((0..80_i64, 0..4_usize, prop::num::f64::ANY), 0..60),
    ) {
        let row = |(minute, number, value): &(i64, usize, f64)| {
            format!("{},{},{},{value}\n", minute * 60, LATENCIES[*number].0, LATENCIES[*number].1)
        };
        let rows: String = rows.iter().map(row).collect();
        let answer = answer(&parse(format!("timestamp,service,metric,value\n{rows}")));
        for ranked in &answer.ranked {
            prop_assert!((0.0..=1.0).contains(&ranked.confidence), "{}", ranked.confidence);
            for id in ranked.evidence.iter().chain(&ranked.against) {
                prop_assert!(answer.evidence.iter().any(|piece| piece.id == *id));
            }
        }
        prop_assert!(answer.verdict != VerdictKind::Inconclusive || answer.next_query.is_some());
    }
}
