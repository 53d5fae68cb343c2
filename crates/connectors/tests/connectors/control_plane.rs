//! The lab's control plane: what every answer, and the lack of one, means for an effect.

use crate::effects::{authorised, intended};
use crate::server::{Reply, Server, at, world};
use midwatch_action::Effect;
use midwatch_connectors::{ConnectorError, Outside};
use midwatch_model::action::TargetState;
use midwatch_model::decision::Principal;
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{Action, ChangeKind, ServiceName, after};
use serde_json::json;

fn target() -> ServiceName {
    ServiceName::new("pay")
}

fn before() -> TargetState {
    TargetState {
        version: "v2".to_owned(),
        previous_version: Some("v1".to_owned()),
        replicas: 2,
        ready_replicas: 2,
        max_replicas: 6,
        pool_size: 8,
        circuit_open: false,
        generation: 41,
        ..TargetState::default()
    }
}

fn intent(action: Action) -> Intent {
    let principal = Principal::Human("Zoë".to_owned());
    Intent { principal, undo: None, ..intended("inc-1/0/a b", action, before()) }
}

fn effect(action: Action) -> Effect {
    authorised(intent(action))
}

fn restart() -> Action {
    Action::Restart { target: target() }
}

fn plane(server: &Server) -> midwatch_connectors::World {
    world(json!({"control_plane": {"kind": "lab", "url": server.url, "call_timeout_s": 1.0}}), &[])
}

fn operation(status: &str) -> String {
    json!({"id": "op-1", "idempotency_key": "k", "service": "pay", "op": "restart", "status": status,
        "before": null, "detail": "replaced 2 instances",
        "after": {"version": "v1", "replicas": 2, "pool_size": 8, "circuit_open": false, "generation": 42}})
    .to_string()
}

const RESTART: &str = "/api/v1/control/services/pay/restart";
/// The key's slash and blank are part of one path segment.
const OPERATION: &str = "/api/v1/control/operations/inc-1%2F0%2Fa%20b";

#[tokio::test]
async fn every_action_is_one_call_with_key_precondition_and_actor() {
    let server = Server::start().await;
    let world = plane(&server);
    for (action, op, body) in [
        (Action::Rollback { target: target(), to_version: None }, "rollback", json!({})),
        (
            Action::Rollback { target: target(), to_version: Some("v1".into()) },
            "rollback",
            json!({"to": "v1"}),
        ),
        (restart(), "restart", json!({})),
        (Action::RestartDbPool { target: target() }, "pool_restart", json!({})),
        (Action::ResizeDbPool { target: target(), size: 16 }, "pool_resize", json!({"size": 16})),
        (Action::Scale { target: target(), replicas: 4 }, "scale", json!({"replicas": 4})),
        (Action::CircuitBreak { target: target(), open: true }, "circuit", json!({"open": true})),
    ] {
        let path = format!("/api/v1/control/services/pay/{op}");
        server.text(&path, operation("succeeded"));
        let outcome = world.apply(&effect(action), at(0.0)).await;
        let EffectOutcome::Applied { detail, after: Some(state) } = outcome else {
            panic!("{op}: {outcome:?}")
        };
        assert_eq!(detail, "replaced 2 instances");
        assert_eq!(
            (state.generation, state.max_replicas, state.previous_version.as_deref()),
            (42, 6, Some("v2"))
        );
        let seen = server.seen(&path).pop().expect("a call");
        assert_eq!((seen.method.as_str(), seen.header("if-match")), ("POST", "41"));
        assert_eq!((seen.header("idempotency-key"), seen.header("x-actor")), ("inc-1/0/a b", "Zo?"));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&seen.body).expect("JSON"), body, "{op}");
    }
}

#[tokio::test]
async fn answers_and_their_lack_become_the_outcome_that_they_prove() {
    let refusal = |status| Reply::Text(status, json!({"error": "no, token=abcdef123"}).to_string());
    for (name, reply, outcome, part) in [
        ("precondition", refusal(412), "not_applied", "has changed since"),
        ("busy", refusal(409), "not_applied", "answered 409: no"),
        ("unknown service", refusal(404), "not_applied", "token=[redacted]"),
        ("server error", refusal(500), "unknown", "answered 500"),
        ("proxy timeout", refusal(408), "unknown", "answered 408"),
        ("redirect", Reply::Redirect("/elsewhere".into()), "unknown", "answered 302"),
        ("not JSON", Reply::Text(200, "done".into()), "unknown", "cannot be read"),
        ("no answer", Reply::Hang, "unknown", " 1.0 s"),
        ("connection dropped", Reply::Drop, "unknown", "gave no answer"),
        ("failed", Reply::Text(200, operation("failed")), "failed", "replaced"),
        ("dry run", Reply::Text(200, operation("dry_run")), "not_applied", "dry"),
    ] {
        let server = Server::start().await;
        server.set(RESTART, reply);
        let found = plane(&server).apply(&effect(restart()), at(0.0)).await;
        let text = serde_json::to_string(&found).expect("plain data");
        assert!(
            text.contains(&format!("\"outcome\":\"{outcome}\"")) && text.contains(part),
            "{name}: {text}"
        );
        assert_eq!(server.seen(RESTART).len(), 1, "{name}: a mutation is asked for once");
        assert!(server.seen("/elsewhere").is_empty());
    }
}

