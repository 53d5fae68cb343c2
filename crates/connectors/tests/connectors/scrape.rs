//! Scraping and discovery.

use crate::server::{Reply, Server, at, world};
use midwatch_connectors::{Outside, Poll, RESPONSE_BYTES_MAX};
use midwatch_model::Metric;
use serde_json::json;

fn value(poll: &Poll, service: &str, metric: Metric) -> Option<f64> {
    poll.samples.iter().find(|s| s.service.as_str() == service && s.metric == metric).map(|s| s.value)
}

/// An instance's page after `requests` good ones, a tenth as many failed ones, and as many slow as fast ones.
fn page(requests: u32) -> String {
    let half = requests / 2;
    format!(
        "# TYPE http_requests_total counter\n\
         http_requests_total{{code=\"200\"}} {requests}\nhttp_requests_total{{code=\"500\"}} {}\n\
         http_request_duration_seconds_bucket{{le=\"0.1\"}} {half}\n\
         http_request_duration_seconds_bucket{{le=\"0.5\"}} {requests}\n\
         http_request_duration_seconds_bucket{{le=\"+Inf\"}} {requests}\n\
         process_cpu_seconds_total {}\nprocess_cpu_limit_cores 0.5\n\
         process_resident_memory_bytes 64\nprocess_memory_limit_bytes 128\n\
         db_pool_connections_in_use 2\ndb_pool_connections_max 8\n",
        requests / 10,
        f64::from(requests) / 1000.0,
    )
}

fn scrape(server: &Server) -> serde_json::Value {
    json!({"telemetry": {"kind": "scrape", "service_discovery": format!("{}/sd", server.url), "timeout_s": 0.5}})
}

#[tokio::test]
async fn discovered_instances_are_summed_up_into_readings_of_their_service() {
    let server = Server::start().await;
    let group = json!([
        {"targets": [server.address()], "labels": {"service": "pay", "__metrics_path__": "/a"}},
        {"targets": [server.address()], "labels": {"service": "pay", "__metrics_path__": "/b"}},
        {"targets": [server.address()], "labels": {"job": "control-plane", "__metrics_path__": "/plane"}},
    ]);
    server.text("/sd", group.to_string());
    server.queue("/a", vec![Reply::Text(200, page(1000)), Reply::Text(200, page(1100)), Reply::Hang]);
    server.queue("/b", vec![Reply::Text(200, page(5000)), Reply::Text(200, page(300))]);
    let plane =
        |count| Reply::Text(200, format!("control_plane_restarts_total{{service=\"pay\"}} {count}\n"));
    server.queue("/plane", vec![plane(7), plane(9)]);
    let world = world(scrape(&server), &["pay"]);

    let first = world.poll(at(0.0)).await;
    assert_eq!(first.failures, []);
    assert_eq!(value(&first, "pay", Metric::RequestRate), None, "one scrape has no rate");
    assert_eq!(
        (value(&first, "pay", Metric::Up), value(&first, "pay", Metric::Memory)),
        (Some(1.0), Some(0.5))
    );

    let second = world.poll(at(10.0)).await;
    assert_eq!(second.failures, []);
    assert!(second.samples.iter().all(|sample| sample.at == at(10.0)));
    for (metric, expected) in [
        // 100 good and 10 failed on one, reset to 300 and 30 on the other, within 10 s.
        (Metric::RequestRate, 44.0),
        (Metric::ErrorRate, 1.0 / 11.0),
        // Rank 99 % of 400 in the bucket 0.1–0.5 that holds the upper half: 0.1 + 0.4 · 0.98.
        (Metric::LatencyP99, 492.0),
        // The busiest: 0.3 s of CPU in 10 s with half a core.
        (Metric::Cpu, 0.06),
        (Metric::DbPool, 0.25),
        (Metric::Restarts, 2.0),
        (Metric::Up, 1.0),
    ] {
        let found = value(&second, "pay", metric).unwrap_or(f64::NAN);
        assert!((found - expected).abs() < 1e-9, "{metric}: {found}, expected {expected}");
    }

    let third = world.poll(at(20.0)).await;
    assert_eq!(value(&third, "pay", Metric::Up), Some(0.5));
    assert_eq!(third.failures.len(), 1);
    assert_eq!(third.failures[0].service, Some("pay".into()));
    assert!(third.failures[0].reason.contains("timed out after 0.5 s"), "{}", third.failures[0].reason);
}

#[tokio::test]
async fn a_page_that_cannot_be_read_fails_alone() {
    let server = Server::start().await;
    let good = "process_resident_memory_bytes 1\nprocess_memory_limit_bytes 4\n";
    let names = ["good", "odd", "huge", "moved", "gone", "drop"];
    let targets = names.map(|name| json!({"service": name, "url": format!("{}/{name}", server.url)}));
    let world = world(json!({"telemetry": {"kind": "scrape", "targets": targets}}), &[]);
    server.text("/good", good);
    server.text("/odd", format!("{good}what is this\n"));
    server.set("/huge", Reply::Huge(100 << 20));
    server.set("/moved", Reply::Redirect("/good".to_owned()));
    server.set("/drop", Reply::Drop);
    let poll = world.poll(at(0.0)).await;
    for (service, up, memory, reason) in [
        ("good", 1.0, Some(0.25), None),
        ("odd", 1.0, Some(0.25), Some("line 3: the value is not a number".to_owned())),
        ("huge", 0.0, None, Some(format!("more than {RESPONSE_BYTES_MAX} bytes"))),
        ("moved", 0.0, None, Some("answered 302".to_owned())),
        ("gone", 0.0, None, Some("answered 404".to_owned())),
        ("drop", 0.0, None, Some("gave no answer".to_owned())),
    ] {
        assert_eq!(value(&poll, service, Metric::Up), Some(up), "{service}");
        assert_eq!(value(&poll, service, Metric::Memory), memory, "{service}");
        let failure = poll.failures.iter().find(|failure| failure.service == Some(service.into()));
        match reason {
            None => assert_eq!(failure, None, "{service}"),
            Some(part) => {
                assert!(failure.is_some_and(|f| f.reason.contains(&part)), "{service}: {failure:?}")
            }
        }
    }
    assert_eq!(server.seen("/good").len(), 1, "no redirect is followed");
}

