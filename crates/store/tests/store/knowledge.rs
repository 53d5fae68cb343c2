//! What people wrote down outlives the process.

use crate::harness::{folder, open};
use midwatch_model::{Timestamp, after};
use midwatch_store::{Commit, KnowledgeRows, Review, Store, StoredDocument};

fn document(id: &str, markdown: &str) -> StoredDocument {
    StoredDocument {
        collection: "runbooks".into(),
        id: id.into(),
        name: format!("{id}.md"),
        markdown: markdown.into(),
        added_by: "ana".into(),
        added_at: after(Timestamp::UNIX_EPOCH, 1.0),
    }
}

async fn write(store: &Store, knowledge: KnowledgeRows) {
    store.commit(Commit { knowledge, ..Commit::default() }).await.expect("a commit");
}

#[tokio::test]
async fn documents_are_replaced_by_their_id_and_are_there_after_a_restart() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let documents = vec![document("a", "old"), document("b", "b"), document("a", "new")];
    write(&store, KnowledgeRows { documents, ..KnowledgeRows::default() }).await;
    let removed = vec![("runbooks".to_owned(), "b".to_owned()), ("services".to_owned(), "a".to_owned())];
    write(&store, KnowledgeRows { removed, ..KnowledgeRows::default() }).await;
    store.close().await;
    drop(store);
    let store = open(&path).await;
    assert_eq!(store.documents().await.expect("documents"), [document("a", "new")]);
    assert_eq!(midwatch_store::size(&path).await.expect("sizes").tables.len(), 17);
}

#[tokio::test]
async fn vectors_are_found_by_the_digest_of_their_text() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let vectors = (0..2500_u32).map(|n| (key(n), n.to_le_bytes().to_vec())).collect();
    write(&store, KnowledgeRows { vectors, ..KnowledgeRows::default() }).await;
    let wanted: Vec<[u8; 32]> = (1000..3000).map(key).collect();
    let found = store.vectors(&wanted).await.expect("vectors");
    assert_eq!(found.len(), 1500);
    assert!(found.iter().all(|(digest, vector)| digest[..4] == vector[..]));
    let removed_vectors = (0..2499).map(key).collect();
    write(&store, KnowledgeRows { removed_vectors, ..KnowledgeRows::default() }).await;
    assert_eq!(store.vector_digests().await.expect("digests"), [key(2499)]);
    assert_eq!(store.vectors(&wanted).await.expect("vectors").len(), 1);
}

fn key(number: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    key
}

#[tokio::test]
async fn a_review_says_who_and_why() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let review = Review {
        incident: "inc-1".into(),
        accepted: false,
        by: "ana".into(),
        reason: "it was a test".into(),
        at: after(Timestamp::UNIX_EPOCH, 5.0),
    };
    write(&store, KnowledgeRows { reviews: vec![review.clone()], ..KnowledgeRows::default() }).await;
    assert_eq!(store.review(&review.incident).await.expect("a review"), Some(review));
    assert_eq!(store.review(&"inc-2".into()).await.expect("none"), None);
}
