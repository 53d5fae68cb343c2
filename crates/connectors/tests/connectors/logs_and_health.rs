//! Critical log lines within a poll, log digests, and health probes.

use crate::server::{Reply, Server, at, registrations, world};
use midwatch_connectors::Outside;
use midwatch_model::{Metric, ServiceName};
use serde_json::json;
use std::io::Write as _;

fn append(path: &std::path::Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
    file.write_all(text.as_bytes()).expect("writes");
}

#[tokio::test]
async fn polls_count_critical_lines_and_digests_sum_a_window_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("pay.ndjson");
    append(&log, "{\"level\":\"fatal\",\"msg\":\"before the watch\"}\n");
    let config = json!({"logs": {"dir": dir.path()}});
    let world = world(config, &["pay", "silent", "../pay"])
        .with_critical_matcher(Box::new(|line| line.contains("refused")));
    let rate = |poll: &midwatch_connectors::Poll| {
        poll.samples
            .iter()
            .find(|s| s.metric == Metric::CriticalLogs)
            .map(|s| (s.service.to_string(), s.value))
    };
    assert_eq!(rate(&world.poll(at(0.0)).await), None, "nothing is known before the second look");
    let line = |second: f64, level: &str, message: &str| {
        format!("{{\"timestamp\":\"{}\",\"level\":\"{level}\",\"msg\":\"{message}\"}}\n", at(second))
    };
    for call in 0..20 {
        append(&log, &line(5.0, "error", &format!("call {call} refused, token=abcdef123")));
    }
    append(&log, &line(6.0, "warn", "slow"));
    let poll = world.poll(at(10.0)).await;
    assert_eq!((rate(&poll), poll.failures.len()), (Some(("pay".to_owned(), 2.0)), 0));
    assert_eq!(rate(&world.poll(at(20.0)).await), Some(("pay".to_owned(), 1.0)));

    let digest = world.logs(&ServiceName::new("pay"), at(0.0), at(60.0)).await.expect("a digest");
    assert_eq!((digest.errors, digest.warnings, digest.lines), (20, 1, 21));
    assert_eq!(digest.top[0], ("call # refused, token=[redacted]".to_owned(), 20));
    assert!(digest.query.contains("pay.ndjson where timestamp >= "), "{}", digest.query);
    for bad in ["silent", "../pay"] {
        assert!(world.logs(&ServiceName::new(bad), at(0.0), at(60.0)).await.is_err(), "{bad}");
    }
    world.set_services(&registrations(&[]));
    assert_eq!(world.poll(at(30.0)).await.samples, []);
}

#[tokio::test]
async fn probes_tell_unhealthy_from_unknown() {
    let server = Server::start().await;
    server
        .text("/ok", "")
        .set("/sick", Reply::Text(503, r#"{"checks":{"db":{"ok":false,"error":"pool exhausted"}}}"#.into()));
    server.set("/moved", Reply::Redirect("/ok".into())).set("/hang", Reply::Hang);
    let world = world(json!({}), &[]);
    let service = ServiceName::new("pay");
    let url = |path: &str| format!("{}{path}", server.url);
    for (url, healthy, status, part) in [
        (url("/ok"), Some(true), Some(200), "answered 200"),
        (url("/sick"), Some(false), Some(503), "db: pool exhausted"),
        (url("/none"), None, Some(404), "may be wrong"),
        (url("/moved"), None, Some(302), "may be wrong"),
        (url("/hang"), Some(false), None, "timed out"),
        ("http://127.0.0.1:1/health".to_owned(), Some(false), None, "refused"),
        ("gopher://x/health".to_owned(), None, None, "must be an http"),
        ("no url".to_owned(), None, None, "is not a URL"),
    ] {
        let probe = world.probe(&service, &url, at(0.0)).await;
        assert_eq!((probe.healthy, probe.status), (healthy, status), "{url}: {}", probe.detail);
        assert!(probe.detail.contains(part), "{url}: {}", probe.detail);
    }
}
