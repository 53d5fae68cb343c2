//! What is derived, what came in, and what wakes up.

use crate::harness::{append, folder, incident, open};
use midwatch_model::{Timestamp, after};
use midwatch_store::{Commit, IncidentRow, IntakeRow, Timer};
use serde_json::json;

fn second(at: f64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, at)
}

fn intake(id: &str, at: f64, payload: &str) -> IntakeRow {
    IntakeRow {
        id: id.into(),
        received_at: second(at),
        source: "alertmanager".into(),
        service: "payment".into(),
        labels: Default::default(),
        payload: payload.as_bytes().to_vec(),
        handling: vec![json!({"step": "received"})],
        incident: None,
        done: false,
        alert: None,
        told: 1,
        ended_at: None,
    }
}

#[tokio::test]
async fn what_came_in_waits_in_order_until_it_is_handled_and_keeps_its_history() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let rows = vec![intake("b", 2.0, "later"), intake("a", 1.0, "earlier")];
    store.commit(Commit { intake: rows, ..Commit::default() }).await.expect("a commit");
    // The same id again changes nothing.
    store
        .commit(Commit { intake: vec![intake("a", 9.0, "other")], ..Commit::default() })
        .await
        .expect("a commit");
    let waiting = store.intake_pending(10).await.expect("rows");
    assert_eq!(waiting.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(waiting[0].payload, b"earlier");
    assert_eq!(store.intake_pending(1).await.expect("rows").len(), 1);

    let step = ("a".to_owned(), json!({"step": "opened"}), Some("inc-1".to_owned()), true);
    store.commit(Commit { handled: vec![step], ..Commit::default() }).await.expect("a commit");
    // A later remark neither forgets the incident nor opens the matter again.
    let remark = ("a".to_owned(), json!({"step": "remark"}), None, false);
    store.commit(Commit { handled: vec![remark], ..Commit::default() }).await.expect("a commit");
    store.close().await;
    drop(store);

    let store = open(&path).await;
    let row = store.intake("a").await.expect("readable").expect("a row");
    assert!(row.done);
    assert_eq!(row.incident.as_deref(), Some("inc-1"));
    assert_eq!(
        row.handling,
        [json!({"step": "received"}), json!({"step": "opened"}), json!({"step": "remark"})]
    );
    assert_eq!(store.intake_pending(10).await.expect("rows").len(), 1);
    assert_eq!(store.intake_list(Some("inc-1"), 10).await.expect("rows").len(), 1);
    assert_eq!(store.intake_list(None, 10).await.expect("rows").len(), 2);
}

#[tokio::test]
async fn what_a_refused_commit_carries_is_not_kept() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let a = incident("a");
    store.commit(append(&a, 0, &["first"])).await.expect("a commit");
    let timer = Timer { stream: a.clone(), kind: "wake", due: Some(second(1.0)) };
    let snapshot = ("baselines".to_owned(), second(1.0), vec![1]);
    let commit = Commit {
        intake: vec![intake("a", 1.0, "text")],
        timers: vec![timer],
        snapshots: vec![snapshot],
        ..append(&a, 0, &["second"])
    };
    assert!(store.commit(commit).await.is_err());
    assert!(store.intake("a").await.expect("readable").is_none());
    assert!(store.due(second(9.0)).await.expect("readable").is_empty());
    assert!(store.snapshot("baselines").await.expect("readable").is_none());
}

#[tokio::test]
async fn wake_ups_are_set_moved_and_cleared_and_survive() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let set = |due: Option<f64>| {
        let timer = Timer { stream: incident("a"), kind: "wake", due: due.map(second) };
        Commit { timers: vec![timer], ..Commit::default() }
    };
    store.commit(set(Some(10.0))).await.expect("a commit");
    store.commit(set(Some(20.0))).await.expect("a commit");
    store.close().await;
    drop(store);
    let store = open(&path).await;
    assert!(store.due(second(19.0)).await.expect("readable").is_empty());
    assert_eq!(store.due(second(20.0)).await.expect("readable"), [(incident("a"), "wake".to_owned())]);
    store.commit(set(None)).await.expect("a commit");
    assert!(store.due(second(99.0)).await.expect("readable").is_empty());
}

#[tokio::test]
async fn a_row_folded_from_fewer_records_never_replaces_a_newer_one() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let row = |seq, state: &str, open| IncidentRow {
        id: "inc-1".into(),
        state: state.into(),
        open,
        service: "payment".into(),
        cause: None,
        opened_at: second(1.0),
        parent: None,
        seq,
        summary: "slow".into(),
    };
    for row in [row(3, "resolved", true), row(2, "verifying", true)] {
        store.commit(Commit { incidents: vec![row], ..Commit::default() }).await.expect("a commit");
    }
    assert_eq!(store.incidents(true, 10).await.expect("rows"), [row(3, "resolved", true)]);
    store
        .commit(Commit { incidents: vec![row(4, "closed", false)], ..Commit::default() })
        .await
        .expect("a commit");
    assert!(store.incidents(true, 10).await.expect("rows").is_empty());
    assert_eq!(store.incidents_of("payment", 10).await.expect("rows"), [row(4, "closed", false)]);
    let incidents = vec![row(1, "correlating", true)];
    store.commit(Commit { incidents, replace_views: true, ..Commit::default() }).await.expect("rebuilt");
    assert_eq!(store.incidents(false, 10).await.expect("rows"), [row(1, "correlating", true)]);
}

#[tokio::test]
async fn a_parent_knows_its_children() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let row = |id: &str, at, parent: Option<&str>| IncidentRow {
        id: id.into(),
        state: "correlating".into(),
        open: true,
        service: "payment".into(),
        cause: None,
        opened_at: second(at),
        parent: parent.map(Into::into),
        seq: 1,
        summary: "slow".into(),
    };
    let (second, first) = (row("inc-3", 3.0, Some("inc-1")), row("inc-2", 2.0, Some("inc-1")));
    let incidents = vec![row("inc-1", 1.0, None), second.clone(), first.clone()];
    store.commit(Commit { incidents, ..Commit::default() }).await.expect("a commit");
    assert_eq!(store.children_of("inc-1", 10).await.expect("rows"), [first, second]);
    assert!(store.children_of("inc-2", 10).await.expect("rows").is_empty());
}
