//! Alerts that tell again what another one tells: in its incident, told by it, and never lost.

use crate::harness::{Rig, silence};
use crate::tell::{fires, over, routed, told, told_through_a_crash};
use midwatch_engine::EngineConfig;
use midwatch_incident::{DedupConfig, State};
use midwatch_store::CrashPoint;
use serde_json::Value;

fn fuzzy(config: &mut EngineConfig) {
    routed(config, 0.0);
    config.dedup.fuzzy.enabled = true;
}

fn titled(rig: &Rig, id: &str, service: &str, title: &str) -> Value {
    let mut alert = fires(rig, id, service);
    alert["title"] = title.into();
    alert
}

/// Two tools that tell of the same, each in its words.
fn both(rig: &Rig) -> [Value; 2] {
    [
        titled(rig, "a", "pay", "Requests are slow"),
        titled(rig, "b", "pay", "[Triggered] pay: requests are slow (2.1 s)"),
    ]
}

#[tokio::test]
async fn an_alert_in_other_words_is_told_of_by_the_first_and_by_itself_once_that_one_is_over() {
    let rig = Rig::with(fuzzy, "").await;
    let [a, b] = both(&rig);
    rig.tell(std::slice::from_ref(&a)).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    let id = rig.tell(std::slice::from_ref(&b)).await.expect("taken").accepted.remove(0);
    assert_eq!(told(&rig, 8).await, [""; 0]);
    assert_eq!(rig.handling("b").await, ["received", "routed", "deduplicated", "not told"]);
    let row = rig.engine.store.intake(id.as_str()).await.expect("readable").expect("a row");
    let incident = rig.incident().await;
    assert_eq!(row.incident.as_deref(), Some(incident.id.as_str()));
    let why = row.handling[2]["detail"].as_str().expect("a reason");
    assert!(why.ends_with("(Requests are slow) by fuzzy: title 1.00 ≥ 0.80, service 1.00 ≥ 1.00"), "{why}");
    assert_eq!(row.handling[2]["duplicate"]["by"], "fuzzy");

    let rig = rig.reopen().await;
    assert_eq!(told(&rig, 8).await, [""; 0]);
    rig.tell(&[over(&a)]).await.expect("taken");
    assert_eq!(told(&rig, 6).await, ["b|a"]);
    let steps = rig.handling("b").await;
    assert_eq!(steps[4..], ["released", "deduplicated"], "its incident knows such an alert already");
    told(&rig, 30).await;
    assert!(rig.incident().await.state.is_open(), "b still fires: {}", rig.story().await);
    rig.tell(&[over(&b)]).await.expect("taken");
    rig.until_state(State::Resolved).await;
    assert_eq!(told(&rig, 6).await, ["|b"]);
}

#[tokio::test]
async fn a_duplicate_that_ends_first_ends_nothing() {
    let rig = Rig::with(fuzzy, "").await;
    let [a, b] = both(&rig);
    rig.tell(&[a.clone(), b.clone()]).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    rig.tell(&[over(&b)]).await.expect("taken");
    assert_eq!(told(&rig, 30).await, [""; 0]);
    assert!(rig.incident().await.state.is_open());
    rig.tell(&[over(&a)]).await.expect("taken");
    rig.until_state(State::Resolved).await;
    assert_eq!(told(&rig, 6).await, ["|a"]);
}

#[tokio::test]
async fn of_several_duplicates_that_are_left_alone_one_stands_for_the_others() {
    let rig = Rig::with(fuzzy, "").await;
    let [a, b] = both(&rig);
    let c = titled(&rig, "c", "pay", "requests slow");
    rig.tell(&[a.clone(), b, c]).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    rig.tell(&[over(&a)]).await.expect("taken");
    assert_eq!(told(&rig, 10).await, ["b|a"]);
    let last = rig.handling("c").await.last().cloned();
    assert!(
        last.is_some_and(|step| step == "deduplicated" || step == "not told"),
        "{:?}",
        rig.handling("c").await
    );
}

#[tokio::test]
async fn what_is_about_something_else_or_worse_is_told() {
    let rig = Rig::with(fuzzy, "").await;
    let disk = |id: &str, title: &str| titled(&rig, id, "pay", title);
    let mut worse = disk("c", "Disk 1 is full");
    worse["severity"] = "critical".into();
    let mut elsewhere = disk("d", "Disk 1 is full");
    elsewhere["labels"] = serde_json::json!({ "namespace": "bank" });
    let mut first = disk("a", "Disk 1 is full");
    first["labels"] = serde_json::json!({ "namespace": "shop" });
    rig.tell(&[first, disk("b", "Disk 2 is full"), worse, elsewhere]).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a,b,c,d|"]);
}

