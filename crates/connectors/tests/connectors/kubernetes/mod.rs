//! Kubernetes: what is seen of a workload, what each action asks of the API server, and what every answer means.

mod failures;
mod looks;
mod schema;

use crate::cluster::{Cluster, Trouble};
use crate::effects::{authorised, intended, undoing};
use crate::server::at;
use crate::shop::{BREAKERS, DEPLOYMENT, NODE, deployment, replica_set, shop};
use axum::http::Method;
use midwatch_connectors::{ConnectorsConfig, Outside, World};
use midwatch_model::action::{Resources, TargetState};
use midwatch_model::decision::Principal;
use midwatch_model::journal::{EffectOutcome, Intent, Registration};
use midwatch_model::{Action, ServiceName};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const AUTOSCALER: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/pay";

pub fn pay() -> ServiceName {
    ServiceName::new("pay")
}

/// A world that sees a cluster; the folder holds its kubeconfig.
pub struct Rig {
    pub cluster: Cluster,
    pub world: World,
    _dir: TempDir,
}

impl Rig {
    pub fn new(cluster: Cluster) -> Self {
        Self::with(cluster, Registration { name: "pay".into(), ..Registration::default() })
    }

    pub fn with(cluster: Cluster, service: Registration) -> Self {
        let dir = TempDir::new().expect("a folder");
        let config = json!({
            "control_plane": { "call_timeout_s": 1.0 },
            "kubernetes": { "kubeconfig": cluster.kubeconfig(dir.path()), "namespaces": ["shop"], "max_replicas": 8 },
        });
        let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
        let world = World::new(&config, &[service]).expect("a world");
        Self { cluster, world, _dir: dir }
    }

    pub async fn target(&self) -> TargetState {
        self.world.target(&pay()).await.expect("a target")
    }

    /// The intent of an action on the target as it is.
    pub async fn intent(&self, action: Action, key: &str) -> Intent {
        let principal = Principal::Human("ana".to_owned());
        Intent { principal, ..intended(key, action, self.target().await) }
    }

    pub async fn apply(&self, intent: &Intent) -> EffectOutcome {
        self.world.apply(&authorised(intent.clone()), at(0.0)).await
    }

    pub async fn undo(&self, intent: &Intent) -> EffectOutcome {
        let now = self.target().await;
        self.world.apply(&undoing(intent, now), at(0.0)).await
    }
}

/// Every action, with where it changes what, to what, and back to what.
pub fn every_action() -> Vec<(Action, &'static str, &'static str, Value, Option<Value>)> {
    let target = pay;
    let image = "/spec/template/spec/containers/0/image";
    let resources = "/spec/template/spec/containers/0/resources";
    let limits =
        Resources { memory_limit: Some("512Mi".into()), cpu_limit: Some("1".into()), ..Resources::default() };
    let was = json!({ "requests": { "cpu": "100m" }, "limits": { "memory": "256Mi" } });
    let is = json!({ "requests": { "cpu": "100m" }, "limits": { "memory": "512Mi", "cpu": "1" } });
    vec![
        (
            Action::Scale { target: target(), replicas: 4 },
            DEPLOYMENT,
            "/spec/replicas",
            json!(4),
            Some(json!(2)),
        ),
        (
            Action::Restart { target: target() },
            DEPLOYMENT,
            "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
            json!("2023-11-14T22:13:20Z"),
            None,
        ),
        (
            Action::Rollback { target: target(), to_version: None },
            DEPLOYMENT,
            image,
            json!("r.example/pay:1"),
            Some(json!("r.example/pay:2")),
        ),
        (
            Action::SetImage { target: target(), container: None, image: "r.example/pay:3".into() },
            DEPLOYMENT,
            image,
            json!("r.example/pay:3"),
            Some(json!("r.example/pay:2")),
        ),
        (
            Action::SetResources { target: target(), container: None, resources: limits, exact: false },
            DEPLOYMENT,
            resources,
            is,
            Some(was),
        ),
        (
            Action::DeletePod { target: target(), pod: "pay-b".into() },
            "/api/v1/namespaces/shop/pods/pay-b",
            "",
            Value::Null,
            None,
        ),
        (
            Action::Cordon { target: target(), node: "n1".into(), unschedulable: true },
            NODE,
            "/spec/unschedulable",
            json!(true),
            Some(json!(false)),
        ),
        (
            Action::CircuitBreak { target: target(), open: true },
            BREAKERS,
            "/data/pay",
            json!("open"),
            Some(json!("closed")),
        ),
    ]
}

