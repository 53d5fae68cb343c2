//! Incidents are told to people: the verdict, that somebody is needed, and the end; once, and never to midwatch itself.

use crate::harness::{Rig, TICKS_MAX, alert, silence};
use crate::tell::routed;
use midwatch_engine::EngineConfig;
use midwatch_incident::State;
use midwatch_model::Cause;
use midwatch_model::decision::Mode;
use midwatch_report::ToldIncidents;
use midwatch_signal::source::Source;
use midwatch_store::CrashPoint;
use serde_json::Value;

const COOLDOWN_S: f64 = 300.0;

async fn rig(mode: Mode, change: impl FnOnce(&mut EngineConfig)) -> Rig {
    let set = |config: &mut EngineConfig| {
        routed(config, COOLDOWN_S);
        config.mode = mode;
        change(config);
    };
    Rig::with(set, "").await
}

/// A message as `name service cause needs` of what fires, `|`, and of what is over.
fn short(message: &Value) -> String {
    let of = |status: &str| {
        let alerts = message["alerts"].as_array().expect("alerts").iter();
        let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or("-").to_owned();
        let one = |alert: &Value| {
            ["alertname", "service", "cause", "needs"].map(|name| label(alert, name)).join(" ")
        };
        let mut all: Vec<String> = alerts.filter(|alert| alert["status"] == status).map(one).collect();
        all.sort();
        all.join(", ")
    };
    format!("{} | {}", of("firing"), of("resolved"))
}

async fn tick(rig: &Rig) -> Vec<Value> {
    rig.tick().await;
    rig.engine.tell_due().await.expect("told");
    rig.world.take_told().into_iter().map(|(_, _, message)| message).collect()
}

/// Ticks until the only incident is in that state and for some time after that; gives what was told.
async fn told_until(rig: &Rig, state: State, after: usize) -> Vec<Value> {
    let (mut told, mut left) = (Vec::new(), after);
    for _ in 0..TICKS_MAX {
        told.extend(tick(rig).await);
        let there = matches!(rig.incidents().await.as_slice(), [incident] if incident.state == state);
        if there || left < after {
            left -= 1;
        }
        if left == 0 {
            return told;
        }
    }
    panic!("never {state}:\n{}", rig.story().await);
}

fn shorts(told: &[Value]) -> Vec<String> {
    told.iter().map(short).collect()
}

const FIRES: &str = "MidwatchIncident payment latency_spike -";

