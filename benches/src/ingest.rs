//! Taking alerts in, beside a real Alertmanager (which keeps none of them on disk); then a storm.

use crate::load::{self, Outcome};
use crate::numbers::{Random, show};
use crate::process::{Server, built};
use crate::table::{NOTHING, Row};
use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Rounds of each setting; the two take turns, and the median counts.
const ROUNDS: usize = 3;

/// Alerts of one round, for batches and for single ones.
const BATCHED: usize = 128_000;
const SINGLE: usize = 16_000;

/// A storm: alerts in all, different ones among them, and causes.
const STORM: usize = 100_000;
const DISTINCT: usize = 10_000;
const CAUSES: usize = 50;

/// How long grouping may take before it counts as failed.
const GROUPED_WITHIN: Duration = Duration::from_secs(120);

/// Lists that are asked for.
const LISTS: usize = 200;

const ALERTMANAGER: &str =
    r#"{"route":{"receiver":"none","group_by":["service"]},"receivers":[{"name":"none"}]}"#;

/// The same route, so that both group.
const MIDWATCH: &str =
    "[route]\nreceiver = \"none\"\ngroup_by = [\"service\"]\n[[receiver]]\nname = \"none\"\n";

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Midwatch,
    Alertmanager,
}

pub fn run() -> Result<Vec<Row>> {
    let binary = built()?;
    let start = |side: Side| match side {
        Side::Midwatch => Server::midwatch(&binary, MIDWATCH),
        Side::Alertmanager => Server::alertmanager(ALERTMANAGER),
    };
    let mut rows = Vec::new();
    for (batch, connections) in [(64, 8), (64, 64), (1, 8), (1, 64)] {
        rows.extend(rates(&start, batch, connections)?);
    }
    rows.extend(storm(&start)?);
    Ok(rows)
}

/// One alert of a cause.
fn alert(text: &mut String, number: usize, cause: usize) {
    let name = ["HighErrorRate", "HighLatency", "PodNotReady", "QueueGrows"][number % 4];
    let _ = write!(
        text,
        r#"{{"labels":{{"alertname":"{name}","service":"svc-{cause:02}","instance":"10.0.{}.{}:8080","severity":"warning","namespace":"prod"}},"annotations":{{"summary":"something is wrong with svc-{cause:02}"}},"generatorURL":"http://prometheus/graph?g0.expr=up"}}"#,
        number / 250,
        number % 250
    );
}

/// Requests of `batch` alerts each, `total` alerts in all, dealt to connections.
fn requests(
    address: SocketAddr,
    total: usize,
    batch: usize,
    connections: usize,
    seed: u64,
) -> Vec<Vec<Vec<u8>>> {
    let mut random = Random::new(seed);
    let mut dealt: Vec<Vec<Vec<u8>>> = vec![Vec::new(); connections];
    for request in 0..total / batch {
        let mut body = String::from("[");
        for place in 0..batch {
            if place > 0 {
                body.push(',');
            }
            let number = usize::try_from(random.next() % DISTINCT as u64).unwrap_or(0);
            alert(&mut body, number, number % CAUSES);
        }
        body.push(']');
        dealt[request % connections].push(load::post(address, "/api/v2/alerts", &body));
    }
    dealt
}

fn rates(start: &dyn Fn(Side) -> Result<Server>, batch: usize, connections: usize) -> Result<Vec<Row>> {
    let total = if batch == 1 { SINGLE } else { BATCHED };
    let mut measured = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (place, side) in [Side::Midwatch, Side::Alertmanager].into_iter().enumerate() {
            let server = start(side)?;
            let requests = requests(server.address, total, batch, connections, round as u64);
            let outcome = load::run(server.address, &requests)?;
            ensure!(outcome.refused == 0, "{} requests were refused", outcome.refused);
            measured[place].push((rate(total, &outcome), outcome.times.percentile(99.0), server.peak_mb()?));
        }
    }
    let [ours, theirs] = measured.map(median);
    let shown = |(rate, p99, mb): (f64, Duration, f64)| format!("{rate:.0}/s, p99 {}, {mb:.0} MB", show(p99));
    let what = format!("alerts in, {batch} a request, {connections} connections");
    let asked = if batch == 64 { "≥ 1× Alertmanager" } else { NOTHING };
    Ok(vec![
        Row::new(format!("{what}: midwatch"), shown(ours), asked),
        Row::new(
            format!("{what}: Alertmanager"),
            format!("{}; ratio {:.2}", shown(theirs), ours.0 / theirs.0),
            NOTHING,
        ),
    ])
}

