//! When a series left its normal: a single change point in its surprise.

/// Surprise by which the part after a change point must exceed the part before it, in nats: 20 : 1.
const STEP_MIN: f64 = 3.0;

/// The first sample of the incident that belongs to the part that stands out, by the split with the largest
/// between-segment variance (the CUSUM statistic of a single change in mean).
pub fn find(before: &[f64], incident: &[f64]) -> Option<usize> {
    let all: Vec<f64> = before.iter().chain(incident).copied().collect();
    let total: f64 = all.iter().sum();
    let n = all.len() as f64;
    let (mut sum, mut best, mut at) = (0.0, 0.0, None);
    for (index, value) in all.iter().enumerate().take(all.len().saturating_sub(1)) {
        sum += value;
        let (left, right) = ((index + 1) as f64, n - (index + 1) as f64);
        let step = (total - sum) / right - sum / left;
        let between = step * step * left * right / n;
        if step >= STEP_MIN && between > best {
            (best, at) = (between, Some(index + 1));
        }
    }
    // Abnormal from the first sample on: there is nothing before it to step from.
    let from_start =
        before.is_empty() && at.is_none() && incident.iter().all(|surprise| *surprise >= STEP_MIN);
    if from_start {
        return Some(0);
    }
    at.map(|at| at.saturating_sub(before.len()))
}
