//! The rows of the matrix: each action on the simulated control plane, and on each platform on a real socket.

use super::elsewhere::{Elsewhere, Tool};
use crate::cluster::Cluster;
use crate::harness::Rig;
use crate::shop;
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_engine::workflow::read;
use midwatch_model::action::SafetyClass;
use midwatch_model::decision::Mode;
use midwatch_model::journal::{Platform, Registration};
use serde_json::{Value, json};
use std::sync::Arc;

const AUTOSCALER: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/pay";
const STATEFUL_SET: &str = "/apis/apps/v1/namespaces/shop/statefulsets/pay";
const RULE: &str = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules/midwatch-payment";

/// Where an action is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    ControlPlane,
    Deployment,
    StatefulSet,
    /// A Deployment with an autoscaler.
    Autoscaled,
    /// A Deployment in a cluster with Istio.
    Meshed,
    Lambda,
    Ecs,
    Webhook,
    Command,
    Browser,
}

pub struct Subject {
    pub name: &'static str,
    pub place: Place,
    /// The action, as a workflow writes it.
    act: &'static str,
    pub has_undo: bool,
}

const fn of(name: &'static str, place: Place, act: &'static str, has_undo: bool) -> Subject {
    Subject { name, place, act, has_undo }
}

pub const SUBJECTS: [Subject; 30] = [
    of("control plane: scale", Place::ControlPlane, "action: scale, replicas: 3", true),
    of("control plane: rollback", Place::ControlPlane, "action: rollback", true),
    of("control plane: rollback to v1", Place::ControlPlane, "action: rollback, to_version: v1", true),
    of("control plane: resize_db_pool", Place::ControlPlane, "action: resize_db_pool, size: 24", true),
    of("control plane: circuit_break", Place::ControlPlane, "action: circuit_break", true),
    of("control plane: restart", Place::ControlPlane, "action: restart", false),
    of("control plane: restart_db_pool", Place::ControlPlane, "action: restart_db_pool", false),
    of("Kubernetes: scale", Place::Deployment, "action: scale, replicas: 3", true),
    of("Kubernetes: rollback", Place::Deployment, "action: rollback", true),
    of("Kubernetes: rollback to revision 1", Place::Deployment, "action: rollback, to_version: \"1\"", true),
    of("Kubernetes: set_image", Place::Deployment, "action: set_image, image: \"r.example/pay:3\"", true),
    of(
        "Kubernetes: set_resources",
        Place::Deployment,
        "action: set_resources, resources: { memory_limit: 512Mi }",
        true,
    ),
    of("Kubernetes: cordon", Place::Deployment, "action: cordon, node: n1", true),
    of("Kubernetes: circuit_break", Place::Deployment, "action: circuit_break", true),
    of("Kubernetes: restart", Place::Deployment, "action: restart", false),
    of("Kubernetes: delete_pod", Place::Deployment, "action: delete_pod, pod: pay-b", false),
    of("Kubernetes, autoscaled: scale", Place::Autoscaled, "action: scale, replicas: 4", true),
    of("Kubernetes, Istio: circuit_break", Place::Meshed, "action: circuit_break", true),
    of("Kubernetes, StatefulSet: scale", Place::StatefulSet, "action: scale, replicas: 3", true),
    of("Kubernetes, StatefulSet: rollback", Place::StatefulSet, "action: rollback", true),
    of("Kubernetes, StatefulSet: restart", Place::StatefulSet, "action: restart", false),
    of("AWS Lambda: rollback", Place::Lambda, "action: rollback", true),
    of("AWS ECS: scale", Place::Ecs, "action: scale, replicas: 3", true),
    of("AWS ECS: rollback", Place::Ecs, "action: rollback", true),
    of("AWS ECS: restart", Place::Ecs, "action: restart", false),
    of("webhook: rollback", Place::Webhook, "action: rollback", true),
    of("webhook: restart", Place::Webhook, "action: restart", false),
    of("command: scale", Place::Command, "action: scale, replicas: 3", true),
    of("command: restart", Place::Command, "action: restart", false),
    of("browser: rollback", Place::Browser, "action: rollback", true),
];

/// Where the action lands, and what is counted there.
pub enum Target {
    ControlPlane,
    Kubernetes(Cluster),
    Elsewhere(Elsewhere),
    Tool(Tool),
}

impl Subject {
    /// A watch whose only plan is to do this, and then to find that it cannot be seen to be well.
    pub async fn rig(&self, mode: Mode, dry_run: bool) -> (Rig, Target) {
        let yaml = format!(
            "name: matrix\notherwise: hand_over\ntrigger: {{ causes: [latency_spike] }}\nsteps:\n  - {{ id: one, act: {{ {} }} }}\n  \
             - {{ id: after, check: {{ kind: promql, query: up, at_least: 1 }} }}\n",
            self.act
        );
        let workflow = read("matrix.yaml", &yaml).unwrap_or_else(|errors| panic!("{errors:?}"));
        let workflows = Arc::new(vec![workflow.expect("steps")]);
        let rig = Rig::with(
            |config| {
                (config.workflows, config.mode, config.dry_run) = (workflows, mode, dry_run);
                config.decision.allowed_classes =
                    vec![SafetyClass::ReadOnly, SafetyClass::Reversible, SafetyClass::Impactful];
            },
            // midwatch's own plan would act, too, where this one did nothing.
            "permit (principal is Runbook, action, resource);",
        )
        .await;
        let target = self.target(&rig).await;
        (rig, target)
    }

