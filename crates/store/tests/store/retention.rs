//! What is old enough is forgotten, and nothing that somebody still needs.

use crate::harness::{assert_clean, folder, incident, open};
use midwatch_model::journal::{Entry, Line};
use midwatch_model::{Signal, Timestamp, after};
use midwatch_store::{
    Append, Attempt, Commit, Compressed, DeadLetter, Delivery, Expiry, IncidentRow, IntakeRow, Notification,
    NotificationState, Store,
};
use serde_json::json;

fn day(at: f64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, at * 86_400.0)
}

/// An alert that came on day 1 and is over on day `ends`.
fn row(id: &str, ends: f64, incident: Option<&str>, done: bool) -> IntakeRow {
    let alert = json!({
        "source": "test", "labels": {"alertname": id}, "annotations": {}, "starts_at": day(1.0),
        "ends_at": day(ends), "timeout": false, "generator_url": "", "severity": "warning", "updated_at": day(1.0),
    });
    IntakeRow {
        id: id.into(),
        received_at: day(1.0),
        source: "test".into(),
        service: "payment".into(),
        labels: Default::default(),
        payload: b"{}".to_vec(),
        handling: Vec::new(),
        incident: incident.map(str::to_owned),
        done,
        alert: Some(serde_json::from_value(alert).expect("an alert")),
        told: 1,
        ended_at: (ends < 100.0).then(|| day(ends)),
    }
}

fn incident_row(id: &str, open: bool) -> IncidentRow {
    IncidentRow {
        id: id.into(),
        state: "closed".into(),
        open,
        service: "payment".into(),
        cause: None,
        parent: None,
        opened_at: day(1.0),
        seq: 1,
        summary: String::new(),
    }
}

fn notification(id: &str, alert: &str) -> Notification {
    Notification {
        id: id.into(),
        target: "ops/webhook/0".into(),
        group_key: id.into(),
        why: "first".into(),
        created_at: day(1.0),
        body: b"{}".to_vec(),
        state: NotificationState::Pending,
        attempts: 0,
        next_at: Some(day(1.0)),
        ended_at: None,
        superseded_by: None,
        answer: String::new(),
        alerts: vec![alert.into()],
    }
}

fn delivered(id: &str) -> Attempt {
    Attempt {
        notification: id.into(),
        state: NotificationState::Delivered,
        attempts: 1,
        at: day(1.0),
        next_at: None,
        answer: "200".into(),
        given: None,
    }
}

fn delivery(seq: u64, at: f64) -> Delivery {
    let (source, sender) = ("test".into(), "a test".into());
    Delivery { seq, received_at: day(at), source, sender, news: true, body: Compressed::new(b"{}") }
}

fn letter(id: &str, intake: &str) -> DeadLetter {
    DeadLetter {
        id: id.into(),
        received_at: day(1.0),
        source: "test".into(),
        sender: "the intake log".into(),
        intake: Some(intake.into()),
        reason: "odd".into(),
        taken: Vec::new(),
        retried_at: None,
        results: Vec::new(),
        body: Compressed::new(b"{}"),
    }
}

/// Forgets all that was over before a day; gives what went.
async fn forget(store: &Store, records: f64, requests: f64) -> (Vec<String>, Vec<String>, Vec<i64>) {
    let expiry = Expiry { records_before: Some(day(records)), requests_before: Some(day(requests)) };
    let (mut intake, mut notifications, mut deliveries) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let forgotten = store.expired(&expiry).await.expect("readable");
        if forgotten.is_empty() {
            intake.sort();
            return (intake, notifications, deliveries);
        }
        intake.extend(forgotten.intake.clone());
        notifications.extend(forgotten.notifications.clone());
        deliveries.extend(forgotten.deliveries.clone());
        store.commit(Commit { forgotten, ..Commit::default() }).await.expect("a commit");
    }
}

