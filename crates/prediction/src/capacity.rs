//! When something that fills up is full: disks, memory, pools, quotas, lag.
//!
//! Owns: a forecast of one series with its intervals (augurs: exponential smoothing, after taking out seasons where there are
//! enough of them), and whether incidents of a service become more. "Not enough history" is an answer.

mod trend;

pub use trend::{IncidentTrend, incident_trend};

use augurs::ets::AutoETS;
use augurs::mstl::MSTLModel;
use augurs::prelude::{Fit as _, Predict as _};
use augurs::{Forecast, ets};
use serde::Serialize;

/// Values below which no trend is told from noise.
const ENOUGH: usize = 24;

/// Share of values that may be missing: more would be made up than measured.
const MISSING_MAX: f64 = 0.3;

/// Seasons that must have been seen before one is believed.
const SEASONS_MIN: usize = 3;

/// How alike values a season apart must be: more than half of what they vary repeats.
const ALIKE_MIN: f64 = 0.5;

/// How sure the interval is.
const LEVEL: f64 = 0.9;

/// What fills up.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// At even steps, oldest first; NaN where nothing was measured.
    pub values: &'a [f64],
    pub step_s: f64,
    /// Full is here.
    pub limit: f64,
    /// Steps to look ahead.
    pub horizon: usize,
}

/// When it is full.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "exhaustion", rename_all = "snake_case")]
pub enum Exhaustion {
    /// It is full now.
    Already,
    After(After),
    /// Not within the horizon, not even if it grows as fast as it well may.
    NotWithin {
        horizon_s: f64,
    },
    NotEnoughHistory {
        values: usize,
        needed: usize,
    },
    /// The series cannot be followed, such as one that is all the same or jumps.
    NoModel,
}

/// A time with its interval; what is beyond the horizon is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct After {
    /// If it goes on as is likeliest.
    pub seconds: Option<f64>,
    /// If it grows as fast as it does in one of twenty cases.
    pub earliest_s: f64,
    pub latest_s: Option<f64>,
    /// Steps of the season that was taken into account.
    pub season: Option<usize>,
}

/// When something is full.
#[must_use]
pub fn exhaustion(filling: &Filling<'_>) -> Exhaustion {
    let measured = filling.values.iter().filter(|value| value.is_finite()).count();
    let needed = ENOUGH.max(((1.0 - MISSING_MAX) * filling.values.len() as f64).ceil() as usize);
    if measured < needed {
        return Exhaustion::NotEnoughHistory { values: measured, needed };
    }
    let values = filled(filling.values);
    if values.last().is_some_and(|last| *last >= filling.limit) {
        return Exhaustion::Already;
    }
    let season = season(&values);
    let forecast = match season {
        Some(period) => seasonal(&values, period, filling.horizon),
        None => smooth(&values, filling.horizon),
    };
    forecast.map_or(Exhaustion::NoModel, |forecast| reached(filling, &forecast, season))
}

/// Gaps are bridged by a straight line: models need even steps.
fn filled(values: &[f64]) -> Vec<f64> {
    let known: Vec<(usize, f64)> =
        values.iter().copied().enumerate().filter(|(_, v)| v.is_finite()).collect();
    let bridge = |at: usize| {
        let next = known.partition_point(|(place, _)| *place < at);
        let (before, after) = (known[next.saturating_sub(1)], known[next.min(known.len() - 1)]);
        if before.0 >= after.0 || at <= before.0 {
            return if at <= before.0 { before.1 } else { after.1 };
        }
        before.1 + (after.1 - before.1) * (at - before.0) as f64 / (after.0 - before.0) as f64
    };
    let known_at = |(at, value): (usize, &f64)| if value.is_finite() { *value } else { bridge(at) };
    values.iter().enumerate().map(known_at).collect()
}

/// The season that was seen often enough: the highest peak of the autocorrelation, behind its first zero, where neighbours are no
/// longer alike only because they are neighbours. A slope is taken out first: it would look like a season as long as the series.
fn season(values: &[f64]) -> Option<usize> {
    let slope = (values[values.len() - 1] - values[0]) / (values.len() - 1) as f64;
    let level: Vec<f64> = values.iter().enumerate().map(|(at, value)| value - slope * at as f64).collect();
    let mean = level.iter().sum::<f64>() / level.len() as f64;
    let variance = level.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / level.len() as f64;
    let alike = |lag: usize| {
        let pairs = level.iter().zip(&level[lag..]).map(|(a, b)| (a - mean) * (b - mean));
        pairs.sum::<f64>() / (level.len() - lag) as f64 / variance.max(1e-12)
    };
    let zero = (1..values.len() / SEASONS_MIN).find(|lag| alike(*lag) < 0.0)?;
    let best = (zero..=values.len() / SEASONS_MIN).max_by(|a, b| alike(*a).total_cmp(&alike(*b)))?;
    (best > zero && alike(best) > ALIKE_MIN).then_some(best)
}

