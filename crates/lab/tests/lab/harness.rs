//! Starts a lab as a child process and reads it over HTTP.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use midwatch_lab::client::{Answer, HttpClient};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const CALL: Duration = Duration::from_secs(20);

pub struct Lab {
    child: Child,
    pub dir: tempfile::TempDir,
    pub url: String,
    pub client: HttpClient,
}

impl Lab {
    pub async fn start(seed: u64) -> Lab {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let child = Command::new(env!("CARGO_BIN_EXE_lab-world"))
            .args(["up", "--die-with-parent", "--ops-password", "correct horse", "--seed", &seed.to_string()])
            .arg("--dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the lab starts");
        let ready = dir.path().join("midwatch.toml");
        let started = Instant::now();
        while !ready.exists() {
            assert!(started.elapsed() < Duration::from_secs(30), "the lab is not ready after 30 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let url = pids(&dir.path().join("pids.json"))["url"].as_str().expect("a url").to_owned();
        Lab { child, dir, url, client: HttpClient::new() }
    }

    pub fn pids(&self) -> Value {
        pids(&self.dir.path().join("pids.json"))
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(&format!("{}{path}", self.url), CALL).await.expect("an answer");
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json().expect("JSON")
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let url = format!("{}{path}", self.url);
        self.client.send_json(method, &url, headers, &body, CALL).await.expect("an answer")
    }

    /// Performs an operation that must succeed.
    pub async fn operate(&self, service: &str, op: &str, body: Value) -> Value {
        let path = format!("/api/v1/control/services/{service}/{op}");
        let answer = self.send(Method::POST, &path, &[("X-Actor", "test")], body).await;
        assert_eq!(answer.status, StatusCode::OK, "{op} of {service}: {}", answer.text());
        let record: Value = answer.json().expect("JSON");
        assert_eq!(record["status"], "succeeded", "{record}");
        record
    }

    pub async fn service(&self, service: &str) -> Value {
        self.get(&format!("/api/v1/control/services/{service}")).await
    }

    pub async fn inject(&self, service: &str, kind: &str) {
        let path = format!("/api/v1/lab/faults/{service}");
        let answer = self.send(Method::POST, &path, &[], json!({"type": kind})).await;
        assert_eq!(answer.status, StatusCode::OK, "{kind} on {service}: {}", answer.text());
    }

    /// Whether the supervisor says that the fault is in the world.
    pub async fn present(&self, service: &str, kind: &str) -> bool {
        let listed = self.get("/api/v1/lab/faults").await;
        let faults = listed["faults"].as_array().expect("a list");
        let fault = faults.iter().find(|fault| fault["service"] == service && fault["type"] == kind);
        fault.expect("a listed fault")["present"].as_bool().expect("a verdict")
    }

    /// All metrics of a service's instances: by instance, by series.
    pub async fn scrape(&self, service: &str) -> BTreeMap<String, BTreeMap<String, f64>> {
        let mut all = BTreeMap::new();
        for group in self.get("/api/v1/control/sd").await.as_array().expect("a list") {
            if group["labels"]["service"] != service {
                continue;
            }
            let target = group["targets"][0].as_str().expect("a target");
            let Ok(answer) = self.client.get(&format!("http://{target}/metrics"), CALL).await else {
                continue;
            };
            let series = answer
                .text()
                .lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(|line| line.rsplit_once(' '))
                .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
                .collect();
            all.insert(group["labels"]["instance"].as_str().expect("an instance").to_owned(), series);
        }
        all
    }

    /// The largest value of a gauge over a service's instances.
    pub async fn gauge(&self, service: &str, name: &str) -> f64 {
        let all = self.scrape(service).await;
        let of = |series: &BTreeMap<String, f64>| {
            series
                .iter()
                .filter(|(key, _)| key.split('{').next() == Some(name))
                .map(|(_, v)| *v)
                .fold(0.0, f64::max)
        };
        all.values().map(of).fold(0.0, f64::max)
    }

    /// What happened in a service during `seconds`.
    pub async fn window(&self, service: &str, seconds: f64) -> Window {
        let (before, begun) = (self.scrape(service).await, Instant::now());
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let after = self.scrape(service).await;
        let elapsed_s = begun.elapsed().as_secs_f64();
        let mut window = Window::default();
        for (instance, series) in &after {
            let Some(old) = before.get(instance) else { continue };
            let grown = |name: &str| series.get(name).unwrap_or(&0.0) - old.get(name).unwrap_or(&0.0);
            for name in series.keys() {
                if name.starts_with("http_requests_total") {
                    window.requests += grown(name);
                    window.errors += if name.contains("code=\"5") { grown(name) } else { 0.0 };
                }
            }
            let limit = series.get("process_cpu_limit_cores").copied().unwrap_or(1.0);
            let share = grown("process_cpu_seconds_total") / elapsed_s / limit;
            window.cpu_share_max = window.cpu_share_max.max(share);
            window.within_400_ms += grown("http_request_duration_seconds_bucket{le=\"0.4\"}");
            window.timed += grown("http_request_duration_seconds_count");
        }
        window
    }
}

#[derive(Debug, Default)]
pub struct Window {
    pub requests: f64,
    pub errors: f64,
    pub cpu_share_max: f64,
    within_400_ms: f64,
    timed: f64,
}

impl Window {
    pub fn error_share(&self) -> f64 {
        self.errors / self.requests.max(1.0)
    }

    /// Share of the requests that took longer than 400 ms.
    pub fn slow_share(&self) -> f64 {
        1.0 - self.within_400_ms / self.timed.max(1.0)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // An error means that it has ended already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn pids(path: &PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("pids.json")).expect("JSON")
}

/// Waits until a condition holds; `what` says which one did not.
pub async fn eventually(what: &str, within_s: u64, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(within_s), "not within {within_s} s: {what}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    println!("{what}: {:.1} s", begun.elapsed().as_secs_f64());
}
