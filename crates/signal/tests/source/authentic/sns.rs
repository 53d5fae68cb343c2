//! Messages of SNS, signed beforehand with a key that was thrown away; only its certificate is here.

use crate::at;
use midwatch_model::Timestamp;
use midwatch_signal::authentic::{
    Refused, Topics, TopicsError, signing_cert_url, signing_cert_url_ok, verify_sns,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const CERTIFICATE: &[u8] = include_bytes!("../sns/cert.pem");
const OTHER: &[u8] = include_bytes!("../sns/other.pem");
const SHORT: &[u8] = include_bytes!("../sns/short.pem");
const CURVE: &[u8] = include_bytes!("../sns/ec.pem");
const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:alarms";

type Message = Map<String, Value>;

fn message(name: &str) -> Message {
    let all: Value = serde_json::from_str(include_str!("../sns/messages.json")).expect("JSON");
    all[name].as_object().expect("a message").clone()
}

fn body(message: &Message) -> Vec<u8> {
    serde_json::to_vec(message).expect("plain")
}

fn now() -> Timestamp {
    at("2027-06-01T12:05:00Z")
}

fn topics() -> Topics {
    Topics::new(vec![TOPIC.into()]).expect("topics")
}

#[test]
fn both_versions_of_the_signature_are_verified() {
    for (name, how) in [
        ("notification_v1", "SNS signature with SHA-1"),
        ("notification_v2", "SNS signature with SHA-256"),
        ("without_subject", "SNS signature with SHA-256"),
        ("confirmation_v1", "SNS signature with SHA-1"),
        ("confirmation_v2", "SNS signature with SHA-256"),
    ] {
        let message = message(name);
        let verified = verify_sns(&topics(), &body(&message), CERTIFICATE, now()).expect(name);
        assert_eq!(
            (verified.how.as_str(), verified.replay_key.as_deref()),
            (how, message["MessageId"].as_str())
        );
    }
    let url = signing_cert_url(&body(&message("notification_v2"))).expect("SNS's own");
    assert!(url.ends_with("/SimpleNotificationService-0123456789abcdef.pem"));
}

/// Every message that differs from a good one in one thing that the signature covers, or in the signature.
fn bent(good: &Message) -> Vec<Message> {
    let covered =
        ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];
    let mut values: Vec<(&str, Value)> = Vec::new();
    for name in covered.into_iter().filter(|name| good.contains_key(*name)) {
        let text = good[name].as_str().expect("a text");
        let others = [
            format!("{text} "),
            format!(" {text}"),
            format!("{text}\n"),
            format!("{}x", text.to_uppercase()),
            String::new(),
            text.chars().rev().collect(),
            format!("{text}\nSubject\nx"),
        ];
        values.extend(others.into_iter().map(|other| (name, json!(other))));
        values.extend([(name, Value::Null), (name, json!(7)), (name, json!([text]))]);
    }
    let signature = good["Signature"].as_str().expect("a text");
    for place in (0..signature.len() - 4).step_by(7) {
        let mut flipped = signature.as_bytes().to_vec();
        flipped[place] = if flipped[place] == b'A' { b'B' } else { b'A' };
        values.push(("Signature", json!(String::from_utf8(flipped).expect("ASCII"))));
    }
    let cut = &signature[..signature.len() - 4];
    for other in ["", "AAAA", &signature[4..], &format!("AAAA{signature}"), cut, "****", "größe"] {
        values.push(("Signature", json!(other)));
    }
    let other = if good["SignatureVersion"] == "1" { "2" } else { "1" };
    for version in
        [json!("0"), json!("3"), json!(""), json!(1), json!(2), Value::Null, json!("v2"), json!(other)]
    {
        values.push(("SignatureVersion", version));
    }
    if !good.contains_key("Subject") && good["Type"] == "Notification" {
        values.push(("Subject", json!("added")));
    }
    let changed = values.into_iter().map(|(name, value)| {
        let mut other = good.clone();
        other.insert(name.to_owned(), value);
        other
    });
    let without = covered.into_iter().chain(["Signature", "SignatureVersion"]).map(|name| {
        let mut other = good.clone();
        other.remove(name);
        other
    });
    changed.chain(without).filter(|other| other != good).collect()
}

