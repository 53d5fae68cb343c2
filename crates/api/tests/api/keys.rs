//! Keys and what they are good for.

use crate::harness::{Door, KEY, Wanted};
use axum::http::{Method, StatusCode};
use futures::future::join_all;
use midwatch_api::{ApiKey, KeyRing, NamedKey, Scope, mint};
use std::collections::BTreeSet;

/// A server with one key per scope, and those keys.
async fn door() -> (Door, Vec<(Scope, String)>) {
    let (mut named, mut keys) = (Vec::new(), Vec::new());
    for (number, scope) in [Scope::Read, Scope::Ingest, Scope::Act, Scope::Admin].into_iter().enumerate() {
        let name = scope.to_string();
        let minted = mint(&name, [number as u8; 32], [7; 16]).expect("a key");
        named.push(NamedKey::new(&name, &minted.hash, &[scope]).expect("a key"));
        keys.push((scope, minted.key));
    }
    let keyring = KeyRing::new(Some(ApiKey::new(KEY)), named).expect("a ring");
    (Door::open(Wanted { keys: keyring, ..Wanted::default() }).await, keys)
}

/// Every route with its method and the scope that it needs; `admin` may do everything.
const ROUTES: [(&str, &str, Option<Scope>); 85] = [
    ("GET", "/health", None),
    ("GET", "/metrics", Some(Scope::Read)),
    ("GET", "/ws", Some(Scope::Read)),
    ("GET", "/api/v1/openapi.json", Some(Scope::Read)),
    // The dashboard's files are no secret: the page at which people sign in is one of them.
    ("GET", "/", None),
    ("GET", "/assets/index.js", None),
    ("POST", "/api/v1/demo", Some(Scope::Admin)),
    ("GET", "/api/v1/session", None),
    ("POST", "/api/v1/session", None),
    ("DELETE", "/api/v1/session", None),
    ("POST", "/api/v1/session/ticket", Some(Scope::Read)),
    ("GET", "/api/v1/series", Some(Scope::Read)),
    ("GET", "/api/v1/status", Some(Scope::Read)),
    ("GET", "/api/v1/config", Some(Scope::Read)),
    ("PATCH", "/api/v1/config", Some(Scope::Admin)),
    ("GET", "/api/v1/forecasts", Some(Scope::Read)),
    ("GET", "/api/v1/forecasts/ledger", Some(Scope::Read)),
    ("GET", "/api/v1/capacity", Some(Scope::Read)),
    ("POST", "/api/v1/predict", Some(Scope::Read)),
    ("GET", "/api/v1/alerts", Some(Scope::Read)),
    ("GET", "/api/v1/alerts/{id}", Some(Scope::Read)),
    ("GET", "/api/v1/alerts/{id}/lineage", Some(Scope::Read)),
    ("GET", "/api/v1/incidents", Some(Scope::Read)),
    ("GET", "/api/v1/incidents/{id}", Some(Scope::Read)),
    ("GET", "/api/v1/incidents/{id}/lineage", Some(Scope::Read)),
    ("GET", "/api/v1/incidents/{id}/bundle", Some(Scope::Read)),
    ("GET", "/api/v1/incidents/{id}/postmortem", Some(Scope::Read)),
    ("POST", "/api/v1/incidents/{id}/false-alarm", Some(Scope::Act)),
    ("POST", "/api/v1/incidents/{id}/acknowledge", Some(Scope::Act)),
    ("POST", "/api/v1/incidents/{id}/assign", Some(Scope::Act)),
    ("POST", "/api/v1/incidents/{id}/snooze", Some(Scope::Act)),
    ("POST", "/api/v1/incidents/{id}/merge", Some(Scope::Act)),
    ("POST", "/api/v1/incidents/{id}/split", Some(Scope::Act)),
    ("PUT", "/api/v1/incidents/{id}/postmortem", Some(Scope::Act)),
    ("GET", "/api/v1/approvals", Some(Scope::Read)),
    ("POST", "/api/v1/approvals", Some(Scope::Act)),
    // Where Slack is configured, its signature takes the place of a key.
    ("POST", "/api/v1/slack/interactions", Some(Scope::Act)),
    ("GET", "/api/v1/autonomy", Some(Scope::Read)),
    ("POST", "/api/v1/autonomy", Some(Scope::Act)),
    ("GET", "/api/v1/actions", Some(Scope::Read)),
    ("POST", "/api/v1/actions", Some(Scope::Act)),
    ("GET", "/api/v1/workflow/runs", Some(Scope::Read)),
    ("GET", "/api/v1/workflow/runs/{id}", Some(Scope::Read)),
    ("GET", "/api/v1/workflow/evidence/{id}", Some(Scope::Read)),
    ("GET", "/api/v1/workflow/evidence/{id}/{evidence}", Some(Scope::Read)),
    ("GET", "/api/v1/workflow/audit", Some(Scope::Read)),
    ("GET", "/api/v1/workflow/outline", Some(Scope::Read)),
    ("POST", "/api/v1/workflow/rehearsals", Some(Scope::Act)),
    ("POST", "/api/v1/backtests", Some(Scope::Read)),
    ("GET", "/api/v1/services", Some(Scope::Read)),
    ("POST", "/api/v1/services", Some(Scope::Admin)),
    ("DELETE", "/api/v1/services/{name}", Some(Scope::Admin)),
    ("GET", "/api/v1/graph", Some(Scope::Read)),
    ("GET", "/api/v1/changes", Some(Scope::Read)),
    ("POST", "/api/v1/changes", Some(Scope::Ingest)),
    ("POST", "/api/v1/ingest/{source}", Some(Scope::Ingest)),
    ("POST", "/webhook", Some(Scope::Ingest)),
    ("GET", "/api/v1/dead-letters", Some(Scope::Read)),
    ("GET", "/api/v1/dead-letters/{id}", Some(Scope::Read)),
    ("POST", "/api/v1/dead-letters/{id}/retry", Some(Scope::Act)),
    ("GET", "/api/v1/maintenance", Some(Scope::Read)),
    ("POST", "/api/v1/maintenance", Some(Scope::Act)),
    ("DELETE", "/api/v1/maintenance/{id}", Some(Scope::Act)),
    ("GET", "/api/v1/notifications/status", Some(Scope::Read)),
    ("GET", "/api/v1/notifications/preview/{incident}", Some(Scope::Read)),
    ("POST", "/api/v1/notifications/test", Some(Scope::Act)),
    ("GET", "/api/v1/knowledge", Some(Scope::Read)),
    ("POST", "/api/v1/knowledge", Some(Scope::Act)),
    ("GET", "/api/v1/knowledge/search", Some(Scope::Read)),
    ("POST", "/api/v1/knowledge/reindex", Some(Scope::Act)),
    ("GET", "/api/v1/knowledge/{collection}/{id}", Some(Scope::Read)),
    ("DELETE", "/api/v1/knowledge/{collection}/{id}", Some(Scope::Act)),
    ("GET", "/api/v1/knowledge/candidates", Some(Scope::Read)),
    ("GET", "/api/v1/knowledge/candidates/{id}", Some(Scope::Read)),
    ("POST", "/api/v1/knowledge/candidates/{id}", Some(Scope::Act)),
    ("GET", "/api/v2/alerts", Some(Scope::Read)),
    ("POST", "/api/v2/alerts", Some(Scope::Ingest)),
    ("GET", "/api/v2/silences", Some(Scope::Read)),
    ("POST", "/api/v2/silences", Some(Scope::Act)),
    ("GET", "/api/v2/silence/{id}", Some(Scope::Read)),
    ("DELETE", "/api/v2/silence/{id}", Some(Scope::Act)),
    ("GET", "/api/v1/lab/status", Some(Scope::Read)),
    ("POST", "/api/v1/lab/faults/x", Some(Scope::Admin)),
    ("POST", "/there/is/nothing", Some(Scope::Admin)),
    ("PUT", "/api/v1/incidents", Some(Scope::Admin)),
];

