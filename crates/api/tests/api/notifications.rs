//! Who is told, and how that goes: tests, status, what would be told.

use crate::harness::{Door, KEY, Wanted};
use axum::http::Method;
use midwatch_engine::EngineConfig;
use midwatch_oncall::{Integration, Receiver};
use serde_json::{Value, json};

fn two_receivers(config: &mut EngineConfig) {
    let receiver = |name: &str| Receiver {
        name: name.to_owned(),
        integrations: vec![Integration::of_alerts(format!("{name}/webhook/0"))],
    };
    config.receivers = vec![receiver("ops"), receiver("shop")];
}

async fn test(door: &Door, body: &Value) -> (u16, Value) {
    let headers = [("x-api-key", KEY), ("content-type", "application/json")];
    let answer = door.post("/api/v1/notifications/test", &headers, body.to_string().as_bytes()).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn a_test_says_for_each_target_whether_it_was_told_and_is_part_of_the_status() {
    let door = Door::open(Wanted { engine: two_receivers, ..Wanted::default() }).await;
    let (status, answer) = test(&door, &json!({ "receiver": "ops" })).await;
    let expected = json!([{ "target": "ops/webhook/0", "delivered": true, "answer": "200" }]);
    assert_eq!((status, &answer["results"]), (200, &expected));
    assert_eq!(test(&door, &json!({})).await.1["results"].as_array().map(Vec::len), Some(2));
    let (status, answer) = test(&door, &json!({ "receiver": "nobody" })).await;
    assert_eq!(status, 404);
    assert!(
        answer["error"].as_str().is_some_and(|error| error.contains("receivers are ops, shop")),
        "{answer}"
    );
    assert_eq!(test(&door, &json!({ "reciever": "ops" })).await.0, 422);
    let status = door
        .send(Method::GET, "/api/v1/notifications/status?limit=2", &[("x-api-key", KEY)], b"")
        .await
        .json();
    assert_eq!(status["targets"].as_array().map(Vec::len), Some(2));
    let lately = status["notifications"].as_array().expect("a list");
    assert_eq!(lately.len(), 2);
    assert_eq!(
        (&lately[0]["state"], &lately[0]["why"], &lately[0]["tried"][0]["answer"]),
        (&json!("delivered"), &json!("test"), &json!("200"))
    );
}

#[tokio::test]
async fn nothing_is_told_of_an_incident_that_is_not_there() {
    let door = Door::open(Wanted::default()).await;
    let answer =
        door.send(Method::GET, "/api/v1/notifications/preview/inc-none", &[("x-api-key", KEY)], b"").await;
    assert_eq!(answer.status.as_u16(), 404);
}
