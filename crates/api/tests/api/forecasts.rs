//! Forecasts over HTTP: asked, exported, and what may be changed while the server runs.

use crate::harness::{Answer, Door, KEY};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

async fn ask(door: &Door, method: Method, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {KEY}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("host", "127.0.0.1:7700"),
    ];
    let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).expect("plain data") };
    door.send(method, path, &headers, &body).await
}

/// Two services of which one fills its memory.
fn window() -> Value {
    let service = |name: &str, memory: Vec<f64>| {
        json!({
            "name": name,
            "normal": { "latency_p99": [100.0, 5.0], "error_rate": [0.001, 0.001], "cpu": [0.2, 0.02],
                        "request_rate": [50.0, 2.0], "memory": [0.3, 0.02] },
            "readings": { "latency_p99": vec![100.0; 60], "error_rate": vec![0.001; 60], "cpu": vec![0.2; 60],
                          "request_rate": vec![50.0; 60], "memory": memory },
        })
    };
    let climbs = (0..60).map(|tick| 0.3 + f64::from(tick) * 0.01).collect();
    json!({
        "tick_s": 2.0,
        "services": [service("order", vec![0.3; 60]), service("payment", climbs)],
        "edges": [{ "from": "order", "to": "payment", "rate": 50.0, "errors": 0.0, "latency_ms": 90.0 }],
    })
}

#[tokio::test]
async fn a_window_that_somebody_brings_is_judged() {
    let door = Door::plain().await;
    let answer = ask(&door, Method::POST, "/api/v1/predict", &json!({ "window": window() })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let shown = answer.json();
    assert_eq!((shown["horizon_s"].as_f64(), shown["tick_s"].as_f64()), (Some(900.0), Some(2.0)));
    let services = shown["services"].as_array().expect("services");
    assert_eq!(services[0]["service"], "payment", "the likeliest comes first: {shown}");
    assert!(services.iter().all(|service| service["probability"].is_number()));
}

#[tokio::test]
async fn whoever_asks_for_what_cannot_be_answered_is_told_why() {
    let door = Door::plain().await;
    let both = json!({ "window": window(), "removed_edges": [{ "from": "a", "to": "b" }] });
    let empty = json!({ "window": { "tick_s": 2.0, "services": [] } });
    for (body, status, said) in [
        (Value::Null, 503, "nothing was read yet"),
        (json!({ "removed_edges": [{ "from": "a", "to": "b" }] }), 503, "nothing was read yet"),
        (both, 400, "not for both"),
        (empty, 400, "the graph has no service"),
        (json!({ "windows": 1 }), 400, "unknown field `windows`"),
    ] {
        let answer = ask(&door, Method::POST, "/api/v1/predict", &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {answer:?}");
        assert!(answer.error().contains(said), "{body}: {}", answer.error());
    }
    let answer = ask(&door, Method::GET, "/api/v1/forecasts", &Value::Null).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_ledger_comes_as_json_and_as_csv() {
    let door = Door::plain().await;
    let answer = ask(&door, Method::GET, "/api/v1/forecasts/ledger", &Value::Null).await;
    assert_eq!(answer.json()["autonomy"]["earned"], "not_yet", "{answer:?}");
    let answer = ask(&door, Method::GET, "/api/v1/forecasts/ledger?format=csv", &Value::Null).await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(answer.body.starts_with(b"model,service,forecasts,base_rate,brier"));
    let answer = ask(&door, Method::GET, "/api/v1/forecasts/ledger?format=xml", &Value::Null).await;
    assert!(answer.error().contains("not one of json, csv"), "{answer:?}");
}

#[tokio::test]
async fn capacity_is_asked_for_all_or_for_one_that_is_watched() {
    let door = Door::plain().await;
    let answer = ask(&door, Method::GET, "/api/v1/capacity", &Value::Null).await;
    assert_eq!((answer.status, &answer.json()["left_out"]), (StatusCode::OK, &json!(0)), "{answer:?}");
    assert!(answer.json()["fills"].is_array() && answer.json()["trends"].is_array(), "{answer:?}");
    let answer = ask(&door, Method::GET, "/api/v1/capacity?service=nobody", &Value::Null).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    let answer = ask(&door, Method::GET, "/api/v1/capacity?team=x", &Value::Null).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
}

#[tokio::test]
async fn what_may_be_changed_at_run_time_is_checked_and_on_record() {
    let door = Door::plain().await;
    for (body, said) in [
        (json!({ "by": "ann", "foresight": {} }), "nothing is to be changed"),
        (json!({ "by": " ", "foresight": { "enabled": false } }), "say who changes it"),
        (json!({ "by": "ann", "foresight": { "confidence_min": 2.0 } }), "must be 0 to 1"),
        (json!({ "by": "ann", "foresight": { "horizon_s": 60 } }), "unknown field `horizon_s`"),
        (json!({ "by": "ann", "mode": "auto" }), "unknown field `mode`"),
    ] {
        let answer = ask(&door, Method::PATCH, "/api/v1/config", &body).await;
        assert!(answer.status.is_client_error(), "{body}: {answer:?}");
        assert!(answer.error().contains(said), "{body}: {}", answer.error());
    }
    let body = json!({ "by": "ann", "foresight": { "alarm_from": "high", "enabled": false } });
    let answer = ask(&door, Method::PATCH, "/api/v1/config", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let shown = ask(&door, Method::GET, "/api/v1/config", &Value::Null).await.json();
    assert_eq!(shown["config"]["foresight"]["alarm_from"], "high", "{shown}");
    let answer = ask(&door, Method::POST, "/api/v1/predict", &json!({ "window": window() })).await;
    assert!(answer.error().contains("switched off"), "{answer:?}");
    let journal = door.engine.store.read(&midwatch_model::journal::StreamId::Config).await.expect("a stream");
    let last = serde_json::to_value(&journal.lines().last().expect("a line").entry).expect("plain data");
    assert_eq!(last["by"], "ann");
    assert_eq!(last["changed"], json!({ "alarm_from": "high", "enabled": false }));
}