#[tokio::test]
async fn every_route_lets_in_the_scope_that_it_needs_and_no_other() {
    let (door, keys) = door().await;
    for (method, path, needs) in ROUTES {
        let path =
            path.replace("{id}", "x").replace("{source}", "generic").replace("{collection}", "runbooks");
        let method: Method = method.parse().expect("a method");
        for (scope, key) in &keys {
            let may = *scope == Scope::Admin || needs.is_none_or(|needs| needs == *scope);
            let bearer = format!("Bearer {key}");
            let answer = door.send(method.clone(), &path, &[("authorization", &bearer)], b"{}").await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(refused, !may, "{method} {path} with {scope}: {answer:?}");
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} with {scope}");
        }
        let whole = door.send(method.clone(), &path, &[("x-api-key", KEY)], b"{}").await;
        assert!(!matches!(whole.status.as_u16(), 401 | 403), "{method} {path}: {whole:?}");
        let nobody = door.send(method.clone(), &path, &[], b"{}").await;
        // Who one is is told to whoever is somebody.
        let is_known = needs.is_some() || (method == Method::GET && path == "/api/v1/session");
        assert_eq!(nobody.status == StatusCode::UNAUTHORIZED, is_known, "{method} {path}: {nobody:?}");
    }
}

#[test]
fn the_table_has_every_route_that_is_published() {
    let doc = midwatch_api::openapi();
    let listed: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path, _)| (method.to_lowercase(), (*path).to_owned())).collect();
    for (path, methods) in doc["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            assert!(listed.contains(&(method.clone(), path.clone())), "{method} {path} is not in the table");
        }
    }
}

