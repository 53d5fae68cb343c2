//! From alert to incident: durable first, then placed, once.

use crate::harness::{Rig, alert, maintenance, silence};
use midwatch_incident::{Incident, State};
use midwatch_incident::{InhibitRule, WantedSilence};
use midwatch_model::decision::Mode;
use midwatch_model::journal::Entry;
use midwatch_model::label::parse_matchers;
use midwatch_model::{ActionKind, Cause, Timestamp, after};
use midwatch_signal::source::Source;
use midwatch_store::{AlertFilter, AlertStatus, CrashPoint};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_alert_is_durable_when_it_is_acknowledged_and_opens_an_incident_after_a_crash() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let signal = alert("sig-a", "payment", Cause::ErrorRateSpike, rig.now());
    rig.tell(&[signal]).await.expect("acknowledged");
    assert_eq!(rig.handling("sig-a").await, ["received"]);

    let rig = rig.reopen().await;
    rig.engine.settle().await.expect("settled");
    let incident = rig.incident().await;
    assert_eq!(incident.signals[0].service.as_str(), "payment");
    assert_eq!(rig.handling("sig-a").await, ["received", "opened"]);
    rig.engine.settle().await.expect("settled again");
    assert_eq!(rig.incident().await.signals.len(), 1);
}

#[tokio::test]
async fn nothing_is_acknowledged_that_the_store_did_not_take() {
    let rig = Rig::start().await;
    rig.engine.store.crash_at(1, midwatch_store::CrashPoint::Before);
    let signal = alert("sig-a", "payment", Cause::ErrorRateSpike, rig.now());
    assert!(rig.tell(&[signal]).await.is_err());
    let rig = rig.reopen().await;
    assert!(rig.engine.store.intake_list(None, 10).await.expect("readable").is_empty());
}

#[tokio::test]
async fn the_same_alert_again_is_a_duplicate_and_a_neighbours_alert_joins() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let now = rig.now();
    let signals = [
        alert("sig-1", "payment", Cause::ErrorRateSpike, now),
        alert("sig-2", "payment", Cause::ErrorRateSpike, after(now, 1.0)),
        alert("sig-3", "gateway", Cause::LatencySpike, after(now, 2.0)),
        alert("sig-4", "elsewhere", Cause::LatencySpike, after(now, 2.0)),
    ];
    rig.tell(&signals).await.expect("acknowledged");
    // A webhook that is delivered twice.
    rig.tell(&signals[..1]).await.expect("acknowledged");
    rig.engine.settle().await.expect("settled");
    let incidents = rig.incidents().await;
    assert_eq!(incidents.len(), 2, "{}", rig.story().await);
    for (id, steps) in [
        ("sig-1", ["received", "opened"]),
        ("sig-2", ["received", "deduplicated"]),
        ("sig-3", ["received", "joined"]),
        ("sig-4", ["received", "opened"]),
    ] {
        assert_eq!(rig.handling(id).await, steps, "{id}");
    }
    assert!(rig.engine.store.intake_pending(10).await.expect("rows").is_empty());
}

#[tokio::test]
async fn what_the_graph_does_not_know_joins_by_score_or_becomes_a_child() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let at = |id: &str, service: &str, namespace: &str| {
        let mut alert = alert(id, service, Cause::ErrorRateSpike, rig.now());
        alert["labels"] = serde_json::json!({ "service": service, "namespace": namespace });
        alert
    };
    let signals =
        [at("sig-1", "desk", "shop"), at("sig-2", "till", "shop"), at("sig-3", "vault-door", "bank")];
    rig.tell(&signals).await.expect("acknowledged");
    rig.engine.settle().await.expect("settled");
    assert_eq!(rig.handling("sig-2").await, ["received", "joined"]);
    assert_eq!(rig.handling("sig-3").await, ["received", "opened"]);
    let incidents = rig.incidents().await;
    let parents: Vec<_> = incidents.iter().filter_map(|incident| incident.parent.clone()).collect();
    let parent = incidents.iter().find(|incident| incident.signals.len() == 2).expect("of two signals");
    assert_eq!(parents, std::slice::from_ref(&parent.id), "{}", rig.story().await);
}

