//! Telemetry: metrics of services, by scraping them or by asking a Prometheus. Either way the same samples come out,
//! in the units of `Metric`, and the same detectors run on them.

pub mod prometheus;
pub mod scrape;

use crate::config::{TelemetryConfig, TelemetryKind};
use crate::secret::Secret;
use crate::{ConnectorError, Http, Poll};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
    /// What the header of that name says.
    pub authorization: Option<Secret>,
}

impl Access {
    /// The headers of a request that may be asked for more.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        self.authorization.iter().map(|secret| ("authorization", secret.expose().to_owned())).collect()
    }
}

impl Telemetry {
    /// The source that the configuration names. Nothing is asked yet.
    ///
    /// # Errors
    /// An unusable URL, or a token variable that is not set.
    pub fn new(config: &TelemetryConfig, http: Http) -> Result<Self, ConnectorError> {
        let access = || -> Result<Access, ConnectorError> {
            let timeout = Duration::from_secs_f64(config.timeout_s);
            Ok(Access { http, timeout, authorization: authorization(config)? })
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

/// Bearer or basic, as the configuration names either.
fn authorization(config: &TelemetryConfig) -> Result<Option<Secret>, ConnectorError> {
    let wrong = |field: &str, problem: &str| {
        Err(ConnectorError::Config { field: format!("telemetry.{field}"), problem: problem.to_owned() })
    };
    match (&config.bearer_token_env, &config.basic_auth_user, &config.basic_auth_password_env) {
        (None, None, None) => Ok(None),
        (Some(variable), None, None) => {
            let token = from_environment("telemetry.bearer_token_env", variable)?;
            Ok(Some(Secret::new(format!("Bearer {token}"))))
        }
        (None, Some(user), Some(variable)) if !user.contains(':') => {
            let password = from_environment("telemetry.basic_auth_password_env", variable)?;
            Ok(Some(Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))))
        }
        (None, Some(_), Some(_)) => {
            wrong("basic_auth_user", "has a colon in it, which basic authentication cannot carry")
        }
        (None, Some(_), None) => wrong("basic_auth_password_env", "is needed beside basic_auth_user"),
        (None, None, Some(_)) => wrong("basic_auth_user", "is needed beside basic_auth_password_env"),
        (Some(_), ..) => wrong("bearer_token_env", "and basic authentication exclude each other; remove one"),
    }
}

fn from_environment(field: &str, variable: &str) -> Result<String, ConnectorError> {
    match std::env::var(variable) {
        Ok(secret) if !secret.trim().is_empty() => Ok(secret.trim().to_owned()),
        _ => Err(ConnectorError::Config {
            field: field.to_owned(),
            problem: format!("names the environment variable {variable}, which is not set"),
        }),
    }
}