#[tokio::test]
async fn without_being_asked_nothing_is_compared_and_who_is_kept_quiet_stands_for_nobody() {
    let rig = Rig::with(|config| routed(config, 0.0), "").await;
    rig.tell(&both(&rig)).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a,b|"]);

    // What is routed to somebody else is not told of by the first.
    let rig = Rig::with(fuzzy, "").await;
    let [mut a, b] = both(&rig);
    a["service"] = "nightly".into();
    let mut b = b;
    b["service"] = "night-ly".into();
    rig.tell(&[a, b]).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["b|"], "nobody is told of the first, which is muted");
}

#[tokio::test]
async fn the_window_takes_what_a_service_has_of_one_severity_within_a_time() {
    let window = |config: &mut EngineConfig| {
        routed(config, 0.0);
        config.dedup.window.enabled = true;
        config.dedup.window.within_s = 60.0;
    };
    let rig = Rig::with(window, "").await;
    rig.tell(&[fires(&rig, "a", "pay"), titled(&rig, "b", "pay", "Certificate expires")])
        .await
        .expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    told(&rig, 30).await;
    rig.tell(&[fires(&rig, "c", "pay")]).await.expect("taken");
    assert_eq!(told(&rig, 6).await, ["a,c|"], "a minute later it is news");
}

#[tokio::test]
async fn deduplication_that_is_switched_off_lets_its_duplicates_go() {
    let rig = Rig::with(fuzzy, "").await;
    rig.tell(&both(&rig)).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    let rig = rig.reopen_with(|config| config.dedup = DedupConfig::default()).await;
    assert_eq!(told(&rig, 6).await, ["a,b|"]);
    let steps = rig.handling("b").await;
    assert_eq!(steps.iter().filter(|step| *step == "released").count(), 1, "{steps:?}");
}

#[tokio::test]
async fn the_replica_of_a_pair_does_not_make_two_alerts_of_one() {
    let ignore = |config: &mut EngineConfig| {
        routed(config, 0.0);
        config.dedup.exact.ignored_labels = vec!["replica".into()];
    };
    let rig = Rig::with(ignore, "").await;
    let of = |replica: &str| {
        let mut alert = fires(&rig, "", "pay");
        alert.as_object_mut().expect("an object").remove("id");
        alert["labels"] = serde_json::json!({ "replica": replica });
        alert
    };
    let taken = rig.tell(&[of("one"), of("two")]).await.expect("taken").accepted;
    assert_eq!(taken[0], taken[1]);
}

/// What becomes of a duplicate if the server dies at its `nth` commit: whether it died, and what was told.
async fn crashed(nth: u64, point: CrashPoint) -> (bool, Vec<String>) {
    let rig = Rig::with(fuzzy, "").await;
    let [a, b] = both(&rig);
    let steps = [(0, a.clone()), (2, b), (9, over(&a))];
    let (rig, heard, crashed) = told_through_a_crash(rig, &steps, nth, point).await;
    assert_eq!(rig.incidents().await.len(), 1, "{point:?} {nth}: {}", rig.story().await);
    (crashed, heard)
}

#[tokio::test]
async fn a_crash_at_any_write_neither_loses_a_duplicate_nor_tells_it_twice() {
    for point in [CrashPoint::Before, CrashPoint::After] {
        for nth in 1.. {
            let (was_crashed, mut heard) = crashed(nth, point).await;
            heard.dedup();
            assert_eq!(heard.last().map(String::as_str), Some("b|a"), "{point:?} {nth}: {heard:?}");
            assert!(!heard.iter().any(|told| told.contains("a,b")), "{point:?} {nth}: {heard:?}");
            if !was_crashed {
                assert!(nth > 8, "{nth} commits are too few");
                break;
            }
        }
    }
}

#[tokio::test]
async fn one_that_was_told_of_by_itself_is_told_as_over_after_a_restart_too() {
    let rig = Rig::with(fuzzy, "").await;
    let [mut a, b] = both(&rig);
    a["labels"] = serde_json::json!({ "zone": "north" });
    let silence = silence(&rig, "zone=north", 600.0);
    rig.tell(&[a, b.clone()]).await.expect("taken");
    assert_eq!(told(&rig, 3).await, ["a|"]);
    let silence = rig.engine.silence(silence).await.expect("a silence");
    assert_eq!(told(&rig, 10).await, ["b|"], "nobody stands for it");
    rig.engine.expire_silence(&silence.id).await.expect("ended");
    told(&rig, 10).await;
    let rig = rig.reopen().await;
    rig.tell(&[over(&b)]).await.expect("taken");
    assert_eq!(told(&rig, 12).await, ["a|b"]);
}
