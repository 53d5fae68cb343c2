//! Incidents are told turn by turn: in order, once each, to the same thread, also over restarts and outages.

use crate::harness::Rig;
use crate::tell::routed;
use axum::Router;
use axum::extract::{Form, Path, State as Shared};
use axum::routing::post;
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_engine::EngineConfig;
use midwatch_incident::State;
use midwatch_model::decision::Mode;
use midwatch_model::{Bulletin, Moment, Telling};
use midwatch_oncall::{Integration, Receiver};
use midwatch_store::NotificationState;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn integration(kind: &str, telling: Telling) -> Integration {
    let moments = Moment::ALL.to_vec();
    Integration { telling, moments, ..Integration::of_alerts(format!("ops/{kind}/0")) }
}

async fn rig(mode: Mode, integrations: Vec<Integration>) -> Rig {
    let set = |config: &mut EngineConfig| {
        routed(config, 300.0);
        config.mode = mode;
        config.receivers = vec![Receiver { name: "ops".into(), integrations }];
    };
    Rig::with(set, "").await
}

async fn tick(rig: &Rig) {
    rig.tick().await;
    rig.engine.tell_due().await.expect("told");
}

/// Ticks until the only incident has that state and its postmortem, then a little longer.
async fn until(rig: &Rig, state: State) {
    for _ in 0..240 {
        tick(rig).await;
        let is_there = |i: &midwatch_incident::Incident| {
            i.state == state && (state != State::Resolved || i.report_is_current)
        };
        if matches!(rig.incidents().await.as_slice(), [incident] if is_there(incident)) {
            for _ in 0..4 {
                tick(rig).await;
            }
            return;
        }
    }
    panic!("never {state}:\n{}", rig.story().await);
}

/// Moments that a target was told, in order.
fn moments(told: &[(String, String, Value)], target: &str) -> Vec<String> {
    let of_it = told.iter().filter(|(to, _, body)| to == target && body["is_incident"] == true);
    of_it.map(|(_, _, body)| body["moment"].as_str().unwrap_or_default().to_owned()).collect()
}

const TURNS: [&str; 5] = ["alert", "verdict", "plan", "action", "resolved"];