    async fn target(&self, rig: &Rig) -> Target {
        let dir = rig.dir.path();
        let (config, workload, target) = match self.place {
            Place::ControlPlane => return Target::ControlPlane,
            Place::Lambda | Place::Ecs => {
                let aws = Elsewhere::start().await;
                (json!({ "aws": aws.aws(dir) }), "pay", Target::Elsewhere(aws))
            }
            Place::Webhook => {
                let server = Elsewhere::start().await;
                (json!({ "actuator": [server.webhook(dir)] }), "pay", Target::Elsewhere(server))
            }
            Place::Browser => {
                let server = Elsewhere::start().await;
                (json!({ "actuator": [server.browser(dir)] }), "pay", Target::Elsewhere(server))
            }
            Place::Command => {
                let tool = Tool::new(dir);
                (json!({ "actuator": [tool.command()] }), "pay", Target::Tool(tool))
            }
            Place::Deployment | Place::StatefulSet | Place::Autoscaled | Place::Meshed => {
                let cluster = shop::shop().await;
                self.place.prepare(&cluster);
                let kubernetes = json!({ "kubeconfig": cluster.kubeconfig(dir), "namespaces": ["shop"] });
                let workload = if self.place == Place::StatefulSet { "statefulset/pay" } else { "pay" };
                (json!({ "kubernetes": kubernetes }), workload, Target::Kubernetes(cluster))
            }
        };
        let mut config = config;
        config["control_plane"] = json!({ "call_timeout_s": 5.0 });
        let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
        let platform = match self.place {
            Place::Lambda => Some(Platform::Lambda),
            Place::Ecs => Some(Platform::Ecs),
            _ => None,
        };
        let payment = Registration {
            name: "payment".into(),
            workload: Some(workload.to_owned()),
            platform,
            ..Registration::default()
        };
        rig.world.run_on(Arc::new(World::new(&config, &[payment]).expect("a world")));
        target
    }
}

impl Place {
    fn prepare(self, cluster: &Cluster) {
        match self {
            Place::Autoscaled => {
                let target = json!({ "kind": "Deployment", "name": "pay" });
                let spec = json!({ "scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 6 });
                cluster.put(AUTOSCALER, json!({ "metadata": { "name": "pay" }, "spec": spec }));
            }
            Place::Meshed => cluster.install_istio(),
            Place::StatefulSet => {
                let mut set = shop::deployment("r.example/pay:2", None);
                set["kind"] = "StatefulSet".into();
                set["status"]["updateRevision"] = "pay-r2".into();
                for number in [1, 2] {
                    let path = format!("/apis/apps/v1/namespaces/shop/controllerrevisions/pay-r{number}");
                    cluster.put(&path, revision(&set, number));
                }
                cluster.put(STATEFUL_SET, set);
            }
            _ => {}
        }
    }
}

/// What a StatefulSet's controller keeps of one of its templates.
fn revision(set: &Value, number: u32) -> Value {
    let mut template = set["spec"]["template"].clone();
    template["spec"]["containers"][0]["image"] = format!("r.example/pay:{number}").into();
    template["$patch"] = "replace".into();
    json!({
        "metadata": {
            "name": format!("pay-r{number}"), "labels": { "app": "pay" },
            "creationTimestamp": format!("2023-11-14T22:0{number}:00Z"),
            "ownerReferences": [{ "kind": "StatefulSet", "name": "pay", "uid": "uid-pay" }],
        },
        "revision": number, "data": { "spec": { "template": template } },
    })
}

impl Target {
    /// Changes that were made there.
    pub fn changes(&self, rig: &Rig) -> usize {
        match self {
            Target::ControlPlane => rig.world.applied().len(),
            Target::Kubernetes(cluster) => cluster.changes(),
            Target::Elsewhere(server) => server.changes(),
            Target::Tool(tool) => tool.changes(),
        }
    }

    /// All of it that an undo brings back, as text.
    pub fn state(&self, rig: &Rig) -> String {
        match self {
            Target::ControlPlane => {
                let mut target = rig.world.target_of("payment");
                target.generation = 0;
                // What was replaced stays known.
                target.previous_version = None;
                format!("{target:?}")
            }
            Target::Kubernetes(cluster) => {
                let node = cluster.thing(shop::NODE)["spec"]["unschedulable"] == true;
                let mut spec = cluster.thing(shop::DEPLOYMENT)["spec"].clone();
                spec["template"]["metadata"]["annotations"] = Value::Null;
                let breakers = cluster.thing(shop::BREAKERS)["data"].to_string();
                let is_open = breakers.contains(r#"\"open\""#)
                    || cluster.thing(RULE)["spec"]["trafficPolicy"].is_object();
                let least = cluster.thing(AUTOSCALER)["spec"]["minReplicas"].clone();
                let mut set = cluster.thing(STATEFUL_SET)["spec"].clone();
                set["template"]["metadata"]["annotations"] = Value::Null;
                format!("cordoned {node}, open {is_open}, at least {least}, {spec}, {set}")
            }
            Target::Elsewhere(server) => server.state(),
            Target::Tool(tool) => tool.state(),
        }
    }
}
