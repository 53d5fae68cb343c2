//! A repository that answers like GitHub's API and writes down what it was asked; it can be told to break.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How a request is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Refused before anything is done.
    Refuse(u16),
    /// Done, and the answer is lost.
    LoseAnswer,
    /// Not done, and no answer either.
    LoseRequest,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub body: Value,
}

#[derive(Default)]
struct Book {
    default_branch: String,
    /// Files by branch and path.
    branches: BTreeMap<String, BTreeMap<String, String>>,
    pulls: Vec<Value>,
    /// Messages of the commits of pull requests.
    commits: Vec<String>,
    asked: Vec<Asked>,
    /// The number of the writing request that is broken, counted from 0.
    broken: Option<(usize, Break)>,
    writes: usize,
    /// What every writing request is refused with, if it is.
    refused: Option<u16>,
}

#[derive(Clone)]
pub struct Repository {
    pub url: String,
    book: Arc<Mutex<Book>>,
}

impl Repository {
    pub async fn start(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let book = Book {
            default_branch: "main".to_owned(),
            branches: BTreeMap::from([("main".to_owned(), files)]),
            ..Book::default()
        };
        let book = Arc::new(Mutex::new(book));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, book }
    }

    pub fn break_write(&self, number: usize, how: Break) {
        let mut book = self.book.lock().expect("no panic");
        (book.broken, book.writes) = (Some((number, how)), 0);
    }

    pub fn refuse_writes(&self, status: u16) {
        self.book.lock().expect("no panic").refused = Some(status);
    }

    pub fn mend(&self) {
        self.book.lock().expect("no panic").broken = None;
    }

    pub fn set_default(&self, branch: &str) {
        let mut book = self.book.lock().expect("no panic");
        let files = book.branches["main"].clone();
        book.branches.insert(branch.to_owned(), files);
        book.default_branch = branch.to_owned();
    }

    pub fn merge(&self) {
        let mut book = self.book.lock().expect("no panic");
        book.pulls[0]["state"] = "closed".into();
        book.pulls[0]["merged_at"] = "2026-11-21T03:00:00Z".into();
    }

    /// Somebody writes to the branch of the pull request, too.
    pub fn push(&self, message: &str) {
        self.book.lock().expect("no panic").commits.push(message.to_owned());
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.book.lock().expect("no panic").asked.clone()
    }

    pub fn branches(&self) -> Vec<String> {
        self.book.lock().expect("no panic").branches.keys().cloned().collect()
    }

    pub fn file(&self, branch: &str, path: &str) -> String {
        let book = self.book.lock().expect("no panic");
        book.branches.get(branch).and_then(|files| files.get(path)).cloned().unwrap_or_default()
    }

    pub fn pulls(&self) -> Vec<Value> {
        self.book.lock().expect("no panic").pulls.clone()
    }
}

async fn answer(State(book): State<Arc<Mutex<Book>>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let (reply, how) = {
        let mut book = book.lock().expect("no panic");
        book.asked.push(asked.clone());
        let is_write = asked.method != Method::GET;
        let broken = book.broken.filter(|(number, _)| is_write && *number == book.writes).map(|(_, how)| how);
        let broken = broken.or(book.refused.filter(|_| is_write).map(Break::Refuse));
        book.writes += usize::from(is_write);
        let reply = match broken {
            Some(Break::Refuse(status)) => (status, json!({ "message": "Resource not accessible" })),
            Some(Break::LoseRequest) => (500, Value::Null),
            _ => book.answer(&asked),
        };
        (reply, broken)
    };
    if matches!(how, Some(Break::LoseAnswer | Break::LoseRequest)) {
        return std::future::pending().await;
    }
    let (status, body) = reply;
    let response = Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    let body = if status == 204 { Body::empty() } else { Body::from(body.to_string()) };
    response.body(body).expect("a response")
}

impl Book {
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        let path = asked.path.replace("%2F", "/");
        let rest = path.trim_start_matches("/repos/example/shop");
        let missing = (404, json!({ "message": "Not Found" }));
        let text = |name: &str| asked.body[name].as_str().unwrap_or_default().to_owned();
        match (asked.method.as_str(), rest) {
            ("GET", "") => (200, json!({ "default_branch": self.default_branch })),
            ("GET", rest) if rest.starts_with("/git/ref/heads/") => {
                match self.branches.contains_key(rest.trim_start_matches("/git/ref/heads/")) {
                    true => (200, json!({ "object": { "sha": "aa218f56b14c9653891f9e74264a383fa43fefbd" } })),
                    false => missing,
                }
            }
            ("POST", "/git/refs") => {
                let branch = text("ref").trim_start_matches("refs/heads/").to_owned();
                if self.branches.contains_key(&branch) {
                    return (422, json!({ "message": "Reference already exists" }));
                }
                let files = self.branches[&self.default_branch].clone();
                self.branches.insert(branch, files);
                (201, json!({}))
            }
            ("DELETE", rest) => match self.branches.remove(rest.trim_start_matches("/git/refs/heads/")) {
                Some(_) => (204, Value::Null),
                None => (422, json!({ "message": "Reference does not exist" })),
            },
            ("GET", rest) if rest.starts_with("/contents/") => {
                let branch = asked.query.trim_start_matches("ref=").replace("%2F", "/");
                let file =
                    self.branches.get(&branch).and_then(|files| files.get(&rest["/contents/".len()..]));
                match file {
                    Some(text) => (200, json!({ "content": STANDARD.encode(text), "sha": digest(text) })),
                    None => missing,
                }
            }
            ("PUT", rest) if rest.starts_with("/contents/") => {
                let Some(files) = self.branches.get_mut(&text("branch")) else { return missing };
                let path = rest["/contents/".len()..].to_owned();
                let known = files.get(&path).map(|text| digest(text));
                if known.is_some() && known != asked.body["sha"].as_str().map(str::to_owned) {
                    return (409, json!({ "message": "does not match" }));
                }
                let content = STANDARD.decode(text("content")).expect("base64");
                files.insert(path, String::from_utf8(content).expect("text"));
                self.commits.push(text("message"));
                (201, json!({}))
            }
            ("GET", "/pulls") => {
                let found: Vec<&Value> = self
                    .pulls
                    .iter()
                    .filter(|pull| {
                        asked.query.replace("%2F", "/").contains(pull["head"]["ref"].as_str().unwrap_or("?"))
                    })
                    .collect();
                (200, json!(found))
            }
            ("GET", rest) if rest.starts_with("/pulls/") && rest.ends_with("/commits") => {
                let commit = |message: &String| json!({ "commit": { "message": message } });
                (200, self.commits.iter().map(commit).collect())
            }
            ("POST", "/pulls") => {
                let number = self.pulls.len() + 1;
                let pull = json!({
                    "number": number, "html_url": format!("https://github.com/example/shop/pull/{number}"), "state": "open",
                    "title": text("title"), "body": text("body"), "merged_at": null,
                    "head": { "ref": text("head") }, "base": { "ref": text("base") },
                });
                self.pulls.push(pull.clone());
                (201, pull)
            }
            ("PATCH", _) => {
                self.pulls[0]["state"] = asked.body["state"].clone();
                (200, self.pulls[0].clone())
            }
            _ => missing,
        }
    }
}

fn digest(text: &str) -> String {
    midwatch_model::Evidence::digest_of(text.as_bytes())[..40].to_owned()
}
