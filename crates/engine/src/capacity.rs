//! When something is full, and whether incidents of a service become more: asked for, and computed when it is.
//!
//! Must never: raise anything by itself, or guess where there is too little history.

use crate::{Engine, EngineError};
use futures::stream::{self, StreamExt as _};
use midwatch_model::{Metric, ServiceName, Timestamp, after, seconds_between};
use midwatch_prediction::capacity::{Exhaustion, Filling, IncidentTrend, exhaustion, incident_trend};
use serde::Serialize;
use std::time::Duration;

/// What fills up, each as a share of its limit. A lag has no limit of which midwatch knows.
const FILLING: [Metric; 3] = [Metric::Memory, Metric::DbPool, Metric::Cpu];

/// Services that are answered for at once; each takes some milliseconds of a core, and one question to the source of metrics.
const SERVICES_MAX: usize = 50;

/// Days of history that are asked for: weekly waves show three times in three weeks, daily ones in three days.
const HISTORY_DAYS: f64 = 21.0;

/// Even steps that a history is cut into at most.
const STEPS: usize = 240;

/// How far ahead, as a share of the history: further, a straight line is a wish.
const AHEAD: f64 = 1.0;

/// How long the source of metrics may take for all of it, and how many questions it gets at a time.
const PAST_WITHIN: Duration = Duration::from_secs(10);
const PAST_CONCURRENT: usize = 4;

/// Weeks whose incidents are counted, and incidents of a service that are read at most.
const WEEKS: usize = 12;
const INCIDENTS_MAX: u32 = 10_000;
const WEEK_S: f64 = 7.0 * 86_400.0;

/// One thing that fills up.
#[derive(Clone, Debug, Serialize)]
pub struct Fill {
    pub service: ServiceName,
    pub metric: Metric,
    /// The newest value, a share of the limit, 0–1.
    pub now: f64,
    /// What the answer rests on.
    pub history_s: f64,
    #[serde(flatten)]
    pub outlook: Exhaustion,
    /// The same in a sentence.
    pub sentence: String,
}

/// How incidents of a service have moved over the last weeks.
#[derive(Clone, Debug, Serialize)]
pub struct Trend {
    pub service: ServiceName,
    #[serde(flatten)]
    pub trend: IncidentTrend,
}

/// Everything that is known of capacity.
#[derive(Clone, Debug, Serialize)]
pub struct Capacity {
    pub at: Timestamp,
    /// Soonest full first; what is not known last.
    pub fills: Vec<Fill>,
    /// Incidents a week, of services that had any.
    pub trends: Vec<Trend>,
    /// Services that were left out of this answer; ask for them by name.
    pub left_out: usize,
}

/// A series as it was read.
struct Series {
    service: ServiceName,
    metric: Metric,
    samples: Vec<(Timestamp, f64)>,
}

impl Engine {
    /// When what fills up is full, of one service or of all.
    ///
    /// # Errors
    /// When the service is not watched, or the store cannot be read.
    pub async fn capacity(&self, service: Option<&ServiceName>) -> Result<Capacity, EngineError> {
        let now = self.now();
        let mut services: Vec<ServiceName> = match service {
            Some(service) => {
                self.check_watched(service).await?;
                vec![service.clone()]
            }
            None => {
                let known = self.watch.lock().await.registrations();
                known.into_iter().map(|registration| ServiceName::new(registration.name)).collect()
            }
        };
        let left_out = services.len().saturating_sub(SERVICES_MAX);
        services.truncate(SERVICES_MAX);
        let series = self.filling(&services, now).await;
        let judged = tokio::task::spawn_blocking(move || series.iter().filter_map(fill).collect::<Vec<_>>());
        let mut fills = judged.await.unwrap_or_default();
        fills.sort_by(|a, b| soonest(a).total_cmp(&soonest(b)).then_with(|| a.service.cmp(&b.service)));
        let mut trends = Vec::new();
        for service in services {
            trends.extend(self.trend(service, now).await?);
        }
        Ok(Capacity { at: now, fills, trends, left_out })
    }

    /// What the source of metrics has kept, and what the watch remembers where it keeps nothing.
    async fn filling(&self, services: &[ServiceName], now: Timestamp) -> Vec<Series> {
        let mut all = Vec::new();
        let from = after(now, -HISTORY_DAYS * 86_400.0);
        let asked: Vec<_> =
            services.iter().map(|service| self.outside.past_samples(service, from, now)).collect();
        let collected = stream::iter(asked).buffered(PAST_CONCURRENT).for_each(|answer| {
            for sample in answer.unwrap_or_default() {
                if FILLING.contains(&sample.metric) {
                    put(&mut all, &sample.service, sample.metric, (sample.at, sample.value));
                }
            }
            std::future::ready(())
        });
        if tokio::time::timeout(PAST_WITHIN, collected).await.is_err() {
            tracing::debug!("the past was not there in time; what came is used");
        }
        let watch = self.watch.lock().await;
        for service in services {
            for (metric, samples) in watch.history.until(service, now) {
                let known = all.iter().any(|s: &Series| s.service == *service && s.metric == metric);
                if FILLING.contains(&metric) && !known {
                    all.push(Series { service: service.clone(), metric, samples });
                }
            }
        }
        all
    }

    async fn trend(&self, service: ServiceName, now: Timestamp) -> Result<Option<Trend>, EngineError> {
        let rows = self.store.incidents_of(service.as_str(), INCIDENTS_MAX).await?;
        let mut weeks = [0_u32; WEEKS];
        for row in &rows {
            let ago = (seconds_between(row.opened_at, now) / WEEK_S).max(0.0) as usize;
            if ago < WEEKS {
                weeks[WEEKS - 1 - ago] += 1;
            }
        }
        Ok((!rows.is_empty()).then(|| Trend { service, trend: incident_trend(&weeks) }))
    }
}