#[tokio::test]
async fn a_payload_that_cannot_be_read_is_kept_and_does_not_hold_up_the_rest() {
    let rig = Rig::start().await;
    let broken = midwatch_store::IntakeRow {
        id: "sig-0".into(),
        received_at: rig.now(),
        source: "alertmanager".into(),
        service: "payment".into(),
        labels: Default::default(),
        payload: b"{\"half".to_vec(),
        handling: Vec::new(),
        incident: None,
        done: false,
        alert: None,
        told: 1,
        ended_at: None,
    };
    let commit = midwatch_store::Commit { intake: vec![broken], ..Default::default() };
    rig.engine.store.commit(commit).await.expect("kept");
    let signal = alert("sig-1", "payment", Cause::ErrorRateSpike, rig.now());
    rig.tell(&[signal]).await.expect("acknowledged");
    rig.engine.settle().await.expect("settled");
    assert_eq!(rig.handling("sig-0").await, ["failed"]);
    assert_eq!(rig.incident().await.signals.len(), 1);
    // It is tried again for a while, and then kept as a dead letter.
    rig.ticks(20).await;
    assert_eq!(rig.handling("sig-0").await, ["failed", "failed", "failed", "failed", "dead letter"]);
    let letters = rig.engine.store.dead_letters(None, 10).await.expect("rows").rows;
    assert_eq!(letters[0].intake.as_deref(), Some("sig-0"));
    let letter = rig.engine.store.dead_letter(&letters[0].id).await.expect("readable").expect("a letter");
    assert_eq!(letter.body.read().expect("whole"), b"{\"half");
    // A person asks for it once more, which does not make it readable.
    assert_eq!(rig.engine.retry_letter(&letter.id).await.expect("tried"), ["sig-0"]);
    assert!(rig.engine.retry_letter(&letter.id).await.is_err(), "it was tried again already");
    rig.ticks(20).await;
    assert_eq!(rig.engine.store.dead_letters(None, 10).await.expect("rows").rows.len(), 2);
}

#[tokio::test]
async fn a_symptom_that_shows_late_joins_the_open_incident() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.break_payment();
    rig.until("waiting", |incident| incident.waiting.is_some()).await;
    rig.ticks(20).await;
    let late = alert("sig-late", "order", Cause::ErrorRateSpike, rig.now());
    rig.tell(&[late]).await.expect("acknowledged");
    rig.tick().await;
    let incident = rig.incident().await;
    assert!(incident.signals.iter().any(|s| s.summary == "order: error_rate_spike"));
    assert_eq!(rig.handling("sig-late").await, ["received", "joined"]);
}

#[tokio::test]
async fn an_echo_from_before_the_recovery_opens_no_second_incident() {
    let rig = Rig::start().await;
    rig.break_payment();
    let onset = after(rig.now(), 44.0);
    rig.until_state(State::Resolved).await;
    let echo = alert("sig-echo", "gateway", Cause::ErrorRateSpike, onset);
    rig.tell(&[echo]).await.expect("acknowledged");
    rig.ticks(5).await;
    assert_eq!(rig.incident().await.state, State::Resolved);
    assert_eq!(rig.handling("sig-echo").await, ["received", "echo"]);
}

#[tokio::test]
async fn an_alert_about_a_service_that_nothing_is_known_of_does_not_resolve_by_itself() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let signal = alert("sig-a", "elsewhere", Cause::ErrorRateSpike, rig.now());
    rig.tell(&[signal]).await.expect("acknowledged");
    rig.until_state(State::Escalated).await;
    rig.ticks(60).await;
    assert_eq!(rig.incident().await.state, State::Escalated, "{}", rig.story().await);
    assert!(rig.world.calls().is_empty());
}

