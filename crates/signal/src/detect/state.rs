//! One series: its baseline, its run of suspicion, and what a new sample does to them.

use super::config::{BaselineKind, DetectionConfig};
use super::rules::{Judge, RISING_SHARE_MIN};
use super::words::ClimbSeen;
use crate::normalise::LastGood;
use midwatch_model::{FrozenBaseline, Metric, Timestamp, seconds_between};
use midwatch_series::{Baseline, Ewma, Rolling, trend};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Points that are shown for a series.
pub(super) const RECENT_SHOWN: usize = 30;

/// The history kept for the trend test is so many trend windows long: climbs three times slower still show, and its
/// first third is the reference from before the climb.
const TREND_WINDOWS: usize = 3;

/// A sample beyond so many standard deviations enters the baseline as if it were there: harmless shifts are learnt
/// within a window, and one outlier cannot move the mean far (winsorising).
const WINSOR_SIGMA: f64 = 3.0;

/// What follows after a longer silence is a new stretch: verdicts and points from before it are not its neighbours.
/// Ten minutes are twice the time in which an incident repeats (`dedup_s`).
const GAP_S_MAX: f64 = 600.0;

/// Poll interval that is assumed until two samples have shown it.
const INTERVAL_S_ASSUMED: f64 = 15.0;

/// How long a level that a series came back from by itself excuses a climb up to it. Six hours cover the cycles of
/// garbage collectors and batch jobs, and a leak cannot hide behind yesterday's peak.
const CEILING_S_MAX: f64 = 21_600.0;

/// A series has come back from a peak when it lost this share of the rise that counts as a climb.
const FALLEN_SHARE: f64 = 0.5;

/// Why a run of suspicion began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ground {
    Level,
    Climb,
}

/// A run of suspicion: from the first suspicious sample to the last of `n` normal ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub frozen: FrozenBaseline,
    pub ground: Ground,
    pub onset_at: Timestamp,
    pub signalled: bool,
    /// Samples since the run began.
    pub samples: u32,
    /// Normal samples in a row.
    pub normal: u32,
}

/// Everything that is remembered of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SeriesState {
    pub baseline: Baseline,
    pub last_at: Timestamp,
    pub last_good: Option<LastGood>,
    /// Samples judged or learnt from, ever.
    pub samples: u32,
    pub sigma: f64,
    /// Verdicts of the last samples, newest in the lowest bit.
    pub flags: u64,
    pub recent: VecDeque<(Timestamp, f64)>,
    pub run: Option<Run>,
    pub last_signal_at: Option<Timestamp>,
    /// Highest value since the last fall, outside of runs.
    pub peak: f64,
    /// The level that the series last came back from without being suspicious, and when.
    pub ceiling: Option<(f64, Timestamp)>,
}

/// A series that has to be told about.
pub(super) struct Finding {
    pub frozen: FrozenBaseline,
    pub onset_at: Timestamp,
    pub suspicious: u32,
    pub climb: Option<ClimbSeen>,
}

impl SeriesState {
    pub fn new(config: &DetectionConfig) -> Self {
        Self {
            baseline: fresh_baseline(config),
            last_at: Timestamp::MIN,
            last_good: None,
            samples: 0,
            sigma: 0.0,
            flags: 0,
            recent: VecDeque::new(),
            run: None,
            last_signal_at: None,
            peak: f64::MIN,
            ceiling: None,
        }
    }

    /// Takes a usable, newer sample. `excused` says that something else disproves it (a service whose instances report
    /// is not gone).
    pub fn take(
        &mut self,
        value: f64,
        at: Timestamp,
        excused: bool,
        judge: &Judge,
        config: &DetectionConfig,
    ) -> Option<Finding> {
        self.remember(value, at, config);
        let climb = self.climb(judge, config);
        let suspicious = if self.run.is_some() {
            self.continue_run(value, excused, climb, judge)
        } else {
            self.judge_afresh(value, at, excused, climb, judge, config)
        };
        self.flags = (self.flags << 1) | u64::from(suspicious);
        self.note_peak(value, at, judge);
        let count = self.suspicious_of(judge.n);
        self.settle(suspicious, count, judge, config);
        self.finding(at, count, climb, judge, config)
    }

