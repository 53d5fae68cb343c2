//! Bodies that are not quite right: refused in a sentence or taken, and never a panic.

use crate::good::{ALERTS, CHANGES};
use crate::{at, now};
use midwatch_signal::change::ChangeSource;
use midwatch_signal::source::{BODY_BYTES_MAX, Mapping, PayloadError, Source, Told, signal_of};
use proptest::prelude::*;

/// Every prefix, six wrong bytes at every place, and what a hostile or broken sender may write where `"b"` stood.
fn bend(good: &str) -> Vec<Vec<u8>> {
    let mut bent: Vec<Vec<u8>> = (0..good.len()).map(|end| good.as_bytes()[..end].to_vec()).collect();
    for (index, byte) in good.bytes().enumerate() {
        for other in [0xff, b'"', b'{', b'9', 0, byte.wrapping_add(1)] {
            let mut body = good.as_bytes().to_vec();
            body[index] = other;
            bent.push(body);
        }
    }
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let values = [
        "17".to_owned(),
        "-1e400".into(),
        "null".into(),
        "true".into(),
        "[\"b\"]".into(),
        "{\"b\":{}}".into(),
        "{\"x\":1,\"x\":2}".into(),
        "\"\"".into(),
        "\"\\u0000\"".into(),
        "\"\\ud800\"".into(),
        "\"\u{202e}\u{1F525}\"".into(),
        format!("\"{}\"", "x".repeat(5000)),
        format!("\"{}\"", "ü".repeat(100_000)),
        format!("\"{}\"", "x".repeat(10 << 20)),
        deep("[", "]"),
        deep("{\"b\":", "}"),
        "[".repeat(100_000),
    ];
    bent.extend(values.iter().map(|value| good.replace("\"b\"", value).into_bytes()));
    for (from, to) in [
        ("2026-01-01", "9999-12-31"),
        ("2026-01-01", "-009999-01-01"),
        ("2026-01-01", "2026-02-30"),
        ("1767225600000", "9223372036854775807"),
        ("1767225600000", "-9e300"),
        ("1767225600000", "1e999"),
        ("\":\"b\"", "\":\"b\",\"x\":\"c\",\"x\":\"d\""),
        ("{", "{\"surprise\":[1,{\"x\":null}],"),
        ("{", "{\"id\":1,\"id\":2,"),
        ("}", ",}"),
    ] {
        bent.push(good.replace(from, to).into_bytes());
    }
    bent
}

/// An error that a person can read: one line, bounded, and about the body.
fn is_a_sentence(error: &str) {
    assert!((10..2000).contains(&error.len()) && error.lines().count() == 1, "{error}");
}

/// Number of alerts that a body's tellings become.
fn settle_all(told: Vec<Told>, source: Source) -> usize {
    let settled = told.into_iter().map(|told| {
        let alert = told.settle(source, now(), 300.0).inspect_err(|reason| is_a_sentence(reason)).ok()?;
        let signal = signal_of(&alert, "alt-1".into(), now());
        assert!(signal.service.is_valid() && !signal.summary.is_empty());
        let again = serde_json::from_slice(&serde_json::to_vec(&alert).expect("plain")).expect("the same");
        assert_eq!(alert, again);
        Some(alert.clone().merge(&alert, now()))
    });
    settled.flatten().count()
}

pub fn take(source: Source, body: &[u8]) -> usize {
    match source.parse(body) {
        Ok(parsed) => {
            parsed.refused.iter().for_each(|(_, reason)| is_a_sentence(reason));
            settle_all(parsed.told, source)
        }
        Err(error) => {
            is_a_sentence(&error.to_string());
            0
        }
    }
}

#[test]
fn bent_alerts_are_refused_or_taken_and_never_panic() {
    for (source, good) in ALERTS {
        assert!(source.parse(good.as_bytes()).is_ok(), "{source}: {good}");
        let bent = bend(good);
        let taken: usize = bent.iter().map(|body| take(source, body)).sum();
        let about_an_alert = !good.contains("SubscriptionConfirmation");
        assert!(bent.len() > 300 && (taken > 0) == about_an_alert, "{source}: {taken} of {}", bent.len());
    }
}

#[test]
fn bent_changes_are_refused_or_taken_and_never_panic() {
    for (source, event, good) in CHANGES {
        assert!(source.parse(event, good.as_bytes(), now()).is_ok(), "{source}: {good}");
        let bent = bend(good);
        let taken: usize = bent.iter().map(|body| take_change(source, event, body)).sum();
        assert!(bent.len() > 300 && taken > 0, "{source}: {taken} of {}", bent.len());
    }
}

pub fn take_change(source: ChangeSource, event: Option<&str>, body: &[u8]) -> usize {
    match source.parse(event, body, now()) {
        Ok(changes) => {
            for change in &changes {
                assert!(change.service.is_valid() && change.at <= now() && !change.id.is_empty());
                assert!(change.title.chars().count() <= 500 && change.to.chars().count() <= 500);
            }
            changes.len()
        }
        Err(error) => {
            is_a_sentence(&error.to_string());
            0
        }
    }
}