#[tokio::test]
async fn only_what_is_over_and_needed_by_nobody_is_forgotten() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let commit = Commit {
        incidents: vec![incident_row("inc-open", true), incident_row("inc-closed", false)],
        intake: vec![
            row("over", 2.0, None, true),
            row("closed", 2.0, Some("inc-closed"), true),
            row("open", 2.0, Some("inc-open"), true),
            row("waits", 2.0, None, false),
            row("fires", 9999.0, None, true),
            row("being-told", 2.0, None, true),
            row("dead", 2.0, None, true),
        ],
        notifications: vec![
            notification("ntf-over", "over"),
            notification("ntf-fires", "fires"),
            notification("ntf-inc", "inc-open"),
            notification("ntf-gone", "inc-closed"),
            notification("ntf-pending", "being-told"),
        ],
        dead_letters: vec![letter("dlq-1", "dead")],
        deliveries: vec![delivery(1, 1.0), delivery(2, 1.0), delivery(3, 1.0), delivery(4, 300.0)],
        told_up_to: Some(2),
        ..Commit::default()
    };
    store.commit(commit).await.expect("a commit");
    let attempts = ["ntf-over", "ntf-fires", "ntf-inc", "ntf-gone"].map(delivered).to_vec();
    store.commit(Commit { attempts, ..Commit::default() }).await.expect("a commit");
    assert_eq!(forget(&store, 0.9, 0.5).await, Default::default(), "it is not old enough");
    let (intake, notifications, deliveries) = forget(&store, 100.0, 100.0).await;
    assert_eq!(intake, ["closed", "over"]);
    assert_eq!(notifications, ["ntf-gone", "ntf-over"]);
    assert_eq!(deliveries, [1, 2], "those that have to be read again after a crash stay");
    assert_eq!(store.last_delivery().await.expect("readable"), 4);
    assert_eq!(store.deliveries_not_told().await.expect("readable").len(), 2);
    assert!(store.notifications_of("over").await.expect("readable").is_empty());
    assert_eq!(store.notifications_pending(9).await.expect("readable").len(), 1);
}

#[tokio::test]
async fn a_store_is_clean_although_a_journals_signals_are_forgotten_and_not_if_they_are_lost() {
    for (detected, clean) in [(1.0, true), (200.0, false)] {
        let (_dir, path) = folder();
        let store = open(&path).await;
        let signal: Signal = serde_json::from_value(json!({
            "id": "sig-1", "kind": "anomaly", "origin": "midwatch", "service": "payment", "metric": null,
            "class": "latency_spike", "onset_at": day(detected), "detected_at": day(detected), "value": 1.0,
            "sigma": 0.0, "baseline": null, "summary": "slow", "evidence": null,
        }))
        .expect("a signal");
        let opened = Entry::Opened { incident: "inc-1".into(), signal, reason: "first".into() };
        let lines = vec![Line::new(day(detected), opened)];
        let appends = vec![Append { stream: incident("inc-1"), expected: 0, lines }];
        let intake = vec![row("other", 2.0, None, true)];
        store.commit(Commit { appends, intake, ..Commit::default() }).await.expect("a commit");
        let report = midwatch_store::verify(&path).await.expect("readable");
        assert!(!report.is_clean(), "nothing was forgotten yet");
        assert_eq!(forget(&store, 100.0, 100.0).await.0, ["other"]);
        if clean {
            assert_clean(&path).await;
        } else {
            assert!(!midwatch_store::verify(&path).await.expect("readable").is_clean());
        }
    }
}

#[tokio::test]
async fn a_batch_is_bounded_and_sizes_are_shown() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let intake: Vec<_> = (0..700).map(|n| row(&format!("a-{n}"), 2.0, None, true)).collect();
    store.commit(Commit { intake, ..Commit::default() }).await.expect("a commit");
    let expiry = Expiry { records_before: Some(day(100.0)), requests_before: None };
    let first = store.expired(&expiry).await.expect("readable");
    assert_eq!(first.intake.len(), 500);
    let rows = async || {
        let size = midwatch_store::size(&path).await.expect("readable");
        let intake = size.tables.into_iter().find(|table| table.table == "intake").expect("intake");
        (intake.rows, intake.bytes.expect("counted"))
    };
    let before = rows().await;
    store.commit(Commit { forgotten: first, ..Commit::default() }).await.expect("a commit");
    let after = rows().await;
    assert_eq!((before.0, after.0), (700, 200));
    assert!(after.1 < before.1, "{before:?} {after:?}");
}