#[tokio::test]
async fn nothing_is_called_after_the_deadline_or_where_nobody_listens() {
    let server = Server::start().await;
    server.text(RESTART, operation("succeeded"));
    let late = plane(&server).apply(&effect(restart()), after(at(30.0), 0.001)).await;
    assert!(matches!(late, EffectOutcome::NotApplied { .. }), "{late:?}");
    assert!(server.seen(RESTART).is_empty());

    let nobody = json!({"control_plane": {"kind": "lab", "url": "http://127.0.0.1:1"}});
    let refused = world(nobody, &[]).apply(&effect(restart()), at(0.0)).await;
    assert!(matches!(refused, EffectOutcome::NotApplied { .. }), "{refused:?}");

    let escalate = Action::Escalate { target: target() };
    let outcome = plane(&server).apply(&effect(escalate), at(0.0)).await;
    assert!(matches!(outcome, EffectOutcome::NotApplied { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_running_operation_is_watched_to_its_end_within_the_call_timeout() {
    let text = |status| Reply::Text(200, operation(status));
    for (name, looks, outcome) in [
        ("ends well", vec![text("running"), Reply::Text(500, String::new()), text("succeeded")], "applied"),
        ("ends badly", vec![text("failed")], "failed"),
        ("never ends", vec![text("running")], "unknown"),
        ("is forgotten", vec![Reply::Text(404, String::new())], "unknown"),
    ] {
        let server = Server::start().await;
        server.text(RESTART, operation("running"));
        server.queue(OPERATION, looks);
        let found = plane(&server).apply(&effect(restart()), at(0.0)).await;
        let found = serde_json::to_value(&found).expect("plain data");
        assert_eq!(found["outcome"], outcome, "{name}: {found}");
    }
}

#[tokio::test]
async fn reconciling_looks_at_the_key() {
    let server = Server::start().await;
    let world = plane(&server);
    let intent = intent(restart());
    for (reply, expected) in [
        (Reply::Text(404, String::new()), Ok("not_applied")),
        (Reply::Text(200, operation("succeeded")), Ok("applied")),
        (Reply::Text(200, operation("failed")), Ok("failed")),
        (Reply::Text(200, operation("running")), Err("still running")),
        (Reply::Text(503, String::new()), Err("answered 503")),
        (Reply::Text(200, "?".into()), Err("cannot be read")),
        (Reply::Hang, Err("timed out")),
    ] {
        server.set(OPERATION, reply);
        match (world.reconcile(&intent).await, expected) {
            (Ok(outcome), Ok(name)) => {
                assert_eq!(serde_json::to_value(&outcome).expect("plain data")["outcome"], name);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test]
async fn targets_and_changes_are_read() {
    let server = Server::start().await;
    let service = json!({"name": "pay", "version": "v2", "previous_version": null, "replicas": 2, "ready_replicas": 1,
        "max_replicas": 6, "restarts": 3, "generation": 41, "pool_size": 8, "circuit_open": false, "owner": "x"});
    server.text("/api/v1/control/services/pay", service.to_string());
    let change = |id: u32, kind: &str, from: &str| {
        json!({"id": format!("chg-{id}"), "at": at(1.0).to_string(), "service": "pay", "kind": kind, "from": from,
            "to": "b", "by": "ci", "idempotency_key": null})
    };
    let kinds = ["deploy", "rollback", "restart", "scale", "pool_resize", "pool_restart", "circuit"];
    let changes: Vec<_> = kinds.into_iter().zip(1..).map(|(kind, id)| change(id, kind, "a")).collect();
    server.text("/api/v1/control/changes", json!({"changes": changes}).to_string());
    let world = plane(&server);

    let state = world.target(&target()).await.expect("a target");
    assert_eq!((state.ready_replicas, state.max_replicas, state.previous_version), (1, 6, None));
    let unknown = world.target(&ServiceName::new("a/../b")).await;
    assert!(matches!(unknown, Err(ConnectorError::Status { status: 404, .. })), "{unknown:?}");

    let found = world.changes(at(0.0)).await.expect("changes");
    let kinds: Vec<_> = found.iter().map(|change| change.kind).collect();
    use ChangeKind::{Config, Deploy, Restart, Rollback, Scale};
    assert_eq!(kinds, [Deploy, Rollback, Restart, Scale, Config, Restart, Config]);
    assert_eq!((found[0].from.as_str(), found[4].from.as_str()), ("a", "pool_resize a"));
    let asked = server.seen("/api/v1/control/changes");
    assert_eq!(asked[0].uri.query(), Some("since=2023-11-14T22%3A13%3A20Z"));
}

#[tokio::test]
async fn without_a_control_plane_everything_says_what_to_configure() {
    let world = world(json!({}), &[]);
    assert_eq!(world.changes(at(0.0)).await, Ok(vec![]));
    let error = world.target(&target()).await.expect_err("there is none").to_string();
    assert!(error.contains("control_plane.url"), "{error}");
    let outcome = world.apply(&effect(restart()), at(0.0)).await;
    assert!(
        matches!(&outcome, EffectOutcome::NotApplied { reason } if reason.contains("control_plane.kind"))
    );
}
