//! CloudWatch over SNS: the certificate is fetched, the signature verified, the subscription confirmed.

use crate::harness::{Answer, Door, Wanted};
use axum::http::StatusCode;
use midwatch_api::{Proof, Senders};
use midwatch_signal::authentic::Topics;
use serde_json::{Value, json};

const CERTIFICATE: &[u8] = include_bytes!("../../../signal/tests/source/sns/cert.pem");
const OTHER: &[u8] = include_bytes!("../../../signal/tests/source/sns/other.pem");
const MESSAGES: &str = include_str!("../../../signal/tests/source/sns/messages.json");
const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:alarms";

fn message(name: &str) -> Value {
    let all: Value = serde_json::from_str(MESSAGES).expect("JSON");
    all[name].clone()
}

fn certificate_url() -> String {
    message("notification_v2")["SigningCertURL"].as_str().expect("a text").to_owned()
}

async fn door() -> Door {
    let topics = Topics::new(vec![TOPIC.into()]).expect("topics");
    let mut senders = Senders::default();
    senders.alerts.insert("cloudwatch".into(), Proof::Sns(topics));
    Door::open(Wanted { senders, ..Wanted::default() }).await
}

async fn post(door: &Door, message: &Value) -> Answer {
    let body = serde_json::to_vec(message).expect("plain data");
    door.post("/api/v1/ingest/cloudwatch", &[("content-type", "text/plain; charset=UTF-8")], &body).await
}

#[tokio::test]
async fn a_signed_alarm_is_taken_once_and_its_certificate_fetched_once() {
    let door = door().await;
    door.outside.put(&certificate_url(), CERTIFICATE);
    let first = post(&door, &message("notification_v2")).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{first:?}");
    assert_eq!(door.outside.take_visited(), [certificate_url()]);
    let again = post(&door, &message("notification_v1")).await;
    assert!(again.status.is_success() && again.json()["replayed"].is_string(), "the same message: {again:?}");
    assert_eq!(door.outside.take_visited(), Vec::<String>::new());
    assert_eq!(door.alerts().await, 1);
}

#[tokio::test]
async fn a_subscription_is_confirmed_by_a_visit_and_again_until_that_works() {
    let door = door().await;
    door.outside.put(&certificate_url(), CERTIFICATE);
    let confirmation = message("confirmation_v2");
    let url = confirmation["SubscribeURL"].as_str().expect("a text").to_owned();
    let failed = post(&door, &confirmation).await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE, "{failed:?}");
    assert!(failed.header("retry-after").is_some());
    door.outside.put(&url, b"<ConfirmSubscriptionResponse/>");
    let done = post(&door, &confirmation).await;
    assert_eq!(
        (done.status, done.json()["subscription"].as_str()),
        (StatusCode::ACCEPTED, Some("confirmed"))
    );
    assert_eq!(door.outside.take_visited(), [certificate_url(), url.clone(), url]);
}

#[tokio::test]
async fn what_sns_did_not_sign_for_an_expected_topic_is_refused_and_visits_nobody() {
    let door = door().await;
    door.outside.put(&certificate_url(), CERTIFICATE);
    let bent = |field: &str, value: Value| {
        let mut message = message("notification_v2");
        message[field] = value;
        message
    };
    let elsewhere = "https://sns.eu-central-1.amazonaws.com.evil.example/S.pem";
    for unbelieved in [
        bent("TopicArn", json!("arn:aws:sns:eu-central-1:666:alarms")),
        bent("SigningCertURL", json!(elsewhere)),
        bent("SigningCertURL", json!("http://sns.eu-central-1.amazonaws.com/S.pem")),
        bent("SigningCertURL", Value::Null),
        bent("SigningCertURL", json!("https://sns.eu-central-1.amazonaws.com@evil.example/S.pem")),
        json!({ "AlarmName": "raw", "NewStateValue": "ALARM" }),
        json!([]),
        Value::Null,
    ] {
        let answer = post(&door, &unbelieved).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{unbelieved}: {answer:?}");
        assert_eq!(door.outside.take_visited(), Vec::<String>::new(), "{unbelieved}");
    }
    for unbelieved in [
        bent("Message", json!("{}")),
        bent("MessageId", json!("another")),
        bent("Timestamp", json!("2027-06-01T12:00:01.000Z")),
        bent("Signature", json!("AAAA")),
        bent("SignatureVersion", json!("3")),
        message("of_another_key"),
        message("sha1_as_v2"),
    ] {
        let answer = post(&door, &unbelieved).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{unbelieved}: {answer:?}");
    }
    door.clock.advance(3600.0);
    let old = post(&door, &message("notification_v2")).await;
    assert_eq!(old.status, StatusCode::UNAUTHORIZED, "{old:?}");
    assert_eq!(door.alerts().await, 0);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_is_no_verdict_and_a_wrong_one_is_not_kept() {
    let door = door().await;
    let away = post(&door, &message("notification_v2")).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE, "{away:?}");
    assert!(away.header("retry-after").is_some());
    for (document, status) in [
        (OTHER, StatusCode::UNAUTHORIZED),
        (b"<html>", StatusCode::UNAUTHORIZED),
        (CERTIFICATE, StatusCode::ACCEPTED),
    ] {
        door.outside.put(&certificate_url(), document);
        let answer = post(&door, &message("notification_v2")).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}