#[tokio::test]
async fn an_alert_that_is_over_is_kept_on_record_and_neither_opens_nor_ends_anything() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.break_payment();
    rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let mut over = [
        alert("sig-1", "payment", Cause::LatencySpike, rig.now()),
        alert("sig-2", "elsewhere", Cause::LatencySpike, rig.now()),
    ];
    over.iter_mut().for_each(|alert| alert["status"] = "resolved".into());
    rig.tell(&over).await.expect("acknowledged");
    rig.ticks(5).await;
    assert_eq!(rig.incident().await.state, State::AwaitingApproval);
    for id in ["sig-1", "sig-2"] {
        assert_eq!(rig.handling(id).await, ["received", "resolved by its sender"]);
    }
}

#[tokio::test]
async fn an_incident_of_alerts_ends_when_they_are_over_and_nothing_speaks_against_it() {
    for service in ["payment", "elsewhere"] {
        let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
        rig.ticks(3).await;
        let mut told = alert("a", service, Cause::ErrorRateSpike, rig.now());
        rig.tell(std::slice::from_ref(&told)).await.expect("acknowledged");
        rig.ticks(60).await;
        assert!(rig.incident().await.state.is_open(), "{}", rig.story().await);
        told["status"] = "resolved".into();
        rig.tell(&[told]).await.expect("acknowledged");
        rig.until_state(State::Resolved).await;
    }
}

#[tokio::test]
async fn views_can_be_thrown_away_and_are_the_same_again() {
    let rig = Rig::start().await;
    rig.break_payment();
    rig.until_state(State::Resolved).await;
    let before = rig.engine.store.incidents(false, 10).await.expect("rows");
    let count = midwatch_engine::rebuild(&rig.engine.store).await.expect("rebuilt");
    assert_eq!(count, 1);
    assert_eq!(rig.engine.store.incidents(false, 10).await.expect("rows"), before);
}

#[tokio::test]
async fn an_alert_that_is_told_again_is_one_episode_and_one_that_comes_back_another() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let fires = alert("a", "elsewhere", Cause::LatencySpike, rig.now());
    let first = rig.tell(&[fires.clone(), fires.clone()]).await.expect("acknowledged").accepted;
    rig.ticks(3).await;
    let again = rig.tell(std::slice::from_ref(&fires)).await.expect("acknowledged").accepted;
    assert_eq!((first[0].clone(), first[0].clone()), (first[1].clone(), again[0].clone()));
    rig.tick().await;
    let row = rig.engine.store.intake(first[0].as_str()).await.expect("readable").expect("a row");
    assert_eq!(row.told, 3);

    let mut over = fires.clone();
    over["status"] = "resolved".into();
    rig.tell(&[over]).await.expect("acknowledged");
    assert_eq!(rig.handling("a").await.last().map(String::as_str), Some("resolved by its sender"));
    rig.ticks(60).await;
    let back = alert("a", "elsewhere", Cause::LatencySpike, rig.now());
    let back = rig.tell(&[back]).await.expect("acknowledged").accepted;
    assert_ne!(back[0], first[0]);
    assert_eq!(rig.handling(back[0].as_str()).await, ["received"]);
    // What a restart knows of alerts is what was acknowledged.
    let rig = rig.reopen().await;
    let known: Vec<_> = rig.engine.alerts(|_| true).await.into_iter().map(|known| known.held.id).collect();
    assert_eq!(known, back);
}

