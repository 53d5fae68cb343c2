//! Dead letters: whole, in order, and never more than fit.

use crate::harness::{folder, open};
use midwatch_model::{Timestamp, after};
use midwatch_store::{Commit, Compressed, DeadLetter, LetterRetried, Store};

fn letter(number: usize, body: &[u8]) -> DeadLetter {
    DeadLetter {
        id: format!("dlq-{number:06}"),
        received_at: after(Timestamp::UNIX_EPOCH, number as f64),
        source: "generic".into(),
        sender: "somebody".into(),
        intake: None,
        reason: "it is no JSON".into(),
        taken: Vec::new(),
        retried_at: None,
        results: Vec::new(),
        body: Compressed::new(body),
    }
}

async fn keep(store: &Store, dead_letters: Vec<DeadLetter>) {
    store.commit(Commit { dead_letters, ..Commit::default() }).await.expect("a commit");
}

async fn ids(store: &Store) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.dead_letters(cursor.as_ref(), 2).await.expect("a page");
        ids.extend(page.rows.into_iter().map(|letter| letter.id));
        cursor = page.next;
        if cursor.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn a_letter_is_kept_whole_and_remembers_how_it_was_tried_again() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    keep(&store, (1..=5).map(|n| letter(n, b"{ half \xff")).collect()).await;
    assert_eq!(ids(&store).await, ["dlq-000005", "dlq-000004", "dlq-000003", "dlq-000002", "dlq-000001"]);
    let retried = |outcome| LetterRetried { id: "dlq-000003".into(), at: Timestamp::UNIX_EPOCH, outcome };
    for outcome in [Err("it is still no JSON".to_owned()), Ok(vec!["alt-1".to_owned()])] {
        let commit = Commit { letters_retried: vec![retried(outcome)], ..Commit::default() };
        store.commit(commit).await.expect("a commit");
    }
    store.close().await;
    drop(store);
    let store = open(&path).await;
    let found = store.dead_letter("dlq-000003").await.expect("readable").expect("a letter");
    assert_eq!(found.body.read().expect("whole"), b"{ half \xff");
    assert_eq!((found.reason.as_str(), found.results), ("it is still no JSON", vec!["alt-1".to_owned()]));
    assert_eq!(found.retried_at, Some(Timestamp::UNIX_EPOCH));
    assert!(store.dead_letter("dlq-9").await.expect("readable").is_none());
}

#[tokio::test]
async fn the_oldest_make_way_when_there_are_too_many_or_they_are_too_large() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    for first in (0..10_010).step_by(1_001) {
        keep(&store, (first..first + 1_001).map(|n| letter(n, b"x")).collect()).await;
    }
    assert_eq!(store.dead_letter_counts().await.expect("counts"), (10_000, 10));
    assert!(store.dead_letter("dlq-000009").await.expect("readable").is_none());
    assert!(store.dead_letter("dlq-000010").await.expect("readable").is_some());
    // What does not compress: five of 60 MB are more than 256 MB.
    let mut state = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(60 << 20)
    .collect();
    for n in 20_000..20_005 {
        keep(&store, vec![letter(n, &noise)]).await;
    }
    assert_eq!(store.dead_letter_counts().await.expect("counts").0, 4);
    assert_eq!(ids(&store).await[0], "dlq-020004");
}