#[tokio::test]
async fn errors_have_the_shape_of_their_api() {
    let (door, keys) = door().await;
    let read = keys[0].1.as_str();
    for (method, path, key, status) in [
        ("GET", "/api/v2/alerts", "wrong", 401),
        ("POST", "/api/v2/silences", read, 403),
        ("PATCH", "/api/v2/alerts", KEY, 405),
        ("GET", "/api/v2/nothing", KEY, 404),
        ("GET", "/api/v2/silence/x", KEY, 404),
    ] {
        let answer = door.send(method.parse().expect("a method"), path, &[("x-api-key", key)], b"").await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
        assert!(answer.json().as_str().is_some_and(|text| text.len() > 10), "{method} {path}: {answer:?}");
        let ours = path.replace("v2", "v1");
        let answer =
            door.send(method.parse().expect("a method"), &ours, &[("x-api-key", "wrong")], b"").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.error().len() > 10, "{method} {ours}: {answer:?}");
    }
}

#[tokio::test]
async fn whoever_guesses_keys_has_to_wait_and_nobody_else_has() {
    let (door, keys) = door().await;
    let status = "/api/v1/status";
    let good = keys[0].1.as_str();
    let guess = format!("mw_act_{}", "0".repeat(64));
    let ask = |from: &'static str, key: &str| {
        let key = key.to_owned();
        let door = &door;
        async move { door.send_from(from, Method::GET, status, &[("x-api-key", &key)], b"").await }
    };
    assert_eq!(ask("10.0.0.9", good).await.status, StatusCode::OK);
    let mut waits = None;
    // At once: how long a comparison takes on a busy machine must not matter.
    for answer in join_all((0..20).map(|_| ask("10.0.0.9", &guess))).await {
        match answer.status {
            StatusCode::UNAUTHORIZED => {}
            StatusCode::TOO_MANY_REQUESTS => waits = Some(answer),
            other => panic!("{other}"),
        }
    }
    let waits = waits.expect("so many attempts are too many");
    assert!(
        waits
            .header("retry-after")
            .and_then(|s| s.parse::<u32>().ok())
            .is_some_and(|s| (1..=60).contains(&s))
    );
    // A key that is known costs nothing, and other addresses are not to blame.
    assert_eq!(ask("10.0.0.9", good).await.status, StatusCode::OK);
    assert_eq!(ask("10.0.0.10", keys[2].1.as_str()).await.status, StatusCode::FORBIDDEN);
}
