//! What is seen of a workload: target, rollouts, description.

use super::{DEPLOYMENT, Rig, pay, shop};
use crate::server::at;
use axum::http::Method;
use midwatch_connectors::Outside;
use midwatch_model::journal::Registration;
use midwatch_model::{ActionKind, ChangeKind};
use serde_json::{Value, json};

#[tokio::test]
async fn a_workload_is_a_target() {
    let rig = Rig::new(shop().await);
    let target = rig.target().await;
    assert_eq!(
        (target.version.as_str(), target.replicas, target.ready_replicas),
        ("revision 2 (pay:2)", 2, 2)
    );
    assert_eq!(target.previous_version.as_deref(), Some("revision 1 (pay:1)"));
    assert_eq!((target.max_replicas, target.generation, target.circuit_open), (8, 1, false));
    assert_eq!(
        target.pods.iter().map(|pod| (pod.name.as_str(), pod.ready)).collect::<Vec<_>>(),
        [("pay-b", false), ("pay-a", true)]
    );
    assert_eq!(target.containers[0].resources.memory_limit.as_deref(), Some("256Mi"));
    assert!(target.can(ActionKind::Cordon) && target.can(ActionKind::DeletePod));
    assert!(!target.can(ActionKind::RestartDbPool) && !target.can(ActionKind::ResizeDbPool));
}

#[tokio::test]
async fn what_may_not_be_read_is_left_out_and_the_workload_itself_must_be() {
    let rig = Rig::new(shop().await);
    for path in ["/api/v1/", "/apis/autoscaling", "/apis/apps/v1/namespaces/shop/replicasets"] {
        rig.cluster.forbid(Method::GET, path);
    }
    let target = rig.target().await;
    assert!(target.pods.is_empty() && target.autoscaler.is_none() && target.previous_version.is_none());
    assert!(!target.can(ActionKind::DeletePod) && !target.can(ActionKind::CircuitBreak));
    rig.cluster.forbid(Method::GET, DEPLOYMENT);
    let error = rig.world.target(&pay()).await.expect_err("it may not be read").to_string();
    assert!(error.contains("403") && error.contains("forbidden"), "{error}");
}

#[tokio::test]
async fn a_stateful_set_has_its_own_history() {
    let cluster = shop().await;
    let mut set = super::deployment("r.example/db:2", None);
    set["metadata"]["name"] = json!("db");
    set["status"]["updateRevision"] = json!("db-r2");
    cluster.put("/apis/apps/v1/namespaces/shop/statefulsets/db", set.clone());
    for (number, image) in [(1, "r.example/db:1"), (2, "r.example/db:2")] {
        let mut template = set["spec"]["template"].clone();
        template["spec"]["containers"][0]["image"] = json!(image);
        template["$patch"] = json!("replace");
        let revision = json!({
            "metadata": {
                "name": format!("db-r{number}"), "labels": { "app": "pay" },
                "creationTimestamp": format!("2023-11-14T22:0{number}:00Z"),
                "ownerReferences": [{ "kind": "StatefulSet", "name": "db", "uid": "uid-pay" }],
            },
            "revision": number, "data": { "spec": { "template": template } },
        });
        cluster.put(&format!("/apis/apps/v1/namespaces/shop/controllerrevisions/db-r{number}"), revision);
    }
    let service = Registration {
        name: "pay".into(),
        workload: Some("statefulset/db".into()),
        ..Registration::default()
    };
    let rig = Rig::with(cluster, service);
    let target = rig.target().await;
    assert_eq!(target.version, "revision 2 (db:2)");
    assert_eq!(target.previous_version.as_deref(), Some("revision 1 (db:1)"));
    let changes = rig.world.changes(at(-720.0)).await.expect("changes");
    let told: Vec<_> = changes.iter().map(|c| (c.kind, c.from.as_str(), c.to.as_str())).collect();
    assert_eq!(told, [(ChangeKind::Deploy, "db:1", "db:2")], "its rollouts are changes");
    let back = midwatch_model::Action::Rollback { target: pay(), to_version: target.previous_version };
    rig.apply(&rig.intent(back, "k").await).await;
    let now = rig.cluster.thing("/apis/apps/v1/namespaces/shop/statefulsets/db");
    assert_eq!(now["spec"]["template"]["spec"]["containers"][0]["image"], "r.example/db:1");
    assert!(now["spec"]["template"].get("$patch").is_none());
}

