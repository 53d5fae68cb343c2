//! Folders that a running midwatch wrote: what its detectors told counts in them.

use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_diagnosis::investigate::{Answer, VerdictKind, investigate};
use std::fmt::Write as _;

/// The pool of `db-api`, full, and that of its caller `web`, which looks worse: normally it is as good as unused.
fn answer(alerts: &[&str]) -> Answer {
    let mut metrics = "timestamp,service,metric,value\n".to_owned();
    for minute in 0..65 {
        let wiggle = f64::from(minute % 7) / 100.0;
        let (web, db_api) = if minute < 60 { (wiggle / 10.0, 0.1 + 3.0 * wiggle) } else { (1.0, 1.0) };
        let _ = writeln!(metrics, "{0},web,db_pool,{web}\n{0},db-api,db_pool,{db_api}", minute * 60);
    }
    let incident = format!(
        r#"{{"alerts": [{}], "detected_at": 3720, "baseline": [{{"from": 0, "to": 3590}}]}}"#,
        alerts.join(", ")
    );
    let topology = Some("caller,callee\nweb,db-api\n".to_owned());
    let text = BundleText { incident, metrics: Some(metrics), topology, ..BundleText::default() };
    investigate(&Bundle::parse(&text).expect("a bundle")).answer
}

const OF_WEB: &str = r#"{"service": "web", "title": "no connection is free"}"#;
const SEEN_AT_WEB: &str = r#"{"service": "web", "title": "web's pool is full", "class": "db_connection_exhaustion",
    "labels": {"metric": "db_pool"}, "starts_at": "1970-01-01T01:00:00Z"}"#;
const SEEN_AT_DB_API: &str = r#"{"service": "db-api", "title": "db-api's pool is full", "class": "db_connection_exhaustion",
    "labels": {"metric": "db_pool"}, "starts_at": "1970-01-01T01:00:00Z"}"#;

#[test]
fn what_detectors_told_is_walked_over_the_graph_as_it_was_while_it_went_on() {
    let told = answer(&[OF_WEB]);
    assert_eq!(told.ranked[0].component, "web", "it looks worse, and nothing says that it only suffers");
    for alerts in [[SEEN_AT_WEB, SEEN_AT_DB_API], [SEEN_AT_DB_API, SEEN_AT_WEB]] {
        let seen = answer(&alerts);
        assert_eq!(seen.verdict, VerdictKind::RootCause);
        assert_eq!(seen.ranked[0].component, "db-api");
        assert_eq!(seen.ranked[0].kind.name(), "db_connection_exhaustion");
        let sure = seen.ranked[0].confidence;
        assert!((0.5..0.95).contains(&sure), "{sure}: a folder makes nobody surer than those who watched");
    }
}

#[test]
fn what_began_after_the_last_sample_is_no_first_look() {
    let late = SEEN_AT_DB_API.replace("1970-01-01T01:00:00Z", "1970-01-02T00:00:00Z");
    let (with, without) =
        (answer(&[OF_WEB, &late]), answer(&[OF_WEB, &late.replace("db_pool", "pool size")]));
    assert_eq!(with, without);
}
