//! Telemetry: metrics of services, by scraping them or by asking a Prometheus. Either way the same samples come out,
//! in the units of `Metric`, and the same detectors run on them.

pub mod prometheus;
pub mod scrape;

use crate::config::{TelemetryConfig, TelemetryKind};
use crate::{ConnectorError, Http, Poll};
use midwatch_model::{Check, Sample, ServiceName, Timestamp};
use prometheus::Prometheus;
use scrape::Scraper;
use std::time::Duration;

/// The configured source of metrics.
#[derive(Debug)]
pub enum Telemetry {
    Scrape(Box<Scraper>),
    Prometheus(Prometheus),
    None,
}

/// How a telemetry request is made.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub http: Http,
    pub timeout: Duration,
    pub bearer: Option<String>,
}

impl Telemetry {
    /// The source that the configuration names. Nothing is asked yet.
    ///
    /// # Errors
    /// An unusable URL, or a token variable that is not set.
    pub fn new(config: &TelemetryConfig, http: Http) -> Result<Self, ConnectorError> {
        let access = || -> Result<Access, ConnectorError> {
            let timeout = Duration::from_secs_f64(config.timeout_s);
            Ok(Access { http, timeout, bearer: bearer(config)? })
        };
        match config.kind {
            TelemetryKind::None => Ok(Self::None),
            TelemetryKind::Scrape => Ok(Self::Scrape(Box::new(Scraper::new(config, access()?)?))),
            TelemetryKind::Prometheus => Ok(Self::Prometheus(Prometheus::new(config, access()?)?)),
        }
    }

    /// Takes over a changed list of registered services.
    pub(crate) fn set_services(&self, services: &[ServiceName]) {
        if let Self::Scrape(scraper) = self {
            scraper.set_services(services);
        }
    }

    /// Asks once. Never fails as a whole: what failed is in the poll's failures.
    pub async fn poll(&self, now: Timestamp) -> Poll {
        match self {
            Self::Scrape(scraper) => scraper.poll(now).await,
            Self::Prometheus(prometheus) => prometheus.poll(now).await,
            Self::None => Poll { samples: Vec::new(), failures: Vec::new(), polled_at: now },
        }
    }
}

impl Telemetry {
    /// Whether every series of an expression lies within the bounds of a check.
    pub(crate) async fn look(
        &self,
        query: &str,
        check: &Check,
        now: Timestamp,
    ) -> Result<(Option<bool>, String), ConnectorError> {
        let Self::Prometheus(prometheus) = self else {
            return Err(ConnectorError::NotConfigured {
                what: "Prometheus",
                fix: "set telemetry.kind = \"prometheus\" to check with PromQL",
            });
        };
        let series = prometheus.instant(query, now).await?;
        let values: Vec<f64> = series.iter().filter_map(|one| one.last()).map(|(_, value)| value).collect();
        let bad = values.iter().copied().find(|value| !check.allows(*value));
        Ok(match (values.first(), bad) {
            (None, _) => (None, format!("`{query}` has no series")),
            (Some(_), Some(bad)) => (Some(false), format!("`{query}` is {bad}")),
            (Some(first), None) => (Some(true), format!("`{query}` is {first}")),
        })
    }

    /// What the source still has of a service and a window. Scraping keeps nothing but what the detectors remember.
    pub(crate) async fn past(
        &self,
        service: &ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Sample>, ConnectorError> {
        match self {
            Self::Prometheus(prometheus) => prometheus.past(service, from, to).await,
            Self::Scrape(_) | Self::None => Ok(Vec::new()),
        }
    }
}

fn bearer(config: &TelemetryConfig) -> Result<Option<String>, ConnectorError> {
    let Some(variable) = &config.bearer_token_env else { return Ok(None) };
    match std::env::var(variable) {
        Ok(token) if !token.trim().is_empty() => Ok(Some(token.trim().to_owned())),
        _ => Err(ConnectorError::Config {
            field: "telemetry.bearer_token_env".to_owned(),
            problem: format!("names the environment variable {variable}, which is not set"),
        }),
    }
}
