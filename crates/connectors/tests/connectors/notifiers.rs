//! Every vendor's notifier against a real socket: the good answer, and everything that an answer can be instead.

use crate::payloads::told;
use crate::server::{Reply, Server};
use midwatch_connectors::{ConnectorsConfig, NotifyError, Outside as _, Tell, Told, World};
use midwatch_model::{Bulletin, Timestamp};
use midwatch_report::Sample;
use serde_json::{Value, json};
use std::path::Path;

/// The secret of every vendor; it has the shape of a routing key.
const SECRET: &str = "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3yk3";

/// A vendor: its configuration, the path of what it is first asked, a good answer, and what is then remembered.
struct Vendor {
    kind: &'static str,
    config: fn(&str, &Path) -> Value,
    path: &'static str,
    good: &'static str,
    thread: &'static str,
}

fn secret(dir: &Path) -> Value {
    std::fs::write(dir.join("secret"), SECRET).expect("written");
    json!({ "file": dir.join("secret") })
}

/// A URL that is a secret.
fn secret_url(url: &str, dir: &Path) -> Value {
    std::fs::write(dir.join("url"), format!("{url}/hook/{SECRET}")).expect("written");
    json!({ "file": dir.join("url") })
}

const HOOK: &str = "/hook/k3yk3yk3yk3yk3yk3yk3yk3yk3yk3yk3";

const VENDORS: [Vendor; 8] = [
    Vendor {
        kind: "slack",
        config: |url, dir| json!({ "token": secret(dir), "channel": "C01", "url": url, "timeout_s": 0.5 }),
        path: "/chat.postMessage",
        good: r#"{"ok":true,"channel":"C01","ts":"1.2"}"#,
        thread: r#"{"channel":"C01","ts":"1.2"}"#,
    },
    Vendor {
        kind: "slack",
        config: |url, dir| json!({ "webhook": secret_url(url, dir), "timeout_s": 0.5 }),
        path: HOOK,
        good: "ok",
        thread: "",
    },
    Vendor {
        kind: "pagerduty",
        config: |url, dir| json!({ "routing_key": secret(dir), "url": format!("{url}/v2/enqueue"), "timeout_s": 0.5 }),
        path: "/v2/enqueue",
        good: r#"{"status":"success","message":"Event processed","dedup_key":"midwatch-inc-sample"}"#,
        thread: r#"{"dedup_key":"midwatch-inc-sample"}"#,
    },
    Vendor {
        kind: "teams",
        config: |url, dir| json!({ "webhook": secret_url(url, dir), "timeout_s": 0.5 }),
        path: HOOK,
        good: "",
        thread: "",
    },
    Vendor {
        kind: "notion",
        config: |url, dir| json!({ "token": secret(dir), "database": "0123456789abcdef0123456789abcdef", "url": url, "timeout_s": 0.5 }),
        path: "/v1/pages",
        good: r#"{"object":"page","id":"p-1"}"#,
        thread: r#"{"page":"p-1"}"#,
    },
    Vendor {
        kind: "github",
        config: |url, dir| json!({ "token": secret(dir), "repository": "example/shop", "url": url, "timeout_s": 0.5 }),
        path: "/repos/example/shop/issues",
        good: r#"{"number":7,"url":"https://api.github.com/repos/example/moved/issues/7"}"#,
        thread: r#"{"number":7,"repository":"example/moved"}"#,
    },
    Vendor {
        kind: "discord",
        config: |url, dir| json!({ "webhook": secret_url(url, dir), "timeout_s": 0.5 }),
        path: HOOK,
        good: r#"{"id":"99"}"#,
        thread: r#"{"message":"99"}"#,
    },
    Vendor {
        kind: "opsgenie",
        config: |url, dir| json!({ "api_key": secret(dir), "url": url, "timeout_s": 0.5 }),
        path: "/v2/alerts",
        good: r#"{"result":"Request will be processed","took":0.1,"requestId":"r"}"#,
        thread: r#"{"exists":true}"#,
    },
];

fn world(kind: &str, config: &Value) -> World {
    let config = json!({ "receiver": [{ "name": "ops", kind: [config] }] });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    World::new(&config, &[]).expect("a world")
}

pub fn verdict() -> Bulletin {
    told(Sample::Recovered).swap_remove(1)
}

