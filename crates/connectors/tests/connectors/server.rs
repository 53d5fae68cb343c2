//! A small HTTP server whose answers a test sets, and short ways to make a world.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::Response;
use futures::StreamExt as _;
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_model::journal::Registration;
use midwatch_model::{Timestamp, after};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What the server answers on a path.
#[derive(Clone)]
pub enum Reply {
    Text(u16, String),
    /// The same, asking to come back after so many seconds.
    Later(u16, u32),
    /// A redirect to another path.
    Redirect(String),
    /// So many bytes, streamed.
    Huge(usize),
    /// Nothing, ever.
    Hang,
    /// Half an answer, then the connection is dropped.
    Drop,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Default)]
struct Book {
    replies: BTreeMap<String, Vec<Reply>>,
    seen: Vec<Seen>,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Server {
    pub url: String,
    book: Arc<Mutex<Book>>,
}

impl Server {
    pub async fn start() -> Self {
        let book: Arc<Mutex<Book>> = Arc::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, book }
    }

    /// Answers this on a path from now on.
    pub fn set(&self, path: &str, reply: Reply) -> &Self {
        self.queue(path, vec![reply])
    }

    /// Answers these one after the other; the last one stays.
    pub fn queue(&self, path: &str, replies: Vec<Reply>) -> &Self {
        self.book.lock().expect("no panic").replies.insert(path.to_owned(), replies);
        self
    }

    pub fn text(&self, path: &str, text: impl Into<String>) -> &Self {
        self.set(path, Reply::Text(200, text.into()))
    }

    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.book
            .lock()
            .expect("no panic")
            .seen
            .iter()
            .filter(|seen| seen.uri.path() == path)
            .cloned()
            .collect()
    }

    /// Every request, in order.
    pub fn all_seen(&self) -> Vec<Seen> {
        self.book.lock().expect("no panic").seen.clone()
    }

    /// The server's `host:port`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

async fn answer(State(book): State<Arc<Mutex<Book>>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let reply = {
        let mut book = book.lock().expect("no panic");
        book.seen.push(Seen { method: parts.method, uri: parts.uri, headers: parts.headers, body });
        match book.replies.get_mut(&path) {
            Some(replies) if replies.len() > 1 => Some(replies.remove(0)),
            Some(replies) => replies.first().cloned(),
            None => None,
        }
    };
    let response = Response::builder();
    match reply {
        None => response.status(StatusCode::NOT_FOUND).body(Body::from("{\"error\":\"no such page\"}")),
        Some(Reply::Text(status, text)) => response.status(status).body(Body::from(text)),
        Some(Reply::Later(status, seconds)) => {
            response.status(status).header("retry-after", seconds).body(Body::from("slow down"))
        }
        Some(Reply::Redirect(to)) => response.status(302).header("location", to).body(Body::empty()),
        Some(Reply::Huge(bytes)) => {
            let chunk = Bytes::from(vec![b'#'; 64 * 1024]);
            let chunks =
                futures::stream::repeat(chunk).take(bytes / (64 * 1024)).map(Ok::<_, std::io::Error>);
            response.body(Body::from_stream(chunks))
        }
        Some(Reply::Hang) => std::future::pending().await,
        Some(Reply::Drop) => {
            let broken = || Err(std::io::Error::other("dropped"));
            let chunks = futures::stream::iter([Ok(Bytes::from("{\"id\":")), broken()]);
            response.body(Body::from_stream(chunks))
        }
    }
    .expect("a response")
}

/// A world from a configuration written as JSON.
pub fn world(config: serde_json::Value, services: &[&str]) -> World {
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    World::new(&config, &registrations(services)).expect("a world")
}

pub fn registrations(services: &[&str]) -> Vec<Registration> {
    services.iter().map(|name| Registration { name: (*name).to_owned(), ..Registration::default() }).collect()
}

/// A fixed start plus seconds.
pub fn at(seconds: f64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, 1.7e9 + seconds)
}
