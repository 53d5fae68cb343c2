//! Somebody changes the file behind the store's back.

use crate::harness::{append, assert_clean, folder, incident, open};
use midwatch_model::action::TargetState;
use midwatch_model::decision::Principal;
use midwatch_model::journal::{Entry, Intent, Line, StreamId};
use midwatch_model::{Action, ActionKey, PlanHash, Timestamp};
use midwatch_store::{Append, Commit};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use std::path::Path;

async fn execute(path: &Path, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut db = options.connect().await.expect("a connection");
    let done = db.execute(sql).await.expect(sql);
    assert!(done.rows_affected() > 0, "{sql} changed nothing");
    db.close().await.expect("closed");
}

/// A store with two streams of four records.
async fn filled(path: &Path) {
    let store = open(path).await;
    for name in ["a", "b"] {
        let stream = incident(name);
        let texts = ["one", "two", "three", "four"];
        for (index, text) in texts.iter().enumerate() {
            store.commit(append(&stream, index as u64, &[text])).await.expect("a commit");
        }
    }
    store.close().await;
    drop(store);
    assert_clean(path).await;
}

/// After `sql` the named stream has the problem, the other has none, and the stream cannot be read.
async fn check(sql: &'static str, problem: &str) {
    let (_dir, path) = folder();
    filled(&path).await;
    execute(&path, sql).await;
    let report = midwatch_store::verify(&path).await.expect("a report");
    assert!(!report.is_clean(), "{sql}");
    let found: Vec<_> =
        report.streams.iter().filter_map(|s| Some((s.stream.as_str(), s.problem.as_deref()?))).collect();
    assert!(matches!(found.as_slice(), [("incident/a", p)] if p.contains(problem)), "{sql}: {found:?}");

    let store = open(&path).await;
    let error = store.read(&incident("a")).await.expect_err("an unread stream");
    assert!(error.to_string().contains("the journal does not hold"), "{error}");
    store.read(&incident("b")).await.expect("the other stream is as it was");
}

#[tokio::test]
async fn whatever_is_changed_in_a_stream_is_found_and_named() {
    let changed = "was changed after it was written";
    check(
        "UPDATE records SET bytes = replace(bytes, 'two', 'too') WHERE stream = 'incident/a' AND seq = 2",
        changed,
    )
    .await;
    check("UPDATE records SET bytes = bytes || ' ' WHERE stream = 'incident/a' AND seq = 4", changed).await;
    check("UPDATE records SET hash = zeroblob(32) WHERE stream = 'incident/a' AND seq = 1", changed).await;
    check("UPDATE records SET hash = x'00' WHERE stream = 'incident/a' AND seq = 3", changed).await;
    check("DELETE FROM records WHERE stream = 'incident/a' AND seq = 4", "its tail was cut").await;
    check("DELETE FROM records WHERE stream = 'incident/a' AND seq > 1", "its tail was cut").await;
    check("DELETE FROM records WHERE stream = 'incident/a'", "its tail was cut").await;
    check("DELETE FROM records WHERE stream = 'incident/a' AND seq = 2", "record 2 is missing").await;
    check("DELETE FROM records WHERE stream = 'incident/a' AND seq = 1", "record 1 is missing").await;
    check("DELETE FROM heads WHERE stream = 'incident/a'", "the head says 0 records").await;
    check("UPDATE heads SET seq = 5 WHERE stream = 'incident/a'", "the head says 5 records").await;
    check("UPDATE heads SET hash = zeroblob(32) WHERE stream = 'incident/a'", "the head's hash").await;
    // Records 2 and 3 change places, bytes and hashes together.
    check(
        "UPDATE records SET (bytes, hash) = (SELECT o.bytes, o.hash FROM records o \
         WHERE o.stream = 'incident/a' AND o.seq = 5 - records.seq) WHERE stream = 'incident/a' AND seq IN (2, 3)",
        changed,
    )
    .await;
    // A record of another stream, with its own hash.
    check(
        "UPDATE records SET (bytes, hash) = (SELECT o.bytes, o.hash FROM records o \
         WHERE o.stream = 'incident/b' AND o.seq = 4) WHERE stream = 'incident/a' AND seq = 4",
        changed,
    )
    .await;
    // One that was added without its hash.
    check(
        "INSERT INTO records SELECT stream, 5, bytes, hash FROM records WHERE stream = 'incident/a' AND seq = 4",
        changed,
    )
    .await;
}

