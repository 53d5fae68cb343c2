//! A Prometheus server as source of metrics: PromQL over its HTTP API.
//!
//! A poll is one instant query per metric. A sample carries the time of the scrape behind it, not that of the question,
//! so that a server that scrapes more slowly than midwatch asks does not make one reading look like many.

mod answer;

use super::Access;
use crate::config::TelemetryConfig;
use crate::http::{Ask, join, parse_url};
use crate::{ConnectorError, Poll, SourceFailure};
use answer::Reply;
use futures::StreamExt as _;
use midwatch_model::{Metric, Sample, ServiceName, Timestamp, after, promql, seconds_between};
use reqwest::Url;
use std::collections::BTreeMap;

pub use answer::Series;

/// Queries that run at the same time; a Prometheus runs 20 by default for all of its users.
const CONCURRENT_MAX: usize = 4;

/// Most points of one range query; Prometheus itself refuses more than 11,000.
const POINTS_MAX: f64 = 11_000.0;

/// Samples that are asked for of the past of a series, and how close they may lie: as close as scrapes mostly do.
const PAST_SAMPLES: f64 = 240.0;
const PAST_STEP_S_MIN: f64 = 15.0;

/// When every service was last scraped.
const LAST_SCRAPES: &str = "max by (service) (timestamp(up{service!=\"\"}))";

/// A client of the query API.
#[derive(Debug)]
pub struct Prometheus {
    access: Access,
    base: Url,
    window_s: f64,
    queries: BTreeMap<Metric, String>,
}

impl Prometheus {
    pub(crate) fn new(config: &TelemetryConfig, access: Access) -> Result<Self, ConnectorError> {
        let url = parse_url("telemetry.url", config.url.as_deref().unwrap_or_default())?;
        let query = |metric: Metric| {
            let own = config.queries.get(&metric).cloned();
            (metric, own.unwrap_or_else(|| promql::query_all(metric, config.rate_window_s)))
        };
        Ok(Self {
            access,
            base: join(&url, &["api", "v1"]),
            window_s: config.rate_window_s,
            queries: Metric::ALL.iter().copied().map(query).collect(),
        })
    }

    /// One instant query per metric. A query that fails is a failure of the poll; the others' readings stand.
    pub async fn poll(&self, now: Timestamp) -> Poll {
        let mut failures = Vec::new();
        let scrapes = self.instant(LAST_SCRAPES, now).await.unwrap_or_else(|error| {
            failures.push(failure(LAST_SCRAPES, &error));
            Vec::new()
        });
        let scraped_at: BTreeMap<String, Timestamp> = scrapes
            .into_iter()
            .filter_map(|one| Some((one.service()?.to_owned(), instant_of(one.last()?.1)?)))
            .collect();
        let ask = |(metric, query): (Metric, String)| async move {
            (metric, self.instant(&query, now).await, query)
        };
        let answers: Vec<_> =
            futures::stream::iter(self.queries.clone()).map(ask).buffered(CONCURRENT_MAX).collect().await;
        let mut samples = Vec::new();
        for (metric, answer, query) in answers {
            match answer {
                Ok(series) => {
                    samples.extend(series.iter().filter_map(|one| sample(metric, one, &scraped_at)))
                }
                Err(error) => failures.push(failure(&query, &error)),
            }
        }
        Poll { samples, failures, polled_at: now }
    }

    /// One value per series, as of `at`.
    ///
    /// # Errors
    /// With the query in it.
    pub async fn instant(&self, query: &str, at: Timestamp) -> Result<Vec<Series>, ConnectorError> {
        self.ask(query, "query", vec![("time", seconds_of(at))]).await
    }

    /// Values per series from `from` to `to`, one every `step_s` seconds, at most 11,000 per series.
    ///
    /// # Errors
    /// With the query in it.
    pub async fn range(
        &self,
        query: &str,
        from: Timestamp,
        to: Timestamp,
        step_s: f64,
    ) -> Result<Vec<Series>, ConnectorError> {
        let failed =
            |reason: &str| ConnectorError::Query { query: query.to_owned(), reason: reason.to_owned() };
        if !(step_s > 0.0 && step_s.is_finite()) || from > to {
            return Err(failed("the range is empty or the step is not positive"));
        }
        if seconds_between(from, to) / step_s > POINTS_MAX {
            return Err(failed("more than 11000 points; use a larger step"));
        }
        let window =
            vec![("start", seconds_of(from)), ("end", seconds_of(to)), ("step", format!("{step_s:.3}"))];
        self.ask(query, "query_range", window).await
    }

