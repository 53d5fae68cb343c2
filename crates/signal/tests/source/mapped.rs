//! Bodies that are read by a declared mapping.

use crate::{at, now};
use midwatch_model::{Alert, Severity};
use midwatch_signal::source::{Mapping, service_of};

/// A mapping for what Zabbix, a cron job or anything else may send.
fn mapping() -> Mapping {
    let text = r#"{"alerts":"/events","id":"/event/id","title":"/name","service":"/host/~1app","severity":"/level",
        "status":"/value","acknowledged_by":"/ack/user","starts_at":"/clock","ends_at":"/ended","url":"/link",
        "labels":{"team":"/tags/0","all_tags":"/tags"},"severity_values":{"Disaster!":"critical","meh":"info"},
        "status_values":{"1":"firing","0":"resolved","seen":"acknowledged"}}"#;
    serde_json::from_str(text).expect("a mapping")
}

fn read(mapping: &Mapping, body: &str) -> Vec<Alert> {
    mapping.validate().expect("valid");
    let parsed = mapping.parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parsed.refused, []);
    let settle = |told: midwatch_signal::source::Told| told.settle_by(mapping.teller("zabbix"), now(), 300.0);
    parsed.told.into_iter().map(|told| settle(told).expect("an alert")).collect()
}

#[test]
fn each_field_is_taken_from_where_the_mapping_points() {
    let body = r#"{"events":[
        {"event":{"id":7},"name":"disk is full","host":{"/app":"pay"},"level":"Disaster!","value":1,"clock":1767225600,
         "tags":["blue","x"],"link":"https://z/7"},
        {"event":{"id":7},"value":"seen","ack":{"user":"ana"},"level":"P3"},
        {"event":{"id":7},"value":"0","clock":"2026-01-01T00:00:00Z","ended":1767225650000}]}"#;
    let all = read(&mapping(), body);
    let first = &all[0];
    assert_eq!(
        (first.source.as_str(), first.id.as_deref(), first.severity),
        ("zabbix", Some("7"), Severity::Critical)
    );
    assert_eq!((service_of(first).as_str(), first.starts_at), ("pay", at("2026-01-01T00:00:00Z")));
    assert_eq!((first.labels["team"].as_str(), first.labels["all_tags"].as_str()), ("blue", "blue,x"));
    assert_eq!(
        (first.annotations["summary"].as_str(), first.generator_url.as_str()),
        ("disk is full", "https://z/7")
    );
    assert_eq!(first.annotations["severity"], "Disaster!", "the sender's own word is kept");
    assert_eq!(all[1].acknowledged.as_ref().map(|a| a.by.as_str()), Some("ana"));
    assert_eq!(all[1].severity, Severity::Warning);
    assert_eq!(all[2].ends_at, at("2026-01-01T00:00:50Z"));
    assert_eq!(all[2].fingerprint(), first.fingerprint());
}

