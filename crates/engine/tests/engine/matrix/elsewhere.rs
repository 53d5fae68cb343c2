//! Targets beside the control plane and the cluster: what speaks like AWS, an operator's webhook, a browser's driver with a
//! dashboard open in it, and an operator's program. Each keeps a state and counts what was changed.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What serves, how often it was changed, and what became of each key.
#[derive(Debug)]
struct Book {
    version: u64,
    count: u64,
    deployment: u64,
    changes: usize,
    keys: BTreeMap<String, Value>,
    /// Where the browser is.
    page: String,
}

/// A server that is AWS on some paths and an operator's web service on others.
#[derive(Clone)]
pub struct Elsewhere {
    pub url: String,
    book: Arc<Mutex<Book>>,
}

impl Elsewhere {
    pub async fn start() -> Self {
        let book = Book {
            version: 2,
            count: 2,
            deployment: 1,
            changes: 0,
            keys: BTreeMap::new(),
            page: String::new(),
        };
        let book = Arc::new(Mutex::new(book));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, book }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no panic")
    }

    pub fn changes(&self) -> usize {
        self.book().changes
    }

    pub fn state(&self) -> String {
        let book = self.book();
        format!("version {}, {} of it", book.version, book.count)
    }

    /// The configuration of AWS at this address.
    pub fn aws(&self, dir: &Path) -> Value {
        let credentials = dir.join("credentials");
        std::fs::write(&credentials, "[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
            .expect("written");
        json!({ "endpoint": self.url, "region": "us-east-1", "credentials_file": credentials })
    }

    /// An actuator that calls this address.
    pub fn webhook(&self, dir: &Path) -> Value {
        std::fs::write(dir.join("whsec"), SECRET).expect("written");
        let at = |path: &str| format!("{}{path}", self.url);
        json!({ "name": "hook", "services": ["payment"], "webhook": {
            "url": at("/act"), "state_url": at("/state"), "status_url": at("/status"),
            "secret": { "file": dir.join("whsec") }, "actions": ["restart", "scale", "rollback"], "timeout_s": 2.0,
        } })
    }

    /// An actuator that uses a dashboard at this address, in a browser whose driver is there, too.
    pub fn browser(&self, dir: &Path) -> Value {
        let plans = [
            (
                "state",
                "steps: [{ open: /payment }]\nread: { version: '#version', previous_version: '#previous', revision: '#revision' }\n",
            ),
            (
                "rollback",
                "steps: [{ open: /payment }, { act: '#rollback-{version}' }, { screenshot: after }]\n",
            ),
        ];
        for (name, plan) in plans {
            std::fs::write(dir.join(name), plan).expect("written");
        }
        json!({ "name": "dashboard", "services": ["payment"], "browser": {
            "webdriver": self.url, "url": self.url, "state": dir.join("state"), "timeout_s": 2.0,
            "actions": { "rollback": dir.join("rollback") }, "screenshots": dir.join("screenshots"),
        } })
    }
}

async fn answer(
    State(book): State<Arc<Mutex<Book>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let operation = headers.get("x-amz-target").and_then(|name| name.to_str().ok()).unwrap_or_default();
    let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
    let mut book = book.lock().expect("no panic");
    let (status, told) = match uri.path() {
        "/" => book.ecs(&operation, &body),
        path if path.starts_with("/session") => (200, json!({ "value": book.browser(&method, path, &body) })),
        path if path.starts_with("/2015-03-31/") => book.lambda(&method, path, &body),
        path => book.hook(path, &body["data"]),
    };
    (StatusCode::from_u16(status).expect("a status"), told.to_string())
}

impl Book {
    fn change(&mut self, version: Option<u64>, count: Option<u64>) {
        self.version = version.unwrap_or(self.version);
        self.count = count.unwrap_or(self.count);
        // Another number of tasks is no new deployment.
        self.deployment += u64::from(count.is_none());
        self.changes += 1;
    }

    fn ecs(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        let arn = |version| format!("arn:aws:ecs:us-east-1:1:task-definition/pay:{version}");
        match operation {
            "ListTaskDefinitions" => return (200, json!({ "taskDefinitionArns": [arn(2), arn(1)] })),
            "UpdateService" => {
                let wanted = body["taskDefinition"].as_str().and_then(|arn| arn.rsplit(':').next());
                self.change(wanted.and_then(|n| n.parse().ok()), body["desiredCount"].as_u64());
            }
            _ => {}
        }
        let service = json!({
            "status": "ACTIVE", "taskDefinition": arn(self.version), "desiredCount": self.count, "runningCount": self.count,
            "deployments": [{ "status": "PRIMARY", "id": format!("ecs-svc/{}", self.deployment) }],
        });
        (200, json!({ "services": [service.clone()], "service": service }))
    }

