//! Slack's side: its API, where what comes is written down and handed to Prism with Slack's published schema, and a press.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::{HeaderMap, StatusCode, Uri};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// What the app signs with.
pub const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// One call: its method, and what it said.
type Call = (String, Value);

#[derive(Clone)]
struct Desk {
    calls: Arc<Mutex<Vec<Call>>>,
    prism: u16,
}

pub struct Slack {
    pub url: String,
    desk: Desk,
}

impl Slack {
    /// Slack's API in front of a Prism.
    pub async fn before(prism: u16) -> Self {
        let desk = Desk { calls: Arc::default(), prism };
        let router = Router::new().fallback(answer).with_state(desk.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, desk }
    }

    fn calls(&self) -> Vec<Call> {
        self.desk.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value of the newest button with that action.
    pub fn button(&self, action: &str) -> Option<Value> {
        let calls = self.calls();
        let mut blocks =
            calls.iter().rev().flat_map(|(_, said)| said["blocks"].as_array().into_iter().flatten());
        let elements = |block: &Value| block["elements"].as_array().cloned().unwrap_or_default();
        blocks.find_map(|block| elements(block).into_iter().find(|button| button["action_id"] == action))
    }

    /// What the incident's message says now.
    pub fn shown(&self) -> String {
        let calls = self.calls();
        let own = |call: &&Call| call.1["thread_ts"].is_null();
        calls.iter().rev().find(own).map(|(_, said)| said.to_string()).unwrap_or_default()
    }

    /// There is one message; all else changes it or stands below it.
    pub fn assert_one_thread(&self) {
        let calls = self.calls();
        let new: Vec<&Call> = calls
            .iter()
            .filter(|(method, said)| method == "/chat.postMessage" && said["thread_ts"].is_null())
            .collect();
        assert_eq!(new.len(), 1, "{calls:#?}");
        assert!(calls.iter().any(|(method, _)| method == "/chat.update"), "{calls:#?}");
        let mut places: Vec<&Value> = calls
            .iter()
            .filter(|call| *call != new[0])
            .map(|(method, said)| if method == "/chat.update" { &said["ts"] } else { &said["thread_ts"] })
            .collect();
        places.dedup();
        assert_eq!(places.len(), 1, "{calls:#?}");
    }
}

async fn answer(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let method = uri.path().to_owned();
    let mut request = reqwest::Client::new().post(format!("http://127.0.0.1:{}{method}", desk.prism));
    for (name, value) in headers.iter().filter(|(name, _)| *name != HOST && *name != CONTENT_LENGTH) {
        request = request.header(name, value);
    }
    let answered = request.body(body.to_vec()).send().await.expect("Prism answers");
    let (status, text) = (answered.status(), answered.text().await.expect("a text"));
    let said = read(&body);
    assert!(status.is_success(), "what Slack's schema does not take: {text}: {said:#}");
    desk.calls.lock().unwrap_or_else(PoisonError::into_inner).push((method, said));
    (StatusCode::OK, text)
}

/// A body, whether it is JSON or a form whose blocks are JSON.
fn read(body: &[u8]) -> Value {
    let of_form = || {
        let field = |(name, text): (_, std::borrow::Cow<'_, str>)| {
            let value =
                if name == "blocks" { serde_json::from_str(&text).expect("JSON") } else { json!(text) };
            (String::from(name), value)
        };
        Value::Object(form_urlencoded::parse(body).map(field).collect())
    };
    serde_json::from_slice(body).unwrap_or_else(|_| of_form())
}

/// Presses a button as Slack tells of it, and says how that was answered.
pub async fn press(to: &str, button: &Value, user: &str, secret: &str) -> u16 {
    let payload = json!({
        "type": "block_actions", "team": { "id": "T0000000001" }, "user": { "id": user, "team_id": "T0000000001" },
        "response_url": "", "actions": [button],
    });
    let body =
        form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let mut mac = Hmac::<sha2_of_hmac::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(format!("v0:{now}:{body}").as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = reqwest::Client::new()
        .post(to)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", now)
        .header("x-slack-signature", format!("v0={signature}"));
    request.body(body).send().await.expect("an answer").status().as_u16()
}
