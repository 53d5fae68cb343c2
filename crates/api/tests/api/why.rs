//! The first sentence of "why": of alerts that were over on arrival, of those that flap, and of incidents.

use crate::harness::{Door, KEY, Wanted};
use axum::http::Method;
use midwatch_engine::EngineConfig;
use midwatch_incident::FlapConfig;
use midwatch_oncall::{Integration, Receiver, RouteConfig, RoutingConfig, RoutingTree};
use serde_json::{Value, json};
use std::sync::Arc;

fn routed(config: &mut EngineConfig) {
    let route = RouteConfig {
        receiver: Some("ops".into()),
        group_by: Some(vec!["service".into()]),
        group_wait_s: Some(0.0),
        group_interval_s: Some(0.1),
        cooldown_s: Some(0.0),
        ..RouteConfig::default()
    };
    let routing = RoutingConfig { route: Some(route), time_intervals: vec![], receivers: vec!["ops".into()] };
    config.routing = Arc::new(RoutingTree::new(&routing).expect("a tree"));
    let webhook = Integration::of_alerts("ops/webhook/0");
    config.receivers = vec![Receiver { name: "ops".into(), integrations: vec![webhook] }];
    config.flap = FlapConfig { changes: 4, window_s: 900.0, quiet_s: 600.0 };
}

struct Watch(Door);

impl Watch {
    async fn start() -> Self {
        Self(Door::open(Wanted { engine: routed, ..Wanted::default() }).await)
    }

    /// Tells of alerts as `id`, or `-id` for one that is over, all about the same service; gives their rows' ids.
    async fn tell(&self, alerts: &[&str]) -> Vec<String> {
        // Clocks know more than the milliseconds that rows keep.
        self.0.clock.advance(1.000_000_3);
        let of = |alert: &&str| {
            let id = alert.trim_start_matches('-');
            let status = if alert.starts_with('-') { "resolved" } else { "firing" };
            json!({ "id": id, "service": "pay", "title": format!("{id} is slow"), "status": status })
        };
        let body = Value::from_iter(alerts.iter().map(of)).to_string();
        let answer =
            self.0.post("/api/v1/ingest/generic", &[("x-api-key", KEY)], body.as_bytes()).await.json();
        self.0.clock.advance(1.0);
        self.0.engine.settle().await.expect("settled");
        self.0.engine.tell_due().await.expect("told");
        let accepted = answer["accepted"].as_array().expect("ids").iter();
        accepted.map(|id| id.as_str().expect("an id").to_owned()).collect()
    }

    async fn headline(&self, kind: &str, id: &str) -> (String, Value) {
        let path = format!("/api/v1/{kind}/{id}/lineage");
        let answer = self.0.send(Method::GET, &path, &[("x-api-key", KEY)], b"").await.json();
        (answer["headline"].as_str().expect("a sentence").to_owned(), answer["paged"].clone())
    }
}

#[tokio::test]
async fn an_alert_that_was_over_on_arrival_has_not_paged_though_its_group_has() {
    let watch = Watch::start().await;
    let ids = watch.tell(&["a", "-b"]).await;
    let (sentence, paged) = watch.headline("alerts", &ids[0]).await;
    assert!(sentence.starts_with("Paged ops at 12:05:02 UTC: first notification"), "{sentence}");
    assert_eq!(paged, true);
    let (sentence, paged) = watch.headline("alerts", &ids[1]).await;
    assert_eq!((sentence.as_str(), paged), ("Did not page: it was over when it came in.", false.into()));
}

#[tokio::test]
async fn that_others_of_its_group_fire_is_no_second_page_of_one_that_is_over() {
    let watch = Watch::start().await;
    let ids = watch.tell(&["a"]).await;
    watch.tell(&["-a", "b"]).await;
    let (sentence, _) = watch.headline("alerts", &ids[0]).await;
    assert_eq!(sentence, "Paged ops at 12:05:02 UTC: first notification of the group.");
}

#[tokio::test]
async fn an_alert_that_flaps_counts_as_firing_and_the_sentence_says_so() {
    let watch = Watch::start().await;
    let first = watch.tell(&["a"]).await.remove(0);
    let mut newest = String::new();
    for _ in 0..4 {
        watch.tell(&["-a"]).await;
        newest = watch.tell(&["a"]).await.remove(0);
    }
    watch.tell(&["-a"]).await;
    let (sentence, paged) = watch.headline("alerts", &newest).await;
    let expected = "Did not page again: whoever was told of it before still believes it to fire. It flaps: it counts as \
                    firing until 12:15:19 UTC at the earliest.";
    assert_eq!((sentence.as_str(), paged), (expected, false.into()));
    let (sentence, _) = watch.headline("alerts", &first).await;
    assert_eq!(
        sentence, "Paged ops at 12:05:02 UTC: first notification of the group.",
        "it is another episode"
    );
    let rows = watch.0.send(Method::GET, "/api/v1/alerts", &[("x-api-key", KEY)], b"").await.json();
    let flapping = rows["alerts"].as_array().expect("rows").iter().filter(|row| row["flapping"].is_object());
    assert_eq!(flapping.map(|row| &row["id"]).collect::<Vec<_>>(), [&Value::from(newest)]);
}

#[tokio::test]
async fn why_of_an_incident_begins_with_what_was_found_and_who_was_paged() {
    let watch = Watch::start().await;
    let id = watch.tell(&["a"]).await.remove(0);
    let row =
        watch.0.send(Method::GET, &format!("/api/v1/alerts/{id}"), &[("x-api-key", KEY)], b"").await.json();
    let incident = row["incident"].as_str().expect("an incident").to_owned();
    let (sentence, _) = watch.headline("incidents", &incident).await;
    assert!(sentence.starts_with("Inconclusive about pay: an alert says: \"a is slow\". "), "{sentence}");
    let paged = "Paged ops with its alerts at 12:05:02 UTC: first notification of the group.";
    assert!(sentence.ends_with(paged), "{sentence}");
}

#[tokio::test]
async fn the_metrics_say_what_receivers_took() {
    let watch = Watch::start().await;
    let metrics = async || {
        let answer = watch.0.send(Method::GET, "/metrics", &[("x-api-key", KEY)], b"").await;
        let text = String::from_utf8(answer.body).expect("text");
        let lines = text.lines().filter(|line| line.starts_with("midwatch_notif"));
        lines.map(|line| line.replace("receiver=\"ops/webhook/0\"", "ops")).collect::<Vec<_>>()
    };
    let lines = |delivered: u32| {
        [
            format!("midwatch_notifications_total{{ops,outcome=\"delivered\"}} {delivered}"),
            "midwatch_notifications_total{ops,outcome=\"failed\"} 0".to_owned(),
            "midwatch_notification_retries_total{ops} 0".to_owned(),
            "midwatch_notifications_pending{ops} 0".to_owned(),
        ]
    };
    assert_eq!(metrics().await, lines(0), "all lines are there from the start");
    watch.tell(&["slow"]).await;
    assert_eq!(metrics().await, lines(1));
}
