//! `/metrics`: midwatch about itself, in Prometheus text.

use crate::{Api, error::ApiError};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Incidents that the gauge counts at most; enough for any dashboard.
const INCIDENTS_MAX: u32 = 10_000;

pub(crate) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, ApiError> {
    let health = api.engine.health().await;
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for row in api.engine.store.incidents(false, INCIDENTS_MAX).await? {
        *states.entry(row.state).or_default() += 1;
    }
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, kind: &str, value: String| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{value}");
    };
    gauge(
        "midwatch_ticks_total",
        "Ticks since start.",
        "counter",
        format!("midwatch_ticks_total {}\n", health.tick),
    );
    gauge(
        "midwatch_warm_up_ticks_left",
        "Ticks left in which nothing is acted upon.",
        "gauge",
        format!("midwatch_warm_up_ticks_left {}\n", health.warm_up_ticks_left),
    );
    let staleness = health.staleness_s.map_or_else(|| "NaN".to_owned(), |s| format!("{s:.3}"));
    gauge(
        "midwatch_telemetry_staleness_seconds",
        "Seconds since the last poll that brought samples.",
        "gauge",
        format!("midwatch_telemetry_staleness_seconds {staleness}\n"),
    );
    let samples = health.samples;
    gauge(
        "midwatch_poll_samples",
        "Samples of the last poll.",
        "gauge",
        format!("midwatch_poll_samples {samples}\n"),
    );
    let incidents = states.iter().fold(String::new(), |mut lines, (state, count)| {
        let _ = writeln!(lines, "midwatch_incidents{{state=\"{state}\"}} {count}");
        lines
    });
    gauge("midwatch_incidents", "Incidents by state.", "gauge", incidents);
    let (letters, dropped) = api.engine.store.dead_letter_counts().await?;
    gauge(
        "midwatch_dead_letters",
        "Requests and rows that could not be used and are kept.",
        "gauge",
        format!("midwatch_dead_letters {letters}\n"),
    );
    gauge(
        "midwatch_dead_letters_dropped_total",
        "Dead letters that were dropped for newer ones.",
        "counter",
        format!("midwatch_dead_letters_dropped_total {dropped}\n"),
    );
    let commits = api.engine.store.commits();
    gauge(
        "midwatch_store_commits_total",
        "Commits made durable since start.",
        "counter",
        format!("midwatch_store_commits_total {commits}\n"),
    );
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