#[test]
fn size_depth_and_repeated_keys_are_bounded_for_every_source() {
    let huge = vec![b' '; 10 << 20];
    let deep = "[".repeat(200) + &"]".repeat(200);
    for source in Source::readable() {
        assert_eq!(source.parse(&huge), Err(PayloadError::TooLarge { bytes: huge.len() }));
        assert!(source.parse(deep.as_bytes()).expect_err("too deep").to_string().contains("recursion limit"));
        let twice = source.parse(br#"{"version":"4","version":"4"}"#).expect_err("twice").to_string();
        assert!(twice.contains("the key `version` is there twice"), "{twice}");
        let broken = source.parse(b"{\"title\":\"\xff\"}").expect_err("not UTF-8").to_string();
        assert!(broken.contains("unicode"), "{broken}");
    }
    let v2 = |body: &[u8]| Source::AlertmanagerV2.parse(body).map(|_| ()).map_err(|error| error.to_string());
    assert!(v2(&huge).is_err_and(|error| error.contains("bytes")));
    // It is read without recursion, by its own types.
    for body in [&deep, &format!(r#"[{{"labels":{deep}}}]"#), r#"[{"labels":{"a":"1"},"labels":{}}]"#] {
        assert!(v2(body.as_bytes()).is_err(), "{body}");
    }
    assert!(
        v2(br#"[{"labels":{"a":"1","a":"2"}}]"#).is_err_and(|error| error.contains("`a` is there twice"))
    );
    assert!(v2(format!(r#"[{{"labels":{{"a":"1"}},"more":{}}}]"#, deep).as_bytes()).is_ok());
    for source in ["generic", "github", "gitlab", "argocd"] {
        let source = ChangeSource::by_name(source).expect("known");
        let event = source.event_header().map(|_| "deployment");
        assert_eq!(source.parse(event, &huge, now()), Err(PayloadError::TooLarge { bytes: huge.len() }));
        assert!(source.parse(event, deep.as_bytes(), now()).is_err());
    }
    assert!(huge.len() > BODY_BYTES_MAX);
}

#[test]
fn many_alerts_in_one_body_are_too_many() {
    let one = r#"{"status":"firing","labels":{"a":"b"}}"#;
    let body = format!(r#"{{"alerts":[{}]}}"#, vec![one; 10_001].join(","));
    assert_eq!(
        Source::Grafana.parse(body.as_bytes()),
        Err(PayloadError::TooMany { found: 10_001, max: 10_000 })
    );
}

/// Any JSON of a moderate size, made of keys and values that the parsers look for.
fn json(good: &'static str) -> impl Strategy<Value = serde_json::Value> {
    let words: Vec<String> = good.split('"').map(ToOwned::to_owned).collect();
    let word = prop_oneof![
        prop::sample::select(words),
        any::<String>(),
        Just("2026-01-01T00:00:00+0000".to_owned()),
        Just("line\nbreak\u{0}".repeat(500)),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        word.clone().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(word.clone(), inner, 0..10)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A good body in which one value, wherever it stands, is another.
fn grafted(good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    (any::<prop::sample::Index>(), json(good)).prop_map(move |(place, graft)| {
        let mut whole: serde_json::Value = serde_json::from_str(good).expect("good");
        let mut places = Vec::new();
        list_places(&whole, &mut String::new(), &mut places);
        if let Some(value) = whole.pointer_mut(&places[place.index(places.len())]) {
            *value = graft;
        }
        whole.to_string().into_bytes()
    })
}

fn list_places(value: &serde_json::Value, at: &mut String, places: &mut Vec<String>) {
    places.push(at.clone());
    let length = at.len();
    let keys: Vec<String> = match value {
        serde_json::Value::Object(map) => map.keys().cloned().collect(),
        serde_json::Value::Array(all) => (0..all.len()).map(|index| index.to_string()).collect(),
        _ => Vec::new(),
    };
    for key in keys {
        at.push('/');
        at.push_str(&key);
        if let Some(inner) = value.pointer(at) {
            list_places(inner, at, places);
        }
        at.truncate(length);
    }
}

fn check<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, test: impl Fn(T)) {
    // Failures are found again by their printed input; no files are left beside the sources.
    let cases = std::env::var("MIDWATCH_TEST_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(128);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = runner.run(&strategy, |value| {
        test(value);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn random_bodies_never_panic_a_parser() {
    for (source, good) in ALERTS {
        check(grafted(good), |body| {
            take(source, &body);
        });
        check(prop::collection::vec(any::<u8>(), 0..200), |body| {
            take(source, &body);
        });
    }
}

#[test]
fn random_bodies_never_panic_a_reader_of_changes() {
    for (source, event, good) in CHANGES {
        check(grafted(good), |body| {
            take_change(source, event, &body);
        });
        check(prop::collection::vec(any::<u8>(), 0..200), |body| {
            take_change(source, event, &body);
        });
    }
}

#[test]
fn random_bodies_and_pointers_never_panic_a_mapping() {
    let place =
        prop_oneof![Just("/a".to_owned()), Just(String::new()), "(/[a~01-]{0,4}){0,3}", any::<String>()];
    let mapping = prop::collection::vec(place, 6).prop_map(|places| {
        let mut places = places.into_iter().map(Some);
        let mut next = || places.next().flatten();
        Mapping {
            id: next(),
            title: next(),
            status: next(),
            starts_at: next(),
            alerts: next(),
            ..Mapping::default()
        }
    });
    check((mapping, json(crate::good::GRAFANA)), |(mapping, body)| {
        let _ = mapping.validate().inspect_err(|error| is_a_sentence(&error.to_string()));
        if let Ok(parsed) = mapping.parse(body.to_string().as_bytes()) {
            for told in parsed.told {
                let _ = told.settle_by(mapping.teller("x"), at("2026-01-01T00:00:00Z"), 1.0);
            }
        }
    });
}