#[tokio::test]
async fn rollouts_are_changes() {
    let rig = Rig::new(shop().await);
    let restarted = |by: Option<&str>| {
        let mut set = super::replica_set("r.example/pay:2", 3, "2023-11-14T22:05:00Z");
        let marks = &mut set["spec"]["template"]["metadata"]["annotations"];
        marks["kubectl.kubernetes.io/restartedAt"] = json!("2023-11-14T22:05:00Z");
        if let Some(by) = by {
            marks["midwatch/action"] = json!(by);
        }
        set
    };
    for (by, name) in [(None, "kubernetes"), (Some("inc-1-7"), "midwatch")] {
        rig.cluster.put("/apis/apps/v1/namespaces/shop/replicasets/pay-h3", restarted(by));
        let changes = rig.world.changes(at(-720.0)).await.expect("changes");
        let told: Vec<_> =
            changes.iter().map(|c| (c.kind, c.from.as_str(), c.to.as_str(), c.by.as_str())).collect();
        assert_eq!(
            told,
            [
                (ChangeKind::Deploy, "pay:1", "pay:2", "kubernetes"),
                (ChangeKind::Restart, "pay:2", "pay:2", name)
            ]
        );
    }
    assert_eq!(rig.world.changes(at(0.0)).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_service_is_described_without_secrets() {
    let rig = Rig::new(shop().await);
    let event = json!({
        "metadata": { "name": "e1" }, "type": "Warning", "reason": "BackOff",
        "message": "Back-off restarting failed container, password=hunter2hunter2",
        "involvedObject": { "name": "pay-b" }, "lastTimestamp": "2023-11-14T22:12:00Z", "count": 7,
    });
    rig.cluster.put("/api/v1/namespaces/shop/events/e1", event);
    let told = rig.world.describe(&pay(), at(0.0)).await.expect("a description");
    let of = |tool: &str| -> Value {
        told.iter().find(|one| one.tool == tool).map(|one| one.answer.clone()).unwrap_or_default()
    };
    assert_eq!(of("kubernetes_pods")["pods"][0]["name"], "pay-b", "those that are not ready first");
    assert_eq!(of("kubernetes_events")["events"][0]["reason"], "BackOff");
    assert_eq!(of("kubernetes_rollout")["earlier"][0]["revision"], "revision 1 (pay:1)");
    assert_eq!(of("kubernetes_nodes")["nodes"][0]["name"], "n1");
    let all = serde_json::to_string(&told).expect("plain data");
    assert!(!all.contains("hunter2"), "{all}");
    assert_eq!(rig.cluster.seen().iter().filter(|seen| seen.method != Method::GET).count(), 0);
}

#[tokio::test]
async fn a_rollback_goes_behind_restarts_to_what_ran_something_else() {
    let rig = Rig::new(shop().await);
    // Somebody restarted it twice since the deployment that broke it.
    for revision in [3, 4] {
        let at = format!("2023-11-14T22:0{revision}:00Z");
        let mut set = super::replica_set("r.example/pay:2", revision, &at);
        set["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = json!(at);
        rig.cluster.put(&format!("/apis/apps/v1/namespaces/shop/replicasets/pay-h{revision}"), set.clone());
        let mut deployment = super::deployment("r.example/pay:2", Some(revision));
        deployment["spec"]["template"]["metadata"]["annotations"] =
            set["spec"]["template"]["metadata"]["annotations"].clone();
        rig.cluster.put(DEPLOYMENT, deployment);
    }
    let target = rig.target().await;
    assert_eq!(target.previous_version.as_deref(), Some("revision 1 (pay:1)"));
    let back = midwatch_model::Action::Rollback { target: pay(), to_version: None };
    rig.apply(&rig.intent(back, "k").await).await;
    let now = rig.cluster.thing(DEPLOYMENT);
    assert_eq!(now["spec"]["template"]["spec"]["containers"][0]["image"], "r.example/pay:1");
    // Whoever asks for the restarted one gets it.
    let there = midwatch_model::Action::Rollback { target: pay(), to_version: Some("3".into()) };
    rig.apply(&rig.intent(there, "k2").await).await;
    let now = rig.cluster.thing(DEPLOYMENT);
    let marks = &now["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(marks["kubectl.kubernetes.io/restartedAt"], "2023-11-14T22:03:00Z");
}

#[tokio::test]
async fn what_would_not_roll_out_is_not_asked_for() {
    let strategies = [
        (json!({ "paused": true }), "kubectl rollout resume deployment/pay"),
        (json!({ "updateStrategy": { "type": "OnDelete" } }), "only when somebody deletes it"),
        (json!({ "updateStrategy": { "rollingUpdate": { "partition": 1 } } }), "from number 1 on"),
    ];
    for (more, word) in strategies {
        let rig = Rig::new(shop().await);
        let mut held = rig.cluster.thing(DEPLOYMENT);
        for (name, value) in more.as_object().expect("fields") {
            held["spec"][name] = value.clone();
        }
        rig.cluster.put(DEPLOYMENT, held);
        let restart = rig.intent(midwatch_model::Action::Restart { target: pay() }, "k").await;
        let supports = rig.target().await.supports;
        assert!(
            supports.contains(&ActionKind::Scale) && !supports.contains(&ActionKind::Restart),
            "{supports:?}"
        );
        let told = format!("{:?}", rig.apply(&restart).await);
        assert!(told.contains("NotApplied") && told.contains(word), "{told}");
        assert_eq!(rig.cluster.changes(), 0);
    }
}
