//! One night: a lab and a server as child processes, and what a test asks of them.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Labs run one at a time: two on two cores would measure each other.
static ONE_LAB: Mutex<()> = Mutex::new(());

/// Longest wait for anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn midwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_midwatch"));
    // What the machine's user has set is not part of the test.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MIDWATCH_")) {
        command.env_remove(name);
    }
    command
}

pub fn one_lab() -> MutexGuard<'static, ()> {
    ONE_LAB.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `look` finds something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub struct Night {
    dir: tempfile::TempDir,
    lab: Child,
    server: Option<Child>,
    pub lab_url: String,
    pub url: String,
    http: tokio::runtime::Runtime,
    _alone: MutexGuard<'static, ()>,
}

impl Night {
    /// Starts a lab and lays `changes` (TOML) over its configuration; the server is not started yet.
    pub fn begin(changes: &str) -> Self {
        let alone = one_lab();
        // A second caller of this loses nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a temporary folder");
        let lab = midwatch()
            .args(["lab", "up", "--die-with-parent", "--seed", "7", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the lab starts");
        let config = dir.path().join("midwatch.toml");
        wait_for("the lab's configuration", || config.is_file().then_some(()));
        let text = std::fs::read_to_string(&config).expect("the configuration");
        let mut table: toml::Table = text.parse().expect("TOML");
        merge(&mut table, changes.parse().expect("TOML"));
        let field = |section: &str, name: &str| table[section][name].as_str().expect("a string").to_owned();
        let (lab_url, url) = (field("lab", "url"), format!("http://{}", field("server", "listen")));
        std::fs::write(&config, toml::to_string(&table).expect("TOML")).expect("written");
        let http = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { dir, lab, server: None, lab_url, url, http, _alone: alone }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("midwatch.toml")
    }

    /// Starts the server and waits until it answers.
    pub fn serve(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("server.log"))
            .expect("a log");
        let child = midwatch()
            .args(["serve", "--die-with-parent", "-c"])
            .arg(self.config())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        self.server = Some(child);
        wait_for("the server's answer", || self.get("/health"));
    }

    /// `kill -9`, as the kernel's OOM killer would.
    pub fn kill_server(&mut self) {
        let mut server = self.server.take().expect("a running server");
        server.kill().expect("killed");
        server.wait().expect("gone");
    }

    pub fn wait_until_warm(&self) {
        wait_for("the end of the warm-up", || {
            (self.get("/health")?["warm_up_ticks_left"] == 0).then_some(())
        });
    }

    fn request(&self, method: reqwest::Method, url: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        self.http.block_on(async {
            let mut request = reqwest::Client::new().request(method, url).timeout(Duration::from_secs(30));
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.json().await.unwrap_or(Value::Null)))
        })
    }

    /// A successful GET's body from the server.
    pub fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = self.request(reqwest::Method::GET, &format!("{}{path}", self.url), None)?;
        (status == 200).then_some(body)
    }

    /// The answer whatever it is.
    pub fn ask(&self, path: &str) -> (u16, Value) {
        self.request(reqwest::Method::GET, &format!("{}{path}", self.url), None).expect("an answer")
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.request(reqwest::Method::POST, &format!("{}{path}", self.url), Some(body)).expect("an answer")
    }

    pub fn lab_get(&self, path: &str) -> Value {
        self.request(reqwest::Method::GET, &format!("{}{path}", self.lab_url), None)
            .expect("the lab answers")
            .1
    }

    pub fn lab_post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.request(reqwest::Method::POST, &format!("{}{path}", self.lab_url), Some(body))
            .expect("the lab answers")
    }

    pub fn inject(&self, service: &str, fault: &str) {
        let (status, body) =
            self.lab_post(&format!("/api/v1/lab/faults/{service}"), &json!({ "type": fault }));
        assert_eq!(status, 200, "{body}");
    }

    /// Whether the lab itself says that a fault is there.
    pub fn fault_is_present(&self, service: &str) -> bool {
        let truth = self.lab_get("/api/v1/lab/faults");
        truth["faults"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|f| f["service"] == service && f["present"] == true)
    }

    /// Operations that midwatch had done at the lab.
    pub fn operations(&self) -> Vec<Value> {
        let all = self.lab_get("/api/v1/control/operations");
        // Deployments of the lab's own carry other keys or none.
        let of_midwatch = |o: &&Value| {
            o["idempotency_key"]
                .as_str()
                .is_some_and(|key| key.starts_with("incident-") || key.starts_with("act-"))
        };
        all["operations"].as_array().into_iter().flatten().filter(of_midwatch).cloned().collect()
    }

    pub fn incidents(&self) -> Vec<Value> {
        let answer = self.get("/api/v1/incidents").unwrap_or_default();
        answer["incidents"].as_array().cloned().unwrap_or_default()
    }

    /// The first incident, once there is one that `is` what is waited for.
    pub fn incident(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || {
            let id = self.incidents().last()?["id"].as_str()?.to_owned();
            self.get(&format!("/api/v1/incidents/{id}")).filter(|incident| is(incident))
        })
    }

    pub fn in_state(&self, states: &[&str]) -> Value {
        self.incident(&format!("an incident that is {}", states.join(" or ")), |incident| {
            incident["state"].as_str().is_some_and(|state| states.contains(&state))
        })
    }

    /// A client command against this night's server.
    pub fn run(&self, args: &[&str]) -> Output {
        midwatch().args(args).env("MIDWATCH_URL", &self.url).output().expect("midwatch runs")
    }

    pub fn store_is_clean(&self) -> bool {
        let output =
            midwatch().args(["store", "verify", "-c"]).arg(self.config()).output().expect("midwatch runs");
        output.status.code() == Some(0) && text(&output.stdout).starts_with("clean")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Night {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        // The lab's services are tied to it and end with it.
        let _ = self.lab.kill();
        let _ = self.lab.wait();
        if std::thread::panicking()
            && let Ok(log) = std::fs::read_to_string(self.path("server.log"))
        {
            eprintln!("the server's log:\n{log}");
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn merge(base: &mut toml::Table, changes: toml::Table) {
    for (key, value) in changes {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(changes)) => merge(inner, changes),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

impl Night {
    /// Waits until every series of the lab has at least `polls` polls behind it.
    pub fn incident_free_samples(&self, polls: u64) {
        wait_for("samples", || {
            let tick = self.get("/health")?["tick"].as_u64()?;
            (tick >= 2 * polls).then_some(())
        });
        assert!(self.incidents().is_empty(), "nothing is broken yet: {:?}", self.incidents());
    }
}
