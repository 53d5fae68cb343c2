//! A disk that is full and a file that somebody else has locked: refused, said so, and working again afterwards.

use crate::durable::this_test_again;
use crate::harness::{append, assert_clean, folder, incident, open, texts};
use midwatch_store::{Commit, Store, StoreError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use std::process::Command;

async fn assert_refused(store: &Store, expected: u64, text: &str, advice: &str) {
    let error = store.commit(append(&incident("a"), expected, &[text])).await.expect_err("refused");
    assert!(matches!(error, StoreError::Unavailable { .. }) && error.is_unavailable(), "{error}");
    assert!(error.to_string().contains(advice), "{error}");
    assert_eq!(error.to_string().matches("takes nothing now").count(), 1, "it is said once: {error}");
}

#[tokio::test]
async fn a_locked_file_refuses_writes_with_advice_and_takes_them_when_it_is_free() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    store.commit(append(&incident("a"), 0, &["before"])).await.expect("a commit");
    let mut other =
        sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.expect("a connection");
    other.execute("BEGIN IMMEDIATE").await.expect("the lock");
    assert_refused(&store, 1, "too soon", "another process has locked the file").await;
    assert_eq!(texts(&store, &incident("a")).await, ["before"], "reading goes on");
    other.close().await.expect("closed");
    store.commit(append(&incident("a"), 1, &["after"])).await.expect("the lock is gone");
    assert_eq!(texts(&store, &incident("a")).await, ["before", "after"]);
    store.close().await;
    drop(store);
    assert_clean(&path).await;
}

#[tokio::test]
async fn what_follows_from_memory_is_refused_after_a_failure_until_the_store_was_read_again() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let basis = store.basis().await.expect("a basis");
    let from = |basis| Commit { basis: Some(basis), ..Commit::default() };
    store.commit(from(basis)).await.expect("a commit");
    let mut other =
        sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.expect("a connection");
    other.execute("BEGIN IMMEDIATE").await.expect("the lock");
    let fails = store.enqueue(from(basis)).await;
    assert!(fails.wait().await.is_err(), "the file is locked");
    other.close().await.expect("closed");
    let error = store.commit(from(basis)).await.expect_err("it rests on what failed");
    assert!(error.is_unavailable() && error.to_string().contains("rests"), "{error}");
    store.commit(append(&incident("a"), 0, &["on nothing but its stream"])).await.expect("a commit");
    let basis = store.basis().await.expect("a new basis");
    store.commit(from(basis)).await.expect("a commit");
}

/// Bytes that a file of the child may have at first: more than an empty store takes with all its tables (above 256 KB).
const FILE_BYTES: u64 = 1 << 20;

/// Environment variable that tells this test that it runs with a limit.
const LIMITED: &str = "MIDWATCH_TEST_LIMITED";

#[test]
fn a_full_disk_refuses_writes_and_takes_them_when_there_is_room_again() {
    if std::env::var_os(LIMITED).is_none() {
        return in_a_child_with_a_limit();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(fill_and_free());
}

/// The limit holds for a whole process and its signal must be ignored, so a shell sets both up.
fn in_a_child_with_a_limit() {
    let mut again = Command::new("sh");
    again.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    let name = "disk::a_full_disk_refuses_writes_and_takes_them_when_there_is_room_again";
    let output = this_test_again(&mut again, name).env(LIMITED, "1").output().expect("a child");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn fill_and_free() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let a = incident("a");
    let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).expect("the limit");
    setrlimit(Resource::RLIMIT_FSIZE, FILE_BYTES, most).expect("a lower limit");
    let text = "x".repeat(10_000);
    let mut taken = 0;
    let error = loop {
        match store.commit(append(&a, taken, &[&text])).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000, "the limit does not hold");
    };
    assert!(taken > 0);
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert_refused(&store, taken, &text, "check the disk").await;
    assert_eq!(
        texts(&store, &a).await.len() as u64,
        taken,
        "what was acknowledged is there, and nothing else"
    );

    setrlimit(Resource::RLIMIT_FSIZE, most, most).expect("the old limit");
    store.commit(append(&a, taken, &["room again"])).await.expect("there is room");
    assert_eq!(texts(&store, &a).await.len() as u64, taken + 1);
    store.close().await;
    drop(store);
    assert_clean(&path).await;
    let store = open(&path).await;
    assert_eq!(texts(&store, &a).await.last().map(String::as_str), Some("room again"));
}
