//! Payloads of every source: what they become, and why they are refused.

use midwatch_model::{Alert, Cause, Severity, SignalKind, Timestamp};
use midwatch_signal::source::{BODY_BYTES_MAX, PayloadError, Source, service_of, signal_of, title_of};
use std::fmt::Write as _;

fn now() -> Timestamp {
    "2026-01-01T00:01:00Z".parse().expect("a time")
}

fn alerts(source: Source, body: &str) -> Vec<Alert> {
    let parsed = source.parse(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    assert_eq!(parsed.refused, []);
    parsed.told.into_iter().map(|told| told.settle(source, now(), 300.0).expect("an alert")).collect()
}

fn refused(source: Source, body: &str, part: &str) {
    let parsed = source.parse(body.as_bytes());
    let error = match parsed {
        Err(error) => error.to_string(),
        Ok(parsed) => parsed
            .told
            .into_iter()
            .find_map(|told| told.settle(source, now(), 300.0).err())
            .unwrap_or_else(|| panic!("{body} was taken")),
    };
    assert!(error.contains(part), "{body}: {error}");
}

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

/// Good bodies, each of which is bent in many ways below.
const GOOD: [(Source, &str); 3] = [
    (
        Source::Generic,
        r#"[{"service":"s","title":"t","labels":{"a":"b"},"starts_at":"2026-01-01T00:00:00Z"}]"#,
    ),
    (
        Source::Alertmanager,
        r#"{"version":"4","alerts":[{"status":"firing","labels":{"a":"b"},"startsAt":"2026-01-01T00:00:00Z"}]}"#,
    ),
    (
        Source::AlertmanagerV2,
        r#"[{"labels":{"a":"b"},"annotations":{"c":"d"},"startsAt":"2026-01-01T00:00:00Z","generatorURL":"x"}]"#,
    ),
];

#[test]
fn bent_bodies_are_refused_or_taken_and_never_panic() {
    for (source, good) in GOOD {
        let mut bent: Vec<Vec<u8>> = (0..good.len()).map(|end| good.as_bytes()[..end].to_vec()).collect();
        for (index, byte) in good.bytes().enumerate() {
            for other in [0xff, b'"', b'{', b'9', 0, byte.wrapping_add(1)] {
                let mut body = good.as_bytes().to_vec();
                body[index] = other;
                bent.push(body);
            }
        }
        for (from, to) in [
            ("2026-01-01", "9999-12-31"),
            ("2026-01-01", "-009999-01-01"),
            ("\"b\"", "17"),
            ("\"b\"", "[\"b\"]"),
            ("\"a\":\"b\"", "\"a\":\"b\",\"a\":\"c\""),
        ] {
            bent.push(good.replace(from, to).into_bytes());
        }
        bent.push(good.replace("\"b\"", &format!("\"{}\"", "x".repeat(10 << 20))).into_bytes());
        bent.push(good.replace("\"b\"", &"[".repeat(100_000)).into_bytes());
        let mut taken = String::new();
        for body in &bent {
            let Ok(parsed) = source.parse(body) else { continue };
            for told in parsed.told {
                if let Ok(alert) = told.settle(source, now(), 300.0) {
                    let signal = signal_of(&alert, "alt-1".into(), now());
                    let _ = writeln!(taken, "{} {}", alert.fingerprint(), signal.summary);
                }
            }
        }
        assert!(bent.len() > 300 && !taken.is_empty(), "{source}");
    }
}
