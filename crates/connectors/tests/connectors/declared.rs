//! Actuators that an operator declares, a real program and a real web server: what reaches them, what every end of a call
//! proves, and that nothing is left running.

use crate::effects::{authorised, intended, undoing};
use crate::server::{Reply, Server, at, world};
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use midwatch_connectors::{ConnectorsConfig, Outside, World};
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{Action, ActionKind, ServiceName};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

fn pay() -> ServiceName {
    ServiceName::new("pay")
}

fn scale(replicas: u32) -> Action {
    Action::Scale { target: pay(), replicas }
}

fn restart() -> Action {
    Action::Restart { target: pay() }
}

fn intent(action: Action, before: TargetState) -> Intent {
    intended("incident-inc-1-7", action, before)
}

/// What the tool does is in its first argument. Its state is the file `state` beside it, its calls are in `calls`.
const TOOL: &str = r#"#!/bin/sh
dir="$(dirname "$0")"
printf '%s\n' "$*" >> "$dir/calls"
case "$1" in
  state) cat "$dir/state" ;;
  status) cat "$dir/status" ;;
  slow) sleep 0.6; echo '{}' ;;
  scale) printf '{"version":"v2","replicas":%s,"max_replicas":8,"revision":"r%s"}' "$2" "$2" > "$dir/state"; echo "set to $2" ;;
  refuse) echo '{"outcome":"not_applied","detail":"the queue is locked"}'; exit 4 ;;
  fail) echo "half of it is done, token=$TOKEN" >&2; exit 3 ;;
  secret) echo "I was given $TOKEN" ;;
  environment) env > "$dir/environment" ;;
  talk) head -c 3000000 /dev/zero; echo done ;;
  kill) kill -9 $$ ;;
  hang) sleep 300 & echo $! > "$dir/left"; trap '' TERM; while :; do sleep 300; done ;;
  behind) sleep 300 > /dev/null 2>&1 & echo $! > "$dir/left"; echo started ;;
esac
"#;

struct Tool {
    dir: tempfile::TempDir,
}