#[tokio::test]
async fn letters_tell_every_turn_and_a_thread_begins_with_how_it_stands() {
    let rig =
        rig(Mode::Auto, vec![integration("email", Telling::Letters), integration("slack", Telling::Thread)])
            .await;
    rig.break_payment();
    until(&rig, State::Resolved).await;
    let told = rig.world.take_told();
    let letters = moments(&told, "ops/email/0");
    assert_eq!(letters[..5], TURNS, "{}", rig.story().await);
    assert_eq!(letters[5..], ["postmortem"]);
    let thread = moments(&told, "ops/slack/0");
    assert!(thread.len() < letters.len(), "what came before the first message is in it: {thread:?}");
    assert_eq!(thread.last().map(String::as_str), Some("postmortem"));
    let rows = rig.engine.store.notifications(50).await.expect("rows");
    assert!(
        rows.iter().all(|row| row.state == NotificationState::Delivered && row.attempts == 1),
        "{rows:?}"
    );
    // The incident's record leads to who was told of it, and every attempt is on record.
    let incident = rig.incident().await;
    let told = rig.engine.store.notifications_of(incident.id.as_str()).await.expect("rows");
    assert_eq!(told.len(), letters.len() + thread.len());
    assert_eq!(rig.engine.store.attempts_of(&told[0].id).await.expect("attempts").len(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_down_for_ten_minutes_hears_everything_after_it_in_order_and_once() {
    let rig =
        rig(Mode::Auto, vec![integration("email", Telling::Letters), integration("slack", Telling::Thread)])
            .await;
    rig.break_payment();
    rig.world.set_deaf(true);
    until(&rig, State::Resolved).await;
    let mut rig = rig;
    let begun = rig.now();
    while rig.now().duration_since(begun).as_secs() < 600 {
        tick(&rig).await;
    }
    let refused = rig.world.take_told();
    assert!(refused.len() > 10 && rig.engine.health().await.receivers_failing.len() == 2);
    rig = rig.reopen().await;
    rig.world.set_deaf(false);
    // The longest wait between two attempts is five minutes.
    for _ in 0..180 {
        tick(&rig).await;
    }
    let told = rig.world.take_told();
    let letters = moments(&told, "ops/email/0");
    assert_eq!(letters[..5], TURNS);
    assert_eq!(letters[5..], ["postmortem"]);
    let ids: std::collections::BTreeSet<&String> = told.iter().map(|(_, id, _)| id).collect();
    assert_eq!(ids.len(), told.len(), "once each");
    let rows = rig.engine.store.notifications(50).await.expect("rows");
    assert!(rows.iter().all(|row| row.state == NotificationState::Delivered));
    let first = rows.last().expect("the first one");
    let tried = rig.engine.store.attempts_of(&first.id).await.expect("attempts");
    assert_eq!(tried.len(), first.attempts as usize, "every attempt is on record");
    assert!(tried.len() >= 4 && tried[0].answer == "503", "{tried:?}");
}

#[tokio::test]
async fn what_is_not_taken_until_the_deadline_has_failed_and_the_next_turn_is_told() {
    let rig = rig(Mode::Auto, vec![integration("slack", Telling::Letters)]).await;
    let rig = rig.reopen_with(|config| config.give_up_after_s = 60.0).await;
    rig.break_payment();
    rig.world.set_deaf(true);
    until(&rig, State::Resolved).await;
    for _ in 0..400 {
        tick(&rig).await;
    }
    let rows = rig.engine.store.notifications(50).await.expect("rows");
    let states: Vec<_> = rows.iter().map(|row| (row.why.as_str(), row.state, row.attempts)).collect();
    assert!(states.iter().all(|(_, state, _)| *state == NotificationState::Failed), "{states:?}");
    // Those that waited for the first one have their turn, too.
    assert!(
        states.last().is_some_and(|first| first.2 > 4) && states.iter().all(|row| row.2 > 0),
        "{states:?}"
    );
    let waited_s = |row: &midwatch_store::Notification| {
        row.ended_at.expect("ended").duration_since(row.created_at).as_secs()
    };
    assert!(rows.iter().all(|row| waited_s(row) >= 60), "not before the deadline: {states:?}");
}

#[tokio::test]
async fn a_silence_keeps_turns_quiet_but_not_the_end() {
    let rig = rig(Mode::Propose, vec![integration("slack", Telling::Thread)]).await;
    rig.break_payment();
    until(&rig, State::AwaitingApproval).await;
    assert!(!rig.world.take_told().is_empty());
    rig.engine.silence(crate::harness::silence(&rig, "service=payment", 3600.0)).await.expect("a silence");
    let incident = rig.incident().await;
    rig.engine.deny(&incident.id, &incident.waiting.expect("waits").plan, "ann", "no").await.expect("denied");
    until(&rig, State::Escalated).await;
    assert_eq!(moments(&rig.world.take_told(), "ops/slack/0"), [""; 0]);
    rig.engine.false_alarm(&incident.id, "ann", "a load test").await.expect("marked");
    for _ in 0..5 {
        tick(&rig).await;
    }
    assert_eq!(moments(&rig.world.take_told(), "ops/slack/0"), ["false_alarm"]);
}

#[tokio::test]
async fn a_test_reaches_a_receiver_at_once_and_is_on_record() {
    let rig = rig(
        Mode::Propose,
        vec![integration("slack", Telling::Thread), integration("email", Telling::Letters)],
    )
    .await;
    let results = rig.engine.test_receivers(Some("ops")).await.expect("told");
    assert!(results.len() == 2 && results.iter().all(|result| result.delivered), "{results:?}");
    let told = rig.world.take_told();
    // A thread is opened and closed again, a mail is one mail.
    assert_eq!((moments(&told, "ops/slack/0").len(), moments(&told, "ops/email/0").len()), (2, 1));
    assert!(told.iter().all(|(_, _, body)| body["is_test"] == true));
    rig.world.set_deaf(true);
    let results = rig.engine.test_receivers(Some("ops/email/0")).await.expect("told");
    assert!(
        matches!(results.as_slice(), [result] if !result.delivered && result.answer == "503"),
        "{results:?}"
    );
    assert_eq!(rig.engine.test_receivers(Some("nobody")).await.expect("told"), []);
    let rows = rig.engine.store.notifications(10).await.expect("rows");
    assert_eq!(rows.iter().filter(|row| row.why == "test").count(), 4);
}

/// What a stand-in for Slack's API was asked: method and body.
type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// A form's fields.
type Fields = std::collections::BTreeMap<String, String>;

async fn slack() -> (String, Calls) {
    let calls: Calls = Arc::default();
    let hear = async |Shared(calls): Shared<Calls>, Path(method): Path<String>, Form(form): Form<Fields>| {
        // Blocks are JSON within the form.
        let read = |(name, text): (String, String)| {
            let json = serde_json::from_str(&text).ok().filter(Value::is_array);
            (name, json.unwrap_or(Value::String(text)))
        };
        let body: Value = form.into_iter().map(read).collect();
        let mut calls = calls.lock().expect("no panic");
        let ts = format!("1767582000.{:06}", calls.len());
        calls.push((method, body));
        axum::Json(json!({ "ok": true, "channel": "C0123", "ts": ts }))
    };
    let router = Router::new().route("/api/{method}", post(hear)).with_state(calls.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/api", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, calls)
}

#[tokio::test]
async fn slack_shows_one_message_per_incident_and_a_thread_also_after_a_restart() {
    let (url, calls) = slack().await;
    let rig = rig(Mode::Propose, vec![integration("slack", Telling::Thread)]).await;
    let token = rig.dir.path().join("token");
    std::fs::write(&token, "xoxb-not-a-real-token").expect("written");
    let receiver = json!({ "name": "ops", "slack": [{ "token": { "file": token }, "channel": "C0123", "url": url, "buttons": true }] });
    let config: ConnectorsConfig =
        serde_json::from_value(json!({ "receiver": [receiver] })).expect("a configuration");
    rig.world.speak_through(World::new(&config, &[]).expect("a world"));
    rig.break_payment();
    until(&rig, State::AwaitingApproval).await;
    let rig = rig.reopen().await;
    let incident = rig.incident().await;
    let plan = incident.waiting.expect("waits").plan;
    rig.engine.approve(&incident.id, &plan, "ann").await.expect("approved");
    until(&rig, State::Resolved).await;
    let calls = calls.lock().expect("no panic").clone();
    let (first, rest) = calls.split_first().expect("a message");
    assert_eq!((first.0.as_str(), &first.1["channel"]), ("chat.postMessage", &json!("C0123")));
    let ts = "1767582000.000000";
    for (method, body) in rest {
        let place = if method == "chat.update" { &body["ts"] } else { &body["thread_ts"] };
        assert_eq!(place, ts, "{method} {body}");
    }
    let asking =
        calls.iter().find(|(_, body)| body.to_string().contains("midwatch_approve")).expect("buttons");
    let blocks = asking.1["blocks"].as_array().expect("blocks");
    let actions = blocks.iter().find(|block| block["type"] == "actions").expect("actions");
    let value: Value =
        serde_json::from_str(actions["elements"][0]["value"].as_str().expect("text")).expect("JSON");
    assert_eq!(value, json!({ "incident": incident.id, "plan": plan, "step": 0 }));
    let last = calls.iter().rev().find(|(method, _)| method == "chat.update").expect("an update");
    assert!(last.1["text"].as_str().is_some_and(|text| text.starts_with("Recovered")), "{}", last.1);
    assert!(!last.1.to_string().contains("midwatch_approve"), "what was answered has no buttons");
    assert!(
        calls.iter().any(|(_, body)| body.to_string().contains("Root cause")),
        "the postmortem is in the thread"
    );
}

#[tokio::test]
async fn what_is_told_of_an_incident_reads_the_same_from_the_journal_later() {
    let rig = rig(Mode::Auto, vec![integration("slack", Telling::Letters)]).await;
    rig.break_payment();
    until(&rig, State::Resolved).await;
    let incident = rig.incident().await;
    let again = rig.engine.bulletins_of(&incident.id).await.expect("readable").expect("an incident");
    let told: Vec<Bulletin> = rig
        .world
        .take_told()
        .into_iter()
        .map(|(_, _, body)| serde_json::from_value(body).expect("a bulletin"))
        .collect();
    assert_eq!(told, again);
}
