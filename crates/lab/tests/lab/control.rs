//! The control plane's contract, and bad input.

use std::process::Command;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::harness::{Lab, eventually};

const PAYMENT: &str = "/api/v1/control/services/payment-service";

#[tokio::test]
async fn operations_happen_once_on_their_terms_and_without_a_gap() {
    let lab = Lab::start(3).await;
    files_are_complete(&lab).await;
    repeated_key_does_it_once(&lab).await;
    stale_precondition_does_nothing(&lab).await;
    dry_run_changes_nothing(&lab).await;
    circuit_answers_for_the_service(&lab).await;
    deploy_and_rollback_lose_no_request(&lab).await;
    a_killed_process_is_started_again(&lab).await;
    bad_input_is_refused_with_advice(&lab).await;
    private_channel_is_closed(&lab).await;
}

async fn files_are_complete(lab: &Lab) {
    let text = std::fs::read_to_string(lab.dir.path().join("midwatch.toml")).expect("midwatch.toml");
    let config: toml::Value = toml::from_str(&text).expect("TOML");
    assert_eq!(config["service"].as_array().expect("services").len(), 6);
    assert_eq!(config["mode"].as_str(), Some("propose"));
    assert!(lab.dir.path().join("prometheus.yml").exists());
    let services = lab.get("/api/v1/control/services").await;
    for service in services["services"].as_array().expect("a list") {
        let health = format!("{}/health", service["address"].as_str().expect("an address"));
        let answer = lab.client.get(&health, Duration::from_secs(5)).await.expect("an answer");
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
}

async fn repeated_key_does_it_once(lab: &Lab) {
    let before = lab.service("payment-service").await;
    let restart = async || {
        let path = format!("{PAYMENT}/restart");
        lab.send(Method::POST, &path, &[("Idempotency-Key", "k1"), ("X-Actor", "test")], json!({})).await
    };
    let (first, second) = tokio::join!(restart(), restart());
    let third = restart().await;
    let first: Value = first.json().expect("JSON");
    assert_eq!(first["status"], "succeeded");
    for again in [second, third] {
        assert_eq!(again.json::<Value>().expect("JSON"), first);
    }
    let after = lab.service("payment-service").await;
    assert_eq!(after["generation"], before["generation"].as_u64().expect("a number") + 1);
    assert_eq!(after["restarts"], 0, "a planned restart is no crash");
    let path = format!("{PAYMENT}/scale");
    let other = lab.send(Method::POST, &path, &[("Idempotency-Key", "k1")], json!({"replicas": 2})).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(lab.get("/api/v1/control/operations/k1").await, first);
    let changes = lab.get("/api/v1/control/changes?since=2020-01-01T00:00:00Z").await;
    let changes = changes["changes"].as_array().expect("a list");
    assert_eq!(changes.iter().filter(|change| change["idempotency_key"] == "k1").count(), 1);
}

async fn stale_precondition_does_nothing(lab: &Lab) {
    let before = lab.service("payment-service").await;
    let path = format!("{PAYMENT}/scale");
    let stale = lab.send(Method::POST, &path, &[("If-Match", "1")], json!({"replicas": 2})).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(lab.service("payment-service").await["generation"], before["generation"]);
    let current = before["generation"].to_string();
    let fresh = lab.send(Method::POST, &path, &[("If-Match", &current)], json!({"replicas": 2})).await;
    assert_eq!(fresh.status, StatusCode::OK, "{}", fresh.text());
    assert_eq!(lab.service("payment-service").await["ready_replicas"], 2);
    let pids = lab.pids();
    assert_eq!(pids["services"]["payment-service"].as_array().expect("a list").len(), 2);
    lab.operate("payment-service", "scale", json!({"replicas": 1})).await;
}

async fn dry_run_changes_nothing(lab: &Lab) {
    let before = lab.service("payment-service").await;
    let operations = lab.get("/api/v1/control/operations").await;
    let path = format!("{PAYMENT}/rollback");
    let answer: Value =
        lab.send(Method::POST, &path, &[], json!({"dry_run": true})).await.json().expect("JSON");
    assert_eq!(answer["status"], "dry_run");
    assert_eq!(answer["after"]["version"], before["previous_version"]);
    assert_eq!(lab.service("payment-service").await, before);
    assert_eq!(lab.get("/api/v1/control/operations").await, operations);
}

async fn circuit_answers_for_the_service(lab: &Lab) {
    lab.operate("payment-service", "circuit", json!({"open": true})).await;
    let post = async |service: &str, path: &str| {
        let address = lab.service(service).await["address"].as_str().expect("an address").to_owned();
        let url = format!("{address}{path}");
        lab.client
            .send_json(Method::POST, &url, &[], &json!({}), Duration::from_secs(5))
            .await
            .expect("an answer")
    };
    let direct = post("payment-service", "/charge/1").await;
    assert_eq!(direct.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(direct.headers["x-circuit-open"], "1");
    let through_gateway = post("api-gateway", "/pay/1").await;
    assert_eq!(through_gateway.status, StatusCode::OK);
    assert_eq!(through_gateway.json::<Value>().expect("JSON")["degraded"], true);
    lab.operate("payment-service", "circuit", json!({"open": false})).await;
    assert_eq!(post("payment-service", "/charge/1").await.status, StatusCode::OK);
}

/// Requests go on through the service's address while its processes are replaced.
async fn deploy_and_rollback_lose_no_request(lab: &Lab) {
    let address = lab.service("payment-service").await["address"].as_str().expect("an address").to_owned();
    let changes = async {
        let deployed = lab.operate("payment-service", "deploy", json!({"version": "v2.14.2"})).await;
        assert_eq!(deployed["after"]["version"], "v2.14.2");
        let back = lab.operate("payment-service", "rollback", json!({})).await;
        assert_eq!(back["after"]["version"], "v2.14.1");
        assert_eq!(lab.service("payment-service").await["previous_version"], "v2.14.0");
    };
    let traffic = async {
        let mut calls = futures::stream::FuturesUnordered::new();
        loop {
            let url = format!("{address}/authorize/{}", calls.len() % 400);
            let client = lab.client.clone();
            calls.push(tokio::spawn(async move {
                client.send_json(Method::POST, &url, &[], &json!({}), Duration::from_secs(8)).await
            }));
            tokio::time::sleep(Duration::from_millis(25)).await;
            while let Some(Some(answer)) =
                futures::FutureExt::now_or_never(futures::StreamExt::next(&mut calls))
            {
                let answer = answer.expect("a task").expect("an answer");
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            }
        }
    };
    tokio::select! {
        () = changes => {}
        () = traffic => {}
    }
    let history = lab.get(&format!("{PAYMENT}/deployments")).await;
    let rows = history["deployments"].as_array().expect("a list");
    assert_eq!((rows[0]["version"].as_str(), rows[0]["current"].as_bool()), (Some("v2.14.1"), Some(true)));
    assert_eq!((rows[1]["version"].as_str(), rows[1]["by"].as_str()), (Some("v2.14.2"), Some("test")));
}

async fn a_killed_process_is_started_again(lab: &Lab) {
    let pid = lab.service("inventory-service").await["instances"][0]["pid"].as_i64().expect("a pid");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("a live process");
    eventually("the killed process is replaced", 10, async || {
        let service = lab.service("inventory-service").await;
        service["restarts"] == 1 && service["ready_replicas"] == 1
    })
    .await;
}

async fn bad_input_is_refused_with_advice(lab: &Lab) {
    let refusals = [
        ("control/services/nope/restart", json!({}), 404, "payment-service"),
        ("control/services/payment-service/explode", json!({}), 404, "pool_restart"),
        ("control/services/payment-service/scale", json!({"replicas": 7}), 400, "between 1 and 6"),
        ("control/services/payment-service/scale", json!({"replicas": 0}), 400, "between 1 and 6"),
        ("control/services/payment-service/scale", json!({}), 400, "replicas"),
        ("control/services/payment-service/scale", json!({"replicas": 2, "x": 1}), 400, "unknown field"),
        ("control/services/payment-service/pool_resize", json!({"size": 65}), 400, "between 1 and 64"),
        ("control/services/payment-service/deploy", json!({"version": "v9"}), 404, "v2.14.1"),
        ("control/services/payment-service/rollback", json!({"to": "v2.14.4"}), 409, "deploy"),
        ("control/services/payment-service/restart", json!([1]), 400, "object"),
        ("lab/faults/payment-service", json!({"type": "gremlins"}), 400, "bad_deployment"),
        ("lab/faults/payment-service", json!({"type": "consumer_lag"}), 422, "notification-service"),
        ("lab/faults/payment-service", json!({"type": "cpu", "magnitude": 1.5}), 400, "magnitude"),
        ("lab/faults/payment-service", json!({"type": "cpu", "magnitude": -1}), 400, "magnitude"),
        ("lab/faults/payment-service", json!({"type": "cpu", "duration_s": 0}), 400, "duration_s"),
        ("lab/faults/payment-service", json!({"type": "cpu", "ramp_s": -1}), 400, "ramp_s"),
        ("lab/faults/payment-service", json!({"type": "crash_loop", "ramp_s": 60}), 422, "ramp_s"),
        ("lab/faults/payment-service", json!({"type": "cpu", "held": false}), 422, "memory_leak"),
        ("lab/faults/nope", json!({"type": "cpu"}), 404, "user-service"),
        ("lab/traffic", json!({"factor": 3.0}), 400, "factor"),
    ];
    for (path, body, status, advice) in refusals {
        let answer = lab.send(Method::POST, &format!("/api/v1/{path}"), &[], body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}: {}", answer.text());
        let error = answer.json::<Value>().expect("JSON")["error"].to_string();
        assert!(error.contains(advice), "{path} {body}: {error}");
    }
}

async fn private_channel_is_closed(lab: &Lab) {
    let service = lab.service("payment-service").await;
    for address in [&service["address"], &service["instances"][0]["address"]] {
        let url = format!("{}/-/state", address.as_str().expect("an address"));
        let answer = lab.client.get(&url, Duration::from_secs(5)).await.expect("an answer");
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}

#[test]
fn unusable_addresses_end_with_code_2_and_advice() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    for (listen, advice) in [("0.0.0.0:0", "loopback only"), (taken.as_str(), "choose another port")] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let output = Command::new(env!("CARGO_BIN_EXE_lab-world"))
            .args(["up", "--listen", listen, "--dir"])
            .arg(dir.path())
            .output()
            .expect("the lab runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(advice), "{error}");
    }
}