impl Tool {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tool");
        std::fs::write(&path, TOOL).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        std::fs::write(dir.path().join("token"), "tr0ub4dor-and-3-horses").expect("written");
        let tool = Self { dir };
        tool.put("state", r#"{"version":"v2","replicas":2,"max_replicas":8,"revision":"r2"}"#);
        tool
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// A world in which `actions` are what the tool is asked for.
    fn world(&self, actions: Value, more: Value) -> World {
        let mut command = json!({
            "program": self.dir.path().join("tool"), "actions": actions, "timeout_s": 2.0,
            "environment": { "PATH": "/usr/bin:/bin" }, "secrets": { "TOKEN": { "file": self.dir.path().join("token") } },
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            command[name] = value.clone();
        }
        let actuator = json!({ "name": "tool", "services": ["pay"], "command": command });
        world(json!({ "actuator": [actuator], "control_plane": { "call_timeout_s": 5.0 } }), &["pay"])
    }

    fn all(&self) -> World {
        let actions = json!({ "scale": ["scale", "{replicas}", "{key}"], "restart": ["refuse"] });
        self.world(actions, json!({ "state": ["state", "{service}"], "status": ["status", "{key}"] }))
    }
}

fn is_alive(pid: &str) -> bool {
    // A zombie that nobody has waited for yet is dead, too.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

#[tokio::test]
async fn an_end_of_a_command_becomes_the_outcome_that_it_proves() {
    for (how, outcome, part) in [
        ("secret", "applied", "I was given [redacted]"),
        ("talk", "applied", "it ended well"),
        ("refuse", "not_applied", "the queue is locked"),
        ("fail", "failed", "it ended with 3: half of it is done"),
        ("kill", "unknown", "killed by a signal"),
        ("hang", "unknown", "did not end within 2.0 s"),
        ("environment", "applied", "it ended well"),
        ("behind", "applied", "started"),
    ] {
        let tool = Tool::new();
        let world = tool.world(json!({ "restart": [how, "{service}", "$(id); rm -rf /"] }), json!({}));
        let found = world.apply(&authorised(intent(restart(), TargetState::default())), at(0.0)).await;
        let text = serde_json::to_string(&found).expect("plain data");
        assert!(text.contains(&format!("\"outcome\":\"{outcome}\"")) && text.contains(part), "{how}: {text}");
        assert!(!text.contains("tr0ub4dor"), "{how}: {text}");
        assert_eq!(tool.text("calls"), format!("{how} pay $(id); rm -rf /\n"), "{how}: once, and no shell");
        let left = tool.text("left");
        match how {
            "hang" => assert!(!is_alive(&left), "what it started is stopped with it"),
            // What a tool starts on purpose is not ours to stop; this one is the test's.
            "behind" => {
                assert!(is_alive(&left));
                let pid = nix::unistd::Pid::from_raw(left.trim().parse().expect("a pid"));
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it is ours");
            }
            _ => {}
        }
        if how == "environment" {
            let environment = tool.text("environment");
            let names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
            assert!(
                names.iter().all(|name| ["PATH", "TOKEN", "PWD", "_", "SHLVL", "OLDPWD"].contains(name)),
                "{names:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_command_scales_once_is_undone_and_leaves_alone_what_has_changed() {
    let tool = Tool::new();
    let world = tool.all();
    let before = world.target(&pay()).await.expect("a target");
    assert_eq!((before.replicas, before.max_replicas, before.revision.as_deref()), (2, 8, Some("r2")));
    assert!(
        before.can(ActionKind::Scale) && before.can(ActionKind::Restart) && !before.can(ActionKind::Rollback)
    );
    let up = intent(scale(4), before.clone());
    let EffectOutcome::Applied { detail, after: Some(after) } =
        world.apply(&authorised(up.clone()), at(0.0)).await
    else {
        panic!("it was not applied")
    };
    assert_eq!((detail.as_str(), after.replicas, after.revision.as_deref()), ("set to 4", 4, Some("r4")));
    // Asked for again with what was seen before, it refuses: the target has moved on.
    let again = world.apply(&authorised(up.clone()), at(1.0)).await;
    assert!(
        matches!(&again, EffectOutcome::NotApplied { reason } if reason.contains("has changed since")),
        "{again:?}"
    );
    let now = world.target(&pay()).await.expect("a target");
    let undone = world.apply(&undoing(&up, now), at(2.0)).await;
    assert!(matches!(undone, EffectOutcome::Applied { .. }), "{undone:?}");
    assert_eq!(world.target(&pay()).await.expect("a target").replicas, 2);
    let scaled: Vec<String> =
        tool.text("calls").lines().filter(|l| l.starts_with("scale")).map(str::to_owned).collect();
    assert_eq!(scaled, ["scale 4 incident-inc-1-7", "scale 2 incident-inc-1-7-undo"]);
    let late = world.apply(&authorised(up), at(31.0)).await;
    assert!(matches!(&late, EffectOutcome::NotApplied { reason } if reason.contains("deadline")), "{late:?}");
}

#[tokio::test]
async fn after_a_crash_the_key_is_asked_about_or_the_state() {
    let tool = Tool::new();
    let before = tool.all().target(&pay()).await.expect("a target");
    let up = intent(scale(4), before);
    let by_key = tool.all();
    for (status, expected) in [
        (r#"{"outcome":"applied"}"#, Ok("applied")),
        (r#"{"outcome":"not_applied","detail":"never heard of it"}"#, Ok("not_applied")),
        (r#"{"outcome":"failed"}"#, Ok("failed")),
        (r#"{"outcome":"running"}"#, Err("still running")),
        (r#"{"outcome":"unknown"}"#, Err("still running")),
        ("fine", Err("`outcome`")),
        ("", Err("`outcome`")),
    ] {
        tool.put("status", status);
        settled(&by_key, &up, expected).await;
    }
    let actions = json!({ "scale": ["scale", "{replicas}"], "restart": ["refuse"] });
    let by_state = tool.world(actions.clone(), json!({ "state": ["state", "{service}"] }));
    let state = |replicas: u32, revision: &str| {
        tool.put(
            "state",
            &json!({ "version": "v2", "replicas": replicas, "revision": revision }).to_string(),
        );
    };
    let again = intent(restart(), up.before.clone());
    settled(&by_state, &up, Ok("not_applied")).await;
    settled(&by_state, &again, Ok("not_applied")).await;
    state(4, "r4");
    settled(&by_state, &up, Ok("applied")).await;
    settled(&by_state, &again, Err("declare `status`")).await;
    state(7, "r7");
    settled(&by_state, &up, Ok("not_applied")).await;
    let by_nothing = tool.world(actions, json!({}));
    settled(&by_nothing, &again, Err("declare `status`")).await;
    assert!(!tool.text("calls").lines().any(|line| line.starts_with("scale")), "looking changes nothing");
}

async fn settled(world: &World, intent: &Intent, expected: Result<&str, &str>) {
    match (world.reconcile(intent).await, expected) {
        (Ok(outcome), Ok(name)) => {
            assert_eq!(serde_json::to_value(&outcome).expect("plain data")["outcome"], name, "{outcome:?}");
        }
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
        (found, expected) => panic!("{found:?}, expected {expected:?}"),
    }
}

#[tokio::test]
async fn nothing_begins_when_the_look_before_has_outlasted_the_deadline() {
    let tool = Tool::new();
    let actions = json!({ "restart": ["talk"] });
    let world = tool.world(actions, json!({ "state": ["slow"], "timeout_s": 4.0 }));
    let mut late = intent(restart(), TargetState::default());
    late.deadline = at(0.2);
    let found = world.apply(&authorised(late), at(0.0)).await;
    assert!(
        matches!(&found, EffectOutcome::NotApplied { reason } if reason.contains("passed during the look before")),
        "{found:?}"
    );
    assert_eq!(tool.text("calls"), "slow\n", "nothing but the look was begun");
}

#[tokio::test]
async fn a_dry_run_that_is_refused_ends_it() {
    let tool = Tool::new();
    let actions = json!({ "scale": ["scale", "{replicas}"] });
    let world = tool.world(actions, json!({ "dry_run": { "scale": ["refuse", "{replicas}"] } }));
    let found = world.apply(&authorised(intent(scale(4), TargetState::default())), at(0.0)).await;
    assert!(
        matches!(&found, EffectOutcome::NotApplied { reason } if reason.contains("dry run")),
        "{found:?}"
    );
    assert_eq!(tool.text("calls"), "refuse 4\n");
}

#[tokio::test]
async fn what_nobody_can_take_back_is_not_offered() {
    let tool = Tool::new();
    let actions = json!({ "scale": ["scale", "{replicas}"], "restart": ["refuse"] });
    let target = tool.world(actions, json!({})).target(&pay()).await.expect("a target");
    assert!(!target.can(ActionKind::Scale), "without a state nobody knows what to set it back to");
    assert!(target.can(ActionKind::Restart));
}

#[tokio::test]
async fn a_program_that_others_may_write_is_not_run() {
    let tool = Tool::new();
    let path = tool.dir.path().join("tool");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("set");
    let world = tool.world(json!({ "restart": ["fail"] }), json!({}));
    let found = world.apply(&authorised(intent(restart(), TargetState::default())), at(0.0)).await;
    assert!(
        matches!(&found, EffectOutcome::NotApplied { reason } if reason.contains("chmod go-w")),
        "{found:?}"
    );
    assert_eq!(tool.text("calls"), "");
}

#[test]
fn a_declaration_that_cannot_work_says_what_to_write() {
    let command = |change: Value| {
        let mut command = json!({ "program": "/usr/bin/true", "actions": { "restart": ["x"] } });
        for (name, value) in change.as_object().into_iter().flatten() {
            command[name] = value.clone();
        }
        json!({ "name": "tool", "services": ["pay"], "command": command })
    };
    let hook = |change: Value| {
        let mut hook =
            json!({ "url": "https://ops.example/act", "actions": ["restart"], "secret": { "env": "X" } });
        for (name, value) in change.as_object().into_iter().flatten() {
            hook[name] = value.clone();
        }
        json!({ "name": "hook", "services": ["pay"], "webhook": hook })
    };
    for (actuators, part) in [
        (vec![command(json!({ "program": "tool" }))], "absolute path"),
        (vec![command(json!({ "program": "/opt/../bin/tool" }))], "absolute path"),
        (vec![command(json!({ "program": "/bin/sh" }))], "runs any text as commands"),
        (vec![command(json!({ "program": "/usr/bin/env" }))], "runs any text as commands"),
        (
            vec![command(json!({ "program": "/usr/bin/python3", "state": ["-c", "print()"] }))],
            "absolute path of a script",
        ),
        (
            vec![command(json!({ "program": "/usr/bin/sudo", "state": ["-n", "/bin/bash", "x"] }))],
            "has sudo run /bin/bash",
        ),
        (vec![command(json!({ "environment": { "BILL_TOKEN": "x" } }))], "put it under `secrets`"),
        (vec![command(json!({ "actions": {} }))], "declare what it can do"),
        (vec![command(json!({ "actions": { "cordon": ["x"] } }))], "has cordon; it can be one of rollback"),
        (vec![command(json!({ "timeout_s": 60.0 }))], "control_plane.call_timeout_s"),
        (vec![command(json!({ "environment": { "LD_PRELOAD": "x" } }))], "LD_PRELOAD"),
        (vec![command(json!({ "dry_run": { "scale": ["x"] } }))], "not among its actions"),
        (vec![command(json!({ "secrets": { "T": {} } }))], "say where the secret is"),
        (vec![hook(json!({ "url": "file:///etc/passwd" }))], "http:// or https://"),
        (vec![hook(json!({ "status_url": "ops" }))], "is not a URL"),
        (vec![hook(json!({ "secret": {} }))], "say where the secret is"),
        (vec![command(json!({})), hook(json!({}))], "which `tool` has, too"),
        (vec![json!({ "name": "x", "services": ["pay"] })], "only one of them"),
        (vec![json!({ "name": "x" })], "name the services"),
        (vec![json!({ "services": ["pay"] })], "name is needed"),
    ] {
        let config: ConnectorsConfig =
            serde_json::from_value(json!({ "actuator": actuators })).expect("it can be read");
        let error = config.validate().expect_err("refused").to_string();
        assert!(error.contains(part), "{actuators:?}: {error}");
    }
    let tool = Tool::new();
    let written = json!({ "program": tool.dir.path().join("tool"), "actions": { "scale": ["up"] } });
    let config = json!({ "actuator": [{ "name": "tool", "services": ["pay"], "command": written }] });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("it can be read");
    let error = World::new(&config, &[]).err().expect("refused").to_string();
    assert!(error.contains("actions.scale does not say {replicas}"), "{error}");
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn hooked(server: &str, dir: &Path, more: Value) -> World {
    std::fs::write(dir.join("secret"), SECRET).expect("written");
    let mut hook = json!({
        "url": format!("{server}/act"), "actions": ["restart", "scale"], "timeout_s": 1.0,
        "secret": { "file": dir.join("secret") },
    });
    for (name, path) in more.as_object().into_iter().flatten() {
        let at_server = path.as_str().map(|path| json!(format!("{server}{path}")));
        hook[name] = at_server.unwrap_or_else(|| path.clone());
    }
    let actuator = json!({ "name": "hook", "services": ["pay"], "webhook": hook });
    world(json!({ "actuator": [actuator] }), &["pay"])
}

#[tokio::test]
async fn an_answer_of_a_webhook_becomes_the_outcome_that_it_proves() {
    let told = |status, outcome: &str| {
        Reply::Text(status, json!({ "outcome": outcome, "detail": "as said" }).to_string())
    };
    for (name, reply, outcome, part) in [
        ("done", told(200, "applied"), "applied", "as said"),
        ("done without a word", Reply::Text(204, String::new()), "applied", "answered 204"),
        ("refused in words", told(200, "not_applied"), "not_applied", "as said"),
        ("failed", told(200, "failed"), "failed", "as said"),
        ("failed with 500", told(500, "failed"), "failed", "as said"),
        ("runs on", told(202, "running"), "unknown", "as said"),
        ("accepted", Reply::Text(202, String::new()), "unknown", "answered 202"),
        ("wrong signature", Reply::Text(401, "no".into()), "not_applied", "answered 401"),
        ("changed since", Reply::Text(412, "no".into()), "not_applied", "answered 412"),
        ("twice", Reply::Text(409, "no".into()), "not_applied", "answered 409"),
        ("broken", Reply::Text(500, "no".into()), "unknown", "answered 500"),
        ("applied, says a broken one", told(500, "applied"), "unknown", "answered 500"),
        ("proxy", Reply::Text(504, "no".into()), "unknown", "answered 504"),
        ("timed out there", Reply::Text(408, "no".into()), "unknown", "answered 408"),
        ("redirect", Reply::Redirect("/elsewhere".into()), "unknown", "answered 302"),
        ("silence", Reply::Hang, "unknown", "timed out"),
        ("dropped", Reply::Drop, "unknown", "gave no answer"),
        ("endless", Reply::Huge(1 << 20), "unknown", "more than"),
    ] {
        let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a folder"));
        server.set("/act", reply);
        let world = hooked(&server.url, dir.path(), json!({}));
        let found = world.apply(&authorised(intent(restart(), TargetState::default())), at(0.0)).await;
        let text = serde_json::to_string(&found).expect("plain data");
        assert!(
            text.contains(&format!("\"outcome\":\"{outcome}\"")) && text.contains(part),
            "{name}: {text}"
        );
        assert_eq!(server.all_seen().len(), 1, "{name}: it is asked for once, and no redirect is followed");
    }
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a folder"));
    let world = hooked(&server.url, dir.path(), json!({}));
    let found = world.apply(&authorised(intent(restart(), TargetState::default())), at(31.0)).await;
    assert!(
        matches!(found, EffectOutcome::NotApplied { .. }) && server.all_seen().is_empty(),
        "late: {found:?}"
    );
    let world = hooked("http://127.0.0.1:1", dir.path(), json!({}));
    let found = world.apply(&authorised(intent(restart(), TargetState::default())), at(0.0)).await;
    assert!(matches!(found, EffectOutcome::NotApplied { .. }), "nobody listens: {found:?}");
}

#[tokio::test]
async fn a_webhook_gets_a_signed_request_with_a_key_and_can_be_asked_about_it() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a folder"));
    let state =
        |replicas: u32| json!({ "version": "v2", "replicas": replicas, "max_replicas": 8 }).to_string();
    let applied = json!({ "outcome": "applied", "detail": "scaled" }).to_string();
    server
        .text("/state", state(2))
        .text("/act", applied.clone())
        .text("/undo", applied)
        .text("/status", "{}");
    let paths =
        json!({ "state_url": "/state", "undo_url": "/undo", "status_url": "/status", "dry_run": true });
    let world = hooked(&server.url, dir.path(), paths);
    let before = world.target(&pay()).await.expect("a target");
    let up = intent(scale(4), before);
    let found = world.apply(&authorised(up.clone()), at(0.0)).await;
    assert!(matches!(&found, EffectOutcome::Applied { detail, .. } if detail == "scaled"), "{found:?}");
    server.text("/state", state(4));
    let now = world.target(&pay()).await.expect("a target");
    let undone = world.apply(&undoing(&up, now), at(1.0)).await;
    assert!(matches!(undone, EffectOutcome::Applied { .. }), "{undone:?}");

    let calls = [server.seen("/act"), server.seen("/undo")].concat();
    let kinds: Vec<(String, bool, String)> = calls
        .iter()
        .map(|seen| {
            let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&body["type"]), body["data"]["dry_run"] == true, seen.header("idempotency-key").to_owned())
        })
        .collect();
    let expected = |kind: &str, dry, key: &str| (kind.to_owned(), dry, key.to_owned());
    assert_eq!(
        kinds,
        [
            expected("midwatch.dry_run", true, "incident-inc-1-7-dry-run"),
            expected("midwatch.action", false, "incident-inc-1-7"),
            expected("midwatch.dry_run", true, "incident-inc-1-7-undo-dry-run"),
            expected("midwatch.undo", false, "incident-inc-1-7-undo"),
        ]
    );
    for seen in server.all_seen() {
        let key = base64::engine::general_purpose::STANDARD.decode(&SECRET[6..]).expect("base64");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("any length");
        mac.update(format!("{}.{}.", seen.header("webhook-id"), seen.header("webhook-timestamp")).as_bytes());
        mac.update(&seen.body);
        let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(seen.header("webhook-signature"), format!("v1,{signature}"), "{}", seen.uri);
    }

    for (reply, expected) in [
        (Reply::Text(200, r#"{"outcome":"applied"}"#.into()), Ok("applied")),
        (Reply::Text(200, r#"{"outcome":"not_applied"}"#.into()), Ok("not_applied")),
        (Reply::Text(200, r#"{"outcome":"running"}"#.into()), Err("still running")),
        (Reply::Text(200, "{}".into()), Err("`outcome`")),
        (Reply::Text(404, "no such page".into()), Err("answered 404; a key that it does not know")),
        (Reply::Text(503, String::new()), Err("answered 503")),
        (Reply::Hang, Err("timed out")),
    ] {
        server.set("/status", reply);
        settled(&world, &up, expected).await;
    }
    assert_eq!(server.seen("/act").len(), 2, "looking changes nothing");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_leaves_nothing_running() {
    let tool = Tool::new();
    let world = tool.world(json!({ "restart": ["hang"] }), json!({}));
    let effect = authorised(intent(restart(), TargetState::default()));
    let started = Instant::now();
    {
        let call = world.apply(&effect, at(0.0));
        tokio::pin!(call);
        while tool.text("left").is_empty() {
            let _ = tokio::time::timeout(Duration::from_millis(10), &mut call).await;
            assert!(started.elapsed() < Duration::from_secs(2), "it has not begun");
        }
    }
    while is_alive(&tool.text("left")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(started.elapsed() < Duration::from_secs(10), "it still runs");
    }
}