    /// Suspicious samples among the last `n`.
    pub fn suspicious_of(&self, n: u32) -> u32 {
        let mask = if n >= u64::BITS { u64::MAX } else { (1 << n) - 1 };
        (self.flags & mask).count_ones()
    }

    fn remember(&mut self, value: f64, at: Timestamp, config: &DetectionConfig) {
        if self.samples > 0 && seconds_between(self.last_at, at) > GAP_S_MAX {
            self.flags = 0;
            self.recent.clear();
        }
        self.samples = self.samples.saturating_add(1);
        self.last_at = at;
        self.last_good = Some(LastGood { value, substituted: 0 });
        self.recent.push_back((at, value));
        let kept = RECENT_SHOWN.max(TREND_WINDOWS * trend_samples(config));
        while self.recent.len() > kept {
            self.recent.pop_front();
        }
    }

    /// Judges a sample against the rolling baseline; a suspicious one freezes it, any other is learnt.
    fn judge_afresh(
        &mut self,
        value: f64,
        at: Timestamp,
        excused: bool,
        climb: Option<ClimbSeen>,
        judge: &Judge,
        config: &DetectionConfig,
    ) -> bool {
        // Two restarts within a minute are a loop whatever was normal; everything else needs a baseline first.
        if !self.is_ready(config) && judge.metric != Metric::Restarts {
            let _ = self.baseline.push(value);
            self.sigma = 0.0;
            return false;
        }
        let current = self.current(judge, at);
        self.sigma = judge.distance(value, &current);
        if is_suspicious(judge, value, &current) && !excused {
            let reference =
                self.reference(judge, config).filter(|r| judge.trend.is_some() && r.mean < current.mean);
            self.begin(reference.unwrap_or(current), Ground::Level, at);
            return true;
        }
        if let Some(reference) = climb.and_then(|_| self.climb_reference(judge, config)) {
            self.sigma = judge.distance(value, &reference);
            let onset_at = self.left_normal_at(judge, &reference);
            self.begin(reference, Ground::Climb, onset_at);
            return true;
        }
        let spread = WINSOR_SIGMA * current.std;
        let _ = self.baseline.push(value.clamp(current.mean - spread, current.mean + spread));
        false
    }

    fn begin(&mut self, frozen: FrozenBaseline, ground: Ground, onset_at: Timestamp) {
        self.run = Some(Run { frozen, ground, onset_at, signalled: false, samples: 0, normal: 0 });
    }

    /// Judges a sample of a run against the frozen baseline; nothing is learnt.
    fn continue_run(&mut self, value: f64, excused: bool, climb: Option<ClimbSeen>, judge: &Judge) -> bool {
        let Some(run) = &self.run else { return false };
        self.sigma = judge.distance(value, &run.frozen);
        let abnormal = !run.frozen.is_normal(judge.metric, value) && !excused;
        // Until it has signalled, a climb has to go on climbing (or pass the level); afterwards a plateau is no cure.
        let confirmed = run.ground == Ground::Level
            || run.signalled
            || climb.is_some()
            || value > judge.bound(run.frozen.mean, run.frozen.std);
        abnormal && confirmed
    }

    /// Counts the run on, and ends it when suspicion has passed.
    fn settle(&mut self, suspicious: bool, count: u32, judge: &Judge, config: &DetectionConfig) {
        let Some(run) = &mut self.run else { return };
        run.samples = run.samples.saturating_add(1);
        run.normal = if suspicious { 0 } else { run.normal + 1 };
        // Lone outliers in a steady drip never make a signal; they must not keep the series from learning forever.
        let only_a_drip = !run.signalled && run.samples >= config.baseline_samples && count < judge.m;
        if run.normal >= judge.n || only_a_drip {
            let frozen = run.frozen;
            self.run = None;
            self.flags = 0;
            if self.baseline.len() < ready_at(config) {
                self.baseline = seeded(&frozen, config);
            }
        }
    }

