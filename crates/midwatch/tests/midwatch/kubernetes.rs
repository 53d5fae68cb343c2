//! `midwatch k8s selftest` as its user runs it, and the rights that it is given.

use crate::cluster::Cluster;
use crate::night::midwatch;
use axum::http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const TRIAL: &str = "/apis/apps/v1/namespaces/shop/deployments/midwatch-selftest";

/// A cluster on a runtime of its own, which keeps serving while the program runs.
struct Rig {
    cluster: Cluster,
    dir: TempDir,
    _runtime: Runtime,
}

impl Rig {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let cluster = runtime.block_on(Cluster::start());
        Self { cluster, dir: TempDir::new().expect("a folder"), _runtime: runtime }
    }

    fn selftest(&self, more: &[&str]) -> Output {
        let config = self.cluster.kubeconfig(self.dir.path());
        let args = ["k8s", "selftest", "--namespace", "shop", "--context", "test", "--kubeconfig", &config];
        midwatch().args(args).args(more).output().expect("it runs")
    }
}

fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

fn steps(output: &Output) -> Vec<(String, String)> {
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
    let rows = all["steps"].as_array().expect("steps");
    rows.iter().map(|step| (text(step, "step"), text(step, "result"))).collect()
}

#[test]
fn a_selftest_does_everything_and_leaves_nothing() {
    let rig = Rig::start();
    rig.cluster.forbid(Method::GET, "/api/v1/namespaces/shop/secrets");
    let output = rig.selftest(&["--json"]);
    let (code, text) = said(&output);
    assert_eq!(code, 0, "{text}");
    let steps = steps(&output);
    assert!(steps.len() >= 15 && steps.iter().all(|(_, result)| result == "ok"), "{steps:?}");
    assert_eq!(rig.cluster.thing(TRIAL), Value::Null, "it took away what it made");
    // Made, scale, undo, restart, image, rollback, undo, taken away: nothing else was changed.
    assert_eq!(rig.cluster.changes(), 8);

    let (code, text) = said(&rig.selftest(&[]));
    assert_eq!(code, 0, "{text}");
    for part in ["undo rollback", "denied: above the replica ceiling", "0 warnings"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn with_few_rights_a_selftest_uses_what_is_there_or_says_what_is_lacking() {
    let rig = Rig::start();
    rig.cluster.forbid(Method::POST, "/apis/apps");
    rig.cluster.forbid(Method::DELETE, "/apis/apps");
    let (code, text) = said(&rig.selftest(&[]));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("kubectl apply -n shop -f deploy/kubernetes/selftest.yaml"), "{text}");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes/selftest.yaml");
    let manifest = std::fs::read_to_string(path).expect("the manifest");
    let manifest: Value = serde_saphyr::from_str(&manifest).expect("YAML");
    rig.cluster.put(TRIAL, manifest.clone());
    let output = rig.selftest(&["--json"]);
    assert_eq!(said(&output).0, 0, "{}", said(&output).1);
    let warned: Vec<_> = steps(&output).into_iter().filter(|(_, result)| result == "warning").collect();
    assert_eq!(warned.len(), 1, "this account may read Secrets: {warned:?}");
    assert_eq!(rig.cluster.thing(TRIAL)["spec"]["replicas"], 1, "it is as it was");

    let mut theirs = manifest;
    theirs["metadata"]["labels"] = json!({});
    rig.cluster.put(TRIAL, theirs);
    let (code, text) = said(&rig.selftest(&[]));
    assert!(code == 2 && text.contains("left alone"), "{text}");
}

#[test]
fn what_does_not_work_is_a_failed_step_and_no_cluster_is_no_selftest() {
    let rig = Rig::start();
    rig.cluster.forbid(Method::PATCH, "/apis/apps");
    let output = rig.selftest(&["--json"]);
    assert_eq!(said(&output).0, 1, "{}", said(&output).1);
    let failed = steps(&output).into_iter().filter(|(_, result)| result == "failed").count();
    assert!(failed >= 5, "{:?}", steps(&output));

    let nowhere = ["k8s", "selftest", "--namespace", "shop", "--kubeconfig", "/nowhere/config"];
    let (code, text) = said(&midwatch().args(nowhere).output().expect("it runs"));
    assert!(code == 2 && text.contains("no Kubernetes client is in reach"), "{code}: {text}");
}

#[test]
fn the_rights_of_the_manifest_are_no_more_than_needed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes/rbac.yaml");
    let text = std::fs::read_to_string(path).expect("the manifest");
    let mut rules = 0;
    for part in text.split("\n---\n") {
        let document: Value = serde_saphyr::from_str(part).expect("YAML");
        for rule in document["rules"].as_array().into_iter().flatten() {
            rules += 1;
            let list = |name: &str| -> Vec<String> {
                let all = rule[name].as_array().into_iter().flatten();
                all.map(|one| one.as_str().expect("text").to_owned()).collect()
            };
            let (groups, resources, verbs) = (list("apiGroups"), list("resources"), list("verbs"));
            let all: Vec<&String> = groups.iter().chain(&resources).chain(&verbs).collect();
            assert!(all.iter().all(|one| !one.contains('*')), "a wildcard: {rule}");
            let never = [
                "secrets",
                "pods/exec",
                "pods/attach",
                "pods/portforward",
                "nodes/proxy",
                "serviceaccounts/token",
            ];
            assert!(resources.iter().all(|one| !never.contains(&one.as_str())), "{rule}");
            let never = ["escalate", "bind", "impersonate", "deletecollection", "update"];
            assert!(verbs.iter().all(|one| !never.contains(&one.as_str())), "{rule}");
            assert!(!groups.contains(&"rbac.authorization.k8s.io".to_owned()), "{rule}");
            let creates = verbs.contains(&"create".to_owned());
            let may_create = ["configmaps", "destinationrules"];
            assert!(!creates || resources.iter().all(|one| may_create.contains(&one.as_str())), "{rule}");
            let deletes = verbs.contains(&"delete".to_owned());
            assert!(!deletes || resources == ["pods"], "{rule}");
        }
    }
    assert!(rules >= 8, "the rules were not found");
}
