//! What the front door keeps: what was seen before, and changes.

use crate::harness::{folder, open};
use midwatch_model::{Change, ChangeKind, Timestamp, after};
use midwatch_store::{Commit, Seen, Store, ToldChange};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

fn second(at: f64) -> Timestamp {
    after("2026-01-05T03:00:00Z".parse().expect("a time"), at)
}

async fn see(store: &Store, keys: &[&str], at: f64) {
    let seen = keys.iter().map(|key| Seen { key: (*key).into(), at: second(at) }).collect();
    store.commit(Commit { seen, ..Commit::default() }).await.expect("a commit");
}

async fn known(store: &Store, keys: &[&str], at: f64) -> Vec<String> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let mut known: Vec<_> =
        store.seen(&keys, second(at)).await.expect("a readable store").into_iter().collect();
    known.sort();
    known
}

#[tokio::test]
async fn what_was_seen_is_known_for_a_day_through_restarts() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    see(&store, &["a", "b"], 0.0).await;
    see(&store, &["b", "c"], 100.0).await;
    store.close().await;
    drop(store);
    let store = open(&path).await;
    for (at, expected) in
        [(100.0, vec!["a", "b", "c"]), (DAY_S + 1.0, vec!["b", "c"]), (DAY_S + 101.0, vec![])]
    {
        assert_eq!(known(&store, &["a", "b", "c", "d"], at).await, expected, "after {at} s");
    }
    // One that comes again after that is known again.
    see(&store, &["a"], 2.0 * DAY_S).await;
    assert_eq!(known(&store, &["a", "b"], 2.0 * DAY_S + 5.0).await, ["a"]);
}

fn change(id: &str, service: &str, at: f64, to: &str) -> Change {
    Change {
        id: id.into(),
        at: second(at),
        service: service.into(),
        kind: ChangeKind::Deploy,
        from: String::new(),
        to: to.into(),
        by: "ana".into(),
        title: String::new(),
        url: String::new(),
        content: None,
    }
}

async fn tell(store: &Store, changes: &[Change], at: f64) {
    let told = |change: &Change| ToldChange { change: change.clone(), received_at: second(at) };
    let changes = changes.iter().map(told).collect();
    store.commit(Commit { changes, ..Commit::default() }).await.expect("a commit");
}

async fn found(store: &Store, services: &[&str], since: f64) -> Vec<(String, String)> {
    let services: Vec<_> = services.iter().map(|name| (*name).into()).collect();
    let changes = store.changes(&services, second(since), 10).await.expect("a readable store");
    changes.into_iter().map(|change| (change.id, change.to)).collect()
}

#[tokio::test]
async fn the_last_telling_of_a_change_holds_and_old_ones_are_forgotten() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    tell(
        &store,
        &[change("1", "a", 1.0, "v1"), change("2", "b", 2.0, "v1"), change("3", "a", 3.0, "v2")],
        5.0,
    )
    .await;
    tell(&store, &[change("1", "a", 4.0, "v9")], 6.0).await;
    let pair = |id: &str, to: &str| (id.to_owned(), to.to_owned());
    assert_eq!(found(&store, &[], 0.0).await, [pair("1", "v9"), pair("3", "v2"), pair("2", "v1")]);
    assert_eq!(found(&store, &["a"], 0.0).await, [pair("1", "v9"), pair("3", "v2")]);
    assert_eq!(found(&store, &["a", "b"], 3.5).await, [pair("1", "v9")]);
    assert_eq!(found(&store, &["c"], 0.0).await, []);
    // Thirty days later only what was told since is there.
    tell(&store, &[change("4", "a", 30.0 * DAY_S, "v3")], 30.0 * DAY_S + 5.5).await;
    assert_eq!(found(&store, &[], 0.0).await, [pair("4", "v3"), pair("1", "v9")]);
}
