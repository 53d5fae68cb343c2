//! What speaks to Alertmanager speaks to midwatch: a real Prometheus with a rule, and the real amtool.

use crate::night::{Night, text, wait_for};
use crate::prometheus::{Prometheus, free_port};
use serde_json::Value;
use std::process::Command;

/// Runs amtool against the server; what it printed.
fn amtool(night: &Night, args: &[&str]) -> String {
    let output = Command::new("amtool")
        .arg(format!("--alertmanager.url={}", night.url))
        .args(args)
        .env("HOME", night.dir())
        .output()
        .expect("amtool is installed; the test command leaves this test out where it is not");
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{args:?}: {said}");
    text(&output.stdout)
}

#[test]
fn amtool_adds_and_queries_alerts_and_works_with_silences() {
    let mut night = Night::begin("");
    night.serve();
    amtool(&night, &["alert", "add", "alertname=DiskFull", "service=ledger", "severity=critical", "node=n1"]);
    amtool(&night, &["alert", "add", "DiskFull", "service=ledger", "severity=critical", "node=n2"]);
    let alerts = |args: &[&str]| -> Vec<Value> {
        let args = [&["alert", "query", "-o", "json"], args].concat();
        serde_json::from_str(&amtool(&night, &args)).expect("JSON")
    };
    assert_eq!(alerts(&[]).len(), 2);
    assert_eq!(alerts(&["node=~n[1]"])[0]["labels"]["node"], "n1");
    assert_eq!(alerts(&["alertname=DiskFull", "node!=n1"])[0]["status"]["state"], "active");

    let add = ["silence", "add", "-c", "a known fault", "-a", "ana", "-d", "1h", "node=n1"];
    let id = amtool(&night, &add).trim().to_owned();
    assert_eq!(alerts(&["node=n1"]), Vec::<Value>::new(), "amtool shows what is not silenced");
    assert_eq!(alerts(&["-s", "node=n1"])[0]["status"]["silencedBy"][0], id.as_str());
    let listed = amtool(&night, &["silence", "query"]);
    assert!(listed.contains(&id) && listed.contains("a known fault"), "{listed}");
    assert_eq!(amtool(&night, &["silence", "update", "-d", "2h", &id]).matches(&id).count(), 1);
    amtool(&night, &["silence", "expire", &id]);
    assert!(!amtool(&night, &["silence", "query"]).contains(&id));
    assert!(amtool(&night, &["silence", "query", "--expired"]).contains(&id));
    assert_eq!(alerts(&["node=n1"]).len(), 1);
    assert!(amtool(&night, &["config", "show"]).contains("mode"));
    assert!(amtool(&night, &["cluster", "show"]).contains("disabled"));

    // Each of them is on record, with what became of it.
    let incident = night.incident("an incident", |incident| incident["state"] != "correlating");
    assert_eq!(incident["component"], "ledger", "{incident}");
    let alert = &night.get("/api/v1/alerts").expect("the log")["alerts"][0];
    let why = night.run(&["why", alert["id"].as_str().expect("an id")]);
    let why = text(&why.stdout);
    assert!(why.contains("received") && why.contains("the Alertmanager API"), "{why}");

    // A restart forgets neither alerts nor silences.
    night.kill_server();
    night.serve();
    let known: Vec<Value> =
        serde_json::from_str(&amtool(&night, &["alert", "query", "-o", "json"])).expect("JSON");
    assert_eq!(known.len(), 2);
    assert!(amtool(&night, &["silence", "query", "--expired"]).contains(&id));
}

#[test]
fn a_rule_of_a_real_prometheus_opens_an_incident() {
    let port = free_port();
    let mut night = Night::begin("");
    night.serve();
    let rules = "groups:\n- name: lab\n  interval: 1s\n  rules:\n  - alert: ErrorsAtTheOrders\n    \
        expr: sum by (service) (rate(http_requests_total{service=\"order-service\",code=~\"5..\"}[10s])) > 0.2\n    \
        labels: {severity: critical}\n    annotations: {summary: orders fail}\n";
    std::fs::write(night.path("rules.yml"), rules).expect("written");
    let config = std::fs::read_to_string(night.path("prometheus.yml")).expect("the lab's configuration");
    let config = format!(
        "{config}rule_files: [rules.yml]\nalerting:\n  alertmanagers:\n  - static_configs:\n    - targets: ['{}']\n",
        night.url.trim_start_matches("http://")
    );
    std::fs::write(night.path("with-rule.yml"), config).expect("written");
    let _prometheus = Prometheus::start(&night, "with-rule.yml", port);
    night.inject("order-service", "error_rate");
    let from_prometheus = wait_for("the alert", || {
        let alerts = night.get("/api/v1/alerts?limit=100")?["alerts"].as_array()?.clone();
        alerts.into_iter().find(|alert| alert["source"] == "alertmanager_v2" && alert["incident"].is_string())
    });
    assert_eq!(from_prometheus["alert"]["labels"]["alertname"], "ErrorsAtTheOrders");
    assert_eq!(from_prometheus["signal"]["service"], "order-service");
    // Prometheus tells it again and again; it stays one episode.
    let id = from_prometheus["id"].as_str().expect("an id").to_owned();
    wait_for("more tellings", || {
        (night.get(&format!("/api/v1/alerts/{id}"))?["told"].as_u64()? > 1).then_some(())
    });
}
