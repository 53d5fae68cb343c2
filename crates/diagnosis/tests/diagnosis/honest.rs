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
        topology: Some("caller,callee\nweb,db\n".into()),
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
