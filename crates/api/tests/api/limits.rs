//! How often, how much, from which pages, and what is said while the store takes nothing.

use crate::harness::{Answer, Door, KEY, Wanted};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use midwatch_api::Limits;
use midwatch_store::CrashPoint;
use std::num::NonZeroU32;

fn check_waits(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{answer:?}");
    assert!(answer.error().contains("too many requests"), "{answer:?}");
}

async fn status(door: &Door, from: &str, path: &str) -> Answer {
    door.send_from(from, Method::GET, path, &[("x-api-key", KEY)], b"").await
}

#[tokio::test]
async fn an_address_that_calls_too_often_waits_and_its_neighbours_do_not() {
    let limits = Limits { ip_per_s: NonZeroU32::new(1), caller_per_s: None };
    let door = Door::open(Wanted { limits, ..Wanted::default() }).await;
    let mut last = None;
    for _ in 0..10 {
        last = Some(status(&door, "10.0.0.1", "/api/v1/status").await);
    }
    check_waits(&last.expect("an answer"));
    assert_eq!(status(&door, "10.0.0.2", "/api/v1/status").await.status, StatusCode::OK);
    assert_eq!(
        status(&door, "10.0.0.1", "/health").await.status,
        StatusCode::OK,
        "a load balancer asks often"
    );
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit_and_nobody_else_can_claim_another() {
    let limits = Limits { ip_per_s: NonZeroU32::new(1), caller_per_s: None };
    let trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
    let door = Door::open(Wanted { limits, trusted_proxies, ..Wanted::default() }).await;
    let ask = async |from: &str, client: &str| {
        let headers = [("x-api-key", KEY), ("x-forwarded-for", client)];
        door.send_from(from, Method::GET, "/api/v1/status", &headers, b"").await.status
    };
    for number in 1..=10 {
        assert_eq!(ask("10.0.0.1", &format!("203.0.113.{number}")).await, StatusCode::OK);
    }
    let mut last = StatusCode::OK;
    for number in 1..=10 {
        last = ask("198.51.100.1", &format!("203.0.113.{number}")).await;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "who is no proxy is counted itself");
    // Refusals are counted.
    let metrics = door.send_from("10.0.0.7", Method::GET, "/metrics", &[("x-api-key", KEY)], b"").await;
    let text = String::from_utf8(metrics.body).expect("text");
    assert!(text.contains("midwatch_requests_refused_total{status=\"429\"} 8\n"), "{text}");
}

#[tokio::test]
async fn an_alerts_record_names_the_client_behind_the_proxy() {
    let trusted_proxies = vec!["10.0.0.1/32".parse().expect("a network")];
    let door = Door::open(Wanted { trusted_proxies, ..Wanted::default() }).await;
    let headers = [("x-api-key", KEY), ("x-forwarded-for", "192.0.2.1, 203.0.113.7")];
    let body = br#"{"id": "a", "service": "pay", "title": "slow"}"#;
    let answer = door.post("/api/v1/ingest/generic", &headers, body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let rows = door.engine.store.intake_list(None, 10).await.expect("rows");
    let from = rows[0].handling[0]["detail"].as_str().unwrap_or_default();
    assert!(from.starts_with("from generic (the API from 203.0.113.7) in delivery 1"), "{from}");
}

#[tokio::test]
async fn a_key_that_is_used_too_often_waits_wherever_it_comes_from() {
    let limits = Limits { ip_per_s: None, caller_per_s: NonZeroU32::new(1) };
    let door = Door::open(Wanted { limits, ..Wanted::default() }).await;
    let mut last = None;
    for from in 1..=10 {
        last = Some(status(&door, &format!("10.0.0.{from}"), "/api/v1/status").await);
    }
    check_waits(&last.expect("an answer"));
}

#[tokio::test]
async fn without_limits_nobody_waits() {
    let door = Door::plain().await;
    for _ in 0..200 {
        assert_eq!(status(&door, "127.0.0.1", "/api/v1/status").await.status, StatusCode::OK);
    }
}

/// A request of a page: its status and the origin that its browser is told may read the answer.
async fn from_page(door: &Door, method: Method, origin: &str) -> (u16, Option<String>) {
    let headers = [
        ("origin", origin),
        ("x-api-key", KEY),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-api-key"),
    ];
    let answer = door.send(method, "/api/v1/status", &headers, b"").await;
    (answer.status.as_u16(), answer.header("access-control-allow-origin").map(ToOwned::to_owned))
}

#[tokio::test]
async fn pages_of_other_servers_may_not_call_unless_they_are_named() {
    let closed = Door::plain().await;
    let cors_origins = vec!["https://ops.example.com".to_owned()];
    let open = Door::open(Wanted { cors_origins, ..Wanted::default() }).await;
    let (ops, own) = ("https://ops.example.com", "http://127.0.0.1:7700");
    let told = || Some(ops.to_owned());
    for (door, method, origin, expected) in [
        (&closed, Method::GET, ops, (403, None)),
        (&closed, Method::OPTIONS, ops, (403, None)),
        (&closed, Method::GET, own, (200, None)),
        (&closed, Method::GET, "null", (403, None)),
        (&open, Method::GET, ops, (200, told())),
        (&open, Method::OPTIONS, ops, (200, told())),
        (&open, Method::GET, own, (200, None)),
        (&open, Method::GET, "https://ops.example.com.evil.example", (403, None)),
        (&open, Method::GET, "http://ops.example.com", (403, None)),
        (&open, Method::OPTIONS, "https://evil.example", (200, None)),
    ] {
        assert_eq!(from_page(door, method.clone(), origin).await, expected, "{method} of {origin}");
    }
    // A page that may call can read errors, too.
    let refused = open.send(Method::GET, "/api/v1/status", &[("origin", ops)], b"").await;
    assert_eq!((refused.status.as_u16(), refused.header("access-control-allow-origin")), (401, Some(ops)));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let door = Door::plain().await;
    let large = vec![b' '; (8 << 20) + 1];
    for path in
        ["/api/v1/ingest/generic", "/api/v1/changes", "/webhook", "/api/v2/alerts", "/api/v1/services"]
    {
        let headers = [("x-api-key", KEY), ("x-source", "generic")];
        let answer = door.post(path, &headers, &large).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}: {answer:?}");
        let length = (large.len() * 10).to_string();
        let announced = [&headers[..], &[("content-length", length.as_str())]].concat();
        let answer = door.post(path, &announced, b"").await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let door = Door::plain().await;
    let never = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request = Request::post("/api/v1/ingest/generic").header("x-api-key", KEY).body(never);
    tokio::time::pause();
    let answer = door.ask(request.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{answer:?}");
    assert!(answer.error().contains("within 60 s"), "{answer:?}");
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_told_with_a_time_to_come_back() {
    let door = Door::plain().await;
    door.engine.store.crash_at(1, CrashPoint::Before);
    let silence = br#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2027-06-01T12:00:00Z","endsAt":"2027-06-02T12:00:00Z","createdBy":"ana","comment":"x"}"#;
    for (path, body) in [
        ("/api/v1/ingest/generic", &br#"{"service":"s","title":"t"}"#[..]),
        ("/webhook", br#"{"service":"s","title":"t"}"#),
        ("/api/v1/changes", br#"{"service":"s","kind":"deploy"}"#),
        ("/api/v2/alerts", br#"[{"labels":{"a":"b"}}]"#),
        ("/api/v2/silences", silence),
        ("/api/v1/services", br#"{"name":"till"}"#),
    ] {
        let source = if path == "/webhook" { ("x-source", "generic") } else { ("x-other", "x") };
        let headers = [("x-api-key", KEY), source, ("content-type", "application/json")];
        let answer = door.post(path, &headers, body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {answer:?}");
        assert_eq!(answer.header("retry-after"), Some("5"), "{path}");
    }
}
