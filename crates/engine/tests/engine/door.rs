//! The front door: senders under their own names, requests that come twice, and changes that are told.

use crate::harness::{Rig, alert};
use midwatch_engine::{EngineError, Feed, Incoming, IncomingChanges, ReceiveError, Received, Subscription};
use midwatch_incident::State;
use midwatch_model::{Cause, Timestamp, after};
use midwatch_signal::change::ChangeSource;
use midwatch_signal::source::{Mapping, Source};
use midwatch_store::CrashPoint;
use serde_json::{Value, json};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

async fn send(rig: &Rig, feed: &str, key: Option<&str>, body: &Value) -> Result<Received, ReceiveError> {
    let body = serde_json::to_vec(body).expect("plain data");
    let incoming = Incoming {
        feed,
        body: &body,
        sender: "a test",
        replay_key: key,
        may_confirm: key.is_some(),
        taken: &[],
    };
    // No two requests arrive in the same instant.
    rig.clock.advance(1.0);
    rig.engine.take_in(incoming).await
}

fn pagerduty(event: &str, incident: &str) -> Value {
    json!({ "event": {
        "id": event, "event_type": "incident.triggered", "occurred_at": "2026-01-05T03:00:00Z",
        "data": { "id": incident, "type": "incident", "status": "triggered", "title": "disk full",
            "service": { "id": "S1", "summary": "payment" } },
    } })
}

/// The alerts in the intake log: source, the sender's id and how often it was told.
async fn rows(rig: &Rig) -> Vec<(String, String, u64)> {
    let rows = rig.engine.store.intake_list(None, 100).await.expect("a readable store");
    let told = |row: midwatch_store::IntakeRow| {
        let alert = row.alert?;
        Some((alert.source, alert.id.unwrap_or_default(), row.told))
    };
    let mut rows: Vec<_> = rows.into_iter().filter_map(told).collect();
    rows.sort();
    rows
}

fn row(source: &str, id: &str, told: u64) -> (String, String, u64) {
    (source.to_owned(), id.to_owned(), told)
}

#[tokio::test]
async fn a_request_that_comes_twice_is_taken_once_for_a_day_and_through_restarts() {
    let rig = Rig::start().await;
    let first = send(&rig, "pagerduty", None, &pagerduty("e1", "P1")).await.expect("taken");
    assert_eq!((first.accepted.len(), first.replayed), (1, false));
    for _ in 0..2 {
        let again = send(&rig, "pagerduty", None, &pagerduty("e1", "P1")).await.expect("taken");
        assert_eq!((again.accepted.len(), again.replayed), (0, true));
    }
    let other = send(&rig, "pagerduty", None, &pagerduty("e2", "P1")).await.expect("taken");
    assert!(!other.replayed, "another event of the same incident is news");
    let rig = rig.reopen().await;
    rig.engine.settle().await.expect("settled");
    assert_eq!(rows(&rig).await, [row("pagerduty", "P1", 2)]);
    assert!(send(&rig, "pagerduty", None, &pagerduty("e2", "P1")).await.expect("taken").replayed);
    rig.clock.advance(DAY_S + 1.0);
    assert!(!send(&rig, "pagerduty", None, &pagerduty("e1", "P1")).await.expect("taken").replayed);
}

#[tokio::test]
async fn what_was_signed_once_is_taken_once_whatever_it_says() {
    let rig = Rig::start().await;
    let body = json!([alert("a", "payment", Cause::ErrorRateSpike, rig.now())]);
    for (feed, key, replayed) in [
        ("generic", Some("signature"), false),
        ("generic", Some("signature"), true),
        ("generic", Some("another"), false),
        // Nothing is signed, so telling it again is telling it again.
        ("generic", None, false),
        ("generic", None, false),
    ] {
        let received = send(&rig, feed, key, &body).await.expect("taken");
        assert_eq!(received.replayed, replayed, "{feed} {key:?}");
    }
}

#[tokio::test]
async fn a_request_that_was_not_taken_can_be_sent_again() {
    let rig = Rig::start().await;
    rig.engine.store.crash_at(1, CrashPoint::Before);
    let error =
        send(&rig, "pagerduty", Some("s"), &pagerduty("e1", "P1")).await.expect_err("a store that crashed");
    assert!(matches!(&error, ReceiveError::Engine(EngineError::Store(e)) if e.is_unavailable()), "{error}");
    let rig = rig.reopen().await;
    let again = send(&rig, "pagerduty", Some("s"), &pagerduty("e1", "P1")).await.expect("taken");
    assert_eq!((again.accepted.len(), again.replayed), (1, false));
}

