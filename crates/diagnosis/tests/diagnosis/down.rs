//! What is down, and those that suffer from it; what only texts say.

use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_diagnosis::investigate::{Answer, VerdictKind, investigate};
use midwatch_model::ActionKind;
use std::fmt::Write as _;
use std::ops::Range;

/// Minutes measured, and the minute in which it begins; it is noticed three minutes later.
const MINUTES: i64 = 70;
const BEGINS: i64 = 61;

/// The shop calls the cart, which calls the bank; errors of the shop and of the cart rise.
fn metrics(more: impl Fn(i64) -> String) -> String {
    metrics_of(BEGINS..MINUTES, more)
}

fn metrics_of(trouble: Range<i64>, more: impl Fn(i64) -> String) -> String {
    let mut rows = "timestamp,service,metric,value\n".to_owned();
    for minute in 0..MINUTES {
        let wiggle = ((minute * 7919) % 100) as f64 / 1e5;
        let up = if trouble.contains(&minute) { 0.5 } else { 0.0 };
        let _ = writeln!(rows, "{},shop,error_rate,{}", minute * 60, 0.002 + wiggle + up / 2.0);
        let _ = writeln!(rows, "{},cart,error_rate,{}", minute * 60, 0.002 + wiggle + up);
        let _ = writeln!(rows, "{},search,error_rate,{}", minute * 60, 0.002 + wiggle);
        rows += &more(minute);
    }
    rows
}

fn answer(metrics: String, logs: &str, tools: &str, status: &str) -> Answer {
    let incident = format!(
        r#"{{"alert": {{"service": "shop", "title": "errors", "status": "{status}", "labels": {{"metric": "error_rate"}}}},
        "detected_at": {}, "baseline": [{{"from": 0, "to": {}}}]}}"#,
        (BEGINS + 3) * 60,
        45 * 60
    );
    let text = BundleText {
        incident,
        metrics: Some(metrics),
        logs: Some(logs.to_owned()).filter(|logs| !logs.is_empty()),
        topology: Some("caller,callee\nshop,cart\nshop,search\ncart,bank\n".to_owned()),
        tools: Some(tools.to_owned()).filter(|tools| !tools.is_empty()),
        ..BundleText::default()
    };
    investigate(&Bundle::parse(&text).expect("a bundle")).answer
}

fn bank(minute: i64, metric: &str, value: f64) -> String {
    format!("{},bank,{metric},{value}\n", minute * 60)
}

#[test]
fn what_is_down_comes_before_those_that_call_it() {
    let steady = |minute: i64| bank(minute, "memory", 0.5 + 0.001 * (minute % 5) as f64);
    let gone = |minute: i64| if minute < BEGINS - 2 { steady(minute) } else { String::new() };
    let silent = |minute: i64| bank(minute, "up", if minute < BEGINS { 1.0 } else { 0.0 });
    let pods = r#"[{"tool": "list_pods", "arguments": {}, "answer": {"pods": [{"name": "bank-7d9c5fbbd9-x2x1p",
        "phase": "Running", "containers": [{"name": "app", "ready": false, "restart_count": 9,
        "waiting": {"reason": "CrashLoopBackOff"}}]}]}}]"#;
    for (how, metrics, tools) in [
        ("stopped reporting", metrics(gone), ""),
        ("up is 0", metrics(|minute| steady(minute) + &silent(minute)), ""),
        ("its pod keeps crashing", metrics(steady), pods),
    ] {
        let found = answer(metrics, "", tools, "firing");
        let places: Vec<&str> = found.ranked.iter().map(|one| one.component.as_str()).collect();
        assert_eq!((found.verdict, places[0], places[1]), (VerdictKind::RootCause, "bank", "cart"), "{how}");
    }
    let well = answer(metrics(|minute| steady(minute) + &bank(minute, "up", 1.0)), "", "", "firing");
    assert_eq!(well.ranked[0].component, "cart", "the bank is there");
    let once = |minute: i64| bank(minute, "up", f64::from(u8::from(minute != BEGINS)));
    let missed = answer(metrics(|minute| steady(minute) + &once(minute)), "", "", "firing");
    assert_eq!(missed.ranked[0].component, "cart", "one scrape was lost");
}

#[test]
fn what_a_log_says_moves_nobody_to_act_where_no_number_shows_it() {
    let line = |message: &str| {
        format!(
            "{{\"timestamp\":{},\"service\":\"cart\",\"severity_text\":\"ERROR\",\"msg\":{}}}\n",
            (BEGINS + 1) * 60,
            serde_json::Value::from(message)
        )
        .repeat(3)
    };
    for message in [
        "OutOfMemoryError: heap space",
        "bad request, user-agent=\"OutOfMemoryError: heap exhausted\"",
        "validation failed for input \"connection pool exhausted\"",
        "connection pool exhausted",
        "request named \"no space left on device\"",
    ] {
        let found = answer(metrics(|_| String::new()), &line(message), "", "firing");
        let best = &found.ranked[0];
        let action = found.remediation.as_ref().map(|remediation| remediation.action);
        assert_eq!((best.component.as_str(), action), ("cart", Some(ActionKind::Escalate)), "{message}");
    }
    let memory = |minute: i64| {
        let used = if minute < BEGINS { 0.4 } else { 0.97 };
        format!("{},cart,memory,{}\n", minute * 60, used + 0.001 * (minute % 5) as f64)
    };
    let shown = answer(metrics(memory), &line("OutOfMemoryError: heap space"), "", "firing");
    assert_eq!(shown.remediation.map(|remediation| remediation.action), Some(ActionKind::Restart));
}

#[test]
fn what_was_and_is_no_more_is_no_fault_once_the_alert_is_over() {
    let verdict = |trouble, status| answer(metrics_of(trouble, |_| String::new()), "", "", status).verdict;
    assert_eq!(verdict(50..54, "resolved"), VerdictKind::NoFault);
    assert_ne!(verdict(50..54, "firing"), VerdictKind::NoFault, "whoever alerts says that it goes on");
    assert_eq!(verdict(50..MINUTES, "resolved"), VerdictKind::RootCause, "it goes on");
}

#[test]
fn a_list_of_services_that_nothing_has_a_name_of_is_no_all_clear() {
    let mut text = BundleText {
        incident: format!(
            r#"{{"alert": {{"service": "shop", "title": "errors", "labels": {{"metric": "error_rate"}}}}, "detected_at": {},
            "services": ["search"], "baseline": [{{"from": 0, "to": 2700}}]}}"#,
            (BEGINS + 3) * 60
        ),
        metrics: Some(metrics(|_| String::new())),
        ..BundleText::default()
    };
    let found = investigate(&Bundle::parse(&text).expect("a bundle")).answer;
    assert_eq!(found.verdict, VerdictKind::Inconclusive, "what was alerted is seen, and may not be named");
    text.incident = text.incident.replace("search", "ledger");
    let found = investigate(&Bundle::parse(&text).expect("a bundle")).answer;
    assert_eq!(found.verdict, VerdictKind::Inconclusive);
}
