//! Appending: shared commits, conflicts, crashes, and one writer per store.

use crate::harness::{append, assert_clean, folder, incident, open, texts};
use futures::future::join_all;
use midwatch_model::journal::StreamId;
use midwatch_store::{Commit, CrashPoint, Store, StoreError};

#[tokio::test]
async fn many_writers_at_once_are_all_durable() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let streams: Vec<StreamId> = (0..64).map(|n| incident(&format!("inc-{n}"))).collect();
    let commits = streams.iter().map(|stream| store.commit(append(stream, 0, &["first", "second"])));
    for result in join_all(commits).await {
        result.expect("a commit");
    }
    assert_eq!(store.commits(), 64);
    store.close().await;
    drop(store);

    let store = open(&path).await;
    for stream in &streams {
        assert_eq!(texts(&store, stream).await, ["first", "second"], "{stream}");
    }
    assert_eq!(store.streams("incident/").await.expect("streams").len(), 64);
    assert_clean(&path).await;
}

#[tokio::test]
async fn a_conflict_fails_only_its_own_commit_of_a_group() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let shared = incident("shared");
    let others: Vec<StreamId> = (0..20).map(|n| incident(&format!("inc-{n}"))).collect();
    // The commits of one join are queued before the writer runs, so they are one group.
    let mut commits = vec![append(&shared, 0, &["mine"]), append(&shared, 0, &["yours"])];
    commits.extend(others.iter().map(|stream| append(stream, 0, &["text"])));
    let results = join_all(commits.into_iter().map(|commit| store.commit(commit))).await;

    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(
        matches!(failed.as_slice(), [StoreError::Conflict { stream, expected: 0, found: 1 }] if stream == "incident/shared"),
        "{failed:?}"
    );
    assert_eq!(texts(&store, &shared).await, ["mine"]);
    for stream in &others {
        assert_eq!(texts(&store, stream).await, ["text"], "{stream}");
    }
    store.commit(append(&shared, 1, &["yours, anew"])).await.expect("a retry");
    assert_eq!(texts(&store, &shared).await, ["mine", "yours, anew"]);
    assert_clean(&path).await;
}

#[tokio::test]
async fn a_commit_on_two_streams_is_kept_or_lost_as_a_whole() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let (a, b) = (incident("a"), StreamId::Service("payment".into()));
    store.commit(append(&b, 0, &["taken"])).await.expect("a commit");
    let both = |expected_b| {
        let mut commit = append(&a, 0, &["intended"]);
        commit.appends.extend(append(&b, expected_b, &["intended"]).appends);
        commit
    };
    let error = store.commit(both(0)).await.expect_err("somebody was first");
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert!(texts(&store, &a).await.is_empty());
    store.commit(both(1)).await.expect("as it is now");
    assert_eq!(texts(&store, &a).await, ["intended"]);
    assert_eq!(texts(&store, &b).await, ["taken", "intended"]);
    assert_clean(&path).await;
}

#[tokio::test]
async fn one_commit_may_append_twice_to_one_stream() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let a = incident("a");
    let mut commit = append(&a, 0, &["one"]);
    commit.appends.extend(append(&a, 1, &["two"]).appends);
    store.commit(commit).await.expect("a commit");
    assert_eq!(texts(&store, &a).await, ["one", "two"]);
    assert_clean(&path).await;
}

#[tokio::test]
async fn a_reopened_store_goes_on_where_it_was() {
    let (_dir, path) = folder();
    let a = incident("a");
    for round in 0..3 {
        let store = open(&path).await;
        assert_eq!(texts(&store, &a).await.len(), round);
        store.commit(append(&a, round as u64, &["again"])).await.expect("a commit");
        store.close().await;
        drop(store);
    }
    assert_clean(&path).await;
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_has_ended() {
    let (_dir, path) = folder();
    let first = open(&path).await;
    let again = first.clone();
    let error = Store::open(&path).await.err().expect("in use");
    assert!(matches!(&error, StoreError::InUse { path: held } if *held == path), "{error}");
    drop(first);
    assert!(Store::open(&path).await.is_err(), "a clone still holds it");
    drop(again);
    open(&path).await;
}

#[tokio::test]
async fn a_simulated_crash_loses_or_keeps_its_commit_and_everything_after_fails() {
    for (point, kept) in [(CrashPoint::Before, vec!["one"]), (CrashPoint::After, vec!["one", "two"])] {
        let (_dir, path) = folder();
        let store = open(&path).await;
        let a = incident("a");
        store.crash_at(2, point);
        store.commit(append(&a, 0, &["one"])).await.expect("before the crash");
        let error = store.commit(append(&a, 1, &["two"])).await.expect_err("the crash");
        assert!(error.is_unavailable(), "{error}");
        assert!(store.commit(Commit::default()).await.is_err(), "nothing works after a crash");
        store.close().await;
        drop(store);
        assert_eq!(texts(&open(&path).await, &a).await, kept, "{point:?}");
        assert_clean(&path).await;
    }
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_with_its_name() {
    let (_dir, path) = folder();
    std::fs::write(&path, b"not a database, but long enough to be looked at as if it were one")
        .expect("a file");
    let error = Store::open(&path).await.err().expect("refused").to_string();
    assert!(error.contains("midwatch.db"), "{error}");
    assert!(midwatch_store::verify(&path.with_extension("none")).await.is_err());
}