fn put(all: &mut Vec<Series>, service: &ServiceName, metric: Metric, sample: (Timestamp, f64)) {
    match all.iter_mut().find(|series| series.service == *service && series.metric == metric) {
        Some(series) => series.samples.push(sample),
        None => all.push(Series { service: service.clone(), metric, samples: vec![sample] }),
    }
}

fn fill(series: &Series) -> Option<Fill> {
    let (first, (last, now)) = (series.samples.first()?.0, *series.samples.last()?);
    let history_s = seconds_between(first, last);
    // Fewer steps than samples, so that polls that come a little early or late leave no gaps.
    let steps = (series.samples.len() * 3 / 4).clamp(1, STEPS);
    let step_s = (history_s / steps as f64).max(1.0);
    let values = even(&series.samples, first, step_s, history_s);
    let horizon = (values.len() as f64 * AHEAD).ceil() as usize;
    let outlook = exhaustion(&Filling { values: &values, step_s, limit: 1.0, horizon });
    let sentence = sentence(series, now, (history_s, step_s), &outlook);
    Some(Fill { service: series.service.clone(), metric: series.metric, now, history_s, outlook, sentence })
}

/// The mean of each step; NaN where nothing was read.
fn even(samples: &[(Timestamp, f64)], first: Timestamp, step_s: f64, history_s: f64) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_u32); (history_s / step_s).floor() as usize + 1];
    for (at, value) in samples.iter().filter(|(_, value)| value.is_finite()) {
        let place = (seconds_between(first, *at) / step_s) as usize;
        if let Some(sum) = sums.get_mut(place) {
            *sum = (sum.0 + value, sum.1 + 1);
        }
    }
    sums.into_iter().map(|(sum, count)| sum / f64::from(count)).collect()
}

fn soonest(fill: &Fill) -> f64 {
    match fill.outlook {
        Exhaustion::Already => 0.0,
        Exhaustion::After(after) => after.seconds.unwrap_or(after.earliest_s * 2.0),
        Exhaustion::NotWithin { horizon_s } => 1e12 + horizon_s,
        Exhaustion::NoModel => 1e15,
        Exhaustion::NotEnoughHistory { .. } => 1e16,
    }
}

fn sentence(series: &Series, now: f64, (history_s, step_s): (f64, f64), outlook: &Exhaustion) -> String {
    let what = format!("{} {} {}", series.service, series.metric.title(), series.metric.show(now));
    let when = match outlook {
        Exhaustion::Already => "it is full".to_owned(),
        Exhaustion::After(after) => {
            let latest = after.latest_s.map_or_else(|| "never".to_owned(), span);
            let between = format!("between {} and {latest}", span(after.earliest_s));
            let wave = after.season.map_or_else(String::new, |steps| {
                format!(", a wave of {} taken out", span(steps as f64 * step_s))
            });
            match after.seconds {
                Some(seconds) => format!("full in about {} ({between}, 90 %{wave})", span(seconds)),
                None => format!(
                    "probably not full soon, but it could be in {} (90 %{wave})",
                    span(after.earliest_s)
                ),
            }
        }
        Exhaustion::NotWithin { horizon_s } => format!("not full within {}", span(*horizon_s)),
        Exhaustion::NotEnoughHistory { values, needed } => {
            return format!("{what}; not enough history to say more ({values} of {needed} values)");
        }
        Exhaustion::NoModel => return format!("{what}; it follows no line that could be drawn on"),
    };
    format!("{what}; {when}, from {} of history", span(history_s))
}

/// `40 s`, `12 min`, `5.2 h`, `3.4 days`.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: impl Fn(usize) -> Option<f64>, count: usize, step_s: f64, expected: &str) {
        let start = Timestamp::UNIX_EPOCH;
        let samples =
            (0..count).filter_map(|at| Some((after(start, at as f64 * step_s), values(at)?))).collect();
        let fill = fill(&Series { service: "db".into(), metric: Metric::Memory, samples }).expect("samples");
        assert!(fill.sentence.starts_with(expected), "{}", fill.sentence);
    }

    #[test]
    fn the_sentence_says_when_and_how_sure_or_that_nobody_knows() {
        let noise = |at: usize| ((at * 7919) % 13) as f64 * 0.0005;
        check(|at| Some(0.4 + at as f64 * 0.002 + noise(at)), 200, 15.0, "db memory 80.2 %; full in about");
        check(|at| Some(0.4 + noise(at)), 200, 15.0, "db memory 40.4 %; not full within 50 min");
        check(
            |at| Some(0.4 + at as f64 * 0.01),
            9,
            15.0,
            "db memory 48.0 %; not enough history to say more (",
        );
        check(|at| (at % 50 < 20).then_some(0.4), 100, 15.0, "db memory 40.0 %; not enough history");
        check(|_| Some(1.0), 100, 15.0, "db memory 100.0 %; it is full");
    }

    #[test]
    fn steps_are_even_and_gaps_stay_gaps() {
        let at = |second: f64| after(Timestamp::UNIX_EPOCH, second);
        let samples = [(at(0.0), 1.0), (at(4.0), 3.0), (at(25.0), 5.0)];
        let values = even(&samples, at(0.0), 10.0, 25.0);
        assert_eq!((values[0], values[2], values.len()), (2.0, 5.0, 3));
        assert!(values[1].is_nan());
    }
}
