//! A cluster in which there is a shop: pay with two revisions, its pods, and the node that they are on.

use crate::cluster::Cluster;
use serde_json::{Value, json};

pub const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/pay";
pub const NODE: &str = "/api/v1/nodes/n1";
pub const BREAKERS: &str = "/api/v1/namespaces/shop/configmaps/midwatch-circuit-breakers";

fn template(image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "pay" } },
        "spec": { "containers": [{
            "name": "app", "image": image,
            "resources": { "requests": { "cpu": "100m" }, "limits": { "memory": "256Mi" } },
        }] },
    })
}

pub fn deployment(image: &str, revision: Option<u32>) -> Value {
    let annotations = revision.map(|n| json!({ "deployment.kubernetes.io/revision": n.to_string() }));
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "pay", "namespace": "shop", "uid": "uid-pay", "annotations": annotations },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "pay" } }, "template": template(image) },
        "status": { "replicas": 2, "readyReplicas": 2 },
    })
}

pub fn replica_set(image: &str, revision: u32, made: &str) -> Value {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = json!(format!("h{revision}"));
    json!({
        "metadata": {
            "name": format!("pay-h{revision}"), "labels": { "app": "pay" }, "creationTimestamp": made,
            "annotations": { "deployment.kubernetes.io/revision": revision.to_string() },
            "ownerReferences": [{ "kind": "Deployment", "name": "pay", "uid": "uid-pay" }],
        },
        "spec": { "template": template },
    })
}

pub fn pod(name: &str, ready: bool) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!({
        "metadata": {
            "name": name, "uid": format!("uid-{name}"), "labels": { "app": "pay" },
            "ownerReferences": [{ "kind": "ReplicaSet", "name": "pay-h2", "uid": "x" }],
        },
        "spec": { "nodeName": "n1" },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] },
    })
}

/// A cluster with pay, two revisions of it and two pods on a node.
pub async fn shop() -> Cluster {
    let cluster = Cluster::start().await;
    cluster.put(DEPLOYMENT, deployment("r.example/pay:2", Some(2)));
    for (image, revision) in [("r.example/pay:1", 1), ("r.example/pay:2", 2)] {
        let path = format!("/apis/apps/v1/namespaces/shop/replicasets/pay-h{revision}");
        cluster.put(&path, replica_set(image, revision, &format!("2023-11-14T22:0{revision}:00Z")));
    }
    for (name, ready) in [("pay-a", true), ("pay-b", false)] {
        cluster.put(&format!("/api/v1/namespaces/shop/pods/{name}"), pod(name, ready));
    }
    cluster.put(NODE, json!({ "metadata": { "name": "n1" }, "spec": {} }));
    cluster
}