#[tokio::test]
async fn failing_discovery_keeps_the_last_targets_and_a_vanished_service_is_down() {
    let server = Server::start().await;
    let groups = |services: &[&str]| {
        let group = |s: &&str| json!({"targets": [server.address()], "labels": {"service": s, "__metrics_path__": format!("/{s}")}});
        Reply::Text(200, serde_json::Value::from(services.iter().map(group).collect::<Vec<_>>()).to_string())
    };
    server.text("/pay", "").text("/old", "");
    server.queue(
        "/sd",
        vec![
            groups(&["pay", "old"]),
            Reply::Text(500, "password=hunter22".into()),
            Reply::Text(200, "{".into()),
            groups(&[]),
        ],
    );
    let world = world(scrape(&server), &["pay"]);
    let up = |poll: &Poll| (value(poll, "pay", Metric::Up), value(poll, "old", Metric::Up));
    assert_eq!(up(&world.poll(at(0.0)).await), (Some(1.0), Some(1.0)));
    for second in [1.0, 2.0] {
        let poll = world.poll(at(second)).await;
        assert_eq!(up(&poll), (Some(1.0), Some(1.0)), "the last known targets stay");
        assert_eq!(poll.failures.len(), 1);
        assert!(!poll.failures[0].reason.contains("hunter22"), "{}", poll.failures[0].reason);
    }
    let poll = world.poll(at(3.0)).await;
    assert_eq!(up(&poll), (Some(0.0), None), "registered: down; not registered: taken away");
}

#[tokio::test]
async fn a_target_that_refuses_connections_is_down() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/metrics", free.local_addr().expect("an address"));
    drop(free);
    let world =
        world(json!({"telemetry": {"kind": "scrape", "targets": [{"service": "pay", "url": url}]}}), &[]);
    let poll = world.poll(at(0.0)).await;
    assert_eq!(value(&poll, "pay", Metric::Up), Some(0.0));
    assert!(poll.failures[0].reason.contains("refused"), "{poll:?}");
}

#[test]
fn configurations_that_cannot_work_are_refused_with_the_fix() {
    for (config, part) in [
        (json!({"telemetry": {"kind": "scrape"}}), "telemetry.targets is empty"),
        (json!({"telemetry": {"kind": "prometheus"}}), "telemetry.url is needed"),
        (
            json!({"telemetry": {"kind": "prometheus", "url": "file:///etc/passwd"}}),
            "must be an http:// or https:// URL",
        ),
        (
            json!({"telemetry": {"kind": "prometheus", "url": "http://user:s3cret@127.0.0.1:9090"}}),
            "has a user or a password in it",
        ),
        (
            json!({"telemetry": {"kind": "scrape", "targets": [{"url": "nonsense"}]}}),
            "telemetry.targets[0].url",
        ),
        (
            json!({"telemetry": {"kind": "scrape", "targets": [{"service": "../x", "url": "http://h/"}]}}),
            "telemetry.targets[0].service",
        ),
        (json!({"telemetry": {"rate_window_s": 10}}), "at least two poll intervals"),
        (
            json!({"telemetry": {"kind": "scrape", "service_discovery": "http://h/", "bearer_token_env": "MIDWATCH_TEST_UNSET"}}),
            "MIDWATCH_TEST_UNSET, which is not set",
        ),
        (
            json!({"telemetry": {"kind": "prometheus", "url": "http://h/", "basic_auth_user": "ann",
                "basic_auth_password_env": "MIDWATCH_TEST_UNSET"}}),
            "MIDWATCH_TEST_UNSET, which is not set",
        ),
        (
            json!({"telemetry": {"kind": "prometheus", "url": "http://h/", "basic_auth_user": "ann"}}),
            "basic_auth_password_env is needed",
        ),
        (
            json!({"telemetry": {"kind": "prometheus", "url": "http://h/", "basic_auth_user": "ann",
                "basic_auth_password_env": "PATH", "bearer_token_env": "PATH"}}),
            "exclude each other",
        ),
        (json!({"control_plane": {"kind": "lab"}}), "control_plane.url is needed"),
        (json!({"control_plane": {"kind": "lab", "url": "ftp://h"}}), "control_plane.url"),
        (json!({"control_plane": {"call_timeout_s": 0}}), "control_plane.call_timeout_s"),
    ] {
        let parsed = serde_json::from_value(config.clone()).expect("fits the shape");
        let error =
            midwatch_connectors::World::new(&parsed, &[]).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(part), "{config}: {error}");
    }
}
