//! Whether a series climbs: Theil–Sen slope and Mann–Kendall test.

/// Fewer points than this cannot show a trend: with four, even a perfect rise is only z = 1.7.
pub const TREND_POINTS_MIN: usize = 4;

/// Only the last so many points are looked at; the test compares every pair, and 512 points make 131k pairs (about a
/// millisecond), which bounds the cost whatever the caller hands over.
const POINTS_MAX: usize = 512;

/// The course of a series over a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Theil–Sen estimate: the median of the slopes between all pairs of points, units per second.
    pub slope_per_s: f64,
    /// Mann–Kendall statistic, normal with mean 0 and deviation 1 where there is no trend (ties corrected).
    pub z: f64,
    /// Share of the steps from one point to the next that rise, 0–1.
    pub rising_share: f64,
    /// Slope times the length of the stretch: how far the series rose, without the outliers' say.
    pub rise: f64,
}

/// The trend of `(seconds, value)` points in order of time. `None` with fewer than [`TREND_POINTS_MIN`] points, with a
/// number that is not finite, or when no time passes.
///
/// Sources: Sen (1968), "Estimates of the regression coefficient based on Kendall's tau"; Mann (1945), Kendall (1975) for
/// the test with its continuity and tie corrections. Up to 29 % of the points may be wild without moving the slope far.
#[must_use]
pub fn trend(points: &[(f64, f64)]) -> Option<Trend> {
    let points = &points[points.len().saturating_sub(POINTS_MAX)..];
    let usable =
        points.len() >= TREND_POINTS_MIN && points.iter().all(|(t, v)| t.is_finite() && v.is_finite());
    if !usable {
        return None;
    }
    let (mut slopes, score) = compare_pairs(points);
    let span_s = points[points.len() - 1].0 - points[0].0;
    if slopes.is_empty() || span_s <= 0.0 {
        return None;
    }
    let slope_per_s = median(&mut slopes);
    let rising = points.windows(2).filter(|pair| pair[1].1 > pair[0].1).count();
    Some(Trend {
        slope_per_s,
        z: mann_kendall_z(points, score),
        rising_share: rising as f64 / (points.len() - 1) as f64,
        rise: slope_per_s * span_s,
    })
}

/// Slopes of all pairs that are apart in time, and the number of rising pairs minus that of falling ones.
fn compare_pairs(points: &[(f64, f64)]) -> (Vec<f64>, i64) {
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    let mut score = 0;
    for (index, (t0, v0)) in points.iter().enumerate() {
        for (t1, v1) in &points[index + 1..] {
            score += i64::from(v1 > v0) - i64::from(v1 < v0);
            let elapsed = t1 - t0;
            if elapsed > 0.0 {
                slopes.push((v1 - v0) / elapsed);
            }
        }
    }
    (slopes, score)
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, at, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if even { f64::midpoint(below.iter().copied().fold(f64::MIN, f64::max), *at) } else { *at }
}

/// Mann–Kendall z: the score over its deviation, with the score moved by one towards zero for continuity.
fn mann_kendall_z(points: &[(f64, f64)], score: i64) -> f64 {
    let weight = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|(_, v)| *v).collect();
    values.sort_unstable_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|group| weight(group.len() as f64)).sum();
    let variance = (weight(points.len() as f64) - ties) / 18.0;
    if variance <= 0.0 { 0.0 } else { (score - score.signum()) as f64 / variance.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(count: usize, slope: f64) -> Vec<(f64, f64)> {
        (0..count).map(|i| (i as f64 * 15.0, 5.0 + slope * i as f64 * 15.0)).collect()
    }

    #[test]
    fn trends_of_known_shapes() {
        let mut outlier = line(12, 0.01);
        outlier[6].1 = 1e6;
        let sawtooth: Vec<_> = (0..12).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        for (name, points, slope, z_min, z_max) in [
            ("a steady rise", line(12, 0.01), 0.01, 4.0, 5.0),
            ("one outlier", outlier, 0.01, 3.0, 4.6),
            ("a steady fall", line(12, -0.01), -0.01, -5.0, -4.0),
            ("flat", line(12, 0.0), 0.0, 0.0, 0.0),
            ("a sawtooth", sawtooth, 0.0, -1.0, 1.0),
        ] {
            let found = trend(&points).expect(name);
            assert!((found.slope_per_s - slope).abs() < 1e-3, "{name}: {found:?}");
            assert!((z_min..=z_max).contains(&found.z), "{name}: {found:?}");
        }
    }

    #[test]
    fn too_little_or_unusable_input_has_no_trend() {
        let frozen_clock = vec![(1.0, 1.0), (1.0, 2.0), (1.0, 3.0), (1.0, 4.0)];
        let not_finite = vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 4.0)];
        for points in [vec![], line(3, 1.0), frozen_clock, not_finite] {
            assert_eq!(trend(&points), None);
        }
    }

    #[test]
    fn a_perfect_rise_of_twelve_matches_the_textbook() {
        // S = 66, var = 12·11·29/18 = 212.67, z = 65/14.583.
        let found = trend(&line(12, 1.0)).expect("twelve points");
        assert!((found.z - 65.0 / (12.0 * 11.0 * 29.0 / 18.0_f64).sqrt()).abs() < 1e-12);
        assert!((found.rise - 165.0).abs() < 1e-9);
        assert_eq!(found.rising_share, 1.0);
    }

    proptest! {
        #[test]
        fn turning_a_series_upside_down_turns_its_trend(
            values in proptest::collection::vec(-1e6f64..1e6, 4..60),
        ) {
            let up: Vec<_> = values.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect();
            let down: Vec<_> = up.iter().map(|(t, v)| (*t, -v)).collect();
            let (up, down) = (trend(&up).expect("enough"), trend(&down).expect("enough"));
            prop_assert!((up.slope_per_s + down.slope_per_s).abs() < 1e-6);
            prop_assert!((up.z + down.z).abs() < 1e-9);
        }
    }
}
