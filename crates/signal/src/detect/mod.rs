//! Detectors: new samples in, signals out.
//!
//! Owns: what is normal for every series, and when a deviation is worth telling. A sample is judged once, when it is
//! new; duplicates and late arrivals change nothing. While a series is suspicious its baseline stands still, so that a
//! fault is never learnt as normal. Must never read a clock or invent an id: both are inputs.

mod config;
mod rules;
mod state;
mod words;

pub use config::{BaselineKind, ConfigError, DetectionConfig, Rule, TrendRule};

use crate::normalise::{LastGood, Normalised, normalise};
use midwatch_model::{
    Evidence, EvidenceId, FrozenBaseline, Metric, Sample, ServiceName, Signal, SignalId, SignalKind,
    Timestamp, promql, seconds_between,
};
use rules::Judge;
use serde::{Deserialize, Serialize};
use state::{Finding, RECENT_SHOWN, SeriesState};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// A sample from further in the future than this comes from a wrong clock; taken in, it would make every real one late.
const FUTURE_S_MAX: f64 = 60.0;

/// Series beyond this are not watched, which bounds memory at about 2 KB each.
const SERIES_MAX: usize = 100_000;

/// The state of one series as a person or a later stage sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesStatus {
    pub service: ServiceName,
    pub metric: Metric,
    pub value: f64,
    pub at: Timestamp,
    /// Samples taken in so far.
    pub samples: u32,
    /// The frozen one while suspicious, else the current one; `None` until there are enough samples.
    pub baseline: Option<FrozenBaseline>,
    /// Distance of the last sample from the baseline in standard deviations, positive towards the bad side.
    pub sigma: f64,
    pub suspicious: bool,
    pub suspicious_since: Option<Timestamp>,
    /// Whether this run of suspicion has led to a signal.
    pub signalled: bool,
    /// Whether too many polls were missed for the value to say anything about now.
    pub stale: bool,
    /// The last points, at most 30, oldest first.
    pub recent: Vec<(Timestamp, f64)>,
}

/// What survives a restart of the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectorsSnapshot {
    series: Vec<(ServiceName, Metric, SeriesState)>,
}

/// All detectors of all series.
#[derive(Clone, Debug)]
pub struct Detectors {
    config: DetectionConfig,
    judges: BTreeMap<Metric, Judge>,
    series: BTreeMap<ServiceName, BTreeMap<Metric, SeriesState>>,
    count: usize,
}

impl Detectors {
    /// Detectors without any history. Values out of range are brought into range; see `DetectionConfig::validate`.
    #[must_use]
    pub fn new(config: DetectionConfig) -> Self {
        let judges = Metric::ALL.iter().map(|metric| (*metric, Judge::new(*metric, &config))).collect();
        Self { config, judges, series: BTreeMap::new(), count: 0 }
    }

    #[must_use]
    pub fn config(&self) -> &DetectionConfig {
        &self.config
    }

    /// Judges samples, each once, and returns the signals that they make. `ids` is asked once per signal.
    pub fn observe(
        &mut self,
        now: Timestamp,
        samples: &[Sample],
        ids: &mut dyn FnMut() -> SignalId,
    ) -> Vec<Signal> {
        let mut signals = Vec::new();
        // `up` comes last, so that the same poll's other readings can speak for the service first.
        for last in [false, true] {
            for sample in samples.iter().filter(|s| (s.metric == Metric::Up) == last) {
                if seconds_between(now, sample.at) <= FUTURE_S_MAX {
                    signals.extend(self.observe_one(now, sample, ids));
                }
            }
        }
        signals
    }

    fn observe_one(
        &mut self,
        now: Timestamp,
        sample: &Sample,
        ids: &mut dyn FnMut() -> SignalId,
    ) -> Option<Signal> {
        let excused =
            sample.metric == Metric::Up && sample.value > 0.0 && self.is_alive(&sample.service, sample.at);
        let judge = &self.judges[&sample.metric];
        let known = self.series.get(&sample.service).is_some_and(|of| of.contains_key(&sample.metric));
        if !known {
            if self.count >= SERIES_MAX {
                return None;
            }
            self.count += 1;
        }
        let of_service = match self.series.get_mut(&sample.service) {
            Some(of_service) => of_service,
            None => self.series.entry(sample.service.clone()).or_default(),
        };
        let state = of_service.entry(sample.metric).or_insert_with(|| SeriesState::new(&self.config));
        if sample.at <= state.last_at {
            return None;
        }
        let value = match normalise(sample, state.last_good) {
            Normalised::Measured(value) | Normalised::Clamped { value, .. } => value,
            Normalised::Substituted { value, times } => {
                // The series is alive, and nothing new is known: no verdict, nothing learnt.
                state.last_good = Some(LastGood { value, substituted: times });
                state.last_at = sample.at;
                return None;
            }
            Normalised::Missing => return None,
        };
        let found = state.take(value, sample.at, excused, judge, &self.config)?;
        let skipped = state.recent.len().saturating_sub(judge.n as usize);
        let newest: Vec<_> = state.recent.iter().copied().skip(skipped).collect();
        Some(signal(
            now,
            sample,
            value,
            state.sigma,
            &found,
            judge,
            &newest,
            self.config.rate_window_s,
            ids(),
        ))
    }

    /// Whether an instance of the service has reported something at or after `at`.
    fn is_alive(&self, service: &ServiceName, at: Timestamp) -> bool {
        let of_service = self.series.get(service).into_iter().flatten();
        of_service.filter(|(metric, _)| rules::proves_life(**metric)).any(|(_, state)| state.last_at >= at)
    }