#[tokio::test]
async fn an_end_that_does_not_repeat_the_start_ends_the_alert_for_good() {
    let rig = Rig::start().await;
    let told = async |rig: &Rig, status: &str| {
        let mut alert = alert("a", "elsewhere", Cause::LatencySpike, rig.now());
        alert.as_object_mut().expect("an object").remove("starts_at");
        alert["status"] = status.into();
        rig.tell(&[alert]).await.expect("acknowledged").accepted.remove(0)
    };
    let id = told(&rig, "firing").await;
    rig.ticks(3).await;
    assert_eq!(told(&rig, "resolved").await, id);
    rig.ticks(3).await;
    let rows = rig.engine.store.intake_list(None, 10).await.expect("rows");
    assert_eq!(rows.iter().map(|row| row.status()).collect::<Vec<_>>(), [Some(AlertStatus::Resolved)]);
    // Long after, nothing of it fires again.
    rig.ticks(600).await;
    let rig = rig.reopen().await;
    let now = rig.now();
    let firing = rig.engine.alerts(|alert| !alert.is_resolved(now)).await;
    assert_eq!(firing.len(), 0);
}

#[tokio::test]
async fn an_episode_in_whose_place_another_is_ends_on_record() {
    let rig = Rig::with(|config| config.resolve_timeout_s = 5.0, "").await;
    let body = br#"[{"labels":{"alertname":"Slow","service":"elsewhere"}}]"#;
    let mut ids = Vec::new();
    // It times out and is told again before anybody has looked.
    for _ in 0..2 {
        let received = rig.engine.receive(Source::AlertmanagerV2, body, "prometheus").await;
        ids.extend(received.expect("acknowledged").accepted);
        rig.clock.advance(6.0);
    }
    assert_ne!(ids[0], ids[1]);
    rig.ticks(3).await;
    let rows = rig.engine.store.intake_list(None, 10).await.expect("rows");
    assert!(rows.iter().all(|row| row.status() == Some(AlertStatus::Resolved)), "{rows:?}");
}

#[tokio::test]
async fn that_an_alert_timed_out_is_on_record_whether_or_not_the_watch_ran_meanwhile() {
    for restarted in [false, true] {
        let rig = Rig::with(|config| config.resolve_timeout_s = 20.0, "").await;
        let body = br#"[{"labels":{"alertname":"Slow","service":"elsewhere"}}]"#;
        let received = rig.engine.receive(Source::AlertmanagerV2, body, "prometheus").await;
        let id = received.expect("acknowledged").accepted.remove(0);
        let status = async |rig: &Rig| {
            rig.engine.store.intake(id.as_str()).await.expect("readable").expect("a row").status()
        };
        rig.tick().await;
        assert_eq!(status(&rig).await, Some(AlertStatus::Firing));
        let rig = if restarted { rig.reopen().await } else { rig };
        rig.ticks(20).await;
        assert_eq!(status(&rig).await, Some(AlertStatus::Resolved), "restarted: {restarted}");
        let ends = rig.handling(id.as_str()).await.into_iter().filter(|step| step == "timed out").count();
        assert_eq!(ends, 1, "restarted: {restarted}");
    }
}

#[tokio::test]
async fn a_silenced_alert_opens_nothing_until_the_silence_ends() {
    let rig = Rig::start().await;
    rig.ticks(3).await;
    let wanted = |ends_at: Timestamp| WantedSilence {
        ends_at,
        comment: "a load test".into(),
        ..silence(&rig, "service=elsewhere", 0.0)
    };
    let silence = rig.engine.silence(wanted(after(rig.now(), 30.0))).await.expect("a silence");
    rig.tell(&[alert("a", "elsewhere", Cause::LatencySpike, rig.now())]).await.expect("acknowledged");
    rig.ticks(5).await;
    assert_eq!(rig.handling("a").await, ["received", "suppressed"]);
    assert!(rig.incidents().await.is_empty());
    let suppression = rig.engine.alerts(|_| true).await.remove(0).suppression;
    assert_eq!(suppression.silenced_by, [silence.id]);

    // Neither the silence nor what it holds back is forgotten by a restart.
    let rig = rig.reopen().await;
    rig.ticks(5).await;
    assert!(rig.incidents().await.is_empty());
    rig.ticks(20).await;
    assert_eq!(rig.handling("a").await, ["received", "suppressed", "released", "opened"]);
    rig.assert_sound().await;
}

