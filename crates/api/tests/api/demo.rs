//! Starting the demo world from the dashboard: who may, and from where.

use crate::harness::{Door, KEY, Wanted};
use axum::http::{Method, StatusCode};
use midwatch_api::{ApiKey, KeyRing, NamedKey, Scope, StartDemo, Starting, mint};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const URL: &str = "http://127.0.0.1:4711";

/// A starter that counts how often it is asked.
fn starter(asked: &Arc<AtomicUsize>) -> Option<StartDemo> {
    let asked = asked.clone();
    Some(Arc::new(move || -> Starting {
        asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(URL.to_owned()) })
    }))
}

#[tokio::test]
async fn only_who_may_do_everything_and_sits_at_this_machine_starts_the_demo_world() {
    let asked = Arc::new(AtomicUsize::new(0));
    let minted = mint("ada", [3; 32], [7; 16]).expect("a key");
    let ada = || NamedKey::new("ada", &minted.hash, &[Scope::Read, Scope::Act]).expect("a key");
    let (here, everywhere) = ("127.0.0.1:7700", "0.0.0.0:7700");
    let cases = [
        (here, "127.0.0.1", KEY, true, StatusCode::OK, URL),
        (here, "127.0.0.1", minted.key.as_str(), true, StatusCode::FORBIDDEN, "lacks the scope `admin`"),
        (here, "127.0.0.1", "guess", true, StatusCode::UNAUTHORIZED, "key"),
        (here, "10.0.0.1", KEY, true, StatusCode::FORBIDDEN, "you ask from another"),
        (everywhere, "127.0.0.1", KEY, true, StatusCode::FORBIDDEN, "listens for other machines"),
        (here, "127.0.0.1", KEY, false, StatusCode::NOT_FOUND, "built without the lab"),
    ];
    for (listen, from, key, has_lab, status, says) in cases {
        let door = Door::open(Wanted {
            keys: KeyRing::new(Some(ApiKey::new(KEY)), vec![ada()]).expect("a ring"),
            demo: has_lab.then(|| starter(&asked)).flatten(),
            listen: listen.parse::<SocketAddr>().expect("an address"),
            ..Wanted::default()
        });
        let door = door.await;
        let headers = [("x-api-key", key)];
        let answer = door.send_from(from, Method::POST, "/api/v1/demo", &headers, b"").await;
        assert_eq!(answer.status, status, "{listen} {from}: {answer:?}");
        assert!(answer.json().to_string().contains(says), "{listen} {from}: {answer:?}");
        let session = door.send_from(from, Method::GET, "/api/v1/session", &[("x-api-key", KEY)], b"").await;
        assert_eq!(session.json()["demo"], has_lab && listen == here, "{session:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody else starts anything");
}