/// An event about PagerDuty's incident P1, with when it happened.
fn of_incident(event: &str, kind: &str, status: &str, occurred_at: Timestamp) -> Value {
    let mut body = pagerduty(event, "P1");
    body["event"]["event_type"] = kind.into();
    body["event"]["occurred_at"] = occurred_at.to_string().into();
    body["event"]["data"]["status"] = status.into();
    body["event"]["data"]["created_at"] = "2026-01-05T03:00:00Z".into();
    body
}

#[tokio::test]
async fn an_event_from_before_the_end_that_comes_after_it_changes_nothing() {
    let rig = Rig::start().await;
    let begins = rig.now();
    let told = [
        of_incident("e1", "incident.triggered", "triggered", begins),
        of_incident("e3", "incident.resolved", "resolved", after(begins, 20.0)),
        of_incident("e2", "incident.acknowledged", "acknowledged", after(begins, 10.0)),
    ];
    rig.clock.advance(30.0);
    let mut ids = Vec::new();
    for event in &told {
        ids.extend(send(&rig, "pagerduty", None, event).await.expect("taken").accepted);
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "one episode: {ids:?}");
    assert!(rig.handling(ids[0].as_str()).await.contains(&"late".to_owned()));
    let known = rig.engine.alerts(|_| true).await;
    assert!(known.iter().all(|known| known.held.alert.is_resolved(rig.now())), "{known:?}");
    let again = of_incident("e4", "incident.triggered", "triggered", rig.now());
    let again = send(&rig, "pagerduty", None, &again).await.expect("taken").accepted;
    assert_ne!(again, ids[..1], "what happens after the end is an episode of its own");
}

/// What PagerDuty tells of a page of midwatch's own, and who did it.
fn of_page(event: &str, kind: &str, incident: &str, agent: &str) -> Value {
    let mut body = pagerduty(event, "P9");
    body["event"]["event_type"] = format!("incident.{kind}").into();
    body["event"]["data"]["status"] = kind.into();
    body["event"]["data"]["incident_key"] = format!("midwatch-{incident}").into();
    body["event"]["agent"] = json!({ "type": agent, "id": "U1", "summary": "Jane Doe" });
    body
}

#[tokio::test]
async fn whoever_takes_up_midwatchs_own_page_in_pagerduty_has_taken_the_incident_up() {
    let rig = Rig::start().await;
    rig.break_payment_until(None);
    let id = rig.until_state(State::Escalated).await.id;
    let rows_before = rows(&rig).await;
    let (user, rule) = ("user_reference", "service_reference");
    for (event, kind, incident, agent, expected) in [
        ("e1", "triggered", id.as_str(), rule, 0),
        ("e2", "acknowledged", id.as_str(), rule, 0),
        ("e3", "acknowledged", "inc-unknown", user, 0),
        ("e4", "acknowledged", "../x", user, 0),
        ("e5", "acknowledged", id.as_str(), user, 1),
        ("e6", "acknowledged", id.as_str(), user, 0),
        ("e7", "resolved", id.as_str(), rule, 0),
        ("e8", "resolved", id.as_str(), user, 1),
        ("e9", "resolved", id.as_str(), user, 0),
    ] {
        let received = send(&rig, "pagerduty", None, &of_page(event, kind, incident, agent)).await;
        let received = received.expect("taken");
        assert_eq!((received.accepted.len(), received.incidents.len()), (0, expected), "{event}");
    }
    assert_eq!(rows(&rig).await, rows_before, "a page is no alert");
    let incident = rig.incident().await;
    assert_eq!(incident.state, State::Escalated, "a page that is resolved is no recovery");
    let story = rig.story().await;
    for how in ["acknowledging the page in PagerDuty", "resolving the page in PagerDuty"] {
        assert_eq!(story.matches(&format!("Jane Doe has taken it up, by {how}")).count(), 1, "{story}");
    }
}