    /// Every series, ordered by service and metric.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Vec<SeriesStatus> {
        let all = self
            .series
            .iter()
            .flat_map(|(service, of)| of.iter().map(move |(metric, s)| (service, *metric, s)));
        all.map(|(service, metric, state)| self.status_of(service, metric, state, now)).collect()
    }

    fn status_of(
        &self,
        service: &ServiceName,
        metric: Metric,
        state: &SeriesState,
        now: Timestamp,
    ) -> SeriesStatus {
        let judge = &self.judges[&metric];
        let current = || state.is_ready(&self.config).then(|| state.current(judge, state.last_at));
        let run = state.run.as_ref();
        SeriesStatus {
            service: service.clone(),
            metric,
            value: state.last_good.map_or(0.0, |good| good.value),
            at: state.last_at,
            samples: state.samples,
            baseline: run.map(|run| run.frozen).or_else(current),
            sigma: state.sigma,
            suspicious: run.is_some(),
            suspicious_since: run.map(|run| run.onset_at),
            signalled: run.is_some_and(|run| run.signalled),
            stale: state.is_stale(now, &self.config),
            recent: state
                .recent
                .iter()
                .copied()
                .skip(state.recent.len().saturating_sub(RECENT_SHOWN))
                .collect(),
        }
    }

    /// Services of which any series is suspicious.
    #[must_use]
    pub fn suspects(&self) -> BTreeSet<ServiceName> {
        let suspected = |of: &BTreeMap<Metric, SeriesState>| of.values().any(|state| state.run.is_some());
        self.series.iter().filter(|(_, of)| suspected(of)).map(|(service, _)| service.clone()).collect()
    }

    /// Seeds a series of an open incident that nothing is known of: it is judged by the incident's own baseline and does
    /// not signal again.
    pub fn adopt(&mut self, service: ServiceName, metric: Metric, frozen: FrozenBaseline) {
        let of_service = self.series.entry(service).or_default();
        if let Entry::Vacant(vacant) = of_service.entry(metric) {
            self.count += 1;
            vacant.insert(SeriesState::new(&self.config)).adopt(frozen);
        }
    }

    /// Forgets what was normal for a series, so that it learns anew: for an incident that was a false alarm because
    /// the service has lastingly changed.
    pub fn relearn(&mut self, service: &ServiceName, metric: Metric) {
        if let Some(state) = self.series.get_mut(service).and_then(|of| of.get_mut(&metric)) {
            state.relearn(&self.config);
        }
    }

    /// What survives a restart.
    #[must_use]
    pub fn snapshot(&self) -> DetectorsSnapshot {
        let all = self
            .series
            .iter()
            .flat_map(|(service, of)| of.iter().map(move |(metric, s)| (service, metric, s)));
        DetectorsSnapshot {
            series: all.map(|(service, metric, s)| (service.clone(), *metric, s.clone())).collect(),
        }
    }

    /// Detectors with the history of a snapshot; series whose last sample is older than `max_age_s` are dropped. A
    /// baseline of another kind than the configuration's is kept until its series learns anew.
    #[must_use]
    pub fn restore(
        config: DetectionConfig,
        snapshot: DetectorsSnapshot,
        now: Timestamp,
        max_age_s: f64,
    ) -> Self {
        let mut detectors = Self::new(config);
        for (service, metric, state) in snapshot.series.into_iter().take(SERIES_MAX) {
            if seconds_between(state.last_at, now) <= max_age_s {
                detectors.series.entry(service).or_default().insert(metric, state);
            }
        }
        detectors.count = detectors.series.values().map(BTreeMap::len).sum();
        detectors
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one signal, called from one place")]
fn signal(
    now: Timestamp,
    sample: &Sample,
    value: f64,
    sigma: f64,
    found: &Finding,
    judge: &Judge,
    newest: &[(Timestamp, f64)],
    rate_window_s: f64,
    id: SignalId,
) -> Signal {
    let said = words::Said {
        service: &sample.service,
        judge,
        value,
        sigma,
        baseline: &found.frozen,
        suspicious: found.suspicious,
        climb: found.climb,
    };
    Signal {
        kind: SignalKind::Anomaly,
        origin: "midwatch".to_owned(),
        service: sample.service.clone(),
        metric: Some(sample.metric),
        class: rules::class(sample.metric),
        onset_at: found.onset_at,
        detected_at: now,
        value,
        sigma,
        baseline: Some(found.frozen),
        summary: words::summary(&said),
        evidence: Some(evidence(sample, found, newest, rate_window_s, &id)),
        entity: None,
        alert_name: None,
        severity: None,
        ahead: None,
        id,
    }
}

fn evidence(
    sample: &Sample,
    found: &Finding,
    newest: &[(Timestamp, f64)],
    rate_window_s: f64,
    id: &SignalId,
) -> Evidence {
    // Tuples of a time and a finite number always serialise.
    let answer = serde_json::to_vec(newest).unwrap_or_default();
    Evidence {
        id: EvidenceId::new(format!("ev-{id}")),
        source: rules::witness(sample.metric),
        service: sample.service.clone(),
        query: promql::query(sample.metric, &sample.service, rate_window_s),
        from: newest.first().map_or(sample.at, |(at, _)| *at),
        to: sample.at,
        digest: Evidence::digest_of(&answer),
        excerpt: words::excerpt(sample.metric, &found.frozen, newest),
    }
}
