//! Somebody who is told: a webhook receiver that keeps what it hears.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// One message: the path it came to, its `webhook-id` (empty if it has none) and its body.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    pub id: String,
    pub message: Value,
}

#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<Heard>>>);

pub struct Sink {
    pub url: String,
    ears: Ears,
    _runtime: tokio::runtime::Runtime,
}

impl Sink {
    pub fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("settable");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let ears = Ears::default();
        let router = Router::new().route("/{*path}", post(hear)).with_state(ears.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await.expect("serving");
        });
        Self { url, ears, _runtime: runtime }
    }

    /// Everything that was heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.ears.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that was heard since the last call.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.ears.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn hear(State(ears): State<Ears>, Path(path): Path<String>, headers: HeaderMap, body: String) {
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let message = serde_json::from_str(&body).unwrap_or(Value::Null);
    ears.0.lock().unwrap_or_else(PoisonError::into_inner).push(Heard { path, id, message });
}