fn smooth(values: &[f64], horizon: usize) -> Option<Forecast> {
    AutoETS::non_seasonal().fit(values).ok()?.predict(horizon, LEVEL).ok()
}

fn seasonal(values: &[f64], period: usize, horizon: usize) -> Option<Forecast> {
    let trend: ets::trend::AutoETSTrendModel = AutoETS::non_seasonal().into_trend_model();
    MSTLModel::new(vec![period], trend).fit(values).ok()?.predict(horizon, LEVEL).ok()
}

fn reached(filling: &Filling<'_>, forecast: &Forecast, season: Option<usize>) -> Exhaustion {
    let first = |values: &[f64]| {
        let step = values.iter().position(|value| *value >= filling.limit)?;
        Some((step + 1) as f64 * filling.step_s)
    };
    let point = first(&forecast.point);
    let (upper, lower) = match &forecast.intervals {
        Some(intervals) => (first(&intervals.upper), first(&intervals.lower)),
        None => (point, point),
    };
    match upper.or(point) {
        Some(earliest_s) => Exhaustion::After(After { seconds: point, earliest_s, latest_s: lower, season }),
        None => Exhaustion::NotWithin { horizon_s: filling.horizon as f64 * filling.step_s },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn ask(values: &[f64], limit: f64) -> Exhaustion {
        exhaustion(&Filling { values, step_s: 3600.0, limit, horizon: 24 * 14 })
    }

    fn series(hours: usize, value: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut random = Random::new(4);
        (0..hours).map(|hour| value(hour as f64) + 0.2 * random.normal()).collect()
    }

    fn check(found: Exhaustion, hours: f64, off: f64) {
        let Exhaustion::After(after) = found else { panic!("{found:?}") };
        let said = after.seconds.expect("a time") / 3600.0;
        assert!((said - hours).abs() <= off, "in {said} hours, not {hours}: {after:?}");
        assert!(after.earliest_s <= after.seconds.expect("a time"));
        assert!(after.latest_s.is_none_or(|latest| latest >= after.seconds.expect("a time")));
    }

    #[test]
    fn a_disk_that_fills_evenly_is_full_when_the_line_says() {
        check(ask(&series(120, |hour| 40.0 + 0.25 * hour), 100.0), 120.0, 12.0);
    }

    #[test]
    fn a_daily_wave_is_no_trend_and_a_trend_below_it_is_found() {
        let wave = |hour: f64| 8.0 * (hour / 24.0 * std::f64::consts::TAU).sin();
        let steady = ask(&series(24 * 10, |hour| 50.0 + wave(hour)), 90.0);
        assert!(matches!(steady, Exhaustion::NotWithin { .. }), "{steady:?}");
        let rising = ask(&series(24 * 10, |hour| 30.0 + 0.15 * hour + wave(hour)), 100.0);
        check(rising, 180.0, 40.0);
        assert!(matches!(rising, Exhaustion::After(After { season: Some(24), .. })), "{rising:?}");
    }

    #[test]
    fn what_is_short_full_or_missing_has_its_own_answer() {
        assert_eq!(ask(&[1.0; 5], 10.0), Exhaustion::NotEnoughHistory { values: 5, needed: 24 });
        assert_eq!(ask(&series(48, |hour| 60.0 + hour), 100.0), Exhaustion::Already);
        let mut gaps = series(100, |hour| hour);
        gaps.iter_mut().step_by(2).for_each(|value| *value = f64::NAN);
        assert!(matches!(ask(&gaps, 200.0), Exhaustion::NotEnoughHistory { values: 50, needed: 70 }));
        let mut few = series(120, |hour| 40.0 + 0.25 * hour);
        few.iter_mut().step_by(7).for_each(|value| *value = f64::NAN);
        check(ask(&few, 100.0), 120.0, 15.0);
    }
}
