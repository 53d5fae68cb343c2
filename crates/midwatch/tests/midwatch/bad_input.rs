//! Bad input: a clear error, nothing lost, no panic.

use crate::night::{Night, midwatch, text};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// Runs a command that must fail with `code` and say `words`.
fn check(args: &[&str], code: i32, words: &[&str]) {
    let output = midwatch().args(args).output().expect("midwatch runs");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?} should say {word:?}: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn wrong_usage_and_configuration_end_with_2_and_the_fix() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let misspelt = file("misspelt.toml", "mode = \"auto\"\n\n[store]\npaht = \"x\"\n");
    check(
        &["config", "check", &misspelt],
        2,
        &["misspelt.toml:4:1", "unknown field `paht`", "config sample"],
    );
    let policy = file("policy.cedar", "permit (principal, action == Action::\"explode\", resource);\n");
    let with_policy = file("with-policy.toml", &format!("[policy]\nfile = {policy:?}\n"));
    check(&["config", "check", &with_policy], 2, &["policy.cedar", "explode"]);
    let open = file("open.toml", "[server]\nlisten = \"0.0.0.0:0\"\n");
    check(&["serve", "-c", &open], 2, &["not loopback", "MIDWATCH_SERVER__API_KEY"]);
    check(
        &["serve", "-c", "/nowhere.toml"],
        2,
        &["cannot read the configuration /nowhere.toml", "config sample"],
    );
    check(&["demo", "--scenario", "meteor"], 2, &["`meteor` is not a scenario", "latency_spike"]);
    let elsewhere = ["demo", "--scenario", "latency_spike", "--service", "mars"];
    check(&elsewhere, 2, &["`mars` is not a service of the lab", "user-service"]);
    let no_queue = ["demo", "--scenario", "consumer_lag", "--service", "api-gateway"];
    check(&no_queue, 2, &["makes no sense on api-gateway", "notification-service"]);
    check(&["demo", "--scenario", "latency_spike", "--magnitude", "7"], 2, &["--magnitude 7"]);
    check(&["incident", "show", "../status"], 2, &["`../status` is not an id", "incident list"]);
    let mut reader_gone = midwatch()
        .args(["config", "schema"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("midwatch runs");
    drop(reader_gone.stdout.take());
    let ended = reader_gone.wait_with_output().expect("it ends");
    assert_eq!(
        (ended.status.code(), text(&ended.stderr).as_str()),
        (Some(0), ""),
        "`… | head` is no failure"
    );
    check(&["frobnicate"], 2, &["unrecognized subcommand"]);
    let key = file(
        "midwatch.db",
        "this is no database, but long enough to be taken for one at first sight: 0123456789",
    );
    check(&["store", "verify", "--path", &key], 1, &["midwatch.db"]);

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let config = file(
        "taken.toml",
        &format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = \"{}\"\n",
            dir.path().join("s.db").display()
        ),
    );
    check(&["serve", "-c", &config], 2, &["is taken by another process", "[server] listen"]);
    check(&["incident", "list", "--url", &format!("http://127.0.0.1:{port}9")], 1, &["no midwatch answers"]);
}

#[test]
fn the_api_survives_whatever_is_sent() {
    let mut night = Night::begin("");
    night.serve();
    let cases = [
        ("/api/v1/ingest/generic", json!({ "title": "no service" }), 400),
        ("/api/v1/ingest/generic", json!({ "service": "x", "title": "t", "class": "gremlins" }), 400),
        ("/api/v1/ingest/unheard-of", json!({}), 404),
        (
            "/api/v1/approvals",
            json!({ "incident": "inc-none", "plan": "0", "decision": "approve", "by": "ana" }),
            404,
        ),
        ("/api/v1/approvals", json!({ "incident": "inc-none" }), 422),
        (
            "/api/v1/approvals",
            json!({ "incident": "i", "plan": "0", "decision": "perhaps", "by": "ana" }),
            400,
        ),
        ("/api/v1/actions", json!({ "action": { "kind": "explode", "target": "x" }, "by": "ana" }), 422),
        ("/api/v1/actions", json!({ "action": { "kind": "restart", "target": "x" }, "by": " " }), 400),
        ("/api/v1/actions", json!({ "action": { "kind": "restart", "target": "x" }, "by": "ana" }), 404),
        ("/api/v1/services", json!({ "name": "../etc" }), 400),
        ("/api/v1/services", json!({ "name": "x", "health": "file:///etc/passwd" }), 400),
        ("/api/v1/lab/faults/payment-service", json!({ "type": "gremlins" }), 400),
        ("/api/v1/incidents", json!({}), 405),
    ];
    for (path, body, expected) in cases {
        let (status, answer) = night.post(path, &body);
        assert_eq!(status, expected, "{path} {body}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|e| e.len() > 10), "{path} {body}: {answer}");
    }
    let (status, answer) = night.ask("/api/v1/incidents?limit=many");
    assert!(status == 400 && answer["error"].as_str().is_some_and(|e| e.contains("limit")), "{answer}");
    assert_eq!(raw(&night.url, "Host: evil.example\r\n", b""), 403, "a rebound name is refused");
    assert_eq!(
        raw(&night.url, "Host: 127.0.0.1\r\nContent-Type: application/json\r\n", b"{\"a\": nan}"),
        400
    );

    // A hundred megabytes are cut off, whether announced or not; what came before them is still there.
    let alert = json!({ "service": "payment-service", "title": "a customer called" });
    let (status, accepted) = night.post("/api/v1/ingest/generic", &alert);
    assert_eq!(status, 202, "{accepted}");
    let huge = vec![b'x'; 100 * 1024 * 1024];
    let status = raw(&night.url, "Host: 127.0.0.1\r\nContent-Type: application/json\r\n", &huge);
    assert!(status == 413 || status == 0, "answered {status}");
    let id = accepted["accepted"][0].as_str().expect("an id");
    assert_eq!(night.get(&format!("/api/v1/alerts/{id}")).expect("the alert")["id"], id);
    let lineage = night.run(&["why", id]);
    assert!(text(&lineage.stdout).contains("received"), "{}", text(&lineage.stdout));
    let log = std::fs::read_to_string(night.dir().join("server.log")).expect("the log");
    assert!(!log.contains("panicked"), "{log}");
}

/// Sends a POST to the ingest route as raw bytes; the status, or 0 when the connection was cut.
fn raw(url: &str, headers: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("connected");
    let head = format!(
        "POST /api/v1/ingest/generic HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() && (sent.is_err() || read.is_err()) {
        return 0;
    }
    text(&answer).split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
