//! An API server on a real socket that keeps what it is given, with the rules that a change meets at the real one: merge
//! patches, optimistic locking, dry runs, generations, uids. No controller runs in it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Request, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub content_type: String,
    pub body: Value,
}

impl Seen {
    pub fn is_dry_run(&self) -> bool {
        // Deletions say it in their body.
        let in_query = self.uri.query().is_some_and(|query| query.contains("dryRun=All"));
        in_query || self.body["dryRun"] == json!(["All"])
    }

    pub fn mutates(&self) -> bool {
        self.method != Method::GET && !self.is_dry_run()
    }
}

/// What goes wrong with the next change that is no dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A status before anything was done.
    Refuse(u16),
    /// It is done, and the answer is lost.
    Lose,
    /// Nothing is done, and no answer comes.
    Hang,
}

#[derive(Default)]
struct Book {
    /// By path, such as `/apis/apps/v1/namespaces/shop/deployments/pay`.
    things: BTreeMap<String, Value>,
    version: u64,
    seen: Vec<Seen>,
    trouble: Option<Trouble>,
    /// Method and beginning of a path that this account has no right to.
    forbidden: Vec<(Method, String)>,
    istio: bool,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Cluster {
    pub url: String,
    book: Arc<Mutex<Book>>,
}

impl Cluster {
    pub async fn start() -> Self {
        let book: Arc<Mutex<Book>> = Arc::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, book }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no panic")
    }

    /// A kubeconfig for this server, in a folder.
    pub fn kubeconfig(&self, dir: &std::path::Path) -> String {
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": { "server": self.url } }],
            "users": [{ "name": "test", "user": { "token": "t" } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        });
        let path = dir.join("kubeconfig.json");
        std::fs::write(&path, text.to_string()).expect("a writable folder");
        path.display().to_string()
    }

    /// Puts a thing at a path, as if somebody else had.
    pub fn put(&self, path: &str, thing: Value) {
        let mut book = self.book();
        store(&mut book, path, thing);
    }

    pub fn thing(&self, path: &str) -> Value {
        self.book().things.get(path).cloned().unwrap_or_default()
    }

    /// Somebody else changes what lies at a JSON pointer.
    pub fn edit(&self, path: &str, at: &str, value: Value) {
        let mut book = self.book();
        let mut thing = book.things.get(path).cloned().expect("a thing");
        *thing.pointer_mut(at).expect("something there") = value;
        store(&mut book, path, thing);
    }

    pub fn trouble(&self, trouble: Trouble) {
        self.book().trouble = Some(trouble);
    }

    pub fn forbid(&self, method: Method, path: &str) {
        self.book().forbidden.push((method, path.to_owned()));
    }

    pub fn install_istio(&self) {
        self.book().istio = true;
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.book().seen.clone()
    }

    /// Changes that were asked for in earnest.
    pub fn changes(&self) -> usize {
        self.book().seen.iter().filter(|seen| seen.mutates()).count()
    }
}

/// Keeps a thing: a new resourceVersion with every write, a new generation when its spec differs.
fn store(book: &mut Book, path: &str, mut thing: Value) {
    book.version += 1;
    let before = book.things.get(path);
    let generation = before.and_then(|b| b["metadata"]["generation"].as_u64());
    let same = before.is_some_and(|b| b["spec"] == thing["spec"]);
    let next = generation.map_or(1, |known| if same { known } else { known + 1 });
    if thing["metadata"]["uid"].is_null() {
        thing["metadata"]["uid"] = json!(format!("uid-{}", book.version));
    }
    thing["metadata"]["generation"] = json!(next);
    thing["metadata"]["resourceVersion"] = json!(book.version.to_string());
    book.things.insert(path.to_owned(), thing);
}

fn status(code: u16, message: &str) -> (u16, Value) {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
        "reason": if code == 403 { "Forbidden" } else { "Conflict" } });
    (code, body)
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().expect("an object").remove(key);
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}

fn labelled(thing: &Value, query: &str) -> bool {
    let asked = query.split('&').find_map(|part| part.strip_prefix("labelSelector="));
    let Some(asked) = asked else { return true };
    let asked = asked.replace("%3D", "=").replace("%2C", ",");
    asked.split(',').all(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        thing["metadata"]["labels"][key] == value
    })
}

