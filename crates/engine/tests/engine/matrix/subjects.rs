//! The rows of the matrix: each action on the simulated control plane, and on an API server of Kubernetes on a real socket.

use crate::cluster::Cluster;
use crate::harness::Rig;
use crate::shop;
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_engine::workflow::read;
use midwatch_model::action::SafetyClass;
use midwatch_model::journal::Registration;
use serde_json::{Value, json};
use std::sync::Arc;

pub struct Subject {
    pub name: &'static str,
    on_kubernetes: bool,
    /// The action, as a workflow writes it.
    act: &'static str,
    pub has_undo: bool,
}

const fn control_plane(name: &'static str, act: &'static str, has_undo: bool) -> Subject {
    Subject { name, on_kubernetes: false, act, has_undo }
}

const fn kubernetes(name: &'static str, act: &'static str, has_undo: bool) -> Subject {
    Subject { name, on_kubernetes: true, act, has_undo }
}

pub const SUBJECTS: [Subject; 14] = [
    control_plane("control plane: scale", "action: scale, replicas: 3", true),
    control_plane("control plane: rollback", "action: rollback", true),
    control_plane("control plane: resize_db_pool", "action: resize_db_pool, size: 24", true),
    control_plane("control plane: circuit_break", "action: circuit_break", true),
    control_plane("control plane: restart", "action: restart", false),
    control_plane("control plane: restart_db_pool", "action: restart_db_pool", false),
    kubernetes("Kubernetes: scale", "action: scale, replicas: 3", true),
    kubernetes("Kubernetes: rollback", "action: rollback", true),
    kubernetes("Kubernetes: set_image", "action: set_image, image: \"r.example/pay:3\"", true),
    kubernetes(
        "Kubernetes: set_resources",
        "action: set_resources, resources: { memory_limit: 512Mi }",
        true,
    ),
    kubernetes("Kubernetes: cordon", "action: cordon, node: n1", true),
    kubernetes("Kubernetes: circuit_break", "action: circuit_break", true),
    kubernetes("Kubernetes: restart", "action: restart", false),
    kubernetes("Kubernetes: delete_pod", "action: delete_pod, pod: pay-b", false),
];

/// Where the action lands, and what is counted there.
pub enum Target {
    ControlPlane,
    Kubernetes(Cluster),
}

impl Subject {
    /// A watch whose only plan is to do this, and then to find that it cannot be seen to be well.
    pub async fn rig(&self) -> (Rig, Target) {
        let yaml = format!(
            "name: matrix\ntrigger: {{ causes: [latency_spike] }}\nsteps:\n  - {{ id: one, act: {{ {} }} }}\n  \
             - {{ id: after, check: {{ kind: promql, query: up, at_least: 1 }} }}\n",
            self.act
        );
        let workflow = read("matrix.yaml", &yaml).unwrap_or_else(|errors| panic!("{errors:?}"));
        let workflows = Arc::new(vec![workflow.expect("steps")]);
        let rig = Rig::with(
            |config| {
                config.workflows = workflows;
                config.decision.allowed_classes =
                    vec![SafetyClass::ReadOnly, SafetyClass::Reversible, SafetyClass::Impactful];
            },
            // midwatch's own plan would act, too, where this one did nothing.
            "permit (principal is Runbook, action, resource);",
        )
        .await;
        let target = if self.on_kubernetes { on_kubernetes(&rig).await } else { Target::ControlPlane };
        (rig, target)
    }
}

async fn on_kubernetes(rig: &Rig) -> Target {
    let cluster = shop::shop().await;
    let config = json!({
        "control_plane": { "call_timeout_s": 2.0 },
        "kubernetes": { "kubeconfig": cluster.kubeconfig(rig.dir.path()), "namespaces": ["shop"] },
    });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    let workload = Some("pay".to_owned());
    let payment = Registration { name: "payment".into(), workload, ..Registration::default() };
    rig.world.run_on(Arc::new(World::new(&config, &[payment]).expect("a world")));
    Target::Kubernetes(cluster)
}

impl Target {
    /// Changes that were made there.
    pub fn changes(&self, rig: &Rig) -> usize {
        match self {
            Target::ControlPlane => rig.world.applied().len(),
            Target::Kubernetes(cluster) => cluster.changes(),
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
                format!("cordoned {node}, open {}, {spec}", breakers.contains(r#"\"open\""#))
            }
        }
    }
}