/// What lies at a pointer; the state of a breaker is within text.
pub fn found(cluster: &Cluster, path: &str, pointer: &str) -> Value {
    let thing = cluster.thing(path);
    let value = thing.pointer(pointer).cloned().unwrap_or_default();
    match value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        Some(entry) if entry["state"].is_string() => entry["state"].clone(),
        _ => value,
    }
}

#[tokio::test]
async fn every_action_is_rehearsed_done_once_found_again_and_taken_back() {
    for (action, path, pointer, after, before) in every_action() {
        let rig = Rig::new(shop().await);
        let name = action.kind();
        let intent = rig.intent(action, "inc-1-7").await;
        let nothing_yet = rig.world.reconcile(&intent).await.expect("it can be looked at");
        assert!(matches!(nothing_yet, EffectOutcome::NotApplied { .. }), "{name}: {nothing_yet:?}");

        let outcome = rig.apply(&intent).await;
        assert!(matches!(&outcome, EffectOutcome::Applied { after: Some(_), .. }), "{name}: {outcome:?}");
        assert_eq!(found(&rig.cluster, path, pointer), after, "{name}");
        let writes: Vec<_> =
            rig.cluster.seen().into_iter().filter(|seen| seen.method != Method::GET).collect();
        assert_eq!(writes.len(), 2, "{name}: a rehearsal and the change");
        assert!(writes[0].is_dry_run() && writes[1].mutates(), "{name}: the rehearsal comes first");
        assert_eq!(writes[0].body["spec"], writes[1].body["spec"], "{name}: what was rehearsed is done");

        let again = rig.world.reconcile(&intent).await.expect("it can be looked at");
        assert!(matches!(again, EffectOutcome::Applied { .. }), "{name}: {again:?}");
        match before {
            Some(before) => {
                let undone = rig.undo(&intent).await;
                assert!(matches!(undone, EffectOutcome::Applied { .. }), "{name}: {undone:?}");
                assert_eq!(found(&rig.cluster, path, pointer), before, "{name}: taken back");
                assert_eq!(rig.cluster.changes(), 2, "{name}");
            }
            None => assert!(intent.undo.is_none(), "{name}"),
        }
    }
}

#[tokio::test]
async fn a_rollback_goes_where_it_was_told_and_back_without_any_history() {
    for (to, image) in [
        (Some("revision 1 (pay:1)"), Some("r.example/pay:1")),
        (Some("1"), Some("r.example/pay:1")),
        (Some("pay:1"), Some("r.example/pay:1")),
        (Some("r.example/pay:1"), Some("r.example/pay:1")),
        (None, Some("r.example/pay:1")),
        (Some("7"), None),
        (Some("revision 2 (pay:2)"), None),
    ] {
        let rig = Rig::new(shop().await);
        let action = Action::Rollback { target: pay(), to_version: to.map(Into::into) };
        let outcome = rig.apply(&rig.intent(action, "k").await).await;
        let pointer = "/spec/template/spec/containers/0/image";
        match (image, outcome) {
            (Some(image), EffectOutcome::Applied { .. }) => {
                assert_eq!(found(&rig.cluster, DEPLOYMENT, pointer), image, "{to:?}");
            }
            (None, EffectOutcome::NotApplied { reason }) => {
                assert!(
                    reason.contains("has no revision") && reason.contains("revision 1 (pay:1)"),
                    "{reason}"
                );
                assert_eq!(rig.cluster.changes(), 0);
            }
            (_, outcome) => panic!("{to:?}: {outcome:?}"),
        }
    }
    // Nobody keeps ReplicaSets: what midwatch replaced itself is what it can go back to.
    let cluster = Cluster::start().await;
    cluster.put(DEPLOYMENT, deployment("r.example/pay:2", None));
    let rig = Rig::new(cluster);
    assert_eq!(rig.target().await.previous_version, None);
    let set = Action::SetImage { target: pay(), container: None, image: "r.example/pay:3".into() };
    assert!(matches!(rig.apply(&rig.intent(set, "a").await).await, EffectOutcome::Applied { .. }));
    assert_eq!(rig.target().await.previous_version.as_deref(), Some("before midwatch's change (pay:2)"));
    let back = rig.intent(Action::Rollback { target: pay(), to_version: None }, "b").await;
    assert!(matches!(rig.apply(&back).await, EffectOutcome::Applied { .. }));
    let image = || found(&rig.cluster, DEPLOYMENT, "/spec/template/spec/containers/0/image");
    assert_eq!(image(), "r.example/pay:2");
    assert!(matches!(rig.undo(&back).await, EffectOutcome::Applied { .. }));
    assert_eq!(image(), "r.example/pay:3");
}