/// As many things as were asked for, from where the last page ended.
fn page(items: &[Value], query: &str) -> Value {
    let asked = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.parse::<usize>().ok());
    let (from, limit) = (asked("continue=").unwrap_or(0), asked("limit=").unwrap_or(items.len()));
    let until = items.len().min(from + limit);
    let metadata = if until < items.len() { json!({ "continue": until.to_string() }) } else { json!({}) };
    json!({ "kind": "List", "metadata": metadata, "items": items[from.min(until)..until] })
}

fn handle(book: &mut Book, seen: &Seen) -> (u16, Value) {
    let path = seen.uri.path().to_owned();
    let denied = |(method, at): &(Method, String)| *method == seen.method && path.starts_with(at.as_str());
    if book.forbidden.iter().any(denied) {
        let what = path.rsplit('/').next().unwrap_or_default();
        return status(403, &format!("\"{what}\" is forbidden: User \"midwatch\" has no right to do this"));
    }
    if path == "/version" {
        return (200, json!({ "gitVersion": "v1.36.0" }));
    }
    if path == "/readyz" {
        return (200, json!("ok"));
    }
    if path == "/apis/networking.istio.io/v1" && book.istio {
        return (200, json!({ "kind": "APIResourceList", "resources": [{ "name": "destinationrules" }] }));
    }
    let dry = seen.is_dry_run();
    match seen.method {
        Method::GET => match book.things.get(&path) {
            Some(thing) => (200, thing.clone()),
            None if is_list(&path) => {
                let query = seen.uri.query().unwrap_or_default();
                let inside = |at: &&String| at.strip_prefix(&format!("{path}/")).is_some();
                let items: Vec<Value> = book
                    .things
                    .iter()
                    .filter(|(at, thing)| inside(at) && labelled(thing, query))
                    .map(|(_, thing)| thing.clone())
                    .collect();
                (200, page(&items, query))
            }
            None => status(404, "not found"),
        },
        Method::PATCH => {
            let Some(known) = book.things.get(&path).cloned() else { return status(404, "not found") };
            let asked = &seen.body["metadata"]["resourceVersion"];
            if !asked.is_null() && *asked != known["metadata"]["resourceVersion"] {
                return status(
                    409,
                    "the object has been modified; please apply your changes to the latest version",
                );
            }
            let mut wanted = known;
            merge(&mut wanted, &seen.body);
            if wanted["spec"]["replicas"].as_i64().is_some_and(|n| n < 0) {
                return status(422, "spec.replicas: Invalid value: must be greater than or equal to 0");
            }
            if !dry {
                store(book, &path, wanted.clone());
            }
            (200, wanted)
        }
        Method::POST => {
            let name = seen.body["metadata"]["name"].as_str().unwrap_or_default();
            let at = format!("{path}/{name}");
            if book.things.contains_key(&at) {
                return status(409, "already exists");
            }
            if !dry {
                store(book, &at, seen.body.clone());
            }
            (201, seen.body.clone())
        }
        Method::DELETE => {
            let Some(known) = book.things.get(&path).cloned() else { return status(404, "not found") };
            let asked = &seen.body["preconditions"]["uid"];
            if !asked.is_null() && *asked != known["metadata"]["uid"] {
                return status(409, "the UID in the precondition does not match");
            }
            if !dry {
                book.things.remove(&path);
            }
            (200, known)
        }
        _ => status(405, "no"),
    }
}

/// Whether a path names a list: its last segment is a plural after a namespace or a version.
fn is_list(path: &str) -> bool {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    matches!(
        segments.as_slice(),
        ["api", _, _]
            | ["apis", _, _, _]
            | ["api", _, "namespaces", _, _]
            | ["apis", _, _, "namespaces", _, _]
    )
}

async fn answer(State(book): State<Arc<Mutex<Book>>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let content_type = parts.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let seen = Seen {
        method: parts.method,
        uri: parts.uri,
        content_type: content_type.to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let (hangs, (code, body)) = {
        let mut book = book.lock().expect("no panic");
        book.seen.push(seen.clone());
        let trouble = if seen.mutates() { book.trouble.take() } else { None };
        match trouble {
            Some(Trouble::Refuse(code)) => (false, status(code, "not now")),
            Some(Trouble::Hang) => (true, (200, Value::Null)),
            Some(Trouble::Lose) => (true, handle(&mut book, &seen)),
            None => (false, handle(&mut book, &seen)),
        }
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    let response = Response::builder()
        .status(StatusCode::from_u16(code).expect("a status"))
        .header("content-type", "application/json");
    response.body(Body::from(body.to_string())).expect("a response")
}