    /// Samples of a service in a window, some hundred of each metric. A metric whose query fails is left out; where all
    /// fail, the last error says why.
    ///
    /// # Errors
    /// When no metric could be asked for.
    pub async fn past(
        &self,
        service: &ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Sample>, ConnectorError> {
        let step_s = (seconds_between(from, to) / PAST_SAMPLES).max(PAST_STEP_S_MIN);
        let ask = |metric: Metric| async move {
            let query = self.query_of(metric, service);
            (metric, self.range(&query, from, to, step_s).await)
        };
        let metrics = futures::stream::iter(Metric::ALL.iter().copied());
        let answers: Vec<_> = metrics.map(ask).buffered(CONCURRENT_MAX).collect().await;
        let (mut samples, mut answered, mut failed) = (Vec::new(), false, None);
        for (metric, answer) in answers {
            match answer {
                Ok(series) => {
                    answered = true;
                    let own = series.iter().filter(|one| one.service() == Some(service.as_str()));
                    samples.extend(own.flat_map(|one| past_of(metric, service, one)));
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.filter(|_| !answered).map_or(Ok(samples), Err)
    }

    /// A person's own query answers for every service.
    fn query_of(&self, metric: Metric, service: &ServiceName) -> String {
        let all = &self.queries[&metric];
        let is_ours = *all == promql::query_all(metric, self.window_s);
        if is_ours { promql::query(metric, service, self.window_s) } else { all.clone() }
    }

    /// The window of rates in seconds, for those who word their own queries.
    #[must_use]
    pub fn rate_window_s(&self) -> f64 {
        self.window_s
    }

    async fn ask(
        &self,
        query: &str,
        endpoint: &str,
        mut parameters: Vec<(&'static str, String)>,
    ) -> Result<Vec<Series>, ConnectorError> {
        parameters.push(("query", query.to_owned()));
        let url = join(&self.base, &[endpoint]);
        let headers = self.access.headers();
        let ask = Ask { query: parameters, headers, ..Ask::get(&url, self.access.timeout) };
        let failed = |reason: String| ConnectorError::Query { query: query.to_owned(), reason };
        // A refusal is a JSON answer, too, with a status of 4xx or 5xx; its own words say most.
        let answer = self.access.http.ask(ask).await.map_err(|error| failed(error.to_string()))?;
        match serde_json::from_slice::<Reply>(&answer.body) {
            Ok(Reply::Success { data }) => Ok(data.into_series()),
            Ok(Reply::Error { error_type, error }) => {
                Err(failed(crate::error::excerpt(&format!("{error_type}: {error}"))))
            }
            Err(_) if !(200..300).contains(&answer.status) => {
                Err(failed(format!("answered {}: {}", answer.status, answer.excerpt())))
            }
            Err(error) => Err(failed(format!("the answer cannot be read: {error}"))),
        }
    }
}

/// A series' newest value as a sample at the time of its service's last scrape. Values that are not finite (a share of
/// nothing) are no reading, and a series without a usable service label is nobody's.
fn sample(metric: Metric, series: &Series, scraped_at: &BTreeMap<String, Timestamp>) -> Option<Sample> {
    let service = Some(ServiceName::new(series.service()?)).filter(ServiceName::is_valid)?;
    let (asked_at, value) = series.last()?;
    let at = scraped_at.get(service.as_str()).copied().or_else(|| instant_of(asked_at))?;
    value.is_finite().then_some(Sample { service, metric, value, at })
}

fn past_of(metric: Metric, service: &ServiceName, series: &Series) -> Vec<Sample> {
    let sample = |&(at, value): &(f64, f64)| {
        let (at, service) = (instant_of(at)?, service.clone());
        value.is_finite().then_some(Sample { service, metric, value, at })
    };
    series.points.iter().filter_map(sample).collect()
}

fn failure(query: &str, error: &ConnectorError) -> SourceFailure {
    SourceFailure { service: None, source: query.to_owned(), reason: error.to_string() }
}

/// Seconds since 1970 with milliseconds, as the API takes times.
fn seconds_of(at: Timestamp) -> String {
    format!("{:.3}", at.as_millisecond() as f64 / 1000.0)
}

/// A time from seconds since 1970; `None` beyond the years that exist.
fn instant_of(seconds: f64) -> Option<Timestamp> {
    // A year-9999 timestamp has 2.5e11 seconds.
    (seconds.is_finite() && seconds.abs() < 2.5e11).then(|| after(Timestamp::UNIX_EPOCH, seconds))
}
