//! NAB's score: early alarms within a window count, alarms outside of one cost.

/// A series with the stretches in which something is wrong, as places of its samples.
pub(super) struct Series {
    pub name: String,
    pub values: Vec<f64>,
    pub per_day: Option<usize>,
    pub windows: Vec<(usize, usize)>,
}

/// What a false alarm and a missed window cost, as NAB publishes them.
pub(super) struct Profile {
    pub name: &'static str,
    false_alarm: f64,
    missed: f64,
}

pub(super) const PROFILES: [Profile; 3] = [
    Profile { name: "standard", false_alarm: 0.11, missed: 1.0 },
    Profile { name: "reward_low_FP_rate", false_alarm: 0.22, missed: 1.0 },
    Profile { name: "reward_low_FN_rate", false_alarm: 0.11, missed: 2.0 },
];

/// What one series gives at one threshold.
pub(super) struct Scored {
    pub score: f64,
    pub found: usize,
    pub alarms: usize,
}

/// Thresholds that are tried: even steps through all scores, and each of the highest.
const THRESHOLDS: usize = 400;

/// Samples at the beginning that are not judged: 15 %, of 5,000 at most.
pub(super) fn probation(samples: usize) -> usize {
    samples.min(5000) * 15 / 100
}

/// A detector's worth over all series at its best threshold, and that threshold.
pub(super) fn best(series: &[Series], scores: &[Vec<f64>], profile: &Profile) -> (f64, f64) {
    let windows = series.iter().map(|series| series.windows.len()).sum::<usize>() as f64;
    let worth = |threshold: &f64| {
        let all = series
            .iter()
            .zip(scores)
            .map(|(series, scores)| score_of(series, scores, *threshold, profile).score);
        // Between saying nothing and perfect.
        100.0 * (all.sum::<f64>() + profile.missed * windows) / (windows + profile.missed * windows)
    };
    let tried = thresholds(scores).into_iter().map(|threshold| (worth(&threshold), threshold));
    tried.fold((0.0, f64::INFINITY), |best, next| if next.0 > best.0 { next } else { best })
}

fn thresholds(scores: &[Vec<f64>]) -> Vec<f64> {
    let mut all: Vec<f64> = scores.iter().flatten().copied().filter(|score| *score > 0.0).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    let even = all.iter().step_by((all.len() / THRESHOLDS).max(1));
    even.chain(&all[all.len().saturating_sub(THRESHOLDS)..]).copied().collect()
}

/// Of the alarms in a window the earliest counts, the more the earlier; one outside costs, less if it is just late.
pub(super) fn score_of(series: &Series, scores: &[f64], threshold: f64, profile: &Profile) -> Scored {
    let mut best: Vec<Option<f64>> = vec![None; series.windows.len()];
    let mut result = Scored { score: 0.0, found: 0, alarms: 0 };
    let judged = scores.iter().enumerate().skip(probation(scores.len()));
    for (place, _) in judged.filter(|(_, score)| **score >= threshold) {
        result.alarms += 1;
        match series.windows.iter().position(|(from, to)| (*from..=*to).contains(&place)) {
            Some(window) => {
                let (from, to) = series.windows[window];
                let early = -((to - place + 1) as f64) / (to - from + 1) as f64;
                let worth = sigmoid(early) / sigmoid(-1.0);
                best[window] = Some(best[window].map_or(worth, |best| best.max(worth)));
            }
            None => result.score += profile.false_alarm * outside(series, place),
        }
    }
    result.found = best.iter().flatten().count();
    result.score += best.iter().map(|best| best.unwrap_or(-profile.missed)).sum::<f64>();
    result
}

fn outside(series: &Series, place: usize) -> f64 {
    let before = series.windows.iter().filter(|(_, to)| *to < place).max_by_key(|(_, to)| *to);
    before.map_or(-1.0, |(from, to)| sigmoid((place - to) as f64 / (to - from).max(1) as f64))
}

/// 1 well before the end of a window, 0 at it, -1 well after.
fn sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

/// Scores that are drawn, from a fixed seed.
pub(super) fn drawn(series: &Series) -> Vec<f64> {
    let mut seed = series.values.len() as u64 + 1;
    let mut draw = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    series.values.iter().map(|_| draw()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(alarms: &[usize], expected: std::ops::RangeInclusive<f64>) {
        let series =
            Series { name: String::new(), values: vec![0.0; 1000], per_day: None, windows: vec![(500, 599)] };
        let scores: Vec<f64> = (0..1000).map(|place| f64::from(u8::from(alarms.contains(&place)))).collect();
        let score = score_of(&series, &scores, 0.5, &PROFILES[0]).score;
        assert!(expected.contains(&score), "{alarms:?}: {score}");
    }

    #[test]
    fn early_alarms_count_and_others_cost() {
        check(&[], -1.0..=-1.0);
        check(&[500], 0.999..=1.001);
        check(&[500, 550, 599], 0.999..=1.001);
        check(&[599], 0.02..=0.03);
        // Before anything, and long after: the whole price. Just after: next to nothing.
        check(&[200, 500], 0.88..=0.90);
        check(&[500, 990], 0.88..=0.90);
        check(&[500, 601], 0.99..=1.0);
        // Nothing is judged at the beginning.
        check(&[10, 500], 0.999..=1.001);
    }

    #[test]
    fn a_perfect_detector_has_100() {
        let series = [Series {
            name: String::new(),
            values: vec![0.0; 1000],
            per_day: None,
            windows: vec![(500, 599)],
        }];
        let scores = [(0..1000).map(|place| f64::from(u8::from(place == 500))).collect()];
        for profile in &PROFILES {
            assert!((best(&series, &scores, profile).0 - 100.0).abs() < 1e-9, "{}", profile.name);
            assert!(best(&series, &[vec![0.0; 1000]], profile).0.abs() < 1e-9);
        }
    }
}
