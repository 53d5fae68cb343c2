//! Signing in, what a cookie is good for, and what the dashboard's pages may do.

use crate::harness::{Answer, Door, KEY, Wanted};
use axum::http::{Method, StatusCode};
use futures::future::join_all;
use midwatch_api::{ApiKey, KeyRing, Scope, User, hash_password};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

/// A server with its own key and Ada, who may look but not act.
async fn door() -> Door {
    let hash = hash_password(PASSWORD, [7; 16]).expect("a hash");
    let ada = User::new("ada", &hash, &[Scope::Read]).expect("a user");
    let keys = KeyRing::new(Some(ApiKey::new(KEY)), Vec::new()).and_then(|ring| ring.with_users(vec![ada]));
    Door::open(Wanted { keys: keys.expect("a ring"), ..Wanted::default() }).await
}

async fn sign_in(door: &Door, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("origin", "http://127.0.0.1:7700")];
    door.post("/api/v1/session", &headers, body.to_string().as_bytes()).await
}

/// The cookie that an answer sets, as it is sent back, and the token against forged requests.
fn held(answer: &Answer) -> (String, String) {
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let csrf = answer.json()["csrf"].as_str().expect("a token").to_owned();
    (cookie.split(';').next().expect("its first part").to_owned(), csrf)
}

#[tokio::test]
async fn a_key_or_a_password_signs_in_and_nothing_else_does() {
    let door = door().await;
    let cases = [
        (json!({ "key": KEY }), StatusCode::OK),
        (json!({ "user": "ada", "password": PASSWORD }), StatusCode::OK),
        (json!({ "user": "ada", "password": "correct horse" }), StatusCode::UNAUTHORIZED),
        (json!({ "user": "eve", "password": PASSWORD }), StatusCode::UNAUTHORIZED),
        (json!({ "key": "guess" }), StatusCode::UNAUTHORIZED),
        (json!({ "key": KEY, "user": "ada", "password": PASSWORD }), StatusCode::BAD_REQUEST),
        (json!({ "user": "ada" }), StatusCode::BAD_REQUEST),
        (json!({ "key": "" }), StatusCode::BAD_REQUEST),
        (json!({}), StatusCode::BAD_REQUEST),
    ];
    for (body, expected) in cases {
        let answer = sign_in(&door, &body).await;
        assert_eq!(answer.status, expected, "{body}: {answer:?}");
        assert_eq!(answer.header("set-cookie").is_some(), expected == StatusCode::OK, "{body}");
    }
}

#[tokio::test]
async fn who_guesses_has_to_wait() {
    let door = door().await;
    let guess = json!({ "user": "ada", "password": "wrong wrong wrong" });
    // At once: how long a comparison takes on a busy machine must not matter.
    let answers = join_all((0..15).map(|_| sign_in(&door, &guess))).await;
    assert!(answers.iter().any(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS), "{answers:?}");
}

