//! `/metrics`: midwatch about itself, in Prometheus text.

mod forecasts;

use crate::{Api, error::ApiError};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use midwatch_engine::Engine;
use midwatch_model::{Timestamp, seconds_between};
use midwatch_store::StoreSize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::sync::Mutex;

/// Incidents that the gauge counts at most; enough for any dashboard.
const INCIDENTS_MAX: u32 = 10_000;

/// Seconds for which a count of the store's rows is good enough: counting millions takes a while.
const SIZES_S: f64 = 600.0;

/// The store's size, as it was counted last.
#[derive(Default)]
pub(crate) struct Sizes(Mutex<Option<(Timestamp, StoreSize)>>);

impl Sizes {
    async fn get(&self, engine: &Engine) -> Result<StoreSize, ApiError> {
        let (now, mut counted) = (engine.now(), self.0.lock().await);
        if let Some((at, size)) = counted.as_ref()
            && seconds_between(*at, now) < SIZES_S
        {
            return Ok(size.clone());
        }
        let size = engine.store.size().await?;
        *counted = Some((now, size.clone()));
        Ok(size)
    }
}

pub(crate) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, ApiError> {
    let mut text = Text::default();
    let engine = &api.engine;
    about_watch(engine, &mut text).await;
    about_incidents(engine, &mut text).await?;
    about_notifications(engine, &mut text).await?;
    forecasts::about_forecasts(engine, &mut text);
    about_requests(&api, &mut text).await?;
    about_store(engine, &api.sizes.get(engine).await?, &mut text);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text.0))
}

/// The text format of Prometheus.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Adds a metric with all its lines.
    fn add(&mut self, name: &str, help: &str, kind: &str, lines: String) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}");
    }
}

async fn about_watch(engine: &Engine, text: &mut Text) {
    let health = engine.health().await;
    text.add(
        "midwatch_ticks_total",
        "Ticks since start.",
        "counter",
        format!("midwatch_ticks_total {}\n", health.tick),
    );
    text.add(
        "midwatch_warm_up_ticks_left",
        "Ticks left in which nothing is acted upon.",
        "gauge",
        format!("midwatch_warm_up_ticks_left {}\n", health.warm_up_ticks_left),
    );
    let staleness = health.staleness_s.map_or_else(|| "NaN".to_owned(), |s| format!("{s:.3}"));
    text.add(
        "midwatch_telemetry_staleness_seconds",
        "Seconds since the last poll that brought samples.",
        "gauge",
        format!("midwatch_telemetry_staleness_seconds {staleness}\n"),
    );
    let samples = health.samples;
    text.add(
        "midwatch_poll_samples",
        "Samples of the last poll.",
        "gauge",
        format!("midwatch_poll_samples {samples}\n"),
    );
}

async fn about_incidents(engine: &Engine, text: &mut Text) -> Result<(), ApiError> {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for row in engine.store.incidents(false, INCIDENTS_MAX).await? {
        *states.entry(row.state).or_default() += 1;
    }
    let incidents = states.iter().fold(String::new(), |mut lines, (state, count)| {
        let _ = writeln!(lines, "midwatch_incidents{{state=\"{state}\"}} {count}");
        lines
    });
    text.add("midwatch_incidents", "Incidents by state.", "gauge", incidents);
    Ok(())
}

/// Requests that could not be used, and those that were not let in.
async fn about_requests(api: &Api, text: &mut Text) -> Result<(), ApiError> {
    let (letters, dropped) = api.engine.store.dead_letter_counts().await?;
    text.add(
        "midwatch_dead_letters",
        "Requests and rows that could not be used and are kept.",
        "gauge",
        format!("midwatch_dead_letters {letters}\n"),
    );
    text.add(
        "midwatch_dead_letters_dropped_total",
        "Dead letters that were dropped for newer ones.",
        "counter",
        format!("midwatch_dead_letters_dropped_total {dropped}\n"),
    );
    let refused = api.refusals.totals().iter().fold(String::new(), |mut lines, (status, count)| {
        let _ = writeln!(lines, "midwatch_requests_refused_total{{status=\"{status}\"}} {count}");
        lines
    });
    text.add("midwatch_requests_refused_total", "Requests that were not let in.", "counter", refused);
    Ok(())
}

async fn about_notifications(engine: &Engine, text: &mut Text) -> Result<(), ApiError> {
    let told = told(engine).await?;
    text.add(
        "midwatch_notifications_total",
        "Notifications that receivers took (delivered) or will not get (failed) since start.",
        "counter",
        told.ended,
    );
    text.add(
        "midwatch_notification_retries_total",
        "Attempts that failed and are made again, since start.",
        "counter",
        told.retries,
    );
    text.add(
        "midwatch_notifications_pending",
        "Notifications that wait for their (next) attempt.",
        "gauge",
        told.pending,
    );
    Ok(())
}

fn about_store(engine: &Engine, size: &StoreSize, text: &mut Text) {
    let rows = size.tables.iter().fold(String::new(), |mut lines, table| {
        let _ = writeln!(lines, "midwatch_store_rows{{table=\"{}\"}} {}", table.table, table.rows);
        lines
    });
    text.add("midwatch_store_rows", "Rows of each table, counted every ten minutes.", "gauge", rows);
    let (file, free) = (size.file_bytes, size.free_bytes);
    text.add(
        "midwatch_store_bytes",
        "Bytes of the store's file, counted every ten minutes.",
        "gauge",
        format!("midwatch_store_bytes {file}\n"),
    );
    text.add(
        "midwatch_store_free_bytes",
        "Bytes of the file that what comes next can use, counted every ten minutes.",
        "gauge",
        format!("midwatch_store_free_bytes {free}\n"),
    );
    let commits = engine.store.commits();
    text.add(
        "midwatch_store_commits_total",
        "Commits made durable since start.",
        "counter",
        format!("midwatch_store_commits_total {commits}\n"),
    );
}

/// Lines about notifications.
#[derive(Default)]
struct ToldLines {
    ended: String,
    retries: String,
    pending: String,
}

async fn told(engine: &Engine) -> Result<ToldLines, ApiError> {
    let mut lines = ToldLines::default();
    let mut tallies = engine.tallies();
    // Every integration has all its lines from the start: what was never there cannot be seen to grow.
    let all = engine.config.receivers.iter().flat_map(|receiver| &receiver.integrations);
    for integration in all {
        tallies.entry(integration.target.clone()).or_default();
    }
    let waiting: BTreeMap<String, u64> = engine.store.notifications_waiting().await?.into_iter().collect();
    for target in waiting.keys() {
        tallies.entry(target.clone()).or_default();
    }
    for (target, tally) in tallies {
        let pending = waiting.get(&target).copied().unwrap_or(0);
        let target = label_value(&target);
        for (outcome, count) in [("delivered", tally.delivered), ("failed", tally.failed)] {
            let labels = format!("receiver=\"{target}\",outcome=\"{outcome}\"");
            let _ = writeln!(lines.ended, "midwatch_notifications_total{{{labels}}} {count}");
        }
        let labels = format!("{{receiver=\"{target}\"}}");
        let _ = writeln!(lines.retries, "midwatch_notification_retries_total{labels} {}", tally.retried);
        let _ = writeln!(lines.pending, "midwatch_notifications_pending{labels} {pending}");
    }
    Ok(lines)
}

/// A label's value as the text format wants it.
fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
