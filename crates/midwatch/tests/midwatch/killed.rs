//! `kill -9` while alerts come in: what was acknowledged is there afterwards, once, and receivers hear of it at most once
//! more for each crash.
//!
//! `MIDWATCH_TEST_KILLS` sets how often, `MIDWATCH_TEST_SEED` the points. The same is done to a real Alertmanager, and its
//! losses are printed.

use crate::night::{one_lab, wait_for};
use crate::post::{Http, Server};
use crate::sink::{Heard, Sink};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Senders at the same time.
const SENDERS: usize = 4;

/// Alerts of a request.
const BATCH: usize = 8;

/// Pause of a sender: every alert is a new one, and stays in the messages about its group.
const PAUSE: Duration = Duration::from_millis(25);

/// Services that alerts are about: each becomes one incident and one group.
const SERVICES: usize = 5;

/// Longest time between two kills.
const LONGEST_MS: u64 = 400;

/// How soon it must be ready again.
const READY_WITHIN: Duration = Duration::from_secs(2);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The alert of that number.
fn alert(number: usize) -> Value {
    json!({ "labels": {
        "alertname": "Killed", "number": number.to_string(), "service": format!("service-{}", number % SERVICES),
        "namespace": format!("of-{}", number % SERVICES) } })
}

/// Sends until told to stop; gives the numbers that were acknowledged.
fn send(url: &str, next: &AtomicUsize, stop: &AtomicBool) -> Vec<usize> {
    let http = Http::new();
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let first = next.fetch_add(BATCH, Ordering::SeqCst);
        let alerts: Vec<Value> = (first..first + BATCH).map(alert).collect();
        let answer = http.post(&format!("{url}/api/v2/alerts"), &Value::Array(alerts));
        if answer.is_some_and(|(status, _)| status == 200) {
            acknowledged.extend(first..first + BATCH);
        }
        std::thread::sleep(PAUSE);
    }
    acknowledged
}

/// Kills and restarts under load; gives the acknowledged numbers and the slowest restart.
fn under_fire(server: &mut Server, kills: u64, seed: u64) -> (BTreeSet<usize>, Duration) {
    let (next, stop, mut slowest) = (AtomicUsize::new(0), AtomicBool::new(false), Duration::ZERO);
    let (mut rng, http) = (StdRng::seed_from_u64(seed), Http::new());
    let url = server.url.clone();
    let acknowledged = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let numbers = send(&url, &next, &stop);
                acknowledged.lock().expect("no sender failed").extend(numbers);
            });
        }
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(rng.random_range(1..LONGEST_MS)));
            server.kill();
            let down = Instant::now();
            server.start(&http);
            slowest = slowest.max(down.elapsed());
        }
        std::thread::sleep(Duration::from_millis(LONGEST_MS));
        stop.store(true, Ordering::SeqCst);
    });
    (acknowledged.into_inner().expect("no sender failed"), slowest)
}

/// The numbers of the alerts that are known.
fn known(http: &Http, url: &str) -> BTreeSet<usize> {
    let alerts = http.get(&format!("{url}/api/v2/alerts")).expect("the alerts");
    let number = |alert: &Value| alert["labels"]["number"].as_str()?.parse().ok();
    alerts.as_array().into_iter().flatten().filter_map(number).collect()
}

/// Messages that came more than once: the same id twice, or another one that says nothing new.
fn repeated(heard: &[Heard]) -> usize {
    let (mut ids, mut said, mut repeated) = (BTreeSet::new(), BTreeMap::new(), 0);
    for Heard { id, message, .. } in heard {
        let alerts: BTreeSet<String> = message["alerts"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|a| a["fingerprint"].to_string())
            .collect();
        let group = message["groupKey"].to_string();
        let nothing_new = said
            .insert(group, alerts.clone())
            .is_some_and(|before: BTreeSet<String>| alerts.is_subset(&before));
        repeated += usize::from(!ids.insert(id.clone()) || nothing_new);
    }
    repeated
}

