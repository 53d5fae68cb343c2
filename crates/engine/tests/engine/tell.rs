//! Receivers are told what is routed to them: once, also over restarts, and until they take it.

use crate::harness::{Rig, alert, silence};
use midwatch_engine::EngineConfig;
use midwatch_model::Cause;
use midwatch_oncall::{
    Integration, NamedIntervals, Receiver, RouteConfig, RoutingConfig, RoutingTree, TimeIntervalConfig,
};
use midwatch_store::{CrashPoint, IntakeRow, NotificationState};
use serde_json::Value;
use std::sync::Arc;

/// Everything goes to `ops`, by service; what concerns `nightly` is muted at all times.
pub fn routed(config: &mut EngineConfig, cooldown_s: f64) {
    routed_again_after(config, cooldown_s, 100.0);
}

/// The same, told of again after another time.
pub fn routed_again_after(config: &mut EngineConfig, cooldown_s: f64, repeat_interval_s: f64) {
    let muted = RouteConfig {
        matchers: vec!["service=nightly".into()],
        mute_time_intervals: vec!["always".into()],
        ..RouteConfig::default()
    };
    let route = RouteConfig {
        receiver: Some("ops".into()),
        group_by: Some(vec!["service".into()]),
        group_wait_s: Some(4.0),
        group_interval_s: Some(10.0),
        repeat_interval_s: Some(repeat_interval_s),
        cooldown_s: Some(cooldown_s),
        routes: vec![muted],
        ..RouteConfig::default()
    };
    let always =
        NamedIntervals { name: "always".into(), time_intervals: vec![TimeIntervalConfig::default()] };
    let routing =
        RoutingConfig { route: Some(route), time_intervals: vec![always], receivers: vec!["ops".into()] };
    config.routing = Arc::new(RoutingTree::new(&routing).expect("a tree"));
    let webhook = Integration::of_alerts("ops/webhook/0");
    config.receivers = vec![Receiver { name: "ops".into(), integrations: vec![webhook] }];
}

async fn rig() -> Rig {
    Rig::with(|config| routed(config, 0.0), "").await
}

pub fn fires(rig: &Rig, id: &str, service: &str) -> Value {
    alert(id, service, Cause::LatencySpike, rig.now())
}

pub fn over(fires: &Value) -> Value {
    let mut over = fires.clone();
    over["status"] = "resolved".into();
    over
}

/// Ticks, and gives what receivers were told meanwhile: `ids of firing alerts | ids of those that are over`.
pub async fn told(rig: &Rig, ticks: usize) -> Vec<String> {
    for _ in 0..ticks {
        rig.tick().await;
        rig.engine.tell_due().await.expect("told");
    }
    let ids = |message: &Value, status: &str| {
        let alerts = message["alerts"].as_array().expect("alerts").iter();
        let of = alerts.filter(|a| a["status"] == status).filter_map(|a| a["labels"]["id"].as_str());
        let mut ids: Vec<&str> = of.collect();
        ids.sort_unstable();
        ids.join(",")
    };
    let told = rig.world.take_told();
    told.iter().map(|(_, _, m)| format!("{}|{}", ids(m, "firing"), ids(m, "resolved"))).collect()
}

#[tokio::test]
async fn a_group_is_told_of_once_it_waited_then_of_news_and_of_its_end() {
    let rig = rig().await;
    let (a, b) = (fires(&rig, "a", "pay"), fires(&rig, "b", "pay"));
    rig.tell(&[a.clone(), b.clone(), fires(&rig, "c", "shop")]).await.expect("taken");
    assert_eq!(told(&rig, 1).await, [""; 0]);
    let mut first = told(&rig, 1).await;
    first.sort();
    assert_eq!(first, ["a,b|", "c|"]);
    assert_eq!(told(&rig, 10).await, [""; 0], "nothing new");
    rig.tell(&[over(&a)]).await.expect("taken");
    assert_eq!(told(&rig, 6).await, ["b|a"]);
    rig.tell(&[over(&b)]).await.expect("taken");
    assert_eq!(told(&rig, 6).await, ["|b"]);
    // Two rounds of the repeat interval: only what still fires is told again.
    assert_eq!(told(&rig, 60).await, ["c|"]);
}

