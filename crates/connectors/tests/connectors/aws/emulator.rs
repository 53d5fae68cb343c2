//! What speaks like AWS, started on a free port of loopback and stopped by its process id.

use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Moto,
    Ministack,
}

pub struct Emulator {
    pub url: String,
    pub kind: Kind,
    child: Child,
    http: reqwest::Client,
    _dir: TempDir,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// The two functions' code: zip files of one line each, of which no line ever runs.
const CODE: [&str; 2] = [
    "UEsDBBQAAAAAAAAAIQBhwuheFAAAABQAAAAEAAAAaS5weWRlZiBoKGUsYyk6IHJldHVybiAxUEsBAhQDFAAAAAAAAAAhAGHC6F4UAAAAFAAAAAQAAAAAAAAAAAAAAIABAAAAAGkucHlQSwUGAAAAAAEAAQAyAAAANgAAAAAA",
    "UEsDBBQAAAAAAAAAIQDbk+HHFAAAABQAAAAEAAAAaS5weWRlZiBoKGUsYyk6IHJldHVybiAyUEsBAhQDFAAAAAAAAAAhANuT4ccUAAAAFAAAAAQAAAAAAAAAAAAAAIABAAAAAGkucHlQSwUGAAAAAAEAAQAyAAAANgAAAAAA",
];

impl Emulator {
    pub async fn start(kind: Kind) -> Self {
        // The world installs it when it is made; the emulator may be asked before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bin = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../aws/bin");
        let (port, dir) = (free_port(), TempDir::new().expect("a folder"));
        let mut command = match kind {
            Kind::Moto => {
                let mut command = Command::new(bin.join("moto_server"));
                command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
                command
            }
            Kind::Ministack => {
                let mut command = Command::new(bin.join("ministack"));
                command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
                command
            }
        };
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("`cargo xtask test` installs it");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("http://127.0.0.1:{port}");
        let emulator = Self { url, kind, child, http, _dir: dir };
        emulator.until_ready().await;
        emulator
    }

    async fn until_ready(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.http.get(&self.url).send().await.is_err() {
            assert!(Instant::now() < until, "{:?} does not start", self.kind);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        target: Option<(&str, &str)>,
        body: &Value,
    ) -> Value {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
        );
        let request = self.http.request(method, format!("{}{path}", self.url)).header("authorization", scope);
        let request = match target {
            Some((target, version)) => request
                .header("x-amz-target", target)
                .header("content-type", format!("application/x-amz-json-{version}")),
            None if service == "iam" => request.header("content-type", "application/x-www-form-urlencoded"),
            None => request.header("content-type", "application/json"),
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = request.body(body).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(status.is_success(), "{service} {path} {target:?}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub async fn lambda(&self, method: Method, path: &str, body: Value) -> Value {
        self.send("lambda", method, &format!("/2015-03-31/functions{path}"), None, &body).await
    }

    pub async fn ecs(&self, operation: &str, body: Value) -> Value {
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        self.send("ecs", Method::POST, "/", Some((&target, "1.1")), &body).await
    }

    pub async fn logs(&self, operation: &str, body: Value) -> Value {
        let target = format!("Logs_20140328.{operation}");
        self.send("logs", Method::POST, "/", Some((&target, "1.1")), &body).await
    }

    pub async fn cloudwatch(&self, operation: &str, body: Value) -> Value {
        let target = format!("GraniteServiceVersion20100801.{operation}");
        self.send("monitoring", Method::POST, "/", Some((&target, "1.0")), &body).await
    }

    /// A function with two published versions and an alias `live` on the second.
    pub async fn function(&self) {
        if self.kind == Kind::Moto {
            let role = "/?Action=CreateRole&RoleName=r&AssumeRolePolicyDocument=%7B%7D&Version=2010-05-08";
            self.send("iam", Method::POST, role, None, &Value::Null).await;
        }
        let account = if self.kind == Kind::Moto { "123456789012" } else { "000000000000" };
        let create = json!({
            "FunctionName": "pay", "Runtime": "python3.12", "Handler": "i.h", "Code": { "ZipFile": CODE[0] },
            "Role": format!("arn:aws:iam::{account}:role/r"),
        });
        self.lambda(Method::POST, "", create).await;
        self.lambda(Method::POST, "/pay/versions", json!({})).await;
        self.lambda(Method::PUT, "/pay/code", json!({ "ZipFile": CODE[1] })).await;
        self.lambda(Method::POST, "/pay/versions", json!({})).await;
        self.lambda(Method::POST, "/pay/aliases", json!({ "Name": "live", "FunctionVersion": "2" })).await;
    }

    pub async fn alias(&self) -> String {
        let alias = self.lambda(Method::GET, "/pay/aliases/live", Value::Null).await;
        alias["FunctionVersion"].as_str().unwrap_or_default().to_owned()
    }

    /// A service `pay` of two tasks on the second of two task definitions.
    pub async fn service(&self) {
        self.ecs("CreateCluster", json!({ "clusterName": "shop" })).await;
        for image in ["pay:1", "pay:2"] {
            let container = json!({ "name": "app", "image": image, "memory": 128 });
            let register = json!({ "family": "pay", "containerDefinitions": [container] });
            self.ecs("RegisterTaskDefinition", register).await;
        }
        let create =
            json!({ "cluster": "shop", "serviceName": "pay", "taskDefinition": "pay:2", "desiredCount": 2 });
        self.ecs("CreateService", create).await;
    }

    pub async fn described(&self) -> Value {
        let answer = self.ecs("DescribeServices", json!({ "cluster": "shop", "services": ["pay"] })).await;
        answer["services"][0].clone()
    }

    /// An alarm on the errors of the function.
    pub async fn alarm(&self) {
        let alarm = json!({
            "AlarmName": "pay-errors", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold",
            "Dimensions": [{ "Name": "FunctionName", "Value": "pay" }],
        });
        self.cloudwatch("PutMetricAlarm", alarm).await;
    }

    pub async fn set_alarm(&self, state: &str) {
        let set =
            json!({ "AlarmName": "pay-errors", "StateValue": state, "StateReason": "errors were counted" });
        self.cloudwatch("SetAlarmState", set).await;
    }

    /// Puts so many complaints into the function's log at a time; the first call makes the log.
    pub async fn complaints(&self, at_ms: i64, count: usize) {
        let group = "/aws/lambda/pay";
        if count == 0 {
            self.logs("CreateLogGroup", json!({ "logGroupName": group })).await;
            self.logs("CreateLogStream", json!({ "logGroupName": group, "logStreamName": "s" })).await;
            return;
        }
        let event =
            |n| json!({ "timestamp": at_ms, "message": format!("[ERROR] KeyError: amount in charge {n}") });
        let events: Vec<Value> = (0..count).map(event).collect();
        let put = json!({ "logGroupName": group, "logStreamName": "s", "logEvents": events });
        self.logs("PutLogEvents", put).await;
    }

    /// A file with credentials that both take.
    pub fn credentials(dir: &Path) -> PathBuf {
        let path = dir.join("credentials");
        let text = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n";
        std::fs::write(&path, text).expect("a writable folder");
        path
    }
}