    fn finding(
        &mut self,
        at: Timestamp,
        suspicious: u32,
        climb: Option<ClimbSeen>,
        judge: &Judge,
        config: &DetectionConfig,
    ) -> Option<Finding> {
        let told = self.last_signal_at.is_some_and(|last| seconds_between(last, at) < config.dedup_s);
        let run = self.run.as_mut()?;
        if suspicious < judge.m || run.signalled || told {
            return None;
        }
        run.signalled = true;
        self.last_signal_at = Some(at);
        let climb = climb.filter(|_| run.ground == Ground::Climb);
        Some(Finding { frozen: run.frozen, onset_at: run.onset_at, suspicious, climb })
    }

    pub fn is_ready(&self, config: &DetectionConfig) -> bool {
        self.baseline.len() >= ready_at(config)
    }

    /// What is normal now, by the rolling baseline.
    pub fn current(&self, judge: &Judge, at: Timestamp) -> FrozenBaseline {
        let samples = u32::try_from(self.baseline.len()).unwrap_or(u32::MAX);
        judge.freeze(self.baseline.mean(), self.baseline.std(), samples, at)
    }

    /// Learns which level the series comes back from by itself, as memory does when garbage is collected.
    fn note_peak(&mut self, value: f64, at: Timestamp, judge: &Judge) {
        let Some(rule) = judge.trend.as_ref() else { return };
        if self.run.is_some() {
            // What a fault reached is no level that the series lives at.
            self.peak = f64::MIN;
            return;
        }
        if value < self.peak - FALLEN_SHARE * rule.min_rise {
            let known = self.ceiling_at(at).unwrap_or(f64::MIN);
            self.ceiling = Some((self.peak.max(known), at));
            self.peak = value;
        }
        self.peak = self.peak.max(value);
    }

    /// The level up to which a climb is nothing new.
    fn ceiling_at(&self, at: Timestamp) -> Option<f64> {
        self.ceiling.filter(|(_, since)| seconds_between(*since, at) <= CEILING_S_MAX).map(|(level, _)| level)
    }

    /// Whether the series climbs by its trend rule, over the trend window or over the whole history kept for it.
    fn climb(&self, judge: &Judge, config: &DetectionConfig) -> Option<ClimbSeen> {
        let rule = judge.trend.as_ref()?;
        let (at, value) = *self.recent.back()?;
        // A quarter of the rise above it, so that peaks of unequal height count as the same.
        if self.ceiling_at(at).is_some_and(|ceiling| value <= ceiling + 0.25 * rule.min_rise) {
            return None;
        }
        let lowest = self.recent.iter().map(|(_, v)| *v).fold(f64::INFINITY, f64::min);
        // Cheap first: most series never rise so far.
        if value <= rule.floor || value - lowest < rule.min_rise {
            return None;
        }
        let short = trend_samples(config);
        [short, TREND_WINDOWS * short].into_iter().filter(|len| self.recent.len() >= *len).find_map(|len| {
            let found = trend(&self.points(len))?;
            let climbs = found.rise >= rule.min_rise
                && found.z >= rule.min_z
                && found.rising_share >= RISING_SHARE_MIN;
            let left_s = rule.limit.map_or(0.0, |limit| (limit - value) / found.slope_per_s);
            let seen = ClimbSeen { slope_per_s: found.slope_per_s, limit: rule.limit };
            (climbs && left_s <= rule.horizon_s).then_some(seen)
        })
    }

    /// The last points as seconds since the first of them.
    fn points(&self, len: usize) -> Vec<(f64, f64)> {
        let kept = self.recent.iter().skip(self.recent.len() - len);
        let start = self.recent[self.recent.len() - len].0;
        kept.map(|(at, value)| (seconds_between(start, *at), *value)).collect()
    }

    /// What was normal before: the first third of the history, which a climb of the trend window has not reached. The
    /// rolling baseline has learnt part of the climb by the time that it shows.
    fn reference(&self, judge: &Judge, config: &DetectionConfig) -> Option<FrozenBaseline> {
        let third = self.recent.len() / 3;
        if self.recent.len() < trend_samples(config) || third < 2 {
            return None;
        }
        let mut window = Rolling::new(third);
        for (_, value) in self.recent.iter().take(third) {
            let _ = window.push(*value);
        }
        Some(judge.freeze(
            window.mean(),
            window.std(),
            u32::try_from(third).unwrap_or(u32::MAX),
            self.last_at,
        ))
    }