#[tokio::test]
async fn a_restart_neither_tells_again_nor_forgets() {
    let rig = rig().await;
    let (a, b) = (fires(&rig, "a", "pay"), fires(&rig, "b", "pay"));
    rig.tell(&[a.clone(), b.clone()]).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a,b|"]);
    let rig = rig.reopen().await;
    assert_eq!(told(&rig, 10).await, [""; 0]);
    rig.tell(&[over(&a)]).await.expect("taken");
    let rig = rig.reopen().await;
    assert_eq!(told(&rig, 6).await, ["b|a"]);
    // What waited when the server went down is told by the next one.
    rig.tell(&[fires(&rig, "d", "shop")]).await.expect("taken");
    let rig = rig.reopen().await;
    assert_eq!(told(&rig, 3).await, ["d|"]);
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_hears_later_of_everything_once() {
    let rig = rig().await;
    rig.world.set_deaf(true);
    let a = fires(&rig, "a", "pay");
    rig.tell(std::slice::from_ref(&a)).await.expect("taken");
    let tries = told(&rig, 4).await;
    assert!(tries.len() >= 2 && tries.iter().all(|tried| tried == "a|"), "{tries:?}");
    rig.tell(&[over(&a), fires(&rig, "b", "pay")]).await.expect("taken");
    told(&rig, 10).await;
    let rig = rig.reopen().await;
    rig.tell(&[fires(&rig, "c", "pay")]).await.expect("taken");
    told(&rig, 10).await;
    rig.world.set_deaf(false);
    assert_eq!(told(&rig, 30).await, ["b,c|a"]);
    let states: Vec<_> =
        rig.engine.store.notifications(10).await.expect("rows").into_iter().map(|n| n.state).collect();
    use NotificationState::{Delivered, Superseded};
    assert_eq!(states, [Delivered, Superseded, Superseded]);
    let rows = rig.engine.store.notifications(10).await.expect("rows");
    for pair in rows.windows(2) {
        let tried = (pair[1].superseded_by.as_ref(), pair[1].answer.as_str());
        assert_eq!(tried, (Some(&pair[0].id), "503"), "what was answered stays on record");
        assert!(pair[1].attempts > 0, "{:?}", pair[1]);
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_a_newer_notification_is_on_record() {
    let rig = Arc::new(rig().await);
    rig.tell(&[fires(&rig, "a", "pay")]).await.expect("taken");
    rig.ticks(3).await;
    rig.world.set_slow(true);
    let telling = tokio::spawn({
        let rig = rig.clone();
        async move { rig.engine.tell_due().await }
    });
    rig.world.heard().await;
    rig.tell(&[fires(&rig, "b", "pay")]).await.expect("taken");
    rig.ticks(6).await;
    rig.world.set_slow(false);
    rig.engine.tell_due().await.expect("told");
    rig.world.answer_now();
    telling.await.expect("joined").expect("told");
    let rows = rig.engine.store.notifications(10).await.expect("rows");
    let states: Vec<_> = rows.iter().map(|row| (row.state, row.answer.as_str(), row.attempts)).collect();
    let delivered = (NotificationState::Delivered, "200", 1);
    assert_eq!(states, [delivered, delivered]);
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_shows_in_the_health_until_it_takes_something() {
    let rig = rig().await;
    rig.world.set_deaf(true);
    rig.tell(&[fires(&rig, "a", "pay")]).await.expect("taken");
    told(&rig, 4).await;
    let failing = rig.engine.health().await.receivers_failing;
    assert_eq!(failing, ["ops/webhook/0 cannot be told since 2026-01-05 03:00:04 UTC: 503"]);
    rig.world.set_deaf(false);
    told(&rig, 10).await;
    assert_eq!(rig.engine.health().await.receivers_failing, [""; 0]);
    let tally = &rig.engine.tallies()["ops/webhook/0"];
    assert!((tally.delivered, tally.failed) == (1, 0) && tally.retried > 1, "{tally:?}");
}

#[tokio::test]
async fn a_receiver_that_took_a_page_gets_it_once_however_long_that_cannot_be_recorded() {
    let rig = rig().await;
    rig.tell(&[fires(&rig, "a", "pay")]).await.expect("taken");
    rig.ticks(3).await;
    // The next commit puts the page into the outbox; the answer is not recorded any more.
    rig.engine.store.crash_at(1, CrashPoint::After);
    for _ in 0..4 {
        rig.engine.tell_due().await.expect_err("nothing can be written");
    }
    let while_full = told(&rig, 0).await;
    rig.engine.store.recover();
    let later = told(&rig, 10).await;
    assert_eq!((while_full.as_slice(), later.as_slice()), (&["a|".to_owned()][..], &[][..]));
    let rows = rig.engine.store.notifications(10).await.expect("rows");
    assert_eq!(rows[0].state, NotificationState::Delivered);
}

#[tokio::test]
async fn what_is_kept_quiet_is_not_told_and_the_record_says_why() {
    let rig = rig().await;
    let wanted = silence(&rig, "id=a", 30.0);
    rig.engine.silence(wanted).await.expect("a silence");
    rig.tell(&[fires(&rig, "a", "pay"), fires(&rig, "b", "pay"), fires(&rig, "n", "nightly")])
        .await
        .expect("taken");
    assert_eq!(told(&rig, 12).await, ["b|"]);
    assert_eq!(rig.handling("a").await, ["received", "routed", "suppressed", "not told"]);
    assert_eq!(rig.handling("n").await, ["received", "routed", "opened", "not told"]);
    // The silence ends, and the alert still fires.
    assert_eq!(told(&rig, 12).await, ["a,b|"]);
}

#[tokio::test]
async fn the_same_service_is_not_told_of_again_at_once_unless_it_gets_worse() {
    let rig = Rig::with(|config| routed(config, 60.0), "").await;
    rig.tell(&[fires(&rig, "a", "pay")]).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    rig.tell(&[fires(&rig, "b", "pay")]).await.expect("taken");
    assert_eq!(told(&rig, 20).await, [""; 0]);
    assert_eq!(rig.handling("b").await, ["received", "routed", "deduplicated", "put off"]);
    let mut worse = fires(&rig, "c", "pay");
    worse["severity"] = "critical".into();
    rig.tell(&[worse]).await.expect("taken");
    // What is worse ends the pause of the group that it joins.
    assert_eq!(told(&rig, 2).await, ["a,b,c|"]);
}

#[tokio::test]
async fn a_pause_outlasts_a_restart_and_the_record_says_until_when_it_lasts() {
    let rig = Rig::with(|config| routed(config, 60.0), "").await;
    rig.tell(&[fires(&rig, "a", "pay")]).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    rig.tell(&[over(&fires(&rig, "a", "pay")), fires(&rig, "b", "pay")]).await.expect("taken");
    // That an alert is over is no page, and the pause goes on from the last one.
    let rig = rig.reopen().await;
    assert_eq!(told(&rig, 20).await, [""; 0]);
    let rows = rig.engine.store.intake_list(None, 10).await.expect("rows");
    let is_b = |row: &&IntakeRow| row.alert.as_ref().is_some_and(|alert| alert.labels["id"] == "b");
    let row = rows.iter().find(is_b).expect("a row");
    let expected = "ops was told of pay less than 60 s ago, as badly or worse; it hears of it again from 03:01:04 UTC (cooldown_s)";
    assert_eq!(row.handling.last().and_then(|step| step["detail"].as_str()), Some(expected));
    let rig = rig.reopen().await;
    assert_eq!(told(&rig, 15).await, ["b|a"]);
}

/// What a receiver hears of alerts that are told at certain ticks, if the server dies at its `nth` commit; and whether it
/// died.
pub async fn told_through_a_crash(
    mut rig: Rig,
    steps: &[(usize, Value)],
    nth: u64,
    point: CrashPoint,
) -> (Rig, Vec<String>, bool) {
    let (mut sent, mut heard, mut crashed) = (0, Vec::new(), false);
    rig.engine.store.crash_at(nth, point);
    for tick in 0..25 {
        // Whoever gets no acknowledgement sends again.
        while let Some((_, alert)) = steps.get(sent).filter(|(at, _)| *at <= tick) {
            match rig.tell(std::slice::from_ref(alert)).await {
                Ok(_) => sent += 1,
                Err(_) => (rig, crashed) = (rig.reopen().await, true),
            }
        }
        let result = match rig.try_tick().await {
            Ok(()) => rig.engine.tell_due().await,
            Err(error) => Err(error),
        };
        heard.extend(told(&rig, 0).await);
        if result.is_err() {
            (rig, crashed) = (rig.reopen().await, true);
        }
    }
    (rig, heard, crashed)
}

/// The same for two alerts, one of which ends.
async fn crashed(nth: u64, point: CrashPoint) -> (Vec<String>, bool) {
    let rig = rig().await;
    let (a, b) = (fires(&rig, "a", "pay"), fires(&rig, "b", "pay"));
    let steps = [(0, a.clone()), (1, b), (9, over(&a))];
    let (_, heard, crashed) = told_through_a_crash(rig, &steps, nth, point).await;
    (heard, crashed)
}

#[tokio::test]
async fn a_crash_at_any_write_tells_everything_and_at_most_one_thing_twice() {
    for point in [CrashPoint::Before, CrashPoint::After] {
        for nth in 1.. {
            let (heard, was_crashed) = crashed(nth, point).await;
            if !was_crashed {
                assert!(nth > 8, "{nth} commits are too few");
                break;
            }
            let mut distinct = heard.clone();
            distinct.dedup();
            assert!(heard.len() - distinct.len() <= 1, "crash {point:?} {nth}: {heard:?}");
            assert_eq!(distinct.last().map(String::as_str), Some("b|a"), "crash {point:?} {nth}: {heard:?}");
            assert!(distinct.len() <= 3, "crash {point:?} {nth}: {heard:?}");
        }
    }
}
