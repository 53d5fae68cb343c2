//! Scraping: every instance's metrics page, once per poll, and a short history of its counters.
//!
//! Rates, shares and quantiles are taken as Prometheus would take them, so that a threshold means the same here and
//! there. A new instance contributes from its second scrape on; one that does not answer contributes nothing but to
//! `up`.

mod discovery;
mod instance;
mod readings;
pub mod text;

use super::Access;
use crate::config::TelemetryConfig;
use crate::http::{Ask, shown};
use crate::{ConnectorError, Poll, SourceFailure};
use discovery::{Discovery, Target};
use futures::StreamExt as _;
use instance::{Instance, WANTED};
use midwatch_model::{Metric, Sample, ServiceName, Timestamp};
use readings::Members;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use tokio::sync::Mutex;

/// Pages that are fetched at the same time: enough to hide network latency, few enough to keep sockets and memory small.
const CONCURRENT_MAX: usize = 16;

/// Scrapes configured and discovered targets.
#[derive(Debug)]
pub struct Scraper {
    access: Access,
    discovery: Discovery,
    window_s: f64,
    /// Services that a person registered.
    registered: std::sync::Mutex<BTreeSet<ServiceName>>,
    /// One poll at a time: a second one would see half of the first one's counters.
    memory: Mutex<Memory>,
}

/// What is remembered from poll to poll.
#[derive(Debug, Default)]
struct Memory {
    /// The targets that discovery last named.
    discovered: Vec<Target>,
    /// Services that discovery has ever named an instance of.
    seen: BTreeSet<ServiceName>,
    /// By URL.
    instances: BTreeMap<String, Instance>,
}

/// What came of one target in one poll.
struct Scraped {
    target: Target,
    page: Result<text::Page, ConnectorError>,
}

impl Scraper {
    pub(crate) fn new(config: &TelemetryConfig, access: Access) -> Result<Self, ConnectorError> {
        let discovery = Discovery::new(config)?;
        let window_s = config.rate_window_s;
        Ok(Self { access, discovery, window_s, registered: Default::default(), memory: Mutex::default() })
    }

    pub(crate) fn set_services(&self, services: &[ServiceName]) {
        let mut registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        *registered = services.iter().cloned().collect();
    }

    /// Registered services that had instances and have none any more: all of them are gone, which is a reading of
    /// `up`, not a lack of one. An unregistered service may have been taken out of service on purpose.
    fn vanished(&self, memory: &Memory, scraped: &[Scraped]) -> Vec<ServiceName> {
        let registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            |service: &ServiceName| scraped.iter().any(|one| one.target.service.as_ref() == Some(service));
        memory.seen.intersection(&registered).filter(|service| !known(service)).cloned().collect()
    }

    /// Discovers targets, scrapes them and takes their readings.
    pub async fn poll(&self, now: Timestamp) -> Poll {
        let mut memory = self.memory.lock().await;
        let mut failures = Vec::new();
        self.discover(&mut memory, &mut failures).await;
        let targets = self.targets(&memory);
        let scraped: Vec<Scraped> = futures::stream::iter(targets)
            .map(|target| self.scrape(target))
            .buffer_unordered(CONCURRENT_MAX)
            .collect()
            .await;
        memory.forget_all_but(&scraped);
        for one in &scraped {
            memory.take(one, now, self.window_s, &mut failures);
        }
        failures.sort_by(|a, b| (&a.service, &a.source).cmp(&(&b.service, &b.source)));
        let mut samples = memory.samples(&scraped, self.window_s, now);
        let gone = self.vanished(&memory, &scraped).into_iter();
        samples.extend(gone.map(|service| Sample { service, metric: Metric::Up, value: 0.0, at: now }));
        Poll { samples, failures, polled_at: now }
    }

    /// Takes over the targets that discovery names; when it fails, the last known ones stay.
    async fn discover(&self, memory: &mut Memory, failures: &mut Vec<SourceFailure>) {
        let Some(answer) = self.discovery.ask(&self.access).await else { return };
        let source = self.discovery.url().map(shown).unwrap_or_default();
        let failed = |reason| SourceFailure { service: None, source: source.clone(), reason };
        match answer {
            Ok((targets, refused)) => {
                memory.seen.extend(targets.iter().filter_map(|target| target.service.clone()));
                memory.discovered = targets;
                failures.extend(refused.into_iter().map(failed));
            }
            Err(error) => failures.push(failed(error.to_string())),
        }
    }

    /// Fixed and discovered targets, each URL once.
    fn targets(&self, memory: &Memory) -> Vec<Target> {
        let mut targets: BTreeMap<&str, &Target> = BTreeMap::new();
        for target in self.discovery.fixed().iter().chain(&memory.discovered) {
            targets.entry(target.url.as_str()).or_insert(target);
        }
        targets.into_values().cloned().collect()
    }

    async fn scrape(&self, target: Target) -> Scraped {
        let mut headers = self.access.headers();
        headers.push(("accept", "text/plain;version=0.0.4".to_owned()));
        let ask = Ask { headers, ..Ask::get(&target.url, self.access.timeout) };
        let answer = self.access.http.ask_ok(ask).await;
        let page = answer.map(|answer| text::parse(&answer.body, |name| WANTED.contains(&name)));
        Scraped { target, page }
    }
}

impl Memory {
    /// Drops the history of instances that are no longer targets.
    fn forget_all_but(&mut self, scraped: &[Scraped]) {
        self.instances.retain(|url, _| scraped.iter().any(|one| one.target.url.as_str() == url));
    }

    fn take(&mut self, one: &Scraped, now: Timestamp, window_s: f64, failures: &mut Vec<SourceFailure>) {
        let reason = match &one.page {
            Ok(page) => {
                let instance = self.instances.entry(one.target.url.to_string()).or_default();
                instance.take(now, &page.lines, window_s);
                page.complaint()
            }
            Err(error) => Some(error.to_string()),
        };
        let failed = |reason| SourceFailure {
            service: one.target.service.clone(),
            source: shown(&one.target.url),
            reason,
        };
        failures.extend(reason.map(failed));
    }

    fn samples(&self, scraped: &[Scraped], window_s: f64, at: Timestamp) -> Vec<Sample> {
        let mut services: BTreeMap<&ServiceName, Members<'_>> = BTreeMap::new();
        let mut pages = Vec::new();
        for one in scraped {
            let answered = one.page.is_ok().then(|| self.instances.get(one.target.url.as_str())).flatten();
            pages.extend(answered.map(|instance| (one.target.service.as_ref(), instance)));
            if let Some(service) = &one.target.service {
                let members = services.entry(service).or_default();
                members.known += 1;
                members.up.extend(answered);
            }
        }
        let restarts = readings::controlled_restarts(pages.iter().copied(), window_s);
        let lag = readings::queue_lag(pages.iter().copied());
        let own = services
            .iter()
            .flat_map(|(service, members)| readings::of_service(service, members, window_s, at));
        // The control plane's count of restarts goes before the instances' own.
        let mut samples: Vec<Sample> =
            own.filter(|s| s.metric != Metric::Restarts || !restarts.contains_key(&s.service)).collect();
        for (metric, values) in [(Metric::Restarts, restarts), (Metric::QueueLag, lag)] {
            samples.extend(values.into_iter().map(|(service, value)| Sample { service, metric, value, at }));
        }
        samples
    }
}