#[test]
fn times_are_read_as_declared() {
    for (times, value, start, original) in [
        ("unix_s", "1767225600", "2026-01-01T00:00:00Z", None),
        ("unix_ms", "1767225600000", "2026-01-01T00:00:00Z", None),
        ("unix_ms", "\"1767225600000\"", "2026-01-01T00:00:00Z", None),
        ("rfc3339", "\"2026-01-01T01:00:00+01:00\"", "2026-01-01T00:00:00Z", None),
        ("rfc3339", "1767225600", "2026-01-01T00:01:00Z", Some("1767225600")),
        ("unix_s", "99999999999999999", "2026-01-01T00:01:00Z", Some("99999999999999999")),
        ("auto", "1767225600000000", "2026-01-01T00:00:00Z", None),
        ("auto", "\"2026-01-01 00:00:00 UTC\"", "2026-01-01T00:00:00Z", None),
        ("auto", "1767312000", "2026-01-01T00:01:00Z", Some("2026-01-02T00:00:00Z")),
    ] {
        let text = format!(r#"{{"title":"/t","starts_at":"/at","times":"{times}"}}"#);
        let mapping: Mapping = serde_json::from_str(&text).expect("a mapping");
        let alert = read(&mapping, &format!(r#"{{"t":"x","at":{value}}}"#)).remove(0);
        assert_eq!(
            (alert.starts_at, alert.original.starts_at.as_deref()),
            (at(start), original),
            "{times} {value}"
        );
    }
}

#[test]
fn a_small_mapping_is_enough() {
    let mapping: Mapping = serde_json::from_str(r#"{"title":"","repeats":true}"#).expect("a mapping");
    let alert = read(&mapping, r#""the backup failed""#).remove(0);
    assert_eq!((alert.labels["alertname"].as_str(), alert.id.as_ref()), ("the backup failed", None));
    assert_eq!(alert.ends_at, at("2026-01-01T00:06:00Z"));
    let words: Mapping = serde_json::from_str(r#"{"title":"/t","status":"/s"}"#).expect("a mapping");
    assert!(read(&words, r#"{"t":"x","s":"resolved"}"#)[0].is_resolved(now()));
}

#[test]
fn what_a_mapping_cannot_read_is_told_one_by_one() {
    for (body, part) in [
        (r#"{"events":[{}]}"#, "nothing where `id` and `title` point"),
        (r#"{"events":[{"name":"x"}]}"#, "no text where `status` points"),
        (r#"{"events":[{"name":"x","value":"odd"}]}"#, "`status_values` does not list its status, `odd`"),
        (r#"{"events":[{"name":{"a":1},"value":1}]}"#, "nothing where"),
    ] {
        let parsed = mapping().parse(body.as_bytes()).expect("a list");
        assert!(parsed.told.is_empty() && parsed.refused[0].1.contains(part), "{body}: {:?}", parsed.refused);
    }
    for (body, part) in [
        ("{}", "no list at `/events`"),
        (r#"{"events":{}}"#, "no list at `/events`"),
        (r#"{"events":[],"events":[]}"#, "the key `events` is there twice"),
        ("nonsense", "expected ident"),
    ] {
        let error = mapping().parse(body.as_bytes()).expect_err("refused").to_string();
        assert!(error.contains(part), "{body}: {error}");
    }
}

#[test]
fn a_wrong_mapping_names_the_field_and_the_fix() {
    for (text, part) in [
        ("{}", "`title` and `id` are both missing"),
        (r#"{"title":"name"}"#, "`title` is `name`, which is no JSON pointer: write it as `/name`"),
        (r#"{"title":"/a~2"}"#, "~1 for / and ~0 for ~"),
        (r#"{"title":"/a~"}"#, "no JSON pointer"),
        (r#"{"title":"/a","labels":{"team":"tags"}}"#, "`labels.team` is `tags`"),
        (r#"{"title":"/a","labels":{"":"/x"}}"#, "entry without a name"),
        (r#"{"title":"/a","severity_values":{"x":"high"}}"#, "`severity` does not say where"),
        (r#"{"title":"/a","status_values":{"x":"firing"}}"#, "`status` does not say where"),
    ] {
        let mapping: Mapping = serde_json::from_str(text).expect("a mapping");
        let error = mapping.validate().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    for (text, part) in [
        (r#"{"titel":"/a"}"#, "unknown field `titel`"),
        (r#"{"title":"/a","severity_values":{"x":"p1"}}"#, "unknown variant `p1`"),
        (r#"{"title":"/a","times":"iso"}"#, "unknown variant `iso`"),
    ] {
        let error = serde_json::from_str::<Mapping>(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let schema = serde_json::to_value(schemars::schema_for!(Mapping)).expect("plain");
    for (name, field) in schema["properties"].as_object().expect("fields") {
        let described = field["description"].as_str().or(field["$ref"].as_str());
        assert!(described.is_some_and(|text| !text.is_empty()), "{name} is not described");
    }
}