#[tokio::test]
async fn a_letter_of_which_some_was_taken_is_tried_again_for_the_rest_only() {
    let rig = Rig::start().await;
    let good = |ends: Option<Timestamp>| json!({ "labels": { "alertname": "good" }, "endsAt": ends });
    let body = json!([good(None), { "labels": {} }]);
    let first = send(&rig, "alertmanager_v2", None, &body).await.expect("partly taken");
    assert_eq!((first.accepted.len(), first.refused.len()), (1, 1));
    let bytes = body.to_string().into_bytes();
    let kept = rig.engine.keep_letter("alertmanager_v2", "a test", &bytes, "alert 1: no labels", first.taken);
    let letter = kept.await.expect("kept");
    send(&rig, "alertmanager_v2", None, &json!([good(Some(rig.now()))])).await.expect("over");
    for _ in 0..2 {
        let error = rig.engine.retry_letter(&letter).await.expect_err("it has no labels still");
        assert!(error.to_string().contains("alert 1"), "{error}");
    }
    let known = rig.engine.alerts(|_| true).await;
    assert_eq!(known.len(), 1);
    assert!(known[0].held.alert.is_resolved(rig.now()), "it stays over: {known:?}");
}

#[tokio::test]
async fn of_many_of_the_same_request_at_once_one_is_taken() {
    let rig = Rig::start().await;
    let body = pagerduty("e1", "P1");
    let sent = (0..20).map(|_| send(&rig, "pagerduty", Some("s"), &body));
    let received = futures::future::join_all(sent).await;
    let taken = received.iter().filter(|r| r.as_ref().is_ok_and(|r| !r.replayed)).count();
    assert_eq!(taken, 1);
    assert!(received.iter().all(Result::is_ok));
}

fn mapping() -> Mapping {
    Mapping {
        id: Some("/n".into()),
        title: Some("/what".into()),
        service: Some("/host".into()),
        ..Mapping::default()
    }
}

#[tokio::test]
async fn configured_senders_keep_their_names_and_are_read_again_after_a_crash() {
    let rig = Rig::with(
        |config| {
            config.feeds.insert("pd-eu".into(), Feed::Source(Source::PagerDuty));
            config.feeds.insert("till".into(), Feed::Mapped(Box::new(mapping())));
        },
        "",
    )
    .await;
    // The rows of these are written later than their deliveries; the crash comes between.
    send(&rig, "pd-eu", None, &pagerduty("e1", "P1")).await.expect("taken");
    send(&rig, "pagerduty", None, &pagerduty("e1", "P1")).await.expect("another sender's event");
    for _ in 0..3 {
        send(&rig, "till", None, &json!({ "n": 7, "what": "jam", "host": "payment" })).await.expect("taken");
    }
    let rig = rig.reopen().await;
    rig.engine.settle().await.expect("settled");
    assert_eq!(rows(&rig).await, [row("pagerduty", "P1", 1), row("pd-eu", "P1", 1), row("till", "7", 3)]);
    let unknown = send(&rig, "nobody", None, &json!({})).await.expect_err("nobody");
    assert!(unknown.to_string().contains("`nobody` is no source"), "{unknown}");
}

fn confirmation() -> Value {
    json!({
        "Type": "SubscriptionConfirmation", "MessageId": "m1", "Message": "confirm", "Token": "t",
        "Timestamp": "2026-01-05T03:00:00Z", "TopicArn": "arn:aws:sns:eu-central-1:1:alarms",
        "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t",
    })
}

#[tokio::test]
async fn a_subscription_is_confirmed_only_if_it_is_genuine_and_until_it_worked() {
    let rig = Rig::start().await;
    let url = confirmation()["SubscribeURL"].as_str().expect("a text").to_owned();
    let waits = send(&rig, "cloudwatch", None, &confirmation()).await.expect("taken");
    assert_eq!(waits.subscription, Some(Subscription::Waits { url: url.clone() }));
    assert_eq!(rig.world.visited(), Vec::<String>::new());
    let mut genuine = confirmation();
    genuine["MessageId"] = json!("m2");
    rig.world.set_cut_off(true);
    let error = send(&rig, "cloudwatch", Some("m2"), &genuine).await.expect_err("cut off");
    assert!(matches!(error, ReceiveError::Unconfirmed(_)), "{error}");
    rig.world.set_cut_off(false);
    let done = send(&rig, "cloudwatch", Some("m2"), &genuine).await.expect("taken");
    assert_eq!(done.subscription, Some(Subscription::Confirmed));
    assert!(send(&rig, "cloudwatch", Some("m2"), &genuine).await.expect("taken").replayed);
    assert_eq!(rig.world.visited(), [url.clone(), url]);
    let mut elsewhere = genuine;
    elsewhere["SubscribeURL"] =
        json!("https://sns.eu-central-1.amazonaws.com.evil.example/?Action=ConfirmSubscription&");
    send(&rig, "cloudwatch", Some("m3"), &elsewhere).await.expect_err("not Amazon's");
    assert_eq!(rig.world.visited().len(), 2);
}