#[tokio::test]
async fn an_autoscaler_is_asked_for_more_instead_of_being_worked_against() {
    let autoscaler = json!({
        "metadata": { "name": "pay" },
        "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "pay" }, "minReplicas": 2, "maxReplicas": 5 },
    });
    for (replicas, expected) in [
        (4, Ok(4)),
        (6, Err("allows 5 replicas at most")),
        (2, Err("already keeps 2 replicas")),
        (9, Err("above kubernetes.max_replicas (8)")),
    ] {
        let rig = Rig::new(shop().await);
        rig.cluster.put(AUTOSCALER, autoscaler.clone());
        assert_eq!(rig.target().await.max_replicas, 5);
        let intent = rig.intent(Action::Scale { target: pay(), replicas }, "k").await;
        match (rig.apply(&intent).await, expected) {
            (EffectOutcome::Applied { detail, .. }, Ok(least)) => {
                assert!(detail.contains("would undo a number"), "{detail}");
                assert_eq!(found(&rig.cluster, AUTOSCALER, "/spec/minReplicas"), least);
                assert_eq!(found(&rig.cluster, DEPLOYMENT, "/spec/replicas"), 2, "left to the autoscaler");
                let known = rig.world.reconcile(&intent).await.expect("a look");
                assert!(matches!(known, EffectOutcome::Applied { .. }), "{known:?}");
                assert!(matches!(rig.undo(&intent).await, EffectOutcome::Applied { .. }));
                assert_eq!(found(&rig.cluster, AUTOSCALER, "/spec/minReplicas"), 2);
            }
            (EffectOutcome::NotApplied { reason }, Err(part)) => {
                assert!(reason.contains(part), "{reason}");
                assert_eq!(rig.cluster.changes(), 0);
            }
            (outcome, expected) => panic!("{outcome:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test]
async fn an_autoscaler_is_found_behind_any_number_of_others() {
    let rig = Rig::new(shop().await);
    for other in 0..1200 {
        let thing = json!({
            "metadata": { "name": format!("a{other}") },
            "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "other" }, "minReplicas": 1, "maxReplicas": 2 },
        });
        rig.cluster.put(&AUTOSCALER.replace("/pay", &format!("/a{other:04}")), thing);
    }
    rig.cluster.put(
        AUTOSCALER,
        json!({
            "metadata": { "name": "pay" },
            "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "pay" }, "minReplicas": 2, "maxReplicas": 5 },
        }),
    );
    assert_eq!(rig.target().await.max_replicas, 5);
}

#[tokio::test]
async fn what_an_autoscaler_had_before_each_of_two_actions_is_put_back_one_after_the_other() {
    let rig = Rig::new(shop().await);
    let autoscaler = json!({
        "metadata": { "name": "pay" },
        "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "pay" }, "minReplicas": 2, "maxReplicas": 8 },
    });
    rig.cluster.put(AUTOSCALER, autoscaler);
    let least = || found(&rig.cluster, AUTOSCALER, "/spec/minReplicas");
    let mut done = Vec::new();
    for (key, replicas) in [("inc-1-7", 4), ("inc-2-7", 6)] {
        let intent = rig.intent(Action::Scale { target: pay(), replicas }, key).await;
        assert!(matches!(rig.apply(&intent).await, EffectOutcome::Applied { .. }));
        assert_eq!(least(), replicas);
        done.push(intent);
    }
    for (intent, before) in done.iter().rev().zip([4, 2]) {
        assert!(matches!(rig.undo(intent).await, EffectOutcome::Applied { .. }));
        assert_eq!(least(), before);
    }
    let annotations = found(&rig.cluster, AUTOSCALER, "/metadata/annotations");
    assert!(annotations["midwatch/min-replicas-before"].is_null(), "{annotations}");
}

#[tokio::test]
async fn a_node_is_uncordoned_when_no_pod_of_the_service_runs_there_any_more() {
    let rig = Rig::new(shop().await);
    let cordon = Action::Cordon { target: pay(), node: "n1".into(), unschedulable: true };
    let intent = rig.intent(cordon, "inc-1-7").await;
    assert!(matches!(rig.apply(&intent).await, EffectOutcome::Applied { .. }));
    let now = TargetState { nodes: Vec::new(), pods: Vec::new(), ..rig.target().await };
    let undone = rig.world.apply(&undoing(&intent, now), at(0.0)).await;
    assert!(matches!(undone, EffectOutcome::Applied { .. }), "{undone:?}");
    assert_eq!(found(&rig.cluster, NODE, "/spec/unschedulable"), false);

    // A node that somebody else has taken out of service since is theirs.
    let again = rig.intent(intent.action.clone(), "inc-2-7").await;
    assert!(matches!(rig.apply(&again).await, EffectOutcome::Applied { .. }));
    let theirs = Intent { key: "inc-0-1".into(), ..again };
    let now = TargetState { nodes: Vec::new(), pods: Vec::new(), ..rig.target().await };
    let refused = rig.world.apply(&undoing(&theirs, now), at(0.0)).await;
    assert!(matches!(refused, EffectOutcome::NotApplied { .. }), "{refused:?}");
}

#[tokio::test]
async fn with_istio_the_breaker_is_a_destination_rule() {
    const RULE: &str = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules/midwatch-pay";
    let rig = Rig::new(shop().await);
    rig.cluster.install_istio();
    let open = rig.intent(Action::CircuitBreak { target: pay(), open: true }, "k").await;
    assert!(matches!(rig.apply(&open).await, EffectOutcome::Applied { .. }));
    assert_eq!(found(&rig.cluster, RULE, "/spec/trafficPolicy/connectionPool/tcp/maxConnections"), 1);
    assert!(rig.target().await.circuit_open);
    assert!(matches!(rig.undo(&open).await, EffectOutcome::Applied { .. }));
    assert_eq!(found(&rig.cluster, RULE, "/spec"), json!({ "host": "pay" }));
    assert_eq!(rig.cluster.thing(BREAKERS), Value::Null);

    let theirs =
        json!({ "metadata": { "name": "theirs" }, "spec": { "host": "pay.shop.svc.cluster.local" } });
    let taken = Rig::new(shop().await);
    taken.cluster.install_istio();
    taken.cluster.put("/apis/networking.istio.io/v1/namespaces/shop/destinationrules/theirs", theirs);
    let open = taken.intent(Action::CircuitBreak { target: pay(), open: true }, "k").await;
    assert!(!open.before.can(open.action.kind()), "the gate rules it out");
    let outcome = taken.apply(&open).await;
    assert!(
        matches!(&outcome, EffectOutcome::NotApplied { reason } if reason.contains("DestinationRule theirs")),
        "{outcome:?}"
    );
    assert_eq!(taken.cluster.changes(), 0);
    taken.cluster.trouble(Trouble::Refuse(500));
}