    fn lambda(&mut self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        if path.ends_with("/versions") {
            return (
                200,
                json!({ "Versions": [{ "Version": "$LATEST" }, { "Version": "1" }, { "Version": "2" }] }),
            );
        }
        let revision = format!("r{}", self.changes);
        if method == Method::PUT {
            if body["RevisionId"] != revision.as_str() {
                return (
                    412,
                    json!({ "__type": "PreconditionFailedException", "message": "another RevisionId" }),
                );
            }
            let wanted = body["FunctionVersion"].as_str().and_then(|version| version.parse().ok());
            self.change(wanted, None);
        }
        let revision = format!("r{}", self.changes);
        (200, json!({ "FunctionVersion": self.version.to_string(), "RevisionId": revision }))
    }

    /// The WebDriver protocol, for a page on which every element's id is its selector's.
    fn browser(&mut self, method: &Method, path: &str, body: &Value) -> Value {
        const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
        let parts: Vec<&str> = path.split('/').skip(2).collect();
        match parts.as_slice() {
            [] => json!({ "sessionId": "s" }),
            [_, "url"] if method == Method::POST => {
                self.page = body["url"].as_str().unwrap_or_default().to_owned();
                Value::Null
            }
            [_, "url"] => json!(self.page),
            [_, "elements"] => {
                let id = body["value"].as_str().unwrap_or_default().trim_start_matches('#');
                json!([{ ELEMENT: id }])
            }
            [_, "element", "version", "text"] => json!(format!("v{}", self.version)),
            [_, "element", "previous", "text"] => json!(format!("v{}", self.version - 1)),
            [_, "element", "revision", "text"] => json!(format!("r{}", self.deployment)),
            [_, "element", button, "click"] => {
                let wanted = button.strip_prefix("rollback-v").and_then(|version| version.parse().ok());
                self.change(Some(wanted.expect("a button of the page")), None);
                Value::Null
            }
            [_, "screenshot"] => json!("iVBORw0KGgo="),
            _ => Value::Null,
        }
    }

    fn hook(&mut self, path: &str, data: &Value) -> (u16, Value) {
        let key = data["key"].as_str().unwrap_or_default().to_owned();
        match path {
            "/state" => {
                let (version, previous) = (format!("v{}", self.version), format!("v{}", self.version - 1));
                let told = json!({
                    "version": version, "previous_version": previous, "replicas": self.count, "max_replicas": 8,
                    "revision": format!("r{}", self.deployment),
                });
                (200, told)
            }
            "/status" => {
                (200, self.keys.get(&key).cloned().unwrap_or_else(|| json!({ "outcome": "not_applied" })))
            }
            _ => {
                if let Some(known) = self.keys.get(&key) {
                    return (200, known.clone());
                }
                let action = &data["action"];
                let wanted =
                    action["to_version"].as_str().and_then(|v| v.trim_start_matches('v').parse().ok());
                let back = (action["kind"] == "rollback").then(|| wanted.unwrap_or(self.version - 1));
                self.change(back, action["replicas"].as_u64());
                let told = json!({ "outcome": "applied", "detail": "it is done" });
                self.keys.insert(key, told.clone());
                (200, told)
            }
        }
    }
}

/// A program of the operator's: its state and what became of each key are files beside it.
const TOOL: &str = r#"#!/bin/sh
dir="$(dirname "$0")"
case "$1" in
  state) printf '{"version":"v2","replicas":%s,"max_replicas":8,"revision":"r%s"}' "$(cat "$dir/count")" "$(cat "$dir/revision")" ;;
  status) grep -qx "$2" "$dir/keys" && echo '{"outcome":"applied"}' || echo '{"outcome":"not_applied"}' ;;
  scale) printf '%s' "$2" > "$dir/count"; echo "$3" >> "$dir/keys"; wc -l < "$dir/keys" | tr -d ' \n' > "$dir/revision" ;;
  restart) echo "$2" >> "$dir/keys"; wc -l < "$dir/keys" | tr -d ' \n' > "$dir/revision" ;;
esac
"#;

/// That program, in a folder of its own.
pub struct Tool {
    dir: PathBuf,
}

impl Tool {
    pub fn new(dir: &Path) -> Self {
        let path = dir.join("tool");
        std::fs::write(&path, TOOL).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        for (name, text) in [("count", "2"), ("revision", "0"), ("keys", "")] {
            std::fs::write(dir.join(name), text).expect("written");
        }
        Self { dir: dir.to_owned() }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }

    pub fn changes(&self) -> usize {
        self.text("keys").lines().count()
    }

    pub fn state(&self) -> String {
        self.text("count")
    }

    /// An actuator that runs it.
    pub fn command(&self) -> Value {
        json!({ "name": "tool", "services": ["payment"], "command": {
            "program": self.dir.join("tool"), "timeout_s": 2.0, "environment": { "PATH": "/usr/bin:/bin" },
            "actions": { "scale": ["scale", "{replicas}", "{key}"], "restart": ["restart", "{key}"] },
            "state": ["state"], "status": ["status", "{key}"],
        } })
    }
}
