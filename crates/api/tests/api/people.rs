//! What people do with an incident beside deciding, over HTTP: on record as it was said, and refused with what to do.

use crate::harness::{Answer, Door, KEY, Wanted};
use axum::http::{Method, StatusCode};
use midwatch_api::{ApiKey, KeyRing, NamedKey, Scope, mint};
use serde_json::{Value, json};

struct Desk(Door);

impl Desk {
    async fn open() -> Self {
        Self(Door::plain().await)
    }

    /// Tells of an alert about a service; gives its incident.
    async fn incident(&self, service: &str) -> String {
        let alert =
            json!([{ "id": service, "service": service, "title": format!("{service} is slow") }]).to_string();
        let answer =
            self.0.post("/api/v1/ingest/generic", &[("x-api-key", KEY)], alert.as_bytes()).await.json();
        self.0.clock.advance(1.0);
        self.0.engine.settle().await.expect("settled");
        let id = answer["accepted"][0].as_str().expect("an id").to_owned();
        self.get(&format!("/api/v1/alerts/{id}")).await["incident"].as_str().expect("an incident").to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        self.0.send(Method::GET, path, &[("x-api-key", KEY)], b"").await.json()
    }

    async fn show(&self, incident: &str) -> Value {
        self.get(&format!("/api/v1/incidents/{incident}")).await
    }

    async fn tell(&self, method: Method, incident: &str, what: &str, body: &Value) -> Answer {
        let path = format!("/api/v1/incidents/{incident}/{what}");
        let headers = [("x-api-key", KEY), ("content-type", "application/json")];
        self.0.send(method, &path, &headers, body.to_string().as_bytes()).await
    }

    async fn post(&self, incident: &str, what: &str, body: &Value) -> Answer {
        self.tell(Method::POST, incident, what, body).await
    }
}

#[tokio::test]
async fn who_has_an_incident_is_part_of_it() {
    let desk = Desk::open().await;
    let id = desk.incident("pay").await;
    let until = "2027-06-01T14:00:00Z";
    for (what, body) in [
        ("acknowledge", json!({ "by": "ann" })),
        ("assign", json!({ "by": "ann", "to": " bob " })),
        ("snooze", json!({ "by": "ann", "until": until, "reason": "after lunch" })),
    ] {
        let answer = desk.post(&id, what, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{what}: {answer:?}");
    }
    let shown = desk.show(&id).await;
    assert_eq!((&shown["acknowledged"], &shown["assignee"]), (&json!("ann"), &json!("bob")));
    assert_eq!(shown["snoozed_until"], until);
    let timeline = shown["timeline"].to_string();
    assert!(timeline.contains("ann snoozed it until 2027-06-01 14:00:00 UTC: after lunch"), "{timeline}");
    let silences = desk.get("/api/v2/silences").await;
    assert_eq!(silences[0]["matchers"][0]["value"], id.as_str(), "{silences}");
    // Who ends the silence wakes it up, and it can be snoozed for the same time again.
    let silence = format!("/api/v2/silence/{}", shown["snooze"].as_str().expect("a silence"));
    desk.0.send(Method::DELETE, &silence, &[("x-api-key", KEY)], b"").await;
    assert_eq!(desk.show(&id).await["snoozed_until"], Value::Null);
    let again = desk.post(&id, "snooze", &json!({ "by": "ann", "until": until })).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(desk.show(&id).await["snoozed_until"], until);
}

#[tokio::test]
async fn incidents_are_merged_and_split_again() {
    let desk = Desk::open().await;
    let (first, second) = (desk.incident("pay").await, desk.incident("mail").await);
    assert_ne!(first, second);
    let merged = desk.post(&second, "merge", &json!({ "by": "ann", "into": first })).await;
    assert_eq!(merged.json()["merged_into"], first.as_str(), "{merged:?}");
    let shown = desk.show(&second).await;
    assert_eq!((&shown["state"], &shown["merged_into"]), (&json!("closed"), &json!(first)));
    let signals = desk.show(&first).await["signals"].as_array().expect("signals").clone();
    assert_eq!(signals.len(), 2);
    let split = desk.post(&first, "split", &json!({ "by": "ann", "signals": [signals[1]["id"]] })).await;
    let third = split.json()["incident"].as_str().expect("an incident").to_owned();
    assert_eq!(desk.show(&third).await["component"], "mail", "{split:?}");
    assert_eq!(desk.show(&first).await["signals"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_what_to_do() {
    let desk = Desk::open().await;
    let id = desk.incident("pay").await;
    let long = "x".repeat(2000);
    let cases = [
        ("acknowledge", json!({ "by": " " }), StatusCode::BAD_REQUEST, "must not be empty"),
        ("acknowledge", json!({ "by": long }), StatusCode::BAD_REQUEST, "longer than"),
        ("assign", json!({ "by": "ann", "to": long }), StatusCode::BAD_REQUEST, "longer than"),
        (
            "snooze",
            json!({ "by": "ann", "until": "2020-01-01T00:00:00Z" }),
            StatusCode::BAD_REQUEST,
            "next 7 days",
        ),
        ("snooze", json!({ "by": "ann", "until": "soon" }), StatusCode::UNPROCESSABLE_ENTITY, ""),
        ("merge", json!({ "by": "ann", "into": id }), StatusCode::BAD_REQUEST, "into itself"),
        ("merge", json!({ "by": "ann", "into": "inc-none" }), StatusCode::NOT_FOUND, "there is no incident"),
        ("split", json!({ "by": "ann", "signals": [] }), StatusCode::BAD_REQUEST, "none of these signals"),
        (
            "split",
            json!({ "by": "ann", "signals": ["sig-none"] }),
            StatusCode::BAD_REQUEST,
            "none of these signals",
        ),
    ];
    for (what, body, status, said) in cases {
        let answer = desk.post(&id, what, &body).await;
        assert_eq!(answer.status, status, "{what} {body}: {answer:?}");
        assert!(answer.error().contains(said), "{what} {body}: {answer:?}");
    }
    let body = json!({ "by": "ann", "text": "# Mine", "base": "" });
    let answer = desk.tell(Method::PUT, &id, "postmortem", &body).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert!(answer.error().contains("has no postmortem yet"), "{answer:?}");
}

#[tokio::test]
async fn who_has_a_key_of_their_own_signs_with_its_name() {
    let minted = mint("ada", [1; 32], [7; 16]).expect("a key");
    let ada = NamedKey::new("ada", &minted.hash, &[Scope::Read, Scope::Act]).expect("a key");
    let keys = KeyRing::new(Some(ApiKey::new(KEY)), vec![ada]).expect("a ring");
    let desk = Desk(Door::open(Wanted { keys, ..Wanted::default() }).await);
    let id = desk.incident("pay").await;
    for (key, by, expected) in
        [(minted.key.as_str(), "ada", "ada"), (&minted.key, "bob", "bob (with ada)"), (KEY, "bob", "bob")]
    {
        let headers = [("x-api-key", key), ("content-type", "application/json")];
        let body = json!({ "by": by }).to_string();
        let path = format!("/api/v1/incidents/{id}/acknowledge");
        let answer = desk.0.post(&path, &headers, body.as_bytes()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(desk.show(&id).await["acknowledged"], expected, "{by}");
    }
}
