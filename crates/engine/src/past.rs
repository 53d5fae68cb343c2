//! The past of one series, for those who look at it: what midwatch remembers, and before that what was kept elsewhere.
//!
//! Must never: judge a value.

use crate::Engine;
use midwatch_model::{Evidence, Metric, ServiceName, Timestamp, promql, seconds_between};
use std::time::Duration;

/// A chart that lacks its beginning is better than one that is waited for.
const PAST_WITHIN: Duration = Duration::from_secs(3);

/// Polls after the beginning of a window by which a series that is remembered whole has begun.
const GAP_POLLS: f64 = 2.0;

/// What a question answers when it is asked again.
#[derive(Clone, Debug, PartialEq)]
pub struct Again {
    pub metric: Metric,
    pub samples: Vec<(Timestamp, f64)>,
    /// SHA-256 in hex over the answer.
    pub digest: String,
    /// Whether it is the very answer that the evidence was made of.
    pub matches: bool,
    /// Whether the window is remembered from its beginning: an answer that lacks it is another one, and proves nothing.
    pub whole: bool,
}

impl Engine {
    /// Asks for a piece of evidence again, over its own window; `None` where it was no question about a series.
    pub async fn ask_again(&self, evidence: &Evidence) -> Option<Again> {
        let window_s = self.config.rate_window_s;
        let asks = |metric: &&Metric| promql::query(**metric, &evidence.service, window_s) == evidence.query;
        let metric = *Metric::ALL.iter().find(asks)?;
        let samples = self.samples_between(&evidence.service, metric, evidence.from, evidence.to).await;
        // As the detectors write it: pairs of time and number.
        let digest = Evidence::digest_of(&serde_json::to_vec(&samples).unwrap_or_default());
        let matches = digest == evidence.digest;
        // What was kept elsewhere has other times: that it differs says nothing about the answer.
        let own = self.remembered(&evidence.service, metric, evidence.to).await;
        let first = own.first().map_or(evidence.to, |(at, _)| *at);
        let whole =
            matches || seconds_between(evidence.from, first) <= GAP_POLLS * self.config.poll_interval_s;
        Some(Again { metric, samples, digest, matches, whole })
    }

    /// The samples of a series between two times, oldest first; none where nobody has kept any.
    pub async fn samples_between(
        &self,
        service: &ServiceName,
        metric: Metric,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<(Timestamp, f64)> {
        let mut own = self.remembered(service, metric, to).await;
        let since = own.first().map_or(to, |(at, _)| *at);
        if since > from {
            let mut before = self.kept_elsewhere(service, metric, from, since).await;
            before.append(&mut own);
            own = before;
        }
        own.retain(|(at, _)| *at >= from);
        own
    }

    async fn remembered(
        &self,
        service: &ServiceName,
        metric: Metric,
        to: Timestamp,
    ) -> Vec<(Timestamp, f64)> {
        let watch = self.watch.lock().await;
        let found = watch.history.until(service, to).find(|(known, _)| *known == metric);
        found.map(|(_, samples)| samples).unwrap_or_default()
    }

    async fn kept_elsewhere(
        &self,
        service: &ServiceName,
        metric: Metric,
        from: Timestamp,
        before: Timestamp,
    ) -> Vec<(Timestamp, f64)> {
        let asked = self.outside.past_samples(service, from, before);
        match tokio::time::timeout(PAST_WITHIN, asked).await {
            Ok(Ok(samples)) => {
                let of_series = samples.iter().filter(|sample| sample.metric == metric && sample.at < before);
                of_series.map(|sample| (sample.at, sample.value)).collect()
            }
            Ok(Err(error)) => {
                tracing::debug!(%service, %error, "no past samples to show");
                Vec::new()
            }
            Err(_) => {
                tracing::debug!(%service, seconds = PAST_WITHIN.as_secs(), "the past was not there in time");
                Vec::new()
            }
        }
    }
}