fn midwatch_config(url: &str) -> String {
    format!(
        "[alerts]\nresolve_timeout_s = 3600\n[route]\nreceiver = \"ops\"\ngroup_by = [\"service\"]\ngroup_wait_s = 0.2\n\
         group_interval_s = 0.5\nrepeat_interval_s = 3600\ncooldown_s = 0\n\
         [[receiver]]\nname = \"ops\"\n[[receiver.webhook]]\nurl = \"{url}/ops\"\n"
    )
}

fn alertmanager_config(url: &str) -> Value {
    json!({
        "global": { "resolve_timeout": "1h" },
        "route": { "receiver": "ops", "group_by": ["service"], "group_wait": "200ms", "group_interval": "500ms",
            "repeat_interval": "1h" },
        "receivers": [{ "name": "ops", "webhook_configs": [{ "url": format!("{url}/ops") }] }],
    })
}

#[test]
fn what_was_acknowledged_survives_kills_under_load_and_is_told_once() {
    let _alone = one_lab();
    let (kills, seed) = (number("MIDWATCH_TEST_KILLS", 20), number("MIDWATCH_TEST_SEED", 1));
    let (dir, sink, http) = (tempfile::tempdir().expect("a folder"), Sink::open(), Http::new());
    let mut server = Server::midwatch(dir.path(), &midwatch_config(&sink.url));
    server.start(&http);
    let (acknowledged, slowest) = under_fire(&mut server, kills, seed);
    assert!(acknowledged.len() > 10 * BATCH, "only {} alerts were acknowledged", acknowledged.len());

    let lost: Vec<_> = acknowledged.difference(&known(&http, &server.url)).copied().collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged alerts are lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    let status = || http.get(&format!("{}/api/v1/status", server.url));
    wait_for("every alert in an incident", || (status()?["unplaced"] == 0).then_some(()));
    let incidents = http.get(&format!("{}/api/v1/incidents?limit=1000", server.url)).expect("incidents");
    let mut components: Vec<String> =
        incidents["incidents"].as_array().into_iter().flatten().map(|i| i["component"].to_string()).collect();
    components.sort();
    assert_eq!(components.len(), SERVICES, "one incident for each service: {components:?}");

    // Sooner or later somebody is told of every alert.
    let told = || -> BTreeSet<usize> {
        let numbers = |h: &Heard| -> Vec<usize> {
            let alerts = h.message["alerts"].as_array().into_iter().flatten();
            alerts.filter_map(|a| a["labels"]["number"].as_str()?.parse().ok()).collect()
        };
        sink.heard().iter().flat_map(numbers).collect()
    };
    wait_for("every alert to be told of", || acknowledged.is_subset(&told()).then_some(()));
    let repeated = repeated(&sink.heard());
    println!(
        "{kills} kills, {} alerts acknowledged, 0 lost, {repeated} of {} messages repeated, ready again within {} ms",
        acknowledged.len(),
        sink.heard().len(),
        slowest.as_millis()
    );
    assert!(repeated as u64 <= kills, "{repeated} messages were repeated after {kills} kills");
    assert!(slowest <= READY_WITHIN, "it took {slowest:?} to be ready again; {}", server.said());
}

#[test]
fn a_real_alertmanager_is_killed_beside_it_and_its_losses_are_printed() {
    let _alone = one_lab();
    let (kills, seed) = (number("MIDWATCH_TEST_KILLS", 3), number("MIDWATCH_TEST_SEED", 1));
    let (dir, sink, http) = (tempfile::tempdir().expect("a folder"), Sink::open(), Http::new());
    let mut server = Server::alertmanager(dir.path(), &alertmanager_config(&sink.url));
    server.start(&http);
    let (acknowledged, slowest) = under_fire(&mut server, kills, seed);
    let known = known(&http, &server.url);
    let lost = acknowledged.difference(&known).count();
    println!(
        "Alertmanager: {kills} kills, {} alerts acknowledged, {lost} lost, {} of {} messages repeated, ready again within {} ms",
        acknowledged.len(),
        repeated(&sink.heard()),
        sink.heard().len(),
        slowest.as_millis()
    );
    assert!(lost > 0, "it keeps alerts in memory; this test would not notice a loss");
}
