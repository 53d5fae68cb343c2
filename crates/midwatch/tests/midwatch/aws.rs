//! A night with nothing but AWS: an alarm, logs, a verdict, an alias that goes back, an alarm that ends.

use crate::emulator::{Emulator, Kind};
use crate::night::wait_for;
use crate::post::{Http, Server};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const CONFIG: &str = r#"
mode = "propose"
dry_run = false
[engine]
tick_s = 0.3
[decision]
warm_up_ticks = 2
settle_s = 1.0
[verification]
normal_readings = 2
grace_s = 2.0
soak_s = 2.0
[telemetry]
kind = "none"
poll_interval_s = 1.0
rate_window_s = 5.0
[aws]
endpoint = "ENDPOINT"
region = "us-east-1"
credentials_file = "CREDENTIALS"
alarms_poll_s = 1.0
[[service]]
name = "pay"
platform = "lambda"
"#;

fn night(kind: Kind) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let aws = runtime.block_on(Emulator::start(kind));
    runtime.block_on(async {
        aws.function().await;
        aws.alarm().await;
        aws.complaints(jiff::Timestamp::now().as_millisecond(), 0).await;
    });
    let (http, dir) = (Http::new(), TempDir::new().expect("a folder"));
    let credentials = Emulator::credentials(dir.path()).display().to_string();
    let config = CONFIG.replace("ENDPOINT", &aws.url).replace("CREDENTIALS", &credentials);
    let mut server = Server::midwatch(dir.path(), &config);
    server.start(&http);
    let url = |path: &str| format!("{}{path}", server.url);
    // The pipeline tells what it has deployed; then it goes wrong.
    let change = json!({ "service": "pay", "kind": "deploy", "from": "1", "to": "2", "by": "ci" });
    let told = http.post(&url("/api/v1/changes"), &change).expect("an answer");
    assert!(told.0 < 300, "{told:?}");
    runtime.block_on(async {
        aws.complaints(jiff::Timestamp::now().as_millisecond(), 20).await;
        aws.set_alarm("ALARM").await;
    });

    let waiting: Value = wait_for("a request for approval", || {
        let all = http.get(&url("/api/v1/approvals"))?;
        let list = all.as_array().cloned().or_else(|| all["approvals"].as_array().cloned())?;
        list.first().cloned()
    });
    assert_eq!(runtime.block_on(aws.alias()), "2", "nothing happens before the yes: {waiting}");
    let id = waiting["incident"].as_str().expect("an incident").to_owned();
    let detail = http.get(&url(&format!("/api/v1/incidents/{id}"))).expect("the incident");
    assert!(detail.to_string().contains("CloudWatch Logs: filter-log-events of /aws/lambda/pay"), "{detail}");
    let yes = json!({ "incident": id, "plan": waiting["plan"], "decision": "approve", "by": "ana" });
    let answer = http.ask(Method::POST, &url("/api/v1/approvals"), Some(&yes)).expect("an answer");
    assert_eq!(answer.0, 200, "{answer:?} {waiting}");
    wait_for("the alias on the version before", || (runtime.block_on(aws.alias()) == "1").then_some(()));

    runtime.block_on(aws.set_alarm("OK"));
    let ended = wait_for("the end of it", || {
        let now = http.get(&url(&format!("/api/v1/incidents/{id}")))?;
        let state = now["state"].as_str().unwrap_or_default().to_owned();
        ["resolved", "closed", "escalated"].contains(&state.as_str()).then_some(state)
    });
    assert_eq!(ended, "resolved", "{kind:?}: {}", server.said());
    assert_eq!(runtime.block_on(aws.alias()), "1", "{kind:?}");
}

#[test]
fn against_moto_and_ministack_an_alarm_leads_to_a_rollback_that_ends_it() {
    for kind in [Kind::Moto, Kind::Ministack] {
        night(kind);
    }
}