#[tokio::test]
async fn an_append_to_a_tampered_stream_does_not_hide_what_was_done() {
    let (_dir, path) = folder();
    filled(&path).await;
    execute(
        &path,
        "UPDATE records SET bytes = replace(bytes, 'two', 'too') WHERE stream = 'incident/a' AND seq = 2",
    )
    .await;
    let store = open(&path).await;
    store.commit(append(&incident("a"), 4, &["five"])).await.expect("the head is as expected");
    assert!(store.read(&incident("a")).await.is_err());
    store.close().await;
    drop(store);
    assert!(!midwatch_store::verify(&path).await.expect("a report").is_clean());
}

/// An intent of a person on a service, within an incident.
fn intended() -> Entry {
    let before = TargetState {
        version: "v1".into(),
        previous_version: None,
        replicas: 1,
        ready_replicas: 1,
        max_replicas: 2,
        pool_size: 1,
        circuit_open: false,
        generation: 1,
        ..TargetState::default()
    };
    let intent = Intent {
        key: ActionKey::new("act-1"),
        incident: Some("b".into()),
        plan: PlanHash::new("p"),
        step: 0,
        principal: Principal::Human("ann".into()),
        action: Action::Restart { target: "web".into() },
        undo: None,
        undoes: None,
        before,
        deadline: Timestamp::UNIX_EPOCH,
    };
    Entry::Intended { intent }
}

#[tokio::test]
async fn a_stream_that_is_gone_as_a_whole_is_missed_by_those_that_speak_of_it() {
    let (_dir, path) = folder();
    filled(&path).await;
    execute(&path, "INSERT INTO standing (id, received_ms, incident) VALUES ('sig-1', 0, 'a')").await;
    let store = open(&path).await;
    let lines = vec![Line::new(Timestamp::UNIX_EPOCH, intended())];
    let service = StreamId::Service("web".into());
    let both = [(incident("b"), 4), (service, 0)];
    let appends = both
        .into_iter()
        .map(|(stream, expected)| Append { stream, expected, lines: lines.clone() })
        .collect();
    store.commit(Commit { appends, ..Commit::default() }).await.expect("a commit");
    store.close().await;
    drop(store);
    assert_clean(&path).await;
    for gone in [
        "DELETE FROM records WHERE stream IN ('incident/a', 'service/web')",
        "DELETE FROM heads WHERE stream IN ('incident/a', 'service/web')",
    ] {
        execute(&path, gone).await;
    }
    let report = midwatch_store::verify(&path).await.expect("a report");
    let problems: Vec<_> = report.streams.iter().filter_map(|s| s.problem.as_deref()).collect();
    assert_eq!(
        problems,
        [
            "incident/a: it is gone as a whole, but the intake log speaks of it",
            "service/web: it is gone as a whole, but incident/b speaks of it",
        ]
    );
}

#[tokio::test]
async fn overwritten_pages_of_the_file_are_found() {
    let (_dir, path) = folder();
    filled(&path).await;
    execute(&path, "UPDATE heads SET seq = seq WHERE stream = 'incident/a'").await;
    let mut bytes = std::fs::read(&path).expect("the file");
    let half = bytes.len() / 2;
    assert!(half > 4096, "{} bytes", bytes.len());
    bytes[4096..half].fill(0xA5);
    std::fs::write(&path, bytes).expect("the file");
    match midwatch_store::verify(&path).await {
        Ok(report) => assert!(!report.is_clean(), "{report:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