#[tokio::test]
async fn an_alert_that_another_one_explains_opens_nothing_while_that_one_fires() {
    let rule = InhibitRule {
        source: parse_matchers("service=network").expect("matchers"),
        target: parse_matchers("service!=network").expect("matchers"),
        equal: Vec::new(),
    };
    let rig = Rig::with(|config| config.inhibit_rules = vec![rule], "").await;
    rig.ticks(3).await;
    let cut = alert("cut", "network", Cause::DependencyFailure, rig.now());
    rig.tell(&[cut.clone(), alert("a", "elsewhere", Cause::LatencySpike, rig.now())])
        .await
        .expect("acknowledged");
    rig.ticks(3).await;
    assert_eq!(rig.handling("a").await, ["received", "suppressed"]);
    assert_eq!(rig.incident().await.signals[0].service.as_str(), "network");
    let mut mended = cut;
    mended["status"] = "resolved".into();
    rig.tell(&[mended]).await.expect("acknowledged");
    rig.ticks(3).await;
    assert_eq!(rig.handling("a").await, ["received", "suppressed", "released", "opened"]);
}

#[tokio::test]
async fn an_alert_whose_end_came_first_or_too_early_is_handled_when_it_fires() {
    let rig = Rig::with(|config| config.resolve_timeout_s = 20.0, "").await;
    rig.ticks(3).await;
    let fires = alert("a", "elsewhere", Cause::LatencySpike, rig.now());
    let mut over = fires.clone();
    over["status"] = "resolved".into();
    rig.tell(&[over]).await.expect("acknowledged");
    rig.ticks(2).await;
    let after_its_end = rig.tell(std::slice::from_ref(&fires)).await.expect("acknowledged").accepted;
    rig.ticks(2).await;
    assert_eq!(rig.handling(after_its_end[0].as_str()).await, ["received", "opened"]);
    // Its sender was silent for longer than the timeout, and the incident ended with it.
    rig.until_state(State::Resolved).await;
    let again = rig.tell(&[fires]).await.expect("acknowledged").accepted;
    rig.ticks(2).await;
    let steps = rig.handling(again[0].as_str()).await;
    assert!(matches!(steps[1].as_str(), "opened" | "recurred"), "{steps:?}");
}

#[tokio::test]
async fn what_is_in_maintenance_is_left_alone_until_it_ends_although_an_incident_is_open() {
    let rig = Rig::start().await;
    rig.break_payment_until(Some(ActionKind::Restart));
    rig.until("a verdict", |incident| incident.verdict.is_some()).await;
    let wanted = maintenance(&rig, "service=payment", 120.0);
    rig.engine.silence(wanted).await.expect("planned");
    rig.ticks(50).await;
    assert_eq!(rig.world.applied(), [], "{}", rig.story().await);
    let lines = rig.lines(&rig.incident().await.id).await;
    let held_back = lines.iter().any(|line| {
        matches!(&line.entry, Entry::Gated { record } if record.because.contains("in maintenance until"))
    });
    assert!(held_back, "{}", rig.story().await);
    rig.until_state(State::Resolved).await;
    assert!(!rig.world.applied().is_empty());
}