#[tokio::test]
async fn a_cookie_reads_and_writes_only_with_the_token_of_its_page() {
    let door = door().await;
    let (cookie, csrf) = held(&sign_in(&door, &json!({ "key": KEY })).await);
    let get = door.send(Method::GET, "/api/v1/status", &[("cookie", &cookie)], b"").await;
    assert_eq!(get.status, StatusCode::OK, "{get:?}");
    let json = ("content-type", "application/json");
    let with = |more: Option<(&'static str, String)>| {
        let mut headers = vec![("cookie", cookie.clone()), (json.0, json.1.to_owned())];
        headers.extend(more);
        headers
    };
    let cases = [
        (with(None), StatusCode::FORBIDDEN),
        (with(Some(("x-csrf-token", "guess".into()))), StatusCode::FORBIDDEN),
        (with(Some(("x-csrf-token", csrf.clone()))), StatusCode::BAD_REQUEST),
    ];
    for (headers, expected) in cases {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = door.post("/api/v1/services", &headers, b"[").await;
        assert_eq!(answer.status, expected, "{headers:?}: {answer:?}");
    }
    let out = door.send(Method::DELETE, "/api/v1/session", &[("cookie", &cookie)], b"").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    let after = door.send(Method::GET, "/api/v1/status", &[("cookie", &cookie)], b"").await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn somebody_who_may_only_look_cannot_act() {
    let door = door().await;
    let (cookie, csrf) = held(&sign_in(&door, &json!({ "user": "ada", "password": PASSWORD })).await);
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let answer = door.post("/api/v1/approvals", &headers, b"{}").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert!(answer.error().contains("scope `act`"), "{answer:?}");
    let shown = door.send(Method::GET, "/api/v1/session", &headers, b"").await.json();
    assert_eq!((&shown["name"], &shown["scopes"]), (&json!("ada"), &json!(["read"])));
}

#[tokio::test]
async fn pages_come_with_a_policy_under_which_nothing_foreign_runs() {
    let door = door().await;
    let page = [("accept", "text/html")];
    for path in ["/", "/incidents/abc", "/nothing.here"] {
        let answer = door.send(Method::GET, path, &page, b"").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("http") && !policy.contains("unsafe-eval"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let first = door.send(Method::GET, "/", &page, b"").await;
    // A binary that was built without the dashboard has a page without a tag.
    if let Some(tag) = first.header("etag") {
        let again = door.send(Method::GET, "/", &[page[0], ("if-none-match", tag)], b"").await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        let policies = [&first, &again].map(|answer| answer.header("content-security-policy"));
        assert_eq!(policies[0], policies[1], "a browser takes the headers of the later answer");
    }
    for (path, headers) in [("/nothing", &[][..]), ("/../Cargo.toml", &[]), ("/api/v1/nothing", &page)] {
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain([("x-api-key", KEY)]).collect();
        let answer = door.send(Method::GET, path, &headers, b"").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn what_a_proxy_adds_for_its_own_sign_in_is_no_key_and_ends_no_session() {
    let door = door().await;
    let (cookie, csrf) = held(&sign_in(&door, &json!({ "key": KEY })).await);
    let (json, token) = (("content-type", "application/json"), ("x-csrf-token", csrf.as_str()));
    for foreign in ["Basic YWRhOnNlY3JldA==", "Bearer of.another.server"] {
        let own = [("cookie", cookie.as_str()), ("authorization", foreign)];
        let get = door.send(Method::GET, "/api/v1/status", &own, b"").await;
        assert_eq!(get.status, StatusCode::OK, "{foreign}: {get:?}");
        let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
            let all = own.iter().chain([&json]).chain(more);
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for (headers, expected) in
            [(with(&[]), StatusCode::UNAUTHORIZED), (with(&[token]), StatusCode::BAD_REQUEST)]
        {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let answer = door.post("/api/v1/services", &headers, b"[").await;
            assert_eq!(answer.status, expected, "{headers:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn the_cookie_is_bound_to_how_the_page_came() {
    let door = door().await;
    for (origin, expected) in [
        ("http://127.0.0.1:7700", ("midwatch_session_7700=", false)),
        ("https://127.0.0.1:7700", ("__Host-midwatch_session=", true)),
    ] {
        let headers = [("content-type", "application/json"), ("origin", origin)];
        let body = json!({ "key": KEY }).to_string();
        let answer = door.post("/api/v1/session", &headers, body.as_bytes()).await;
        let cookie = answer.header("set-cookie").expect("a cookie");
        assert_eq!(
            (cookie.starts_with(expected.0), cookie.contains("Secure")),
            (true, expected.1),
            "{cookie}"
        );
    }
    let (cookie, _) = held(&sign_in(&door, &json!({ "key": KEY })).await);
    let twice = format!("midwatch_session_7700=planted; {cookie}");
    let answer = door.send(Method::GET, "/api/v1/status", &[("cookie", &twice)], b"").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "two cookies of one name are none");
}

#[tokio::test]
async fn who_signs_in_anew_leaves_the_session_that_they_had() {
    let door = door().await;
    let (old, _) = held(&sign_in(&door, &json!({ "key": KEY })).await);
    let headers = [("content-type", "application/json"), ("cookie", old.as_str())];
    let body = json!({ "user": "ada", "password": PASSWORD }).to_string();
    let (new, _) = held(&door.post("/api/v1/session", &headers, body.as_bytes()).await);
    for (cookie, expected) in [(&old, StatusCode::UNAUTHORIZED), (&new, StatusCode::OK)] {
        let answer = door.send(Method::GET, "/api/v1/status", &[("cookie", cookie)], b"").await;
        assert_eq!(answer.status, expected, "{cookie}");
    }
}

#[tokio::test]
async fn whoever_is_known_may_ask_who_they_are() {
    let hash = hash_password(PASSWORD, [7; 16]).expect("a hash");
    let eve = User::new("eve", &hash, &[Scope::Ingest]).expect("a user");
    let keys = KeyRing::new(None, Vec::new()).and_then(|ring| ring.with_users(vec![eve]));
    let door = Door::open(Wanted { keys: keys.expect("a ring"), ..Wanted::default() }).await;
    let (cookie, _) = held(&sign_in(&door, &json!({ "user": "eve", "password": PASSWORD })).await);
    let shown = door.send(Method::GET, "/api/v1/session", &[("cookie", &cookie)], b"").await;
    assert_eq!(shown.json()["name"], "eve", "{shown:?}");
    let nobody = door.send(Method::GET, "/api/v1/session", &[], b"").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_no_page_is_inert_in_a_browser() {
    let door = door().await;
    for path in ["/api/v1/status", "/api/v1/nothing", "/health", "/metrics", "/api/v1/lab/faults"] {
        let answer = door.send(Method::GET, path, &[("x-api-key", KEY)], b"").await;
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}
