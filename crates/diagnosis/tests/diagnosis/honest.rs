//! What nobody looked at is not well, and what somebody wrote is not a state.

use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_diagnosis::investigate::{Answer, VerdictKind, investigate};

const INCIDENT: &str = r#"{"alert": {"service": "web", "title": "error rate above 5 %", "labels": {"metric": "error_rate"}},
    "detected_at": 6000, "baseline": [{"from": 0, "to": 5400}]}"#;

/// An hour and a half of a healthy web and database, a sample a minute, up to some second.
fn healthy(until: i64) -> String {
    let mut rows = String::from("timestamp,service,metric,value\n");
    for minute in 0..=until / 60 {
        let wave = (minute % 7) as f64;
        rows += &format!("{},web,error_rate,{}\n", minute * 60, 0.001 * wave);
        rows += &format!("{},db,memory,{}\n", minute * 60, 0.3 + 0.001 * wave);
    }
    rows
}

fn answer(metrics: String, logs: &str) -> Answer {
    let text = BundleText {
        incident: INCIDENT.into(),
        metrics: Some(metrics),
        logs: Some(logs.into()),
        topology: Some("caller,callee\nweb,db\nweb,cache\n".into()),
        tools: Some(r#"{"pods": {"pods": [{"name": "web-1", "phase": "Running", "ready": true}]}}"#.into()),
        ..BundleText::default()
    };
    investigate(&Bundle::parse(&text).expect("a bundle")).answer
}

#[test]
fn what_could_not_be_seen_is_inconclusive_and_not_well() {
    let kind = |metrics: String, logs: &str| answer(metrics, logs).verdict;
    assert_eq!(kind(healthy(6000), ""), VerdictKind::NoFault);
    assert_eq!(
        kind(healthy(5460).replace("error_rate", "requests"), ""),
        VerdictKind::NoFault,
        "pods are well"
    );
    let complaints: String = (0..15)
        .map(|n| {
            format!(
                "{{\"timestamp\":{},\"service\":\"web\",\"msg\":\"cannot reach it\",\"level\":\"error\"}}\n",
                5900 + n
            )
        })
        .collect();
    let nothing = "timestamp,service,metric,value\n".to_owned();
    assert_eq!(kind(nothing, &complaints), VerdictKind::Inconclusive, "errors that were never logged before");
    assert_eq!(
        kind(healthy(5460), &complaints),
        VerdictKind::Inconclusive,
        "nothing is measured since the trouble"
    );
}

#[test]
fn what_a_program_mentions_is_not_what_a_kernel_did() {
    for level in ["info", "debug", "INFO"] {
        let line = format!(
            "{{\"timestamp\":5950,\"service\":\"db\",\"msg\":\"what does OOMKilled mean\",\"level\":\"{level}\"}}\n"
        );
        let answer = answer(healthy(6000), &line);
        assert_eq!(answer.verdict, VerdictKind::NoFault, "{level}: {:?}", answer.ranked.first());
    }
}

#[test]
fn what_keeps_dying_is_a_crash_loop_however_busy_its_starts_are() {
    let mut metrics = healthy(6000);
    for minute in 0..=100 {
        let dies = minute > 90;
        metrics += &format!("{},web,restarts,{}\n", minute * 60, if dies { minute - 90 } else { 0 });
        metrics += &format!(
            "{},web,cpu,{}\n",
            minute * 60,
            if dies { 1.0 } else { 0.2 + 0.001 * (minute % 7) as f64 }
        );
    }
    let metrics = metrics.replace("5460,web,error_rate,0", "5460,web,error_rate,0.9");
    let line = "{\"timestamp\":5950,\"service\":\"web\",\"msg\":\"waiting for cpu\",\"level\":\"error\"}\n";
    let answer = answer(metrics, line);
    assert_eq!(answer.ranked[0].component, "web");
    assert_eq!(answer.ranked[0].kind, midwatch_model::Cause::CrashLoop);
}

/// As [`healthy`], with a cache whose last sample is of some second.
fn with_a_cache_until(second: i64, others: i64) -> String {
    let mut rows = healthy(others);
    for minute in 0..=second / 60 {
        rows += &format!("{},cache,memory,{}\n", minute * 60, 0.5 + 0.001 * (minute % 5) as f64);
    }
    rows
}

#[test]
fn what_stopped_reporting_while_others_went_on_is_what_is_gone() {
    let gone = answer(with_a_cache_until(5700, 6000), "");
    let best = &gone.ranked[0];
    assert_eq!((gone.verdict, best.component.as_str()), (VerdictKind::RootCause, "cache"));
    let says = &gone.evidence.iter().find(|e| best.evidence.contains(&e.id)).expect("evidence").excerpt;
    assert!(says.starts_with("cache stopped reporting at 1970-01-01T01:35:00Z"), "{says}");
    let apart = answer(with_a_cache_until(5700, 6000).replace(",cache,", ",batch,"), "");
    assert_ne!(apart.verdict, VerdictKind::RootCause, "nobody who was alerted calls it");
    let replaced =
        (95..=100).map(|minute| format!("{},cache-2,memory,0.5\n", minute * 60)).collect::<String>();
    let replaced = answer(with_a_cache_until(5700, 6000) + &replaced, "");
    assert_eq!(replaced.verdict, VerdictKind::NoFault, "another one took its place");
    let quiet = |until: i64| answer(with_a_cache_until(until, 6000), "").verdict;
    assert_eq!(quiet(6000), VerdictKind::NoFault);
    assert_eq!(quiet(5880), VerdictKind::NoFault, "two samples are late: that happens");
    assert_eq!(quiet(3000), VerdictKind::NoFault, "it was taken away long before, in normal operation");
    let all_stop = with_a_cache_until(5580, 5580);
    assert_ne!(answer(all_stop, "").verdict, VerdictKind::RootCause, "nobody measures any more");
}

#[test]
fn no_fault_says_what_was_looked_at() {
    let found = answer(healthy(6000), "");
    let says: Vec<&str> = found.evidence.iter().map(|piece| piece.excerpt.as_str()).collect();
    assert_eq!(
        says,
        [
            "error_rate of web is 0.006 at its worst; normal is 0.003 ± 0.002: nothing unusual",
            "1 thing is as the platform wants it, and none is not",
        ]
    );
}

#[test]
fn an_alert_on_what_nobody_knows_asks_for_its_name() {
    let text = BundleText {
        incident: INCIDENT.replace("web", "wbe"),
        metrics: Some(format!("\u{feff}{}", healthy(6000))),
        ..BundleText::default()
    };
    let found = investigate(&Bundle::parse(&text).expect("a byte order mark is no fault")).answer;
    assert_eq!(found.verdict, VerdictKind::Inconclusive);
    let next = found.next_query.expect("a next query");
    assert!(next.starts_with("metrics or logs of wbe, which was alerted"), "{next}");
}
