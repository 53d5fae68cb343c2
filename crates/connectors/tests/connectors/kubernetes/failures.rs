//! Every action × every point at which it can fail. What counts is what is at the target afterwards.

use super::{DEPLOYMENT, Rig, every_action, found, pay, shop};
use crate::cluster::Trouble;
use crate::effects::{authorised, undoing};
use crate::server::at;
use axum::http::Method;
use midwatch_connectors::Outside;
use midwatch_model::journal::{EffectOutcome, Registration};
use midwatch_model::{Action, after};
use serde_json::json;

fn name(outcome: &EffectOutcome) -> String {
    serde_json::to_value(outcome).expect("plain data")["outcome"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn whatever_fails_the_outcome_says_what_is_proven_and_a_look_settles_the_rest() {
    for (trouble, says, settled) in [
        (Trouble::Refuse(403), "not_applied", "not_applied"),
        (Trouble::Refuse(409), "not_applied", "not_applied"),
        (Trouble::Refuse(429), "not_applied", "not_applied"),
        (Trouble::Refuse(500), "unknown", "not_applied"),
        (Trouble::Refuse(503), "unknown", "not_applied"),
        (Trouble::Hang, "unknown", "not_applied"),
        (Trouble::Lose, "unknown", "applied"),
    ] {
        for (action, path, pointer, after, _) in every_action() {
            let rig = Rig::new(shop().await);
            let case = format!("{} with {trouble:?}", action.kind());
            let before = found(&rig.cluster, path, pointer);
            let intent = rig.intent(action, "k").await;
            rig.cluster.trouble(trouble);
            let outcome = rig.apply(&intent).await;
            assert_eq!(name(&outcome), says, "{case}: {outcome:?}");
            assert_eq!(rig.cluster.changes(), 1, "{case}: asked for once");
            let look = rig.world.reconcile(&intent).await.expect("it can be looked at");
            assert_eq!(name(&look), settled, "{case}: {look:?}");
            assert_eq!(rig.cluster.changes(), 1, "{case}: a look changes nothing");
            let expected = if settled == "applied" { after } else { before };
            assert_eq!(found(&rig.cluster, path, pointer), expected, "{case}");
        }
    }
}

#[tokio::test]
async fn what_the_account_may_not_do_fails_in_the_rehearsal_and_says_which_rights_are_missing() {
    for (action, path, pointer, ..) in every_action() {
        let rig = Rig::new(shop().await);
        let case = action.kind();
        let before = found(&rig.cluster, path, pointer);
        let intent = rig.intent(action, "k").await;
        for method in [Method::PATCH, Method::POST, Method::DELETE] {
            rig.cluster.forbid(method, "/");
        }
        let outcome = rig.apply(&intent).await;
        let EffectOutcome::NotApplied { reason } = outcome else { panic!("{case}: {outcome:?}") };
        assert!(
            reason.contains("dry run failed") && reason.contains("deploy/kubernetes/rbac.yaml"),
            "{reason}"
        );
        assert_eq!((rig.cluster.changes(), found(&rig.cluster, path, pointer)), (0, before), "{case}");
    }
}

#[tokio::test]
async fn a_workload_that_somebody_changed_since_is_left_alone() {
    for (action, ..) in
        every_action().into_iter().filter(|(action, ..)| !matches!(action, Action::Cordon { .. }))
    {
        let rig = Rig::new(shop().await);
        let intent = rig.intent(action, "k").await;
        rig.cluster.edit(DEPLOYMENT, "/spec/replicas", json!(3));
        let outcome = rig.apply(&intent).await;
        assert!(
            matches!(&outcome, EffectOutcome::NotApplied { reason } if reason.contains("has changed since")),
            "{outcome:?}"
        );
        assert_eq!(rig.cluster.changes(), 0);
    }
    // Status is written all the time, and is no reason to do nothing.
    let rig = Rig::new(shop().await);
    let intent = rig.intent(Action::Scale { target: pay(), replicas: 4 }, "k").await;
    rig.cluster.edit(DEPLOYMENT, "/status/readyReplicas", json!(1));
    assert_eq!(name(&rig.apply(&intent).await), "applied");
}

#[tokio::test]
async fn what_must_not_be_done_is_refused_before_anything_is_asked() {
    let refused = |action: Action, service: Registration, part: &'static str| async move {
        let rig = Rig::new(shop().await);
        let mut intent = rig.intent(action, "k").await;
        intent.undo = intent.action.undo(&intent.before);
        let elsewhere = Rig::with(rig.cluster.clone(), service);
        let outcome = elsewhere.world.apply(&authorised(intent), at(0.0)).await;
        let EffectOutcome::NotApplied { reason } = outcome else { panic!("{part}: {outcome:?}") };
        assert!(reason.contains(part), "{part}: {reason}");
        assert_eq!(rig.cluster.changes(), 0, "{part}");
    };
    let scale = |replicas| Action::Scale { target: pay(), replicas };
    let named = |namespace: Option<&str>, workload: Option<&str>| Registration {
        name: "pay".into(),
        namespace: namespace.map(Into::into),
        workload: workload.map(Into::into),
        ..Registration::default()
    };
    let plain = || named(None, None);
    refused(
        scale(3),
        named(Some("kube-system"), None),
        "namespace kube-system of pay is not on the allowlist",
    )
    .await;
    refused(scale(3), named(None, Some("../secrets/x")), "deployment/NAME or statefulset/NAME").await;
    refused(scale(3), named(None, Some("deployment/../x")), "cannot be the name").await;
    refused(scale(3), named(None, Some("other")), "there is no Deployment shop/other").await;
    refused(scale(9), plain(), "above kubernetes.max_replicas (8)").await;
    let image = |container: Option<&str>, image: &str| Action::SetImage {
        target: pay(),
        container: container.map(Into::into),
        image: image.into(),
    };
    refused(image(Some("sidecar"), "x"), plain(), "`sidecar` is none of them").await;
    refused(image(None, "a b"), plain(), "not the name of an image").await;
    refused(Action::DeletePod { target: pay(), pod: "till-a".into() }, plain(), "is no pod of").await;
    refused(Action::DeletePod { target: pay(), pod: "pay-a".into() }, plain(), "only instance that is ready")
        .await;
    let cordon = Action::Cordon { target: pay(), node: "n9".into(), unschedulable: true };
    refused(cordon, plain(), "no instance of Deployment shop/pay runs on the node n9").await;
    refused(Action::RestartDbPool { target: pay() }, plain(), "no way to do restart_db_pool").await;
}

#[tokio::test]
async fn without_a_cluster_in_reach_it_fails_and_says_so() {
    let rig = Rig::new(shop().await);
    let intent = rig.intent(Action::Restart { target: pay() }, "k").await;
    let late = rig.world.apply(&authorised(intent.clone()), after(at(30.0), 0.001)).await;
    assert!(matches!(&late, EffectOutcome::NotApplied { reason } if reason.contains("deadline")), "{late:?}");

    let unreachable = |kubernetes: serde_json::Value| {
        crate::server::world(
            json!({ "kubernetes": kubernetes, "control_plane": { "call_timeout_s": 1.0 } }),
            &["pay"],
        )
    };
    let dir = tempfile::TempDir::new().expect("a folder");
    let nobody = dir.path().join("config");
    std::fs::write(&nobody, json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "x", "cluster": { "server": "http://127.0.0.1:1" } }],
        "users": [{ "name": "x", "user": {} }], "contexts": [{ "name": "x", "context": { "cluster": "x", "user": "x" } }],
    }).to_string()).expect("a writable folder");
    for (config, part) in [
        (
            json!({ "namespaces": ["shop"], "kubeconfig": "/nowhere/config" }),
            "no Kubernetes client is in reach",
        ),
        (
            json!({ "namespaces": ["shop"], "kubeconfig": nobody, "context": "prod" }),
            "no Kubernetes client is in reach",
        ),
        (json!({ "namespaces": ["shop"], "kubeconfig": nobody }), "the API server cannot be reached"),
    ] {
        let world = unreachable(config);
        let outcome = world.apply(&authorised(intent.clone()), at(0.0)).await;
        assert!(
            matches!(&outcome, EffectOutcome::NotApplied { reason } if reason.contains(part)),
            "{part}: {outcome:?}"
        );
        let error = world.reconcile(&intent).await.expect_err("nobody can look");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn an_undo_that_fails_leaves_what_was_done_and_is_known_for_what_it_is() {
    for (trouble, says, settled) in [
        (Trouble::Refuse(403), "not_applied", "not_applied"),
        (Trouble::Refuse(500), "unknown", "not_applied"),
        (Trouble::Lose, "unknown", "applied"),
    ] {
        for (action, path, pointer, after, before) in every_action() {
            let Some(before) = before else { continue };
            let rig = Rig::new(shop().await);
            let case = format!("{} with {trouble:?}", action.kind());
            let intent = rig.intent(action, "k").await;
            assert_eq!(name(&rig.apply(&intent).await), "applied", "{case}");
            let undo = undoing(&intent, rig.target().await);
            let undo_intent = undo.intent().clone();
            rig.cluster.trouble(trouble);
            let outcome = rig.world.apply(&undo, at(0.0)).await;
            assert_eq!(name(&outcome), says, "{case}: {outcome:?}");
            let look = rig.world.reconcile(&undo_intent).await.expect("it can be looked at");
            assert_eq!(name(&look), settled, "{case}: {look:?}");
            let expected = if settled == "applied" { before } else { after };
            assert_eq!(found(&rig.cluster, path, pointer), expected, "{case}");
            assert_eq!(rig.cluster.changes(), 2, "{case}: asked for once");
        }
    }
}
