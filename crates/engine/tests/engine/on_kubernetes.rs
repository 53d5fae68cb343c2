//! The whole loop with Kubernetes as the control plane: a real socket is asked, and what counts is what it then holds.

use crate::cluster::Cluster;
use crate::harness::{Rig, outcomes};
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_incident::{Incident, State};
use midwatch_model::ActionKind;
use midwatch_model::decision::Mode;
use midwatch_model::journal::Registration;
use serde_json::{Value, json};
use std::sync::Arc;

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/payment";

async fn cluster(rig: &Rig) -> Cluster {
    let cluster = Cluster::start().await;
    let deployment = json!({
        "metadata": { "name": "payment", "uid": "u1" },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": "payment" } },
            "template": { "spec": { "containers": [{ "name": "app", "image": "payment:2" }] } },
        },
        "status": { "readyReplicas": 2 },
    });
    cluster.put(DEPLOYMENT, deployment);
    let config = json!({
        "control_plane": { "call_timeout_s": 2.0 },
        "kubernetes": { "kubeconfig": cluster.kubeconfig(rig.dir.path()), "namespaces": ["shop"] },
    });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    let payment = Registration { name: "payment".into(), ..Registration::default() };
    rig.world.run_on(Arc::new(World::new(&config, &[payment]).expect("a world")));
    cluster
}

async fn approve(rig: &Rig) -> Incident {
    let incident =
        rig.until("asked", |incident| incident.waiting.is_some() && incident.approval.is_none()).await;
    let plan = incident.waiting.as_ref().expect("it waits").plan.clone();
    rig.engine.approve(&incident.id, &plan, "ana").await.expect("the plan is the one that waits");
    incident
}

fn restarted(cluster: &Cluster) -> bool {
    cluster.thing(DEPLOYMENT)["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string()
}

#[tokio::test]
async fn what_a_person_approves_is_done_in_the_cluster_proven_and_closed() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    let cluster = cluster(&rig).await;
    rig.break_payment_until(Some(ActionKind::Restart));
    approve(&rig).await;
    assert_eq!(cluster.changes(), 0, "nothing happens before the yes");
    let incident = rig.until_state(State::Resolved).await;
    assert_eq!(outcomes(&incident), ["applied"], "{}", rig.story().await);
    assert!(restarted(&cluster) && cluster.changes() == 1);
}

#[tokio::test]
async fn what_does_not_help_is_taken_back_in_the_cluster_and_a_person_gets_it() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    let cluster = cluster(&rig).await;
    rig.break_payment_until(None);
    approve(&rig).await;
    rig.until("restarted", |incident| outcomes(incident) == ["applied"]).await;
    approve(&rig).await;
    let incident = rig.until_state(State::Escalated).await;
    assert_eq!(outcomes(&incident), ["applied", "applied", "applied"], "{}", rig.story().await);
    assert_eq!(incident.effects[2].intent.undoes.as_ref(), Some(&incident.effects[1].intent.key));
    assert_eq!(cluster.thing(DEPLOYMENT)["spec"]["replicas"], 2, "as it was before");
    assert_eq!(cluster.changes(), 3, "restart, scale, and back");
}

#[tokio::test]
async fn in_shadow_and_in_a_dry_run_nothing_is_written_to_the_cluster() {
    for (mode, dry_run) in [(Mode::Shadow, false), (Mode::Auto, true)] {
        let rig = Rig::with(
            |config| {
                config.mode = mode;
                config.dry_run = dry_run;
            },
            "",
        )
        .await;
        let cluster = cluster(&rig).await;
        rig.break_payment_until(None);
        rig.ticks(60).await;
        assert!(rig.incident().await.plan.is_some(), "{}", rig.story().await);
        let writes = cluster.seen().into_iter().filter(|seen| seen.body != Value::Null).count();
        assert_eq!(writes, 0, "not even a rehearsal");
    }
}