pub async fn tell(
    world: &World,
    target: &str,
    bulletin: &Bulletin,
    thread: Option<&str>,
) -> Result<Told, NotifyError> {
    let body = serde_json::to_vec(bulletin).expect("JSON");
    let now: Timestamp = "2026-01-05T03:00:10Z".parse().expect("a time");
    world.notify(Tell { target, id: "ntf-1", body: &body, bulletin: Some(bulletin), thread, now }).await
}

#[tokio::test]
async fn each_vendor_takes_a_message_and_what_it_gives_back_is_remembered() {
    for vendor in &VENDORS {
        let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a folder"));
        server.text(vendor.path, vendor.good);
        let world = world(vendor.kind, &(vendor.config)(&server.url, dir.path()));
        let target = format!("ops/{}/0", vendor.kind);
        let told = tell(&world, &target, &verdict(), None).await.expect("told");
        let expected = serde_json::from_str::<Value>(vendor.thread).ok();
        assert_eq!(told.thread, expected, "{}", vendor.kind);
        assert!(told.answer.contains("200") && !told.answer.contains(SECRET), "{}", told.answer);
        assert_eq!(server.seen(vendor.path).len(), 1);
    }
}

#[tokio::test]
async fn whatever_a_vendor_answers_instead_is_an_error_without_a_secret_and_is_tried_again() {
    let echo = format!("{{\"ok\":false,\"error\":\"no such token: {SECRET}\",\"message\":\"{SECRET}\"}}");
    let cases: [(Reply, &str, bool, Option<f64>); 9] = [
        (Reply::Text(400, echo.clone()), "400", true, None),
        (Reply::Text(401, echo.clone()), "401", true, None),
        (Reply::Text(404, echo.clone()), "404", true, None),
        (Reply::Text(410, echo.clone()), "410", false, None),
        (Reply::Later(429, 7), "429", true, Some(7.0)),
        (Reply::Text(503, echo.clone()), "503", true, None),
        (Reply::Hang, "timed out", true, None),
        (Reply::Huge(4 << 20), "more than", true, None),
        (Reply::Redirect("/elsewhere".into()), "302", true, None),
    ];
    for vendor in &VENDORS {
        for (reply, word, may_retry, after_s) in &cases {
            let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a folder"));
            server.set(vendor.path, reply.clone());
            let world = world(vendor.kind, &(vendor.config)(&server.url, dir.path()));
            let target = format!("ops/{}/0", vendor.kind);
            let error = tell(&world, &target, &verdict(), None).await.expect_err("refused");
            let what = format!("{} {word}: {error:?}", vendor.kind);
            assert!(error.reason.contains(word) && !error.reason.contains(SECRET), "{what}");
            assert_eq!((error.may_retry, error.after_s), (*may_retry, *after_s), "{what}");
            assert!(server.seen("/elsewhere").is_empty(), "a redirect was followed");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_without_the_secret_address() {
    for vendor in &VENDORS {
        let dir = tempfile::tempdir().expect("a folder");
        let world = world(vendor.kind, &(vendor.config)("http://127.0.0.1:9", dir.path()));
        let error =
            tell(&world, &format!("ops/{}/0", vendor.kind), &verdict(), None).await.expect_err("nobody");
        assert!(error.reason.starts_with("cannot reach") && error.may_retry, "{error:?}");
        assert!(!error.reason.contains(SECRET), "{error:?}");
    }
}

#[tokio::test]
async fn what_comes_next_goes_to_the_same_place() {
    for (vendor, expected) in [
        (&VENDORS[0], vec!["POST /chat.update", "POST /chat.postMessage"]),
        (&VENDORS[2], vec!["POST /v2/enqueue"]),
        (&VENDORS[4], vec!["PATCH /v1/pages/p-1", "PATCH /v1/blocks/p-1/children"]),
        (
            &VENDORS[5],
            vec!["PATCH /repos/example/moved/issues/7", "POST /repos/example/moved/issues/7/comments"],
        ),
        (&VENDORS[7], vec!["POST /v2/alerts/midwatch-inc-sample/close"]),
    ] {
        let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a folder"));
        for path in &expected {
            server.text(path.split(' ').nth(1).expect("a path"), r#"{"ok":true,"id":"p-1","number":7}"#);
        }
        let world = world(vendor.kind, &(vendor.config)(&server.url, dir.path()));
        let resolved = told(Sample::Recovered).swap_remove(6);
        let target = format!("ops/{}/0", vendor.kind);
        tell(&world, &target, &resolved, Some(vendor.thread)).await.expect("told");
        let seen: Vec<String> =
            server.all_seen().iter().map(|seen| format!("{} {}", seen.method, seen.uri.path())).collect();
        assert_eq!(seen, expected, "{}", vendor.kind);
    }
}

#[tokio::test]
async fn a_message_that_slack_has_no_more_is_posted_anew_and_one_that_it_cannot_show_goes_out_plain() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a folder"));
    let world = world("slack", &(VENDORS[0].config)(&server.url, dir.path()));
    server.text("/chat.update", r#"{"ok":false,"error":"message_not_found"}"#);
    let error = tell(&world, "ops/slack/0", &verdict(), Some(VENDORS[0].thread)).await.expect_err("gone");
    assert_eq!(error.thread, Some(Value::Null));
    server.text("/chat.postMessage", r#"{"ok":false,"error":"invalid_blocks"}"#);
    let error = tell(&world, "ops/slack/0", &verdict(), Some("null")).await.expect_err("refused");
    let thread = error.thread.expect("remembered").to_string();
    server.text("/chat.postMessage", VENDORS[0].good);
    tell(&world, "ops/slack/0", &verdict(), Some(&thread)).await.expect("told");
    let seen = server.seen("/chat.postMessage");
    let body = |index: usize| String::from_utf8_lossy(&seen[index].body).into_owned();
    assert!(body(0).contains("blocks=") && !body(1).contains("blocks=") && body(1).contains("text="));
    assert_eq!(seen[1].header("authorization"), format!("Bearer {SECRET}"));
}

#[tokio::test]
async fn a_service_is_told_where_it_is_configured_to_be() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a folder"));
    server.text("/chat.postMessage", VENDORS[0].good);
    let mut config = (VENDORS[0].config)(&server.url, dir.path());
    config["services"] = json!({ "payment-service": "C99" });
    let world = world("slack", &config);
    tell(&world, "ops/slack/0", &verdict(), None).await.expect("told");
    let body = server.seen("/chat.postMessage")[0].body.clone();
    assert!(String::from_utf8_lossy(&body).contains("channel=C99"), "{body:?}");
}

#[test]
fn a_configuration_that_cannot_work_names_field_and_fix() {
    let check = |kind: &str, config: Value, word: &str| {
        let receivers = json!([{ "name": "ops", kind: [config] }]);
        let receivers: Vec<midwatch_connectors::ReceiverConfig> =
            serde_json::from_value(receivers).expect("readable");
        let problems = midwatch_connectors::wrong_receivers(&receivers);
        let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(
            text.contains(&format!("[[receiver]] `ops` {kind}[0]")) && text.contains(word),
            "{kind} {word}: {text}"
        );
    };
    let env = json!({ "env": "X" });
    check("slack", json!({}), "token is missing");
    check("slack", json!({ "token": env, "channel": "#ops" }), "channel must be a channel's id");
    check("slack", json!({ "token": env, "webhook": env, "channel": "C01" }), "keep either");
    check("pagerduty", json!({ "routing_key": { "env": "A", "file": "b" } }), "more than one place");
    check("email", json!({}), "host must be");
    check(
        "email",
        json!({ "host": "m", "from": "x@y.z", "on_call": ["nobody"] }),
        "`nobody`, which is no address",
    );
    check(
        "email",
        json!({ "host": "m", "from": "x@y.z", "on_call": ["a@b.c"], "username": "u", "security": "none" }),
        "plain text",
    );
    check("notion", json!({ "token": env, "database": "https://notion.so/x" }), "32 hexadecimal digits");
    check("github", json!({ "token": env, "repository": "shop" }), "owner/name");
    check("github", json!({ "token": env, "repository": "../x" }), "owner/name");
    check("teams", json!({ "webhook": env, "timeout_s": 0.0 }), "0.1 to 120");
    check("discord", json!({}), "webhook is missing");
    check("opsgenie", json!({ "api_key": env, "url": "ftp://x" }), "http:// or https://");
}
