//! Lists at 100,000 alerts: what a page costs with each filter, what the writer pays for it.

use crate::numbers::{Random, Times, show};
use crate::table::{NOTHING, Row};
use anyhow::{Context as _, Result, ensure};
use midwatch_model::label::parse_matchers;
use midwatch_model::{Alert, Labels, Severity, Timestamp, after};
use midwatch_store::{AlertFilter, AlertStatus, Commit, IncidentFilter, IncidentRow, IntakeRow, Store};
use std::time::Instant;

/// Alerts in the log; the number of the design.
const ALERTS: usize = 100_000;
/// Incidents that they belong to.
const INCIDENTS: usize = 2_000;
/// Rows of one commit: a large request.
const BATCH: usize = 500;
/// Rows of a page.
const PAGE: usize = 50;
/// Times that each list is asked for: enough for a 99th percentile.
const ASKED: usize = 200;

pub fn run() -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let dir = tempfile::tempdir().context("no temporary folder")?;
    runtime.block_on(async {
        let store = Store::open(&dir.path().join("lists.db")).await?;
        let mut rows = vec![fill(&store).await?];
        for (what, filter, least) in filters()? {
            rows.push(measure(&store, what, &filter, least).await?);
        }
        rows.push(incidents(&store).await?);
        store.close().await;
        Ok(rows)
    })
}

fn start() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap_or_default()
}

/// When the last of them came in.
fn end() -> Timestamp {
    after(start(), ALERTS as f64 / 10.0)
}

fn row(number: usize, random: &mut Random) -> IntakeRow {
    let at = after(start(), number as f64 / 10.0);
    let mut any = |of: u64| random.next() % of;
    let severity = [Severity::Critical, Severity::Warning, Severity::Info][any(3) as usize];
    let labels: Labels = [
        ("alertname", format!("Alert{}", any(200))),
        ("cluster", "eu-1".into()),
        ("instance", format!("10.0.{}.{}:9100", any(255), any(255))),
        ("namespace", format!("shop-{}", any(50))),
        ("pod", format!("pod-{number}")),
        ("service", format!("service-{}", any(300))),
        ("severity", severity.to_string()),
        ("team", format!("team-{}", any(20))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let service = labels["service"].to_string();
    let alert = Alert {
        source: "alertmanager_v2".into(),
        id: None,
        annotations: [("summary".to_owned(), format!("{service} is slow: {}", "x".repeat(200)))].into(),
        starts_at: at,
        // One in twenty still fires at the end.
        ends_at: if any(20) == 0 { after(end(), 300.0) } else { after(at, 300.0) },
        timeout: true,
        generator_url: "http://prometheus:9090/graph?g0.expr=up&g0.tab=1".into(),
        severity,
        acknowledged: None,
        original: Default::default(),
        occurred_at: None,
        updated_at: at,
        labels,
    };
    let step = |step: &str| serde_json::json!({ "at": at, "step": step, "detail": "x".repeat(120) });
    IntakeRow {
        id: format!("alt-{:09x}{:08x}", at.as_millisecond(), random.next() as u32),
        received_at: at,
        source: alert.source.clone(),
        service,
        labels: Labels::new(),
        payload: vec![b'x'; 600],
        handling: vec![step("received"), step("routed"), step("joined")],
        incident: Some(format!("inc-{}", number * INCIDENTS / ALERTS)),
        done: true,
        ended_at: (alert.ends_at <= end()).then_some(alert.ends_at),
        alert: Some(alert),
        told: 1,
    }
}

/// Puts the design's number of alerts and incidents into a store.
pub async fn fill(store: &Store) -> Result<Row> {
    let mut random = Random::new(7);
    let mut took = std::time::Duration::ZERO;
    for batch in 0..ALERTS / BATCH {
        let intake = (0..BATCH).map(|n| row(batch * BATCH + n, &mut random)).collect();
        let started = Instant::now();
        store.commit(Commit { intake, ..Commit::default() }).await?;
        took += started.elapsed();
    }
    let incidents = (0..INCIDENTS).map(|n| IncidentRow {
        id: format!("inc-{n}"),
        state: if n % 10 == 0 { "escalated" } else { "closed" }.into(),
        open: n % 10 == 0,
        service: format!("service-{}", n % 300),
        cause: Some("latency_spike".into()),
        opened_at: after(start(), n as f64),
        parent: None,
        seq: 1,
        summary: "x".repeat(200),
    });
    store.commit(Commit { incidents: incidents.collect(), ..Commit::default() }).await?;
    let per_s = ALERTS as f64 / took.as_secs_f64();
    Ok(Row::new(format!("intake log, rows in commits of {BATCH}"), format!("{per_s:.0}/s"), NOTHING))
}

/// What is asked for: in words, the filter, and how many rows the first page must have at least.
fn filters() -> Result<Vec<(&'static str, AlertFilter, usize)>> {
    let all = AlertFilter::default;
    let matching =
        |text: &str| -> Result<AlertFilter> { Ok(AlertFilter { matchers: parse_matchers(text)?, ..all() }) };
    let last = Some(after(end(), -60.0));
    Ok(vec![
        ("all", all(), PAGE),
        ("of one service", AlertFilter { service: Some("service-7".into()), ..all() }, PAGE),
        ("of no service", AlertFilter { service: Some("nobody".into()), ..all() }, 0),
        (
            "critical and firing",
            AlertFilter { severity: Some(Severity::Critical), status: Some(AlertStatus::Firing), ..all() },
            PAGE,
        ),
        ("suppressed (none)", AlertFilter { status: Some(AlertStatus::Suppressed), ..all() }, 0),
        ("of one incident", AlertFilter { incident: Some("inc-7".into()), ..all() }, PAGE),
        ("of the last minute", AlertFilter { since: last, ..all() }, PAGE),
        ("with a common label", matching("namespace=shop-7")?, PAGE),
        ("with two labels", matching("namespace=shop-7,team=team-7,severity=critical")?, 1),
        ("with a label of one, the oldest", matching("pod=pod-77")?, 1),
        ("with a label of none", matching("zone=a")?, 0),
        ("with an expression", matching(r#"namespace=~"shop-1.""#)?, PAGE),
        ("with an expression of none, a page's look", matching(r#"pod=~"nobody-.*""#)?, 0),
    ])
}

async fn measure(store: &Store, what: &str, filter: &AlertFilter, least: usize) -> Result<Row> {
    let (mut times, mut page) = (Vec::with_capacity(ASKED), 0);
    for _ in 0..ASKED {
        let started = Instant::now();
        page = store.alerts(filter, None, PAGE).await?.rows.len();
        times.push(started.elapsed());
    }
    ensure!(page >= least, "{what}: the page has {page} rows");
    Ok(shown(format!("alerts {what}, {page} of {ALERTS}"), times))
}

async fn incidents(store: &Store) -> Result<Row> {
    let filter = IncidentFilter { service: Some("nobody".into()), ..IncidentFilter::default() };
    let mut times = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let started = Instant::now();
        store.incident_page(&filter, None, PAGE).await?;
        times.push(started.elapsed());
    }
    Ok(shown(format!("incidents of no service, of {INCIDENTS}"), times))
}

fn shown(what: String, times: Vec<std::time::Duration>) -> Row {
    let times = Times::new(times);
    let measured = format!("p50 {}, p99 {}", show(times.percentile(50.0)), show(times.percentile(99.0)));
    Row::new(what, measured, "p99 ≤ 50 ms")
}