async fn tell_change(rig: &Rig, key: Option<&str>, body: &Value) -> Result<Vec<String>, ReceiveError> {
    let body = serde_json::to_vec(body).expect("plain data");
    let incoming = IncomingChanges {
        name: "generic",
        source: ChangeSource::Generic,
        event: None,
        body: &body,
        replay_key: key,
    };
    rig.engine.receive_changes(incoming).await.map(|received| received.accepted)
}

fn deploy(at: Timestamp, service: &str) -> Value {
    json!({ "service": service, "kind": "deploy", "to": "v9", "by": "ana", "at": at, "id": "d1" })
}

#[tokio::test]
async fn changes_are_durable_when_they_are_acknowledged_and_told_again_they_are_the_same() {
    let rig = Rig::start().await;
    let mut told = deploy(rig.now(), "payment");
    assert_eq!(tell_change(&rig, Some("s1"), &told).await.expect("taken"), ["generic/d1"]);
    assert_eq!(tell_change(&rig, Some("s1"), &told).await.expect("known"), Vec::<String>::new());
    told["to"] = json!("v10");
    tell_change(&rig, None, &told).await.expect("taken");
    rig.engine.store.crash_at(1, CrashPoint::Before);
    tell_change(&rig, None, &deploy(rig.now(), "order")).await.expect_err("a store that crashed");
    let rig = rig.reopen().await;
    let changes = rig.engine.changes(&[], after(rig.now(), -60.0), 10).await.expect("readable");
    let shown: Vec<_> = changes.iter().map(|c| (c.id.as_str(), c.to.as_str(), c.service.as_str())).collect();
    assert_eq!(shown, [("generic/d1", "v10", "payment")]);
}

/// The change that the verdict names after the payment service became slow, when this one was told.
async fn verdict_change(service: &str, before_onset_s: f64) -> Option<String> {
    let rig = Rig::start().await;
    let onset = after(rig.now(), crate::harness::FAULT_AT_S);
    rig.break_payment();
    rig.ticks(15).await;
    tell_change(&rig, None, &deploy(after(onset, -before_onset_s), service)).await.expect("taken");
    let incident = rig.until("diagnosed", |i| i.verdict.is_some() && i.state != State::Correlating).await;
    let verdict = incident.verdict.expect("a verdict");
    let root = verdict.root().expect("a cause");
    assert_eq!(root.component.as_str(), "payment", "{}", rig.story().await);
    root.change.as_ref().map(|change| change.id.clone())
}

#[tokio::test]
async fn a_deployment_that_was_told_before_the_onset_is_part_of_the_verdict() {
    assert_eq!(verdict_change("payment", 12.0).await.as_deref(), Some("generic/d1"));
    assert_eq!(verdict_change("order", 12.0).await, None, "another service's deployment");
    // DiagnosisConfig's window is an hour.
    assert_eq!(verdict_change("payment", 7200.0).await, None, "a deployment of long ago");
}

#[tokio::test]
async fn a_change_that_was_told_with_a_secret_is_listed_and_handed_over_without_it() {
    let rig = Rig::start().await;
    let mut told = deploy(rig.now(), "payment");
    told["title"] = json!("set DB_PASS=Tr0ub4dor");
    told["diff"] =
        json!("--- a/x.env\n+++ b/x.env\n@@ -1 +1 @@\n-API_TOKEN=old5ecret\n+API_TOKEN=Tr0ub4dor\n");
    told["files_changed"] = json!(["x.env"]);
    tell_change(&rig, None, &told).await.expect("taken");
    let listed = rig.engine.changes(&[], after(rig.now(), -DAY_S), 10).await.expect("a store");
    let text = serde_json::to_string(&listed).expect("plain data");
    assert!(text.contains("set DB_PASS=[redacted]") && !text.contains("Tr0ub4dor"), "{text}");
    assert!(!text.contains("old5ecret"), "{text}");
    let stored = rig.engine.store.changes(&[], after(rig.now(), -DAY_S), 10).await.expect("a store");
    assert_eq!(stored, listed, "it is not kept, either");
}