#[tokio::test]
async fn during_maintenance_an_anomaly_opens_nothing_and_afterwards_only_what_is_still_broken_does() {
    for healed in [true, false] {
        let rig = Rig::start().await;
        rig.ticks(20).await;
        let wanted = maintenance(&rig, "service=payment", 600.0);
        let maintenance = rig.engine.silence(wanted).await.expect("planned");
        rig.break_payment_until(None);
        // The alert's service is read off another label than the matcher names.
        let mut told = alert("a", "payment", Cause::ErrorRateSpike, rig.now());
        told["labels"] = serde_json::json!({ "app": "payment" });
        rig.tell(&[told]).await.expect("taken");
        rig.ticks(40).await;
        let rows = rig.engine.store.intake_list(None, 100).await.expect("rows");
        let found = |service: &str| rows.iter().find(|row| row.alert.is_none() && row.service == service);
        let anomaly = found("payment").expect("an anomaly").id.clone();
        let steps = |row: &midwatch_store::IntakeRow| {
            row.handling.last().map(|step| step["detail"].to_string()).unwrap_or_default()
        };
        let why = steps(found("payment").expect("an anomaly"));
        assert!(why.contains("in maintenance until") && why.contains("a new disk"), "{why}");
        assert_eq!(rig.handling(&anomaly).await, ["received", "suppressed"]);
        assert_eq!(rig.handling("a").await, ["received", "suppressed"]);
        let about_payment = |incidents: &[Incident]| {
            incidents.iter().any(|incident| incident.signals.iter().any(|s| s.service.as_str() == "payment"))
        };
        assert!(!about_payment(&rig.incidents().await), "{}", rig.story().await);
        if healed {
            rig.world.heal(rig.now());
            rig.ticks(40).await;
        }
        rig.engine.expire_silence(&maintenance.id).await.expect("ended");
        rig.ticks(3).await;
        let last = if healed { "over" } else { "opened" };
        let steps = rig.handling(&anomaly).await;
        let placed = steps.last().map(String::as_str);
        assert!(placed == Some(last) || (!healed && placed == Some("joined")), "healed {healed}: {steps:?}");
    }
}

#[tokio::test]
async fn who_took_an_alert_on_is_on_record_at_once_and_that_it_was_given_back() {
    let rig = Rig::start().await;
    // No tick in between: what lists go by does not wait for one.
    let taken_on = AlertFilter { status: Some(AlertStatus::Acknowledged), ..AlertFilter::default() };
    let told = ["firing", "acknowledged", "acknowledged", "firing", "acknowledged", "resolved"];
    for (status, listed) in told.iter().zip([0, 1, 1, 0, 1, 0]) {
        rig.clock.advance(1.0);
        let data = json!({ "id": "a", "service": "payment", "status": status, "acknowledged_by": "ann" });
        let event = json!({
            "specversion": "1.0", "id": rig.now(), "source": "/ops", "type": "alert", "data": data,
        });
        let body = event.to_string().into_bytes();
        rig.engine.receive(Source::CloudEvents, &body, "a test").await.expect("taken");
        let page = rig.engine.store.alerts(&taken_on, None, 10).await.expect("rows");
        assert_eq!(page.rows.len(), listed, "{status}");
    }
    let row = rig.engine.store.intake_list(None, 10).await.expect("rows").remove(0);
    let steps: Vec<String> = row
        .handling
        .iter()
        .map(|step| format!("{}: {}", step["step"].as_str().unwrap_or_default(), step["detail"]))
        .collect();
    assert_eq!(
        steps[1..],
        [
            "acknowledged: \"by ann\"",
            "given back: \"it was taken on by ann, and is no more\"",
            "acknowledged: \"by ann\"",
            "resolved by its sender: \"ends 03:00:06 UTC\"",
        ]
    );
}

#[tokio::test]
async fn telemetry_that_never_answers_delays_neither_an_alerts_incident_nor_the_end() {
    let rig = Rig::start().await;
    rig.world.get_stuck();
    rig.tell(&[alert("a", "payment", Cause::LatencySpike, rig.now())]).await.expect("taken");
    let engine = rig.engine;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(midwatch_engine::run(engine.clone(), stopped));
    let opens = async {
        while engine.store.incidents(true, 10).await.expect("rows").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), opens).await.expect("an incident");
    stop.send(true).expect("a loop that listens");
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("an end").expect("joined");
}

#[tokio::test]
async fn a_quiet_server_goes_on_saying_that_it_cannot_write() {
    let rig = Rig::start().await;
    rig.engine.store.crash_at(1, CrashPoint::Before);
    for _ in 0..10 {
        let _ = rig.try_tick().await;
    }
    assert_eq!(rig.engine.health().await.status, "failing");
    rig.engine.store.recover();
    rig.tick().await;
    assert_ne!(rig.engine.health().await.status, "failing");
}
