//! A server alone, without a lab; and a real Alertmanager beside it.

use crate::night::{midwatch, wait_for};
use crate::prometheus::free_port;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An HTTP client for tests, one per thread.
pub struct Http {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Http {
    pub fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        // A connection that is kept may lead to a server that was killed meanwhile.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client");
        Self { runtime, client }
    }

    /// The status and the body; `None` without an answer.
    pub fn ask(&self, method: reqwest::Method, url: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        self.runtime.block_on(async {
            let mut request = self.client.request(method, url).timeout(Duration::from_secs(30));
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.json().await.unwrap_or(Value::Null)))
        })
    }

    pub fn get(&self, url: &str) -> Option<Value> {
        let (status, body) = self.ask(reqwest::Method::GET, url, None)?;
        (status == 200).then_some(body)
    }

    pub fn post(&self, url: &str, body: &Value) -> Option<(u16, Value)> {
        self.ask(reqwest::Method::POST, url, Some(body))
    }
}

/// A process that answers HTTP, killed when it goes out of scope.
pub struct Server {
    pub url: String,
    child: Option<Child>,
    command: Box<dyn Fn() -> Command>,
    ready: &'static str,
    pub log: PathBuf,
}

impl Server {
    fn new(url: String, ready: &'static str, log: PathBuf, command: impl Fn() -> Command + 'static) -> Self {
        Self { url, child: None, command: Box::new(command), ready, log }
    }

    /// A midwatch with this configuration (TOML, without `[server]` and `[store]`) and its files in `dir`.
    pub fn midwatch(dir: &Path, config: &str) -> Self {
        let port = free_port();
        let file = dir.join("midwatch.toml");
        let own = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = {:?}\n[report]\ndir = {:?}\n",
            dir.join("midwatch.db"),
            dir.join("postmortems")
        );
        std::fs::write(&file, format!("{config}\n{own}")).expect("written");
        Self::new(format!("http://127.0.0.1:{port}"), "/health", dir.join("midwatch.log"), move || {
            let mut command = midwatch();
            command.args(["serve", "--die-with-parent", "-c"]).arg(&file);
            command
        })
    }

    /// A real Alertmanager with this configuration (JSON is YAML).
    pub fn alertmanager(dir: &Path, config: &Value) -> Self {
        let port = free_port();
        let (file, data) = (dir.join("alertmanager.yml"), dir.join("alertmanager"));
        std::fs::write(&file, config.to_string()).expect("written");
        Self::new(format!("http://127.0.0.1:{port}"), "/-/ready", dir.join("alertmanager.log"), move || {
            let mut command = Command::new("prometheus-alertmanager");
            command
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.path={}", data.display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--cluster.listen-address=");
            command
        })
    }

    /// Starts it and waits until it answers.
    pub fn start(&mut self, http: &Http) {
        let log = || std::fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("a log");
        let child = (self.command)().stdout(log()).stderr(log()).stdin(Stdio::null()).spawn();
        self.child = Some(child.expect("the server starts"));
        let ready = format!("{}{}", self.url, self.ready);
        wait_for("a server's answer", || {
            http.ask(reqwest::Method::GET, &ready, None).filter(|(s, _)| *s == 200)
        });
    }

    /// `kill -9`, as the kernel's OOM killer would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