fn rate(alerts: usize, outcome: &Outcome) -> f64 {
    alerts as f64 / outcome.took.as_secs_f64()
}

/// The round in the middle by rate.
fn median(mut rounds: Vec<(f64, Duration, f64)>) -> (f64, Duration, f64) {
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    rounds[rounds.len() / 2]
}

fn storm(start: &dyn Fn(Side) -> Result<Server>) -> Result<Vec<Row>> {
    let (ours, theirs) = (start(Side::Midwatch)?, start(Side::Alertmanager)?);
    let began = Instant::now();
    let accepted = load::run(ours.address, &storm_requests(ours.address))?;
    ensure!(accepted.refused == 0, "{} requests were refused", accepted.refused);
    let incidents = grouped(ours.address, began)?;
    let took = began.elapsed();
    let their_accept = load::run(theirs.address, &storm_requests(theirs.address))?;
    let lists = lists(ours.address)?;
    let (our_mb, their_mb) = (ours.peak_mb()?, theirs.peak_mb()?);
    Ok(vec![
        Row::new("storm of 100k alerts, 90 % duplicates: accepted", show(accepted.took), NOTHING),
        Row::new("storm: accepted by Alertmanager", show(their_accept.took), NOTHING),
        Row::new(
            "storm: all in incidents",
            format!("{} ({:.2}×)", show(took), took.as_secs_f64() / their_accept.took.as_secs_f64()),
            "≤ 1× Alertmanager's accept time",
        ),
        Row::new("storm of 50 causes: incidents", incidents.to_string(), "45 to 55"),
        Row::new(
            "storm: most memory",
            format!("{our_mb:.0} MB; Alertmanager {their_mb:.0} MB ({:.2}×)", our_mb / their_mb),
            "≤ 0.5×",
        ),
        Row::new("filtered list after the storm, p99", show(lists), "≤ 50 ms"),
    ])
}

/// Every alert ten times, in random order.
fn storm_requests(address: SocketAddr) -> Vec<Vec<Vec<u8>>> {
    requests(address, STORM / 64 * 64, 64, 8, 42)
}

/// Waits until every alert is in an incident, and counts those.
fn grouped(address: SocketAddr, began: Instant) -> Result<usize> {
    loop {
        let (_, body) = load::ask(address, &load::get(address, "/api/v1/status"))?;
        let text = String::from_utf8_lossy(&body);
        let number = |field: &str| -> Option<usize> {
            let rest = &text[text.find(&format!("\"{field}\":"))? + field.len() + 3..];
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        if number("unplaced").context("the status does not say what is not placed yet")? == 0 {
            return number("open_incidents").context("the status does not count incidents");
        }
        ensure!(began.elapsed() < GROUPED_WITHIN, "not grouped after {} s", GROUPED_WITHIN.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lists(address: SocketAddr) -> Result<Duration> {
    let asked: Vec<Vec<u8>> = (0..LISTS)
        .map(|n| {
            load::get(
                address,
                &format!("/api/v1/alerts?service=svc-{:02}&severity=warning&limit=50", n % CAUSES),
            )
        })
        .collect();
    let outcome = load::run(address, &[asked])?;
    ensure!(outcome.refused == 0, "{} lists were refused", outcome.refused);
    Ok(outcome.times.percentile(99.0))
}
