//! Our own schema, and Prometheus' and Alertmanager's.

use crate::{alert, alerts, at, now, refused};
use midwatch_model::{Cause, Severity, SignalKind};
use midwatch_signal::source::{BODY_BYTES_MAX, PayloadError, Source, service_of, signal_of, title_of};

#[test]
fn our_own_schema_becomes_a_signal() {
    let body = r#"{"service":"payment-service","title":" p99 above 2 s ","severity":"critical","status":"firing",
        "starts_at":"2026-01-01T00:00:00Z","labels":{"team":"pay"},"class":"latency_spike","id":"a-1"}"#;
    let alert = alerts(Source::Generic, body).remove(0);
    assert_eq!((alert.severity, alert.labels["team"].as_str()), (Severity::Critical, "pay"));
    let signal = signal_of(&alert, "alt-1".into(), now());
    assert_eq!((signal.kind, signal.class, signal.metric), (SignalKind::Alert, Cause::LatencySpike, None));
    assert_eq!(signal.summary, "p99 above 2 s");
    assert_eq!(signal.onset_at.to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(signal.series_key(), "payment-service/latency_spike");
}

#[test]
fn the_senders_id_is_what_makes_two_alerts_the_same() {
    let alert = |title: &str, id: &str| {
        let body = format!(r#"{{"service":"s","title":"{title}"{id}}}"#);
        alerts(Source::Generic, &body).remove(0).fingerprint()
    };
    assert_eq!(alert("3 errors", r#","id":"x""#), alert("4 errors", r#","id":"x""#));
    assert_ne!(alert("3 errors", ""), alert("4 errors", ""));
}

#[test]
fn an_end_needs_nothing_but_the_id() {
    let first = alert(
        Source::Generic,
        r#"{"service":"s","title":"t","severity":"critical","labels":{"team":"pay"},"id":"x"}"#,
    );
    let over = alert(Source::Generic, r#"{"service":"s","title":"back","status":"resolved","id":"x"}"#);
    assert_eq!((first.id.as_deref(), first.labels["id"].as_str()), (Some("x"), "x"));
    assert_eq!(over.fingerprint(), first.fingerprint());
    let merged = over.merge(&first, now());
    assert!(merged.is_resolved(now()));
    assert_eq!(merged.labels["team"], "pay");
}

#[test]
fn what_was_moved_or_mapped_stays_visible() {
    let told = |more: &str| alert(Source::Generic, &format!(r#"{{"service":"s","title":"t"{more}}}"#));
    let ahead = told(r#","starts_at":"2999-01-01T00:00:00Z""#);
    assert_eq!((ahead.starts_at, ahead.original.starts_at.as_deref()), (now(), Some("2999-01-01T00:00:00Z")));
    assert_eq!(ahead.ends_at, at("2026-01-01T00:06:00Z"), "it ends when nobody repeats it");
    let long_ago = told(r#","starts_at":"1900-01-01T00:00:00Z""#);
    assert_eq!((long_ago.starts_at, long_ago.original.starts_at), (at("1900-01-01T00:00:00Z"), None));
    let body = r#"{"version":"4","alerts":[{"status":"resolved","labels":{"alertname":"B","severity":"SEV1"},
        "startsAt":"2026-01-01T00:00:00Z","endsAt":"2027-01-01T00:00:00Z"}]}"#;
    let over = alert(Source::Alertmanager, body);
    assert_eq!((over.ends_at, over.original.ends_at.as_deref()), (now(), Some("2027-01-01T00:00:00Z")));
    assert_eq!((over.severity, over.original.severity.as_deref()), (Severity::Critical, Some("SEV1")));
}

#[test]
fn starts_far_off_do_not_reach_the_incident() {
    for (starts_at, onset) in
        [("2999-01-01T00:00:00Z", "2026-01-01T00:01:00Z"), ("1900-01-01T00:00:00Z", "2025-12-25T00:01:00Z")]
    {
        let body = format!(r#"{{"service":"s","title":"t","starts_at":"{starts_at}"}}"#);
        let alert = alerts(Source::Generic, &body).remove(0);
        assert_eq!(signal_of(&alert, "alt-1".into(), now()).onset_at.to_string(), onset);
    }
}

#[test]
fn a_batch_of_our_own_is_taken_whole_or_not_at_all() {
    let good = r#"{"service":"s","title":"t"}"#;
    assert_eq!(alerts(Source::Generic, &format!(" [{good},{good}]")).len(), 2);
    refused(Source::Generic, &format!(r#"[{good},{{"service":"s","title":""}}]"#), "alert 1: `title`");
    let many = format!("[{}]", vec![good; 1001].join(","));
    assert_eq!(Source::Generic.parse(many.as_bytes()), Err(PayloadError::TooMany { found: 1001, max: 1000 }));
}

#[test]
fn unusable_bodies_of_our_own_schema_are_refused_with_a_reason() {
    let long = format!(r#"{{"service":"s","title":"{}"}}"#, "x".repeat(501));
    for (body, part) in [
        ("", "EOF"),
        ("[1]", "not what generic sends"),
        (r#"{"title":"t"}"#, "missing field `service`"),
        (r#"{"service":"s"}"#, "missing field `title`"),
        (r#"{"service":"s","title":"t","titel":"t"}"#, "unknown field `titel`"),
        (r#"{"service":"../etc","title":"t"}"#, "`service` must be"),
        (r#"{"service":"s","title":"  "}"#, "`title` has 2 characters"),
        (r#"{"service":"s","title":"t","class":"gremlins"}"#, "unknown variant `gremlins`"),
        (r#"{"service":"s","title":"t","severity":"p1"}"#, "unknown variant `p1`"),
        (r#"{"service":"s","title":"t","labels":{"":"x"}}"#, "`labels` has an empty name"),
        (r#"{"service":"s","title":"t","id":""}"#, "`id` must have"),
        (long.as_str(), "501 characters"),
    ] {
        refused(Source::Generic, body, part);
    }
    let huge = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(Source::Generic.parse(&huge), Err(PayloadError::TooLarge { bytes: huge.len() }));
}

#[test]
fn what_prometheus_sends_is_filled_up_as_alertmanager_does() {
    let body = r#"[
        {"labels":{"alertname":"A","service":"pay","severity":"page","empty":""},"annotations":{"summary":"slow"},
         "startsAt":"2026-01-01T00:00:30Z","endsAt":"2026-01-01T00:05:00Z","generatorURL":"http://p/g"},
        {"labels":{"alertname":"B"},"startsAt":"0001-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z"}]"#;
    let all = alerts(Source::AlertmanagerV2, body);
    assert_eq!(all[0].severity, Severity::Critical);
    assert!(!all[0].labels.contains_key("empty") && !all[0].timeout);
    assert_eq!((service_of(&all[0]).as_str(), title_of(&all[0]).as_str()), ("pay", "slow"));
    assert_eq!(all[1].starts_at, now());
    assert_eq!((all[1].ends_at.to_string().as_str(), all[1].timeout), ("2026-01-01T00:06:00Z", true));
    assert_eq!(service_of(&all[1]).as_str(), "B");
    refused(Source::AlertmanagerV2, r#"[{"labels":{}}]"#, "no labels");
    refused(
        Source::AlertmanagerV2,
        r#"[{"labels":{"a":"b"},"startsAt":"2026-01-01T00:00:30Z","endsAt":"2026-01-01T00:00:00Z"}]"#,
        "ends before",
    );
    refused(Source::AlertmanagerV2, r#"{"labels":{"a":"b"}}"#, "expected a sequence");
}

#[test]
fn a_webhook_of_alertmanager_says_what_fires_and_what_is_over() {
    let body = r#"{"version":"4","groupKey":"{}","status":"firing","receiver":"r","externalURL":"http://a",
        "alerts":[
        {"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z"},
        {"status":"resolved","labels":{"alertname":"B"},"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-01T00:00:40Z"}]}"#;
    let all = alerts(Source::Alertmanager, body);
    assert!(!all[0].is_resolved(now()) && all[1].is_resolved(now()));
    assert_eq!(all[1].ends_at.to_string(), "2026-01-01T00:00:40Z");
    refused(Source::Alertmanager, r#"{"version":"3","alerts":[]}"#, "version is `3`");
}