#[test]
fn what_is_nearly_a_message_of_sns_is_refused() {
    for name in
        ["notification_v1", "notification_v2", "without_subject", "confirmation_v1", "confirmation_v2"]
    {
        let different: BTreeSet<Vec<u8>> = bent(&message(name)).iter().map(body).collect();
        for body in &different {
            let answer = verify_sns(&topics(), body, CERTIFICATE, now());
            assert!(answer.is_err(), "{name}: {}", String::from_utf8_lossy(body));
        }
        assert!(different.len() >= 50, "{name}: {}", different.len());
    }
    for name in ["of_another_key", "sha1_as_v2", "sha512_as_v2", "sha256_as_v1"] {
        let answer = verify_sns(&topics(), &body(&message(name)), CERTIFICATE, now());
        assert_eq!(answer, Err(Refused::SnsMismatch), "{name}");
    }
    let text = serde_json::to_string(&message("notification_v2")).expect("plain");
    let twice = text.replacen('{', r#"{"TopicArn":"x","#, 1);
    let refused =
        verify_sns(&topics(), twice.as_bytes(), CERTIFICATE, now()).expect_err("a key is there twice");
    assert!(refused.to_string().contains("there twice"), "{refused}");
}

#[test]
fn the_certificate_must_hold_and_be_the_signers() {
    let body = body(&message("notification_v2"));
    let refused = |certificate: &[u8], now| {
        verify_sns(&topics(), &body, certificate, now).expect_err("refused").to_string()
    };
    for certificate in [OTHER, SHORT, CURVE] {
        assert!(refused(certificate, now()).contains("does not fit"));
    }
    for none in [b"".as_slice(), b"-----BEGIN CERTIFICATE-----", b"\xff", &CERTIFICATE[..600]] {
        assert!(refused(none, now()).contains("no PEM certificate"));
    }
    for outside in ["2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z"] {
        assert!(refused(CERTIFICATE, at(outside)).contains("has expired or does not hold yet"));
    }
    let late = verify_sns(&topics(), &body, CERTIFICATE, at("2027-06-01T13:00:01Z"));
    assert_eq!(late, Err(Refused::TooOld { seconds: 3601, max: 3600 }));
    let early = verify_sns(&topics(), &body, CERTIFICATE, at("2027-06-01T11:54:59Z"));
    assert_eq!(early, Err(Refused::TooNew { seconds: 301, max: 300 }));
}

#[test]
fn only_topics_that_are_expected_may_send() {
    let others = Topics::new(vec!["arn:aws:sns:eu-central-1:999999999999:alarms".into()]).expect("topics");
    let answer = verify_sns(&others, &body(&message("notification_v2")), CERTIFICATE, now());
    assert_eq!(answer, Err(Refused::Topic { topic: TOPIC.into() }));
    assert_eq!(Topics::new(Vec::new()), Err(TopicsError::None));
    for arn in
        ["", "*", "arn:aws:sns:eu-central-1:1:", "arn:aws:sqs:eu-central-1:1:x", "arn:aws:sns:r:1:x:sub"]
    {
        assert_eq!(Topics::new(vec![arn.into()]), Err(TopicsError::NotAnArn(arn.into())));
    }
}

#[test]
fn certificates_are_fetched_from_sns_alone() {
    for url in [
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem",
        "https://sns.us-east-1.amazonaws.com:443/SimpleNotificationService-7f.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-7f.pem",
        "https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-7f.pem",
    ] {
        assert!(signing_cert_url_ok(url), "{url}");
    }
    let mut wrong: BTreeSet<String> = ELSEWHERE.iter().map(|url| (*url).to_owned()).collect();
    wrong.insert(format!("https://sns.{}.amazonaws.com/S.pem", "a".repeat(40)));
    wrong.insert(format!("https://sns.us-east-1.amazonaws.com/{}.pem", "S".repeat(3000)));
    for url in &wrong {
        assert!(!signing_cert_url_ok(url), "{url}");
        let mut message = message("notification_v2");
        message.insert("SigningCertURL".into(), json!(url));
        assert!(signing_cert_url(&body(&message)).is_err(), "{url}");
    }
    assert!(wrong.len() >= 50, "{}", wrong.len());
    let mut without = message("notification_v2");
    without.remove("SigningCertURL");
    assert!(signing_cert_url(&body(&without)).is_err());
    assert!(signing_cert_url(b"[]").is_err());
}

/// Addresses that only look like SNS's.
const ELSEWHERE: [&str; 55] = [
    "",
    "http://sns.us-east-1.amazonaws.com/S.pem",
    "HTTPS://sns.us-east-1.amazonaws.com/S.pem",
    "ftp://sns.us-east-1.amazonaws.com/S.pem",
    "file:///etc/S.pem",
    "//sns.us-east-1.amazonaws.com/S.pem",
    "sns.us-east-1.amazonaws.com/S.pem",
    "https:/sns.us-east-1.amazonaws.com/S.pem",
    "https:///sns.us-east-1.amazonaws.com/S.pem",
    "https://sns.us-east-1.amazonaws.com",
    "https://sns.us-east-1.amazonaws.com/",
    "https://sns.us-east-1.amazonaws.com/.pem",
    "https://sns.us-east-1.amazonaws.com/S.crt",
    "https://sns.us-east-1.amazonaws.com/S.pem?x=1",
    "https://sns.us-east-1.amazonaws.com/?x=S.pem",
    "https://sns.us-east-1.amazonaws.com/S.pem#x",
    "https://sns.us-east-1.amazonaws.com/#S.pem",
    "https://sns.us-east-1.amazonaws.com/../S.pem",
    "https://sns.us-east-1.amazonaws.com/%2e%2e/S.pem",
    "https://sns.us-east-1.amazonaws.com/S.pem ",
    " https://sns.us-east-1.amazonaws.com/S.pem",
    "https://sns.us-east-1.amazonaws.com/S.pem\n",
    "https://sns.us-east-1.amazonaws.com/S\u{0}.pem",
    "https://sns.us-east-1.amazonaws.com:80/S.pem",
    "https://sns.us-east-1.amazonaws.com:8443/S.pem",
    "https://sns.us-east-1.amazonaws.com:/S.pem",
    "https://sns.us-east-1.amazonaws.com:443:443/S.pem",
    "https://sns.us-east-1.amazonaws.com./S.pem",
    "https://user@sns.us-east-1.amazonaws.com/S.pem",
    "https://user:pw@sns.us-east-1.amazonaws.com/S.pem",
    "https://evil.com@sns.us-east-1.amazonaws.com/S.pem",
    "https://sns.us-east-1.amazonaws.com@evil.com/S.pem",
    "https://sns.us-east-1.amazonaws.com:443@evil.com/S.pem",
    "https://evil.com\\sns.us-east-1.amazonaws.com/S.pem",
    "https://sns.us-east-1.amazonaws.com\\evil.com/S.pem",
    "https://evil.com/sns.us-east-1.amazonaws.com/S.pem",
    "https://evil.com?sns.us-east-1.amazonaws.com/S.pem",
    "https://evil.com#sns.us-east-1.amazonaws.com/S.pem",
    "https://sns.us-east-1.amazonaws.com.evil.com/S.pem",
    "https://sns.us-east-1.amazonaws.com.cn.evil.com/S.pem",
    "https://sns.us-east-1.amazonaws.org/S.pem",
    "https://sns.us-east-1.evilamazonaws.com/S.pem",
    "https://sns.us-east-1amazonaws.com/S.pem",
    "https://evilsns.us-east-1.amazonaws.com/S.pem",
    "https://evil.sns.us-east-1.amazonaws.com/S.pem",
    "https://sns.evil.us-east-1.amazonaws.com/S.pem",
    "https://sns..amazonaws.com/S.pem",
    "https://sns.amazonaws.com/S.pem",
    "https://s3.us-east-1.amazonaws.com/S.pem",
    "https://sns.us-east-1.s3.amazonaws.com/S.pem",
    "https://sns.us_east_1.amazonaws.com/S.pem",
    "https://sns.US-EAST-1.amazonaws.com/S.pem",
    "https://sns.us-\u{435}ast-1.amazonaws.com/S.pem",
    "https://127.0.0.1/S.pem",
    "https://[::1]/S.pem",
];