#[tokio::test]
async fn an_incident_that_midwatch_found_is_told_once_with_the_verdict_and_once_when_it_is_over() {
    let rig = rig(Mode::Auto, |_| {}).await;
    rig.break_payment();
    let told = told_until(&rig, State::Resolved, 20).await;
    assert_eq!(shorts(&told), [format!("{FIRES} | "), format!(" | {FIRES}")]);
    let (first, last) = (&told[0]["alerts"][0], &told[1]["alerts"][0]);
    let incident = rig.incident().await;
    assert_eq!(first["labels"]["incident"], incident.id.as_str());
    assert_eq!(
        first["generatorURL"].as_str(),
        Some(format!("http://midwatch/incidents/{}", incident.id).as_str())
    );
    let said = |alert: &Value, name: &str| alert["annotations"][name].as_str().unwrap_or("-").to_owned();
    assert!(said(first, "summary").starts_with("payment has a latency spike"), "{first}");
    assert!(said(last, "summary").starts_with("Recovered: after \"Restart payment"), "{last}");
    assert_ne!(said(first, "evidence"), "-");
    // The anomaly's record leads to who was told of its incident.
    let told = rig.engine.store.notifications_of(incident.id.as_str()).await.expect("rows");
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn a_person_who_is_needed_is_told_whatever_pause_there_is() {
    let rig = rig(Mode::Propose, |_| {}).await;
    rig.break_payment();
    let mut told = told_until(&rig, State::AwaitingApproval, 12).await;
    let asks = "MidwatchNeedsPerson payment latency_spike approval";
    let all = shorts(&told);
    assert_eq!(all.last(), Some(&format!("{FIRES}, {asks} | ")), "{all:?}");
    let message = told.pop().expect("a message");
    let alerts = message["alerts"].as_array().expect("alerts");
    let asking = alerts.iter().find(|a| a["labels"]["needs"] == "approval").expect("it asks");
    let (incident, notes) = (rig.incident().await, &asking["annotations"]);
    let summary = notes["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("Waits for your approval"), "{summary}");
    let answer = notes["answer"].as_str().unwrap_or_default();
    assert!(answer.starts_with(&format!("midwatch approve {}", incident.id)), "{answer}");
    // Nobody answers: it is handed over, and that is told within the pause, too.
    rig.engine.deny(&incident.id, &incident.waiting.expect("waits").plan, "ann", "no").await.expect("denied");
    let told = told_until(&rig, State::Escalated, 12).await;
    let takeover = "MidwatchNeedsPerson payment latency_spike takeover";
    assert_eq!(shorts(&told), [format!("{FIRES}, {takeover} | {asks}")]);
}

#[tokio::test]
async fn of_what_only_others_saw_nothing_is_told_twice_unless_that_is_wanted() {
    let seen = async |told: ToldIncidents| {
        let rig = rig(Mode::Auto, |config| config.told_incidents = told).await;
        rig.tell(&[alert("a", "shop", Cause::LatencySpike, rig.now())]).await.expect("taken");
        let mut told = Vec::new();
        for _ in 0..10 {
            told.extend(tick(&rig).await);
        }
        assert_eq!(rig.incidents().await.len(), 1);
        let names = |message: &Value| {
            let alerts = message["alerts"].as_array().expect("alerts").iter();
            let own = alerts.filter(|a| a["labels"]["alertname"] == "MidwatchIncident").count();
            (own, message["alerts"].as_array().map_or(0, Vec::len))
        };
        told.iter().map(names).collect::<Vec<_>>()
    };
    assert_eq!(seen(ToldIncidents::Own).await, [(0, 1)]);
    assert_eq!(seen(ToldIncidents::Off).await, [(0, 1)]);
    assert_eq!(seen(ToldIncidents::All).await, [(1, 2)]);
}

#[tokio::test]
async fn what_finds_its_way_back_to_midwatch_makes_nothing() {
    let rig = rig(Mode::Propose, |_| {}).await;
    rig.break_payment();
    let told = told_until(&rig, State::AwaitingApproval, 12).await;
    let rows = rig.engine.store.intake_list(None, 1000).await.expect("rows").len();
    for message in &told {
        let body = serde_json::to_vec(message).expect("plain");
        rig.engine.receive(Source::Alertmanager, &body, "itself").await.expect("taken");
        // Through another Alertmanager, which adds labels of its own.
        let mut alerts = message["alerts"].clone();
        for alert in alerts.as_array_mut().expect("alerts") {
            alert["labels"]["cluster"] = "eu".into();
        }
        let body = serde_json::to_vec(&alerts).expect("plain");
        rig.engine.receive(Source::AlertmanagerV2, &body, "an Alertmanager").await.expect("taken");
    }
    // Also if the server dies before it has looked at them again.
    let rig = rig.reopen().await;
    assert_eq!(told_until(&rig, State::AwaitingApproval, 10).await, [Value::Null; 0]);
    assert_eq!(rig.engine.store.intake_list(None, 1000).await.expect("rows").len(), rows);
    rig.incident().await;
}

#[tokio::test]
async fn another_midwatchs_incident_is_told_and_opens_none() {
    let rig = rig(Mode::Auto, |_| {}).await;
    let mut theirs = alert("x", "shop", Cause::LatencySpike, rig.now());
    theirs["title"] = "MidwatchIncident".into();
    rig.tell(&[theirs]).await.expect("taken");
    let mut told = Vec::new();
    for _ in 0..10 {
        told.extend(tick(&rig).await);
    }
    assert_eq!(told.len(), 1);
    let rig = rig.reopen().await;
    rig.ticks(5).await;
    assert!(rig.incidents().await.is_empty());
    assert_eq!(rig.handling("x").await, ["received", "not correlated", "routed"]);
}

#[tokio::test]
async fn a_restart_neither_repeats_nor_forgets_an_incident() {
    let rig = rig(Mode::Propose, |_| {}).await;
    rig.break_payment();
    let before = told_until(&rig, State::AwaitingApproval, 12).await;
    assert!(!before.is_empty());
    let rig = rig.reopen().await;
    assert_eq!(told_until(&rig, State::AwaitingApproval, 20).await, [Value::Null; 0]);
    let incident = rig.incident().await;
    rig.engine.false_alarm(&incident.id, "ann", "a load test").await.expect("marked");
    // It ends, and the server dies before anybody is told.
    rig.tick().await;
    let rig = rig.reopen().await;
    let mut told = Vec::new();
    for _ in 0..20 {
        told.extend(tick(&rig).await);
    }
    let asks = "MidwatchNeedsPerson payment latency_spike approval";
    assert_eq!(shorts(&told), [format!(" | {FIRES}, {asks}")]);
    let summary = told[0]["alerts"][0]["annotations"]["summary"].as_str().unwrap_or_default();
    assert!(summary.starts_with("A person marked it as a false alarm"), "{summary}");
}

#[tokio::test]
async fn a_silenced_incident_is_not_told_and_the_anomalies_record_says_so() {
    let rig = rig(Mode::Propose, |_| {}).await;
    rig.break_payment();
    let wanted = silence(&rig, "alertname=~Midwatch.*,service=payment", 3600.0);
    rig.engine.silence(wanted).await.expect("a silence");
    assert_eq!(told_until(&rig, State::AwaitingApproval, 12).await, [Value::Null; 0]);
    let incident = rig.incident().await;
    let row =
        rig.engine.store.intake(incident.signals[0].id.as_str()).await.expect("readable").expect("a row");
    let steps: Vec<&str> = row.handling.iter().filter_map(|step| step["detail"].as_str()).collect();
    let expected = format!("its incident {}: muted by silence", incident.id);
    assert!(steps.iter().any(|detail| detail.starts_with(&expected)), "{steps:?}");
}

/// What is told of an incident that recovers if the server dies at its `nth` commit.
async fn crashed(nth: u64, point: CrashPoint) -> (Vec<String>, bool) {
    let mut rig = rig(Mode::Auto, |_| {}).await;
    rig.break_payment();
    rig.engine.store.crash_at(nth, point);
    let (mut told, mut crashed) = (Vec::new(), false);
    for _ in 0..90 {
        let result = match rig.try_tick().await {
            Ok(()) => rig.engine.tell_due().await,
            Err(error) => Err(error),
        };
        told.extend(rig.world.take_told().into_iter().map(|(_, _, message)| short(&message)));
        if result.is_err() {
            (rig, crashed) = (rig.reopen().await, true);
        }
    }
    (told, crashed)
}

#[tokio::test]
async fn a_crash_at_any_write_tells_an_incident_and_its_end_and_at_most_one_thing_twice() {
    for point in [CrashPoint::Before, CrashPoint::After] {
        // Some commits of the one run and others of the other: all would take minutes.
        let first = if point == CrashPoint::Before { 20 } else { 22 };
        for nth in (first..).step_by(5) {
            let (told, was_crashed) = crashed(nth, point).await;
            if !was_crashed {
                assert!(nth > 50, "{nth} commits are too few");
                break;
            }
            let mut distinct = told.clone();
            distinct.dedup();
            assert!(told.len() - distinct.len() <= 1, "crash {point:?} {nth}: {told:?}");
            assert_eq!(
                distinct,
                [format!("{FIRES} | "), format!(" | {FIRES}")],
                "crash {point:?} {nth}: {told:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_incident_is_told_as_bad_as_the_worst_alert_in_it() {
    let rig = rig(Mode::Auto, |config| config.told_incidents = ToldIncidents::All).await;
    rig.ticks(20).await;
    let mut bad = alert("a", "elsewhere", Cause::LatencySpike, rig.now());
    bad["severity"] = "critical".into();
    rig.tell(&[bad]).await.expect("taken");
    let told = told_until(&rig, State::Escalated, 20).await;
    let alerts = told.iter().flat_map(|message| message["alerts"].as_array().expect("alerts"));
    let own: Vec<&Value> = alerts.filter(|alert| alert["labels"]["incident"].is_string()).collect();
    assert!(!own.is_empty() && own.iter().all(|alert| alert["labels"]["severity"] == "critical"), "{own:?}");
}

/// An alert whose labels relate it to others of the same namespace.
fn related(rig: &Rig, id: &str, service: &str, namespace: &str, severity: &str) -> Value {
    let mut alert = alert(id, service, Cause::ErrorRateSpike, rig.now());
    alert["labels"] = serde_json::json!({ "service": service, "namespace": namespace });
    alert["severity"] = severity.into();
    alert
}

/// Messages that are told of a parent and a child within some ticks, each as `firing | over` incidents by their services.
async fn families(rig: &Rig, ticks: usize) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..ticks {
        told.extend(tick(rig).await);
    }
    let own = |message: &Value, status: &str| {
        let alerts = message["alerts"].as_array().expect("alerts").iter();
        let own = alerts.filter(|a| a["labels"]["alertname"] == "MidwatchIncident" && a["status"] == status);
        let mut services: Vec<String> = own
            .map(|a| {
                let children = a["annotations"]["children"].as_str().map_or("", |_| "+");
                format!("{}{children}", a["labels"]["service"].as_str().unwrap_or_default())
            })
            .collect();
        services.sort();
        services.join(",")
    };
    let texts =
        told.iter().map(|message| format!("{} | {}", own(message, "firing"), own(message, "resolved")));
    texts.filter(|text| text != " | ").collect()
}

/// A watch that tells of all incidents, each in a message of its own.
async fn all_incidents() -> Rig {
    rig(Mode::Auto, |config| {
        routed(config, 0.0);
        config.told_incidents = ToldIncidents::All;
        // Long enough that nothing is handed over in these tests.
        config.incident.inconclusive_after_s = 10_000.0;
    })
    .await
}

#[tokio::test]
async fn a_child_is_named_by_its_parents_message_and_told_of_by_itself_when_that_is_over() {
    let rig = all_incidents().await;
    rig.ticks(3).await;
    let parent =
        [related(&rig, "a", "desk", "shop", "critical"), related(&rig, "b", "till", "shop", "critical")];
    let child = related(&rig, "c", "vault-door", "bank", "warning");
    rig.tell(&[parent[0].clone(), parent[1].clone(), child]).await.expect("taken");
    assert_eq!(families(&rig, 20).await, ["desk+ | "], "{}", rig.story().await);
    assert_eq!(rig.incidents().await.len(), 2);
    let over = parent.map(|mut alert| {
        alert["status"] = "resolved".into();
        alert
    });
    rig.tell(&over).await.expect("taken");
    assert_eq!(families(&rig, 30).await, [" | desk", "vault-door | "], "{}", rig.story().await);
}

#[tokio::test]
async fn a_child_that_comes_after_its_parents_message_is_told_of_by_itself() {
    let rig = all_incidents().await;
    rig.ticks(3).await;
    let parent = related(&rig, "a", "desk", "shop", "critical");
    rig.tell(&[parent]).await.expect("taken");
    assert_eq!(families(&rig, 6).await, ["desk | "], "{}", rig.story().await);
    rig.tell(&[related(&rig, "c", "vault-door", "bank", "critical")]).await.expect("taken");
    assert_eq!(families(&rig, 20).await, ["vault-door | "], "{}", rig.story().await);
    assert!(rig.incidents().await.iter().any(|incident| incident.parent.is_some()), "it is a child");
}

#[tokio::test]
async fn a_child_that_is_worse_than_its_parent_or_whose_parent_is_silenced_is_told_of() {
    let rig = all_incidents().await;
    rig.ticks(3).await;
    let all = [
        related(&rig, "a", "desk", "shop", "warning"),
        related(&rig, "b", "till", "shop", "warning"),
        related(&rig, "c", "vault-door", "bank", "critical"),
    ];
    rig.tell(&all).await.expect("taken");
    let mut told = families(&rig, 20).await;
    told.sort();
    assert_eq!(told, ["desk | ", "vault-door | "], "{}", rig.story().await);

    let rig = all_incidents().await;
    rig.ticks(3).await;
    let matchers = "alertname=MidwatchIncident,service=desk";
    rig.engine.silence(silence(&rig, matchers, 3600.0)).await.expect("a silence");
    let all = [
        related(&rig, "a", "desk", "shop", "critical"),
        related(&rig, "b", "till", "shop", "critical"),
        related(&rig, "c", "vault-door", "bank", "warning"),
    ];
    rig.tell(&all).await.expect("taken");
    assert_eq!(families(&rig, 20).await, ["vault-door | "], "{}", rig.story().await);
}