    /// The reference with the bound of a climb.
    fn climb_reference(&self, judge: &Judge, config: &DetectionConfig) -> Option<FrozenBaseline> {
        let rule = judge.trend.as_ref()?;
        let reference = self.reference(judge, config)?;
        let bound = judge.climb_bound(rule, reference.mean, reference.std);
        let (_, value) = *self.recent.back()?;
        (value > bound).then_some(FrozenBaseline { bound, ..reference })
    }

    /// When the series left its normal range for the last time: the first point after the last normal one.
    fn left_normal_at(&self, judge: &Judge, reference: &FrozenBaseline) -> Timestamp {
        let edge = reference.mean + judge.sigma * reference.std;
        let outside = self.recent.iter().rev().take_while(|(_, value)| *value > edge);
        outside.last().map_or(self.last_at, |(at, _)| *at)
    }

    /// Seconds between samples: the median of the last gaps.
    fn interval_s(&self) -> f64 {
        let newest = self.recent.iter().rev();
        // Ten gaps outvote a few missed polls.
        let mut gaps: Vec<f64> =
            newest.clone().zip(newest.skip(1)).take(10).map(|(b, a)| seconds_between(a.0, b.0)).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        gaps.get(gaps.len() / 2).copied().unwrap_or(INTERVAL_S_ASSUMED)
    }

    /// Whether so many polls were missed that the last value says nothing about now.
    pub fn is_stale(&self, now: Timestamp, config: &DetectionConfig) -> bool {
        seconds_between(self.last_at, now) > f64::from(config.stale_polls) * self.interval_s()
    }

    /// Makes the series one of an open incident, judged by the incident's own baseline.
    pub fn adopt(&mut self, frozen: FrozenBaseline) {
        self.last_signal_at = self.last_signal_at.max(Some(frozen.frozen_at));
        let onset_at = self.run.as_ref().map_or(frozen.frozen_at, |run| run.onset_at.min(frozen.frozen_at));
        self.begin(frozen, Ground::Level, onset_at);
        if let Some(run) = &mut self.run {
            run.signalled = true;
        }
    }

    /// Forgets the run and what was normal: the series learns anew from the next sample. How high it has been is kept:
    /// a person says that this is no fault.
    pub fn relearn(&mut self, config: &DetectionConfig) {
        let highest = self.recent.iter().map(|(_, value)| *value).reduce(f64::max);
        self.ceiling = highest.map(|level| (level, self.last_at)).or(self.ceiling);
        self.run = None;
        self.flags = 0;
        self.recent.clear();
        self.baseline = fresh_baseline(config);
    }
}

/// Whether a sample leaves the normal range of a rolling baseline.
fn is_suspicious(judge: &Judge, value: f64, current: &FrozenBaseline) -> bool {
    match judge.metric {
        Metric::Up => value <= judge.floor,
        _ => value > current.bound,
    }
}

fn fresh_baseline(config: &DetectionConfig) -> Baseline {
    match config.baseline {
        BaselineKind::Window => Baseline::Window(Rolling::new(config.baseline_samples as usize)),
        BaselineKind::Ewma => Baseline::Ewma(Ewma::new(config.ewma_alpha)),
    }
}

/// A baseline that says what a frozen one said: as many samples, half of them one deviation above the mean and half
/// below. It serves a series whose own samples were lost with a restart in mid-incident.
fn seeded(frozen: &FrozenBaseline, config: &DetectionConfig) -> Baseline {
    let mut baseline = fresh_baseline(config);
    for index in 0..frozen.samples.min(config.baseline_samples) {
        let side = if index % 2 == 0 { frozen.std } else { -frozen.std };
        let _ = baseline.push(frozen.mean + side);
    }
    baseline
}

/// Samples from which a baseline may judge; never more than it can hold.
fn ready_at(config: &DetectionConfig) -> usize {
    config.min_samples.min(config.baseline_samples).max(2) as usize
}

fn trend_samples(config: &DetectionConfig) -> usize {
    config.trend_samples.clamp(4, 256) as usize
}
